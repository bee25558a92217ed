use serde_json::{Value, json};

use crate::settings::Limits;

/// The API's description in OpenAPI 3.1, with the limits that are in force.
#[must_use]
pub fn document(limits: &Limits) -> String {
    let mut document: Value = serde_json::from_str(include_str!("openapi.json")).expect("a JSON document");
    document["info"]["version"] = json!(env!("CARGO_PKG_VERSION"));
    document["components"]["schemas"]["Batch"]["maxItems"] = json!(limits.batch);
    document.to_string()
}

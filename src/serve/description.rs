//! The API described in OpenAPI 3.1.

use std::sync::Arc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;

use super::Server;

pub(super) fn router() -> Router<Arc<Server>> {
    let answer = ([(CONTENT_TYPE, "application/json")], document());
    Router::new().route("/api/openapi.json", get(move || std::future::ready(answer.clone())))
}

fn document() -> String {
    include_str!("openapi.json").replacen("VERSION", env!("CARGO_PKG_VERSION"), 1)
}

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::failure::Failure;
use crate::stack::Spec;
use crate::template::Template;

/// The stack that holds what the pipeline itself needs in an account and region.
pub const STACK: &str = "pipeline-bootstrap";

/// The stack as it should be; it is the same for all projects.
///
/// # Errors
/// If this program's own template has mistakes.
pub fn spec() -> Result<Spec, Failure> {
    let template = Template::parse("bootstrap.yaml", include_str!("bootstrap.yaml"))
        .map_err(|mistakes| Failure::new(mistakes.to_string()))?;
    Ok(Spec {
        stack_name: STACK.to_owned(),
        template: Arc::new(template),
        parameters: BTreeMap::new(),
        capabilities: BTreeSet::new(),
        tags: BTreeMap::new(),
    })
}

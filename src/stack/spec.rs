use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::config::{Capability, Reference};
use crate::template::Template;

/// A stack as it should be.
#[derive(Debug, Clone)]
pub struct Spec {
    /// CloudFormation's name for it: `<project>-<environment>-<stack>`.
    pub stack_name: String,
    /// The template.
    pub template: Arc<Template>,
    /// What is given to the template. Parameters that are not here take the template's default.
    pub parameters: BTreeMap<String, ParameterValue>,
    /// What the template may do.
    pub capabilities: BTreeSet<Capability>,
    /// The stack's tags.
    pub tags: BTreeMap<String, String>,
}

/// A parameter's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParameterValue {
    /// Known.
    Known(String),
    /// Not known before the steps that these references name have run; only ever the case in a plan.
    Pending(Vec<Reference>),
}

impl Spec {
    /// What the parameter will be: the given value or the template's default.
    #[must_use]
    pub fn effective(&self, parameter: &str) -> Option<ParameterValue> {
        self.parameters.get(parameter).cloned().or_else(|| {
            let default = self.template.parameters.get(parameter)?.default.clone()?;
            Some(ParameterValue::Known(default))
        })
    }

    /// Parameters whose values are not known yet, with what they wait for.
    pub fn pending(&self) -> impl Iterator<Item = (&str, &[Reference])> {
        self.parameters.iter().filter_map(|(name, value)| match value {
            ParameterValue::Pending(references) => Some((name.as_str(), references.as_slice())),
            ParameterValue::Known(_) => None,
        })
    }
}

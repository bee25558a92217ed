//! A project: `pipeline.yaml`, the templates it names and the values of its environments, checked against each other
//! as far as that goes without asking AWS.

mod configured;
mod contents;
mod dockerfile;
mod files;
mod images;
mod load;
mod parameters;
mod references;
mod steps;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use configured::Configured;
pub(crate) use dockerfile::{Dockerfile, within};
pub use files::Files;
pub use load::LoadError;
pub(crate) use load::VALUES;

use crate::config::{Config, Text, Values};
use crate::plan::Graph;
use crate::template::Template;

/// A project whose parts fit together.
#[derive(Debug, Clone)]
pub struct Project {
    /// What `pipeline.yaml` says.
    pub config: Config,
    /// Every stack's template, by the stack's name.
    pub templates: BTreeMap<String, Arc<Template>>,
    /// What the environments' files of values say, by the environment's name.
    values: BTreeMap<String, Values>,
    /// The steps, by the environment's name.
    graphs: BTreeMap<String, Graph>,
}

impl Project {
    /// Reads a project; `config_path` is the path of its `pipeline.yaml`.
    ///
    /// # Errors
    /// Everything that is wrong with the files, or that they can't be read.
    pub fn load(config_path: &str, files: &dyn Files) -> Result<Self, LoadError> {
        load::load(config_path, files)
    }

    /// What is given to a stack's template: the values in `pipeline.yaml`, and over them the environment's own.
    #[must_use]
    pub fn parameters(&self, environment: &str, stack: &str) -> BTreeMap<String, Text> {
        merged(&self.config, self.values.get(environment), stack)
    }

    /// The steps of an environment and what they need of each other.
    ///
    /// # Panics
    /// If there is no such environment.
    #[must_use]
    pub fn graph(&self, environment: &str) -> &Graph {
        &self.graphs[environment]
    }

    /// What a stack is called in AWS: `<project>-<environment>-<stack>`.
    #[must_use]
    pub fn stack_name(&self, environment: &str, stack: &str) -> String {
        stack_name(&self.config, environment, stack)
    }
}

fn merged(config: &Config, values: Option<&Values>, stack: &str) -> BTreeMap<String, Text> {
    let mut parameters = config.stacks.get(stack).map(|stack| stack.parameters.clone()).unwrap_or_default();
    parameters.extend(values.and_then(|values| values.get(stack)).cloned().unwrap_or_default());
    parameters
}

fn stack_name(config: &Config, environment: &str, stack: &str) -> String {
    format!("{}-{environment}-{stack}", config.project)
}

use std::collections::BTreeMap;
use std::path::Path;

use crate::config::{Environment, Reference, Text};
use crate::project::{Files, Project};
use crate::stack::Live;
use crate::template::{Resource, Scope, Template};

/// What is verified.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// `pipeline.yaml` and all that belongs to it.
    pub project: &'a Project,
    /// The environment's name; there is one of that name in the project.
    pub environment: &'a str,
    /// The files of the revision.
    pub files: &'a dyn Files,
    /// The working tree, where builds happen.
    pub directory: &'a Path,
}

impl Subject<'_> {
    /// What `pipeline.yaml` says of the environment.
    pub(super) fn settings(&self) -> &Environment {
        &self.project.config.environments[self.environment]
    }
}

/// The stacks that are live, by their names in `pipeline.yaml`.
pub(super) type LiveStacks = BTreeMap<String, Live>;

/// A text with what is known put in; `None` if something in it is not.
pub(super) fn known(subject: &Subject<'_>, live: &LiveStacks, text: &Text) -> Option<String> {
    text.resolve(|reference| match reference {
        Reference::StackOutput { stack, output } => live.get(stack)?.outputs.get(output).cloned(),
        Reference::Project => Some(subject.project.config.project.clone()),
        Reference::Environment => Some(subject.environment.to_owned()),
        Reference::WorkloadImage { .. } => None,
    })
    .ok()
}

/// A stack's template with what is known of its parameters in the environment.
#[derive(Debug)]
pub(super) struct Stack<'a> {
    /// The template's path.
    pub(super) file: &'a str,
    pub(super) template: &'a Template,
    pub(super) known: BTreeMap<String, String>,
}

impl<'a> Stack<'a> {
    pub(super) fn all(subject: &Subject<'a>, live: &LiveStacks) -> Vec<Self> {
        let config = &subject.project.config;
        let stacks = config.stacks.iter().map(|(name, declared)| Self {
            file: &declared.template,
            template: &subject.project.templates[name],
            known: known_values(subject, live, name),
        });
        stacks.collect()
    }

    pub(super) fn scope(&self) -> Scope<'_> {
        Scope::new(self.template, &self.known)
    }

    /// The resources of a type that are made, or may be.
    pub(super) fn resources(&self, resource_type: &str) -> impl Iterator<Item = (&str, &Resource)> {
        let made = self.template.resources.iter().filter(move |(name, resource)| {
            resource.resource_type == resource_type && self.scope().may_exist(name)
        });
        made.map(|(name, resource)| (name.as_str(), resource))
    }

    /// `stacks/alb/template.yaml:12`, for a place below a resource's properties.
    pub(super) fn place(&self, resource: &str, path: &[&str]) -> String {
        let path = [&["Resources", resource, "Properties"], path].concat();
        format!("{}:{}", self.file, self.template.line_of(&path))
    }
}

fn known_values(subject: &Subject<'_>, live: &LiveStacks, stack: &str) -> BTreeMap<String, String> {
    let template = &subject.project.templates[stack];
    let given = subject.project.parameters(subject.environment, stack);
    let mut values = BTreeMap::new();
    for (name, parameter) in &template.parameters {
        let value = match given.get(name) {
            Some(text) => known(subject, live, text),
            None => parameter.default.clone(),
        };
        values.extend(value.map(|value| (name.clone(), value)));
    }
    let settings = subject.settings();
    values.insert("AWS::Region".to_owned(), settings.region.clone());
    values.insert("AWS::StackName".to_owned(), subject.project.stack_name(subject.environment, stack));
    values.extend(settings.account.clone().map(|account| ("AWS::AccountId".to_owned(), account)));
    values
}

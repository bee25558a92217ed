use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{Config, Reference, Rollout, Text, Values, Workload};
use crate::diagnostic::{Place, Source};
use crate::plan::StepId;
use crate::template::Template;
use crate::yaml::Node;

/// What was read, with where it stands, before it is checked.
pub(super) struct Contents<'a> {
    pub(super) config: Config,
    /// The text of `pipeline.yaml`.
    pub(super) source: Source<'a>,
    /// The tree of `pipeline.yaml`.
    pub(super) node: Node,
    /// The templates that could be read.
    pub(super) templates: BTreeMap<String, Arc<Template>>,
    /// The files of values that there are and that could be read, by environment.
    pub(super) values: BTreeMap<String, Document>,
}

/// An environment's file of values.
pub(super) struct Document {
    pub(super) path: String,
    pub(super) text: String,
    pub(super) node: Node,
    pub(super) values: Values,
}

impl Document {
    pub(super) fn source(&self) -> Source<'_> {
        Source { file: &self.path, text: &self.text }
    }
}

/// A text that may contain references, and where it stands.
pub(super) struct Written<'a> {
    pub(super) text: &'a Text,
    pub(super) node: &'a Node,
    pub(super) source: Source<'a>,
    /// The step that needs what the text refers to.
    pub(super) step: Option<StepId>,
    /// The environment whose file of values it is in.
    pub(super) environment: Option<&'a str>,
}

impl Written<'_> {
    /// Where a reference stands in it.
    pub(super) fn place(&self, reference: &Reference) -> Place {
        self.node.find(&self.source, &reference.to_string())
    }
}

/// What is given to a stack's parameter.
pub(super) struct Given<'a> {
    pub(super) stack: &'a str,
    pub(super) parameter: &'a str,
    /// Where the parameter's name stands.
    pub(super) key: Place,
    pub(super) written: Written<'a>,
}

impl Contents<'_> {
    /// Every value that is given to a parameter, in `pipeline.yaml` and in the files of values.
    pub(super) fn given(&self) -> Vec<Given<'_>> {
        let mut given = Vec::new();
        for (stack, declared) in &self.config.stacks {
            let node = self.node.at(&["stacks", stack, "parameters"]);
            given.extend(in_stack(stack, &declared.parameters, node, self.source, None));
        }
        for (environment, document) in &self.values {
            for (stack, parameters) in &document.values {
                let node = document.node.at(&[stack]);
                given.extend(in_stack(
                    stack,
                    parameters,
                    node,
                    document.source(),
                    Some(environment.as_str()),
                ));
            }
        }
        given
    }

    /// Every text that may contain references.
    pub(super) fn written(&self) -> Vec<Written<'_>> {
        let mut written: Vec<Written<'_>> = self.given().into_iter().map(|given| given.written).collect();
        let source = self.source;
        for (name, environment) in &self.config.environments {
            let node = self.node.at(&["environments", name, "url"]);
            let url = environment.url.iter();
            written.extend(url.map(|text| Written { text, node, source, step: None, environment: None }));
        }
        for (name, workload) in &self.config.workloads {
            let texts = workload_texts(name, workload, self.node.at(&["workloads", name]));
            written.extend(texts.into_iter().map(|(step, text, node)| Written {
                text,
                node,
                source,
                step: Some(step),
                environment: None,
            }));
        }
        written
    }
}

fn in_stack<'a>(
    stack: &'a str,
    parameters: &'a BTreeMap<String, Text>,
    node: &'a Node,
    source: Source<'a>,
    environment: Option<&'a str>,
) -> impl Iterator<Item = Given<'a>> {
    parameters.iter().map(move |(parameter, text)| {
        let step = Some(StepId::stack(stack));
        let written = Written { text, node: node.at(&[parameter]), source, step, environment };
        Given { stack, parameter, key: node.key(parameter), written }
    })
}

fn workload_texts<'a>(
    name: &str,
    workload: &'a Workload,
    node: &'a Node,
) -> Vec<(StepId, &'a Text, &'a Node)> {
    let image = |text, path: &[&str]| (StepId::image(name), text, node.at(path));
    let rollout = |text, kind, key| (StepId::rollout(name), text, node.at(&["rollout", kind, key]));
    let alarms = |texts: &'a [Text], path: &[&str]| {
        let step = StepId::rollout(name);
        texts.iter().zip(node.at(path).items()).map(move |(text, node)| (step.clone(), text, node))
    };
    let mut texts = vec![image(&workload.repository, &["repository"])];
    texts.extend(workload.build.args.iter().map(|(arg, text)| image(text, &["build", "args", arg])));
    match &workload.rollout {
        Some(Rollout::Ecs { cluster, service, task_definition, alarms: names, watch: _ }) => {
            texts.extend([
                rollout(cluster, "ecs", "cluster"),
                rollout(service, "ecs", "service"),
                rollout(task_definition, "ecs", "task_definition"),
            ]);
            texts.extend(alarms(names, &["rollout", "ecs", "alarms"]));
        }
        Some(Rollout::Lambda { function, alias: _, strategy }) => {
            texts.push(rollout(function, "lambda", "function"));
            if let Some(strategy) = strategy {
                let path = ["rollout", "lambda", "strategy", "canary", "alarms"];
                texts.extend(alarms(&strategy.canary.alarms, &path));
            }
        }
        None => {}
    }
    texts
}

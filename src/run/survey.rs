use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;

use super::context::Context;
use super::leave::Leave;
use super::{Deployment, Interrupt, Options, Stop, image, stack};
use crate::aws::Session;
use crate::config::{Reference, Rollout, Text};
use crate::event::{Command, Events};
use crate::failure::Failure;
use crate::plan::StepId;
use crate::rollout::{ecs, lambda};
use crate::stack::{Difference, Live, ParameterValue, Verdict, decide};

/// An environment as it is, and where the commit asks for something else. Nothing was written to learn it.
#[derive(Debug)]
pub struct Survey {
    /// The stacks that exist, by their names in `pipeline.yaml`.
    pub live: BTreeMap<String, Live>,
    /// How the commit differs from a live stack, by the stack's name: changes that are yet to be deployed.
    pub pending: BTreeMap<String, Result<Vec<Difference>, Failure>>,
    /// What is rolled out, by the workload's name; `None` if its stack is not there.
    pub targets: BTreeMap<String, Result<Option<Target>, Failure>>,
}

/// What a rollout moves, as the live stack defines it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// An ECS service.
    Ecs(ecs::Target),
    /// A Lambda function's alias.
    Lambda {
        /// The function and its alias.
        target: lambda::Target,
        /// The stack's parameter with the workload's image, and its live value.
        image: Option<(String, String)>,
    },
}

/// Looks at what is live and at what the commit asks for; `deployment.selected` says of which steps.
///
/// # Errors
/// If the stacks can't be read. What can't be told of a single one is said in its place.
pub async fn survey(mut deployment: Deployment, session: Session) -> Result<Survey, Failure> {
    // No step runs, so none is to be waited for: what is live counts.
    let chosen = std::mem::take(&mut deployment.selected);
    let options = Options {
        command: Command::Plan,
        concurrency: 1,
        allow_replace: Vec::new(),
        skip_rollback: Vec::new(),
        wait: false,
        required: None,
    };
    let leave = Leave::of(None, Interrupt::default());
    let context =
        Context::observe(Arc::new(deployment), options, session, Events::channel().0, leave).await?;
    let stacks = context.live.keys().filter(|name| chosen.contains(&StepId::stack(*name)));
    let pending = stacks.map(async |name| (name.clone(), pending(&context, name).await));
    let pending = join_all(pending).await.into_iter().collect();
    let workloads = context.deployment.project.config.workloads.iter();
    let targets = workloads.filter(|(name, _)| chosen.contains(&StepId::rollout(*name))).filter_map(
        |(name, workload)| Some((name.clone(), target(&context, name, workload.rollout.as_ref()?))),
    );
    Ok(Survey { targets: targets.collect(), pending, live: context.live.clone() })
}

/// A value that can't be compared is no known change.
async fn pending(context: &Context, name: &str) -> Result<Vec<Difference>, Failure> {
    let mut parameters = BTreeMap::new();
    for (parameter, text) in context.deployment.project.parameters(&context.deployment.environment, name) {
        parameters.insert(parameter, value(context, &text).await?);
    }
    let spec = stack::spec(context, &StepId::stack(name), parameters);
    Ok(match decide(&spec, context.live.get(name)) {
        Verdict::Update { mut differences } => {
            differences.retain(|difference| !matches!(difference, Difference::Hidden { .. }));
            differences
        }
        _ => Vec::new(),
    })
}

/// What a text is by what is live now. An image that was not pushed yet is as unknown as an output that is not there.
async fn value(context: &Context, text: &Text) -> Result<ParameterValue, Failure> {
    let mut images = BTreeMap::new();
    for reference in text.references() {
        if let Reference::WorkloadImage { workload } = reference {
            let live = image::live(context, &StepId::image(workload)).await.map_err(failure)?;
            images.insert(reference.clone(), live);
        }
    }
    let known = text.resolve(|reference| match images.get(reference) {
        Some(image) => image.clone(),
        None => context.live_value(reference),
    });
    Ok(known.map_or_else(ParameterValue::Pending, ParameterValue::Known))
}

fn failure(stop: Stop) -> Failure {
    match stop {
        Stop::Failed(failure) => failure,
        Stop::Blocked(_) | Stop::Interrupted | Stop::TakenBack(_) => Failure::new("interrupted"),
    }
}

fn target(context: &Context, workload: &str, rollout: &Rollout) -> Result<Option<Target>, Failure> {
    match rollout {
        Rollout::Ecs { cluster, service, task_definition, .. } => {
            let texts = (context.peek(cluster), context.peek(service), context.peek(task_definition));
            let (Some(cluster), Some(service), Some(revision)) = texts else { return Ok(None) };
            Ok(Some(Target::Ecs(ecs::Target::new(cluster, service, &revision)?)))
        }
        Rollout::Lambda { function: text, alias, .. } => {
            let Some(function) = context.peek(text) else { return Ok(None) };
            let image = passed_image(context, workload, text);
            Ok(Some(Target::Lambda { target: lambda::Target::new(function, alias), image }))
        }
    }
}

/// The parameter by which the function's stack is given the workload's image, as it is live.
fn passed_image(context: &Context, workload: &str, function: &Text) -> Option<(String, String)> {
    let stack = function.references().find_map(|reference| match reference {
        Reference::StackOutput { stack, .. } => Some(stack),
        _ => None,
    })?;
    let is_image = |text: &Text| {
        text.references()
            .any(|known| matches!(known, Reference::WorkloadImage { workload: of } if of == workload))
    };
    let parameters = context.deployment.project.parameters(&context.deployment.environment, stack);
    let (name, _) = parameters.into_iter().find(|(_, text)| is_image(text))?;
    let value = context.live.get(stack)?.parameters.get(&name)?.clone();
    Some((name, value))
}

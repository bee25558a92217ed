use std::collections::BTreeMap;

use super::board::Ended;
use super::context::Context;
use super::{Clock, StepResult, Stop};
use crate::config::{Reference, Rollout, Text};
use crate::event::StepEvents;
use crate::failure::Failure;
use crate::plan::{Action, Decision, StepId, source_of};
use crate::rollout::{Running, Timing, ecs, lambda};

/// Rolls a workload out as soon as the stack that defines it is through.
pub async fn step(context: &Context, id: &StepId, clock: &Clock) -> StepResult {
    let Some(rollout) = &context.workload(id).rollout else {
        return Err(Failure::new(format!("{id}: the workload has no rollout")).into());
    };
    let target = target(context, rollout).await?;
    clock.start(context, id);
    let events = context.events(id);
    let target = match target {
        Ok(target) => target,
        Err(waiting) => return Ok(undecided(&events, waiting)),
    };
    let decision = Box::pin(context.unless_interrupted(target.decide(context))).await??;
    let action = decision.action;
    events.decided(decision);
    if action == Action::Nothing {
        return Ok(Ended::unchanged(BTreeMap::new()));
    }
    if context.planning() {
        return Ok(Ended::changed("", BTreeMap::new()));
    }
    let _permit = context.permit().await?;
    let running = Box::pin(target.roll(context, id, &events)).await?;
    Ok(Ended::changed(running.to_string(), BTreeMap::new()))
}

/// What a rollout moves.
#[derive(Debug)]
enum Target {
    Ecs(ecs::Target),
    Lambda(lambda::Target),
}

/// The target, or what it waits for in a plan: values that are not known, or stacks that are about to change what
/// they define.
async fn target(context: &Context, rollout: &Rollout) -> Result<Result<Target, Vec<String>>, Stop> {
    match rollout {
        Rollout::Ecs { cluster, service, task_definition, .. } => {
            Ok(match (texts(context, [cluster, service, task_definition])).await? {
                Ok([cluster, service, revision]) => {
                    Ok(Target::Ecs(ecs::Target::new(cluster, service, &revision)?))
                }
                Err(waiting) => Err(waiting),
            })
        }
        Rollout::Lambda { function, alias, .. } => {
            // The function's name says nothing about what its stack is about to make of it.
            let changing = changing(context, function).await?;
            Ok(match texts(context, [function]).await? {
                Ok([function]) if changing.is_empty() => {
                    Ok(Target::Lambda(lambda::Target::new(function, alias)))
                }
                Ok(_) => Err(changing),
                Err(waiting) => Err(waiting),
            })
        }
    }
}

async fn texts<const N: usize>(
    context: &Context,
    texts: [&Text; N],
) -> Result<Result<[String; N], Vec<String>>, Stop> {
    let mut values = [const { String::new() }; N];
    let mut waiting = Vec::new();
    for (value, text) in values.iter_mut().zip(texts) {
        match context.resolve(text).await? {
            Ok(resolved) => *value = resolved,
            Err(references) => waiting.extend(references.iter().map(Reference::path)),
        }
    }
    Ok(if waiting.is_empty() { Ok(values) } else { Err(waiting) })
}

/// In a plan: the steps behind a text that would change something.
async fn changing(context: &Context, text: &Text) -> Result<Vec<String>, Stop> {
    let mut changing = Vec::new();
    if context.planning() {
        for step in text.references().filter_map(source_of) {
            if context.would_change(&step).await? {
                changing.push(step.to_string());
            }
        }
    }
    Ok(changing)
}

fn undecided(events: &StepEvents, waiting: Vec<String>) -> Ended {
    events.decided(Decision::new(Action::Unknown, "follows what its stack defines").waiting_for(waiting));
    Ended::changed("", BTreeMap::new())
}

impl Target {
    async fn decide(&self, context: &Context) -> Result<Decision, Failure> {
        match self {
            Self::Ecs(target) => {
                let service = ecs::observe(&context.session.ecs, target).await?;
                Ok(ecs::decide(&service, &target.task_definition))
            }
            Self::Lambda(target) => {
                Ok(lambda::decide(&lambda::observe(&context.session.lambda, target).await?))
            }
        }
    }

    async fn roll(&self, context: &Context, id: &StepId, events: &StepEvents) -> Result<Running, Failure> {
        let timing = Timing::every(context.session.rollout_poll);
        match self {
            Self::Ecs(target) => ecs::roll(&context.session.ecs, target, timing, events).await,
            Self::Lambda(target) => {
                let release = lambda::Release {
                    description: context.deployment.revision.short(),
                    digest: context.pushed_digest(id).await,
                };
                lambda::roll(&context.session.lambda, target, &release, timing, events).await
            }
        }
    }
}

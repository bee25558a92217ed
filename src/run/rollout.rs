use std::collections::BTreeMap;
use std::time::Duration;

use super::board::Ended;
use super::context::Context;
use super::{Clock, StepResult, Stop};
use crate::config::{self, Reference, Rollout, Text};
use crate::event::StepEvents;
use crate::failure::Failure;
use crate::plan::{Action, Decision, StepId, source_of};
use crate::rollout::lambda::{Canary, Rolled};
use crate::rollout::{Alarms, Running, Timing, ecs, lambda};

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

/// What a rollout moves, and how.
#[derive(Debug)]
enum Target {
    Ecs { target: ecs::Target, alarms: Alarms, watch: Duration },
    Lambda { target: lambda::Target, canary: Option<Canary> },
}

/// The target, or what it waits for in a plan: values that are not known, or stacks that are about to change what
/// they define.
async fn target(context: &Context, rollout: &Rollout) -> Result<Result<Target, Vec<String>>, Stop> {
    match rollout {
        Rollout::Ecs { cluster, service, task_definition, alarms, watch } => {
            let named: Vec<&Text> = [cluster, service, task_definition].into_iter().chain(alarms).collect();
            let known = texts(context, &named).await?;
            let mut known = match known {
                Ok(known) => known.into_iter(),
                Err(waiting) => return Ok(Err(waiting)),
            };
            let mut next = || known.next().unwrap_or_default();
            let target = ecs::Target::new(next(), next(), &next())?;
            let alarms = Alarms::new(context.session.cloudwatch.clone(), known.collect());
            Ok(Ok(Target::Ecs { target, alarms, watch: watch.duration() }))
        }
        Rollout::Lambda { function, alias, strategy } => {
            // The function's name says nothing about what its stack is about to make of it.
            let changing = changing(context, function).await?;
            let canary = strategy.as_ref().map(|strategy| &strategy.canary);
            let alarms = canary.map(|canary| canary.alarms.as_slice()).unwrap_or_default();
            let named: Vec<&Text> = [function].into_iter().chain(alarms).collect();
            Ok(match texts(context, &named).await? {
                Ok(known) if changing.is_empty() => {
                    let mut known = known.into_iter();
                    let target = lambda::Target::new(known.next().unwrap_or_default(), alias);
                    let canary = canary.map(|plan| gradually(context, plan, known.collect()));
                    Ok(Target::Lambda { target, canary })
                }
                Ok(_) => Err(changing),
                Err(waiting) => Err(waiting),
            })
        }
    }
}

fn gradually(context: &Context, plan: &config::Canary, alarms: Vec<String>) -> Canary {
    let metrics = context.session.cloudwatch.clone();
    let alarms = Alarms::new(metrics.clone(), alarms);
    Canary { plan: plan.clone(), alarms, metrics, interrupted: context.interrupted() }
}

/// The texts with everything put in, or what they wait for in a plan.
async fn texts(context: &Context, texts: &[&Text]) -> Result<Result<Vec<String>, Vec<String>>, Stop> {
    let (mut known, mut waiting) = (Vec::new(), Vec::new());
    for text in texts {
        match context.resolve(text).await? {
            Ok(resolved) => known.push(resolved),
            Err(references) => waiting.extend(references.iter().map(Reference::path)),
        }
    }
    Ok(if waiting.is_empty() { Ok(known) } else { Err(waiting) })
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
            Self::Ecs { target, .. } => {
                let service = ecs::observe(&context.session.ecs, target).await?;
                Ok(ecs::decide(&service, &target.task_definition))
            }
            Self::Lambda { target, .. } => {
                Ok(lambda::decide(&lambda::observe(&context.session.lambda, target).await?))
            }
        }
    }

    async fn roll(&self, context: &Context, id: &StepId, events: &StepEvents) -> Result<Running, Stop> {
        let (session, timing) = (&context.session, Timing::every(context.session.rollout_poll));
        match self {
            Self::Ecs { target, alarms, watch } => {
                Ok(ecs::roll(&session.ecs, target, alarms, *watch, timing, events).await?)
            }
            Self::Lambda { target, canary } => {
                let release = lambda::Release {
                    description: context.deployment.revision.short(),
                    digest: context.pushed_digest(id).await,
                };
                match lambda::roll(&session.lambda, target, &release, canary.as_ref(), timing, events).await?
                {
                    Rolled::Runs(running) => Ok(running),
                    Rolled::TakenBack(outcome) => Err(Stop::TakenBack(outcome)),
                }
            }
        }
    }
}

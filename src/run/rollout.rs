use std::collections::BTreeMap;
use std::time::Duration;

use super::board::Ended;
use super::context::Context;
use super::{Clock, StepResult, Stop};
use crate::config::{Reference, Rollout, Strategy, Text};
use crate::event::StepEvents;
use crate::failure::Failure;
use crate::plan::{Action, Decision, StepId, Wanted, source_of};
use crate::rollout::lambda::{Canary, Rolled};
use crate::rollout::{Alarms, Running, Timing, ecs, lambda, strategy};

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
        Err(waiting) => {
            let decision =
                Decision::new(Action::Unknown, "follows what its stack defines").waiting_for(waiting);
            context.decided(id, decision.with_strategy(strategy(rollout)), goal(context, rollout).await?);
            return Ok(Ended::changed("", BTreeMap::new()));
        }
    };
    let (decision, defined) = Box::pin(context.unless_interrupted(target.decide(context))).await??;
    let decision = decision.with_strategy(strategy(rollout));
    let action = decision.action;
    context.decided(id, decision, goal(context, rollout).await?.text("defined", defined));
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

/// What is known, or what that waits for in a plan.
type Known<T> = Result<T, Vec<String>>;

/// The target, or what it waits for in a plan: values that are not known, or stacks that are about to change what
/// they define.
async fn target(context: &Context, rollout: &Rollout) -> Result<Known<Target>, Stop> {
    match rollout {
        Rollout::Ecs { cluster, service, task_definition, alarms, watch } => {
            let named = texts(context, [cluster, service, task_definition]).await?;
            Ok(match (named, watched(context, alarms).await?) {
                (Ok([cluster, service, revision]), Ok(alarms)) => {
                    let target = ecs::Target::new(cluster, service, &revision)?;
                    Ok(Target::Ecs { target, alarms, watch: watch.duration() })
                }
                (named, alarms) => Err(waiting(named, alarms)),
            })
        }
        Rollout::Lambda { function, alias, strategy } => {
            // The function's name says nothing about what its stack is about to make of it.
            let changing = changing(context, function).await?;
            let named = texts(context, [function]).await?;
            let canary = canary(context, strategy.as_ref()).await?;
            Ok(match (named, canary) {
                (Ok([function]), Ok(canary)) if changing.is_empty() => {
                    Ok(Target::Lambda { target: lambda::Target::new(function, alias), canary })
                }
                (Ok(_), Ok(_)) => Err(changing),
                (named, canary) => Err(waiting(named, canary)),
            })
        }
    }
}

async fn canary(context: &Context, strategy: Option<&Strategy>) -> Result<Known<Option<Canary>>, Stop> {
    let Some(Strategy { canary }) = strategy else { return Ok(Ok(None)) };
    let alarms = watched(context, &canary.alarms).await?;
    let metrics = context.session.cloudwatch.clone();
    let interrupted = context.interrupted();
    Ok(alarms.map(|alarms| Some(Canary { plan: canary.clone(), alarms, metrics, interrupted })))
}

async fn watched(context: &Context, names: &[Text]) -> Result<Known<Alarms>, Stop> {
    let (mut known, mut waiting) = (Vec::new(), Vec::new());
    for name in names {
        match texts(context, [name]).await? {
            Ok([name]) => known.push(name),
            Err(references) => waiting.extend(references),
        }
    }
    let client = context.session.cloudwatch.clone();
    Ok(if waiting.is_empty() { Ok(Alarms::new(client, known)) } else { Err(waiting) })
}

async fn texts<const N: usize>(context: &Context, texts: [&Text; N]) -> Result<Known<[String; N]>, Stop> {
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

fn waiting<A, B>(one: Known<A>, other: Known<B>) -> Vec<String> {
    one.err().into_iter().chain(other.err()).flatten().collect()
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

/// What is moved and how, as `pipeline.yaml` has it, with all that is known put in.
async fn goal(context: &Context, rollout: &Rollout) -> Result<Wanted, Stop> {
    let named = match rollout {
        Rollout::Ecs { cluster, service, task_definition, alarms: _, watch: _ } => {
            vec![("cluster", cluster), ("service", service), ("task definition", task_definition)]
        }
        Rollout::Lambda { function, alias: _, strategy: _ } => vec![("function", function)],
    };
    let mut goal = Wanted::default();
    for (name, text) in named {
        goal = goal.text(name, context.shown(text).await?);
    }
    let alarms = match rollout {
        Rollout::Ecs { alarms, watch, .. } => {
            goal = goal.text("watch", watch.to_string());
            alarms.as_slice()
        }
        Rollout::Lambda { alias, strategy: None, .. } => {
            goal = goal.text("alias", alias);
            &[]
        }
        Rollout::Lambda { alias, strategy: Some(Strategy { canary }), .. } => {
            let steps = canary.steps.iter().map(|step| format!("{} for {}", step.weight, step.hold));
            let minimum = canary.minimum_invocations.to_string();
            goal = goal.text("alias", alias).text("steps", steps.collect::<Vec<_>>().join(","));
            goal = goal.text("minimum", minimum);
            canary.alarms.as_slice()
        }
    };
    for alarm in alarms {
        let alarm = context.shown(alarm).await?;
        goal = goal.text(format!("alarm {alarm}"), "");
    }
    Ok(goal)
}

impl Target {
    /// What is to be done, and which revision the stack has defined.
    async fn decide(&self, context: &Context) -> Result<(Decision, String), Failure> {
        match self {
            Self::Ecs { target, .. } => {
                let service = ecs::observe(&context.session.ecs, target).await?;
                Ok((ecs::decide(&service, &target.task_definition), target.task_definition.to_string()))
            }
            Self::Lambda { target, .. } => {
                let function = lambda::observe(&context.session.lambda, target).await?;
                Ok((lambda::decide(&function), function.latest.revision_id.clone().unwrap_or_default()))
            }
        }
    }

    async fn roll(&self, context: &Context, id: &StepId, events: &StepEvents) -> Result<Running, Stop> {
        let (session, timing) = (&context.session, Timing::every(context.session.rollout_poll));
        match self {
            Self::Ecs { target, alarms, watch } => {
                let witnesses = context.witnesses();
                Ok(ecs::roll(&session.ecs, &witnesses, target, alarms, *watch, timing, events).await?)
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

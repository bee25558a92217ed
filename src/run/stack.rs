use std::collections::BTreeMap;
use std::sync::Arc;

use super::board::Ended;
use super::context::Context;
use super::{Clock, StepResult, Stop};
use crate::plan::{Action, StepId};
use crate::redact::keep_secret;
use crate::stack::{Live, ParameterValue, Spec, Step, unknown_outputs};

/// Applies a module's template as soon as its parameters are known.
pub async fn step(context: &Context, id: &StepId, clock: &Clock) -> StepResult {
    let spec = wanted(context, id).await?;
    clock.start(context, id);
    let events = context.events(id);
    let step = Step {
        client: &context.session.cloudformation,
        pace: &context.session.stacks_pace,
        stack: &id.name,
        allowed: &context.options.allow_replace,
        events: &events,
    };
    let live = context.live.get(&id.name).cloned();
    let live = context.unless_interrupted(step.settle(&spec.stack_name, live)).await??;
    if context.planning() {
        Box::pin(preview(context, &step, &spec, live.as_ref())).await
    } else {
        Box::pin(apply(context, &step, &spec, live)).await
    }
}

async fn apply(context: &Context, step: &Step<'_>, spec: &Spec, live: Option<Live>) -> StepResult {
    let _permit = context.permit().await?;
    let applied = Box::pin(step.apply(spec, live)).await?;
    let outputs = known(applied.outputs);
    Ok(match applied.changed {
        0 => Ended::unchanged(outputs),
        1 => Ended::changed("1 resource changed", outputs),
        count => Ended::changed(format!("{count} resources changed"), outputs),
    })
}

async fn preview(context: &Context, step: &Step<'_>, spec: &Spec, live: Option<&Live>) -> StepResult {
    let decision = {
        let _permit = context.permit().await?;
        Box::pin(context.unless_interrupted(step.preview(spec, live))).await??
    };
    step.events.decided(decision.clone());
    let mut outputs = known(live.map(|live| live.outputs.clone()).unwrap_or_default());
    if decision.action == Action::Nothing {
        return Ok(Ended::unchanged(outputs));
    }
    for output in unknown_outputs(spec, &decision, live) {
        outputs.insert(output, None);
    }
    Ok(Ended::changed("", outputs))
}

fn known(outputs: BTreeMap<String, String>) -> BTreeMap<String, Option<String>> {
    outputs.into_iter().map(|(name, value)| (name, Some(value))).collect()
}

async fn wanted(context: &Context, id: &StepId) -> Result<Spec, Stop> {
    let deployment = &context.deployment;
    let stack = &deployment.project.config.stacks[&id.name];
    let template = &deployment.project.templates[&id.name];
    let mut parameters = BTreeMap::new();
    for (name, text) in deployment.project.parameters(&deployment.environment, &id.name) {
        let value = match context.resolve(&text).await? {
            Ok(value) => {
                if template.parameters.get(&name).is_some_and(|parameter| parameter.no_echo) {
                    keep_secret(&value);
                }
                ParameterValue::Known(value)
            }
            Err(references) => ParameterValue::Pending(references),
        };
        parameters.insert(name, value);
    }
    Ok(Spec {
        stack_name: deployment.project.stack_name(&deployment.environment, &id.name),
        template: Arc::clone(template),
        parameters,
        capabilities: stack.capabilities.clone(),
        tags: stack.tags.clone(),
    })
}

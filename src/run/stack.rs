use std::collections::BTreeMap;
use std::sync::Arc;

use super::board::Ended;
use super::context::Context;
use super::{Clock, StepResult, Stop, services};
use crate::plan::{Action, StepId};
use crate::redact::keep_secret;
use crate::stack::{self, Live, ParameterValue, Spec, Step, Verdict, decide, unknown_outputs};

/// Applies a module's template as soon as its parameters are known.
pub async fn step(context: &Context, id: &StepId, clock: &Clock) -> StepResult {
    // What is brought back is what the stack says already: no value is waited for.
    let spec =
        if context.reverting() { spec(context, id, BTreeMap::new()) } else { wanted(context, id).await? };
    clock.start(context, id);
    let events = context.events(id);
    let step = Step {
        client: &context.session.cloudformation,
        lookout: &context.lookout,
        stack: &id.name,
        allowed: &context.options.allow_replace,
        skip_rollback: &context.options.skip_rollback,
        events: &events,
        waits: None,
    };
    let live = context.live.get(&id.name).cloned();
    if live.as_ref().is_some_and(|live| live.status.busy()) {
        // It is another run's operation, whose turn it is, or a dead one's.
        context.leave().await?;
    }
    let live = context.unless_interrupted(step.settle(&spec.stack_name, live)).await??;
    if context.planning() {
        Box::pin(preview(context, id, &step, &spec, live.as_ref())).await
    } else {
        Box::pin(apply(context, &step, &spec, live)).await
    }
}

async fn apply(context: &Context, step: &Step<'_>, spec: &Spec, live: Option<Live>) -> StepResult {
    // What is as it should be takes nobody's place.
    let _permit = match decide(spec, live.as_ref()) {
        Verdict::Unchanged if !context.reverting() => None,
        _ => Some(context.permit().await?),
    };
    let applied = if context.reverting() {
        Box::pin(step.revert(spec, live)).await?
    } else {
        Box::pin(services::apply_with_an_eye_on_them(context, step, spec, live)).await?
    };
    let outputs = known(applied.outputs);
    Ok(match applied.changed {
        0 => Ended::unchanged(outputs),
        1 => Ended::changed("1 resource changed", outputs),
        count => Ended::changed(format!("{count} resources changed"), outputs),
    })
}

async fn preview(
    context: &Context,
    id: &StepId,
    step: &Step<'_>,
    spec: &Spec,
    live: Option<&Live>,
) -> StepResult {
    let decision = {
        let _permit = context.permit().await?;
        Box::pin(context.unless_interrupted(step.preview(spec, live))).await??
    };
    context.decided(id, decision.clone(), stack::wanted(spec, live));
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
    Ok(spec(context, id, parameters))
}

/// The stack as it should be, given these values.
pub fn spec(context: &Context, id: &StepId, parameters: BTreeMap<String, ParameterValue>) -> Spec {
    let deployment = &context.deployment;
    let stack = &deployment.project.config.stacks[&id.name];
    Spec {
        stack_name: deployment.project.stack_name(&deployment.environment, &id.name),
        template: Arc::clone(&deployment.project.templates[&id.name]),
        parameters,
        capabilities: stack.capabilities.clone(),
        tags: stack.tags.clone(),
    }
}

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::ResourceSignalStatus;
use pipeline::aws::{Pace, Purpose, Session};
use pipeline::event::Events;
use pipeline::plan::StepId;
use pipeline::stack::{Lookout, Spec, Step};
use pipeline::template::Template;
use serde_json::{Value, json};

use super::find::environment;
use super::millis;

const ROUNDS: u32 = 10;
/// The pace at which stacks in flight are looked at in AWS.
const PACE: Duration = Duration::from_secs(1);
/// How long an operation goes on before it ends: shorter than most in AWS, and longer than its first looks take.
const LASTING: Duration = Duration::from_secs(16);
/// How closely this looks itself at when an operation really ends.
const CLOSELY: Duration = Duration::from_millis(10);
const GATE: &str = "
Resources:
  Gate: { Type: AWS::CloudFormation::WaitCondition, CreationPolicy: { ResourceSignal: { Timeout: PT1M } } }
";

/// How long after the end of an operation the pipeline knows it, at AWS's pace, with some stacks in flight that end one
/// after the other at odd moments. The pipeline goes through `endpoint`; this looks through `watched` itself.
pub(crate) async fn measure(endpoint: &str, watched: &str, project: &str, stacks: usize) -> Result<Value> {
    let client = Session::open(&environment(endpoint), Purpose::Change).await?.cloudformation;
    let watch = Session::open(&environment(watched), Purpose::Change).await?.cloudformation;
    let mut late = Vec::new();
    let mut in_flight = Duration::ZERO;
    for round in 0..ROUNDS {
        let lookout = Lookout::new(Pace::new(PACE));
        let names: Vec<String> = (0..stacks).map(|stack| format!("{project}-{round}-{stack}")).collect();
        let began = Instant::now();
        let known: Vec<_> = names
            .iter()
            .map(|name| tokio::spawn(apply(client.clone(), lookout.clone(), name.clone())))
            .collect();
        let mut ended = Vec::new();
        for (stack, name) in (0..).zip(&names) {
            // Over the rounds every moment between two looks occurs as often as any other.
            let moment = (round * 1000 / ROUNDS + stack * 310) % 1000;
            let first = if stack == 0 { LASTING } else { Duration::ZERO };
            tokio::time::sleep(first + Duration::from_millis(2000 + u64::from(moment))).await;
            ended.push(let_through(&watch, name).await?);
        }
        for (known, ended) in known.into_iter().zip(ended) {
            late.push(millis(known.await??.saturating_duration_since(ended)));
        }
        in_flight += began.elapsed();
        for name in &names {
            watch.delete_stack().stack_name(name).send().await?;
        }
    }
    Ok(json!({ "late": late, "in_flight": millis(in_flight) }))
}

/// Creates a stack as a run does; tells when it was known to be through.
async fn apply(client: Client, lookout: Lookout, stack_name: String) -> Result<Instant> {
    let (events, receiver) = Events::channel();
    let events = events.step(StepId::stack("gate"));
    let step = Step {
        client: &client,
        lookout: &lookout,
        stack: "gate",
        allowed: &[],
        skip_rollback: &[],
        events: &events,
        waits: None,
    };
    let spec = Spec {
        stack_name,
        template: Arc::new(Template::parse("template.yaml", GATE)?),
        parameters: BTreeMap::new(),
        capabilities: BTreeSet::new(),
        tags: BTreeMap::new(),
    };
    step.apply(&spec, None).await?;
    drop(receiver);
    Ok(Instant::now())
}

/// Lets a stack through its gate as soon as it waits there; tells when it ended.
async fn let_through(client: &Client, stack: &str) -> Result<Instant> {
    loop {
        let signal = client
            .signal_resource()
            .stack_name(stack)
            .logical_resource_id("Gate")
            .unique_id("probe")
            .status(ResourceSignalStatus::Success);
        if signal.send().await.is_ok() {
            break;
        }
        tokio::time::sleep(CLOSELY).await;
    }
    loop {
        let answer = client.describe_stacks().stack_name(stack).send().await?;
        let status = answer.stacks().first().and_then(|stack| stack.stack_status());
        if status.is_some_and(|status| status.as_str() == "CREATE_COMPLETE") {
            return Ok(Instant::now());
        }
        tokio::time::sleep(CLOSELY).await;
    }
}

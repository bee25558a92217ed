use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::spans::{Span, TaskResult, Trace};
use crate::plan::StepKind;

/// Kinds of spans and status codes, as OTLP numbers them.
const INTERNAL: u8 = 1;
const SERVER: u8 = 2;
const OK: u8 = 1;
const ERROR: u8 = 2;

/// A trace as OTLP has it in JSON.
/// <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>
pub(super) fn encoded(trace: &Trace, service: &str) -> Value {
    let spans: Vec<Value> =
        std::iter::once(root(trace)).chain(trace.steps.iter().map(|span| task(trace, span))).collect();
    json!({ "resourceSpans": [{
        "resource": { "attributes": attributes(&[("service.name", service)]) },
        "scopeSpans": [{
            "scope": { "name": "pipeline", "version": env!("CARGO_PKG_VERSION") },
            "spans": spans,
        }],
    }] })
}

fn root(trace: &Trace) -> Value {
    let run = &trace.run;
    let (name, id) = (pipeline(trace), run.id.to_string());
    let result = TaskResult::of_run(run.result);
    let mut told = vec![
        ("cicd.pipeline.name", name.as_str()),
        ("cicd.pipeline.action.name", "RUN"),
        ("cicd.pipeline.run.id", &id),
        ("cicd.pipeline.result", result.as_str()),
        ("deployment.environment.name", &run.environment),
        ("vcs.repository.name", &run.repository),
        ("vcs.ref.head.name", &run.branch),
        ("vcs.ref.head.type", "branch"),
        ("vcs.ref.head.revision", &run.commit),
    ];
    if result.is_bad() {
        told.push(("error.type", run.result.map_or("lost", |result| result.as_str())));
    }
    let start = run.started.unwrap_or(run.created);
    json!({
        "traceId": trace_id(trace),
        "spanId": span_id(trace, ""),
        "name": format!("RUN {name}"),
        "kind": SERVER,
        "startTimeUnixNano": nanos(start),
        "endTimeUnixNano": nanos(run.ended.unwrap_or(start)),
        "attributes": attributes(&told),
        "status": status(result, run.reason.as_deref()),
    })
}

fn task(trace: &Trace, span: &Span) -> Value {
    let (name, step, id) = (pipeline(trace), span.step.to_string(), trace.run.id.to_string());
    let kind = match span.step.kind {
        StepKind::Image => "build",
        StepKind::Stack | StepKind::Rollout => "deploy",
    };
    let run_id = format!("{id}/{step}");
    let mut told = vec![
        ("cicd.pipeline.name", name.as_str()),
        ("cicd.pipeline.run.id", &id),
        ("cicd.pipeline.task.name", &step),
        ("cicd.pipeline.task.run.id", &run_id),
        ("cicd.pipeline.task.type", kind),
        ("cicd.pipeline.task.run.result", span.result.as_str()),
    ];
    if span.result.is_bad() {
        told.push(("error.type", span.result.as_str()));
    }
    json!({
        "traceId": trace_id(trace),
        "spanId": span_id(trace, &step),
        "parentSpanId": span_id(trace, ""),
        "name": step,
        "kind": INTERNAL,
        "startTimeUnixNano": nanos(span.start),
        "endTimeUnixNano": nanos(span.end.or(trace.run.ended).unwrap_or(span.start)),
        "attributes": attributes(&told),
        "status": status(span.result, span.failure.as_deref()),
    })
}

/// Each environment of a repository is a pipeline.
fn pipeline(trace: &Trace) -> String {
    format!("{} {}", trace.run.repository, trace.run.environment)
}

/// What is sent again is the same trace. Another store may have a run of the same number, but not of the same moment.
fn trace_id(trace: &Trace) -> String {
    let run = &trace.run;
    let identity =
        format!("{}\0{}\0{}\0{}", run.repository, run.environment, run.id, run.created.as_millisecond());
    hex::encode(&Sha256::digest(identity)[..16])
}

fn span_id(trace: &Trace, step: &str) -> String {
    hex::encode(&Sha256::digest(format!("{}\0{step}", trace_id(trace)))[..8])
}

/// 64-bit numbers are texts in this encoding.
fn nanos(time: Timestamp) -> String {
    time.as_nanosecond().to_string()
}

fn status(result: TaskResult, message: Option<&str>) -> Value {
    match result {
        TaskResult::Success => json!({ "code": OK }),
        result if result.is_bad() => json!({ "code": ERROR, "message": message.unwrap_or_default() }),
        _ => json!({}),
    }
}

fn attributes(told: &[(&str, &str)]) -> Value {
    told.iter().map(|(key, value)| json!({ "key": key, "value": { "stringValue": value } })).collect()
}

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use pipeline::store::State;

use crate::receiver::{Does, Receiver, Told};
use crate::server::{Place, check};

fn attributes(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |it: &KeyValue| match it.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        other => panic!("{other:?}"),
    };
    attributes.iter().map(|it| (it.key.clone(), text(it))).collect()
}

/// The spans of a request, the root first, and the service that they are of.
fn spans(told: &Told) -> (Vec<Span>, String) {
    let request: ExportTraceServiceRequest = serde_json::from_str(&told.body).expect("OTLP");
    let [resource] = <[_; 1]>::try_from(request.resource_spans).expect("one resource");
    let service = attributes(&resource.resource.expect("a resource").attributes)["service.name"].clone();
    let [scope] = <[_; 1]>::try_from(resource.scope_spans).expect("one scope");
    (scope.spans, service)
}

#[test]
fn a_run_is_a_trace_with_its_steps_and_who_does_not_take_it_disturbs_nothing() {
    // The first run's trace is not taken at once, and is sent again.
    let receiver = Receiver::start(&[Does::Fail]);
    let mut place = Place::simple();
    place.variables = vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url("")),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-scope=canary%2Fapi%2Btoken".to_owned()),
        ("OTEL_SERVICE_NAME", "deployments".to_owned()),
    ];
    let server = place.serve(&[]);
    let run = server.until_run(&place.head(), State::Ended);
    let told = receiver.until_told(2);
    assert_eq!(told[0].body, told[1].body);
    assert!(told[0].path.ends_with("/v1/traces"), "{told:?}");
    assert_eq!(told[0].header("x-scope"), Some("canary/api+token"));

    let (spans_of_run, service) = spans(&told[0]);
    assert_eq!(service, "deployments");
    let [root, step] = &spans_of_run[..] else { panic!("{spans_of_run:?}") };
    assert_eq!((root.name.as_str(), root.kind()), ("RUN octo/shop local", SpanKind::Server));
    assert_eq!((step.name.as_str(), step.kind()), ("stack/a", SpanKind::Internal));
    assert_eq!((&step.trace_id, &step.parent_span_id), (&root.trace_id, &root.span_id));
    assert!(root.parent_span_id.is_empty());
    assert_eq!((root.trace_id.len(), root.span_id.len()), (16, 8));
    assert!(root.start_time_unix_nano <= step.start_time_unix_nano, "{spans_of_run:?}");
    assert!(step.start_time_unix_nano < step.end_time_unix_nano, "{spans_of_run:?}");
    assert!(step.end_time_unix_nano <= root.end_time_unix_nano, "{spans_of_run:?}");
    let of_root = attributes(&root.attributes);
    for (key, value) in [
        ("cicd.pipeline.name", "octo/shop local"),
        ("cicd.pipeline.run.id", &run.id.to_string()),
        ("cicd.pipeline.result", "success"),
        ("vcs.ref.head.revision", &run.commit),
    ] {
        assert_eq!(of_root[key], value, "{key}");
    }
    let of_step = attributes(&step.attributes);
    assert_eq!(of_step["cicd.pipeline.task.name"], "stack/a");
    assert_eq!(of_step["cicd.pipeline.task.run.result"], "success");

    // One that fails says so, and why.
    place
        .author
        .write("stacks/a/template.yaml", &crate::server::TEMPLATE.replace("Type: String", "Type: Nonsense"));
    let commit = place.push_as_it_is();
    server.tell(&commit);
    server.until_run(&commit, State::Ended);
    let (failed, _) = spans(&receiver.until_told(3)[2]);
    assert_ne!(failed[0].trace_id, root.trace_id);
    assert_eq!(attributes(&failed[0].attributes)["cicd.pipeline.result"], "failure");
    assert_eq!(attributes(&failed[0].attributes)["error.type"], "failed");
    assert_eq!(failed[0].status.as_ref().expect("a status").code, 2);
    check(&server.stop());
}

#[test]
fn a_receiver_that_is_gone_keeps_no_run_and_no_end_waiting() {
    let mut place = Place::simple();
    place.variables = vec![("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9".to_owned())];
    let server = place.serve(&[]);
    let first = server.until_run(&place.head(), State::Ended);
    let second = place.push("second");
    server.tell(&second);
    let second = server.until_run(&second, State::Ended);
    assert_eq!((first.result, first.result), (second.result, Some(pipeline::event::RunResult::Changed)));
    server.stop();
}

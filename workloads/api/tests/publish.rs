//! Events that are posted are in Kafka when the answer says so, where it says.

mod support;

use serde_json::{Value, json};
use support::{Api, Broker, batch, event};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[test]
fn an_event_is_stored_as_it_was_posted() {
    let broker = Broker::start();
    let api = Api::start(&broker);
    let posted = r#"{"type":"t", "id":"7","source":"/a","specversion":"1.0","subject":"s","data":{"z": 1.0,  "a": 1e2}}"#;
    let client = api.client().with("Content-Type", "application/cloudevents+json; charset=UTF-8");
    let answer = client.send("POST", "/events", posted.as_bytes());
    let places = answer.places();
    assert_eq!(places[0].0, "7");
    let record = &broker.records()[&places[0].1];
    assert_eq!(record.value, posted);
    assert_eq!(record.key.as_deref(), Some("s"));
    assert_eq!(record.headers["content-type"], "application/cloudevents+json; charset=utf-8");
}

#[test]
fn a_batch_is_answered_event_by_event() {
    let broker = Broker::start();
    let api = Api::start(&broker);
    let mut events = batch("e", 100);
    for (number, event) in events.as_array_mut().expect("an array").iter_mut().enumerate() {
        event["subject"] = json!(format!("customer-{}", number % 10));
    }
    let places = api.client().post(&events).places();
    let records = broker.records();
    assert_eq!(records.len(), 100);
    for (number, (id, place)) in places.iter().enumerate() {
        assert_eq!(*id, format!("e-{number}"));
        let stored: Value = serde_json::from_str(&records[place].value).expect("JSON");
        assert_eq!(stored, events[number]);
    }
    // Events of one subject are in one partition, in their order.
    for subject in 0..10 {
        let own: Vec<_> = places.iter().skip(subject).step_by(10).map(|(_, place)| *place).collect();
        assert!(own.windows(2).all(|pair| pair[0].0 == pair[1].0 && pair[0].1 < pair[1].1), "{own:?}");
    }
    assert_eq!(api.client().post(&json!([])).json(), json!({ "events": [] }));
}

#[test]
fn an_event_whose_attributes_are_headers_is_stored_as_json() {
    let broker = Broker::start();
    let api = Api::start(&broker);
    let client = api
        .client()
        .with("ce-specversion", "1.0")
        .with("CE-ID", "Euro%20%E2%82%AC")
        .with("ce-source", "/tests")
        .with("ce-type", r#""quoted \"text\"""#)
        .with("ce-subject", "s")
        .with("ce-level", "3");
    let post = |content_type: &str, body: &[u8]| {
        let client = client.clone().with("Content-Type", content_type);
        let place = client.send("POST", "/events", body).places()[0].1;
        serde_json::from_str::<Value>(&broker.records()[&place].value).expect("JSON")
    };
    let attributes = json!({
        "specversion": "1.0", "id": "Euro €", "source": "/tests", "type": "quoted \"text\"", "subject": "s",
        "level": "3",
    });
    let with = |data: Value| {
        let mut event = attributes.clone();
        event.as_object_mut().expect("an object").extend(data.as_object().expect("an object").clone());
        event
    };
    let media_type = "application/json; charset=utf-8";
    let expected = with(json!({ "datacontenttype": media_type, "data": { "a": [1] } }));
    assert_eq!(post(media_type, br#" {"a": [1]} "#), expected);
    let expected = with(json!({ "datacontenttype": "image/png", "data_base64": "iVBORw==" }));
    assert_eq!(post("image/png", b"\x89PNG"), expected);
    assert_eq!(post("text/plain", b""), with(json!({ "datacontenttype": "text/plain" })));
}

#[test]
fn the_order_is_that_of_the_attribute_that_is_configured() {
    let broker = Broker::start();
    let api = Api::with(&broker, &[("ORDERING_KEY", "partitionkey")]);
    for (value, key) in [(json!("shop"), Some("shop")), (json!(17), Some("17")), (json!(null), None)] {
        let mut event = event("1");
        event["partitionkey"] = value;
        let place = api.client().post(&event).places()[0].1;
        assert_eq!(broker.records()[&place].key.as_deref(), key);
    }
}

#[test]
fn a_trace_goes_on_to_kafka_and_into_the_log() {
    let broker = Broker::start();
    let mut api = Api::start(&broker);
    let client = api
        .client()
        .with("traceparent", &format!("00-{TRACE}-00f067aa0ba902b7-01"))
        .with("tracestate", "vendor=1");
    let answer = client.post(&event("1"));
    let record = &broker.records()[&answer.places()[0].1];
    let parent = &record.headers["traceparent"];
    assert!(parent.starts_with(&format!("00-{TRACE}-")) && parent.ends_with("-01"), "{parent}");
    assert_eq!(&answer.headers["traceparent"], parent);
    assert_eq!(record.headers["tracestate"], "vendor=1");
    let line = api.until_logged("events published");
    assert_eq!(
        (&line["trace_id"], &line["events"], &line["caller"]),
        (&json!(TRACE), &json!(1), &json!("anonymous"))
    );
    assert!(parent.contains(line["span_id"].as_str().expect("a span")), "{line}");
}

#[test]
fn what_happens_is_counted() {
    let broker = Broker::start();
    let api = Api::start(&broker);
    api.client().post(&batch("e", 7)).places();
    assert_eq!(api.client().post(&json!({})).status, 400);
    assert_eq!(api.client().get("/some/path").status, 404);
    assert_eq!(api.metric("api_events_acknowledged_total"), 7);
    assert_eq!(api.metric(r#"api_problems_total{reason="invalid-event"}"#), 1);
    assert_eq!(api.metric(r#"api_http_requests_total{path="/events",status="202"}"#), 1);
    assert_eq!(api.metric(r#"api_http_requests_total{path="other",status="404"}"#), 1);
    assert_eq!(api.metric("api_in_flight_bytes"), 0);
    assert_eq!(api.metric("api_in_flight_events"), 0);
    assert_eq!(api.metric("api_kafka_reachable"), 1);
    // Only those within the network are to see it.
    assert_eq!(api.client().get("/metrics").status, 404);
}

#[test]
fn it_is_healthy_once_a_broker_was_reached() {
    let broker = Broker::start();
    let api = Api::start(&broker);
    assert_eq!(api.client().get("/healthz").status, 200);
    assert_eq!(api.client().get("/readyz").status, 200);
    assert!(Api::healthcheck(api.port()).status.success());
    let lost = Api::with_brokers("127.0.0.1:1", &[]);
    assert_eq!(lost.client().get("/healthz").status, 503);
    assert_eq!(lost.client().get("/readyz").status, 503);
    let output = Api::healthcheck(lost.port());
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("/healthz answers `HTTP/1.1 503 Service Unavailable`"), "{error}");
}

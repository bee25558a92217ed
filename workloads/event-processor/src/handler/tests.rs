use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::*;
use crate::store::Memory;

/// Ids in the order in which they were passed to be processed. Every test has a source of its own.
static PASSED: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

/// Does what the event's type says.
async fn obey(event: &CloudEvent) -> Result<(), Failure> {
    PASSED.lock().unwrap().push((event.source.clone(), event.id.clone()));
    match event.kind.as_str() {
        "retry" => Err(Failure::Retry(anyhow!("something else was unavailable"))),
        "reject" => Err(Failure::Reject(anyhow!("this is wrong"))),
        "panic" => panic!("on purpose"),
        "hang" => std::future::pending().await,
        _ => Ok(()),
    }
}

/// A function instance that only a test knows.
struct Function {
    handler: Handler,
    source: String,
}

impl Function {
    fn new(source: &str) -> Self {
        let settings = Settings::from_env(|_| None).unwrap();
        let handler = Handler::new(settings, Store::Memory(Memory::default()), |event| Box::pin(obey(event)));
        Self { handler, source: format!("/{source}") }
    }

    /// What it answers to the records of these partitions.
    async fn handle(&self, partitions: &[(&str, &[Value])]) -> Vec<String> {
        self.handle_within(MARGIN + Duration::from_mins(1), partitions).await
    }

    async fn handle_within(&self, time: Duration, partitions: &[(&str, &[Value])]) -> Vec<String> {
        let records: serde_json::Map<String, Value> =
            partitions.iter().map(|(name, records)| ((*name).to_owned(), json!(records))).collect();
        // As Lambda writes it, with fields that the function does not look at.
        let batch = json!({
            "eventSource": "aws:kafka",
            "eventSourceArn": "arn:aws:kafka:eu-west-1:123456789012:cluster/events/1",
            "bootstrapServers": "b-1:9092,b-2:9092",
            "records": records,
        });
        let invocation = Invocation { request_id: "1".to_owned(), deadline: SystemTime::now() + time };
        let response =
            self.handler.handle(serde_json::from_value(batch).unwrap(), &invocation).await.unwrap();
        let failed = serde_json::to_value(response).unwrap();
        let failed = failed["batchItemFailures"].as_array().unwrap().iter();
        let place = |failure: &Value| {
            let item = &failure["itemIdentifier"];
            format!("{}@{}", item["partition"].as_str().unwrap(), item["offset"])
        };
        failed.map(place).collect()
    }

    /// A record as the API writes it. Its offset is the event's id.
    fn event(&self, id: u64, key: &str, kind: &str) -> Value {
        let event = json!({
            "specversion": "1.0", "id": id.to_string(), "source": self.source, "type": kind, "data": { "a": [1, "b"] },
        });
        record(
            id,
            key,
            &event.to_string(),
            &[("content-type", "application/cloudevents+json; charset=utf-8")],
        )
    }

    fn passed(&self) -> Vec<String> {
        let passed = PASSED.lock().unwrap();
        passed.iter().filter(|(source, _)| *source == self.source).map(|(_, id)| id.clone()).collect()
    }
}

fn record(offset: u64, key: &str, value: &str, headers: &[(&str, &str)]) -> Value {
    let header = |(name, value): &(&str, &str)| json!({ *name: value.as_bytes() });
    json!({
        "topic": "events", "partition": 0, "offset": offset, "timestamp": 1_545_084_650_987_u64,
        "timestampType": "CREATE_TIME", "key": STANDARD.encode(key), "value": STANDARD.encode(value),
        "headers": headers.iter().map(header).collect::<Vec<_>>(),
    })
}

const NOTHING: [&str; 0] = [];

#[tokio::test]
async fn a_batch_without_trouble_has_no_failures() {
    let function = Function::new("good");
    let records = [function.event(1, "a", "ok"), function.event(2, "a", "ok")];
    assert_eq!(function.handle(&[("events-0", &records), ("events-1", &[])]).await, NOTHING);
    assert_eq!(function.passed(), ["1", "2"]);
}

#[tokio::test]
async fn an_event_is_not_processed_again_in_a_batch_or_after_it() {
    let function = Function::new("duplicates");
    let event = function.event(1, "a", "ok");
    assert_eq!(function.handle(&[("events-0", &[event.clone(), event.clone()])]).await, NOTHING);
    assert_eq!(function.handle(&[("events-0", &[event])]).await, NOTHING);
    assert_eq!(function.passed(), ["1"]);
}

#[tokio::test]
async fn later_events_of_a_key_wait_for_one_that_is_to_be_tried_again_and_those_of_others_do_not() {
    let function = Function::new("order");
    let first = [function.event(1, "a", "retry"), function.event(2, "b", "ok"), function.event(3, "a", "ok")];
    assert_eq!(function.handle(&[("events-0", &first)]).await, ["events-0@1", "events-0@3"]);
    assert_eq!(function.passed(), ["1", "2"]);
    // Whether only what failed comes again or also what came after it: all is processed once, in order.
    let again = [function.event(1, "a", "ok"), function.event(2, "b", "ok"), function.event(3, "a", "ok")];
    assert_eq!(function.handle(&[("events-0", &again)]).await, NOTHING);
    assert_eq!(function.passed(), ["1", "2", "1", "3"]);
}

#[tokio::test]
async fn a_rejected_event_holds_nothing_up() {
    let function = Function::new("rejected");
    let records = [function.event(1, "a", "reject"), function.event(2, "a", "ok")];
    assert_eq!(function.handle(&[("events-0", &records)]).await, ["events-0@1"]);
    assert_eq!(function.passed(), ["1", "2"]);
}

#[tokio::test]
async fn an_event_on_which_processing_panics_is_tried_again() {
    let function = Function::new("panic");
    let records = [function.event(1, "a", "panic"), function.event(2, "b", "ok")];
    assert_eq!(function.handle(&[("events-0", &records)]).await, ["events-0@1"]);
    assert_eq!(function.passed(), ["1", "2"]);
}

#[tokio::test]
async fn what_there_is_no_time_for_comes_again_and_what_is_done_does_not() {
    let function = Function::new("time");
    let records =
        [function.event(1, "a", "ok"), function.event(2, "a", "hang"), function.event(3, "b", "ok")];
    let soon = MARGIN + Duration::from_millis(100);
    assert_eq!(function.handle_within(soon, &[("events-0", &records)]).await, ["events-0@2"]);
    assert_eq!(
        function.handle_within(MARGIN, &[("events-0", &[function.event(4, "a", "ok")])]).await,
        ["events-0@4"]
    );
    assert_eq!(function.passed(), ["1", "2", "3"]);
}

#[tokio::test]
async fn a_record_that_is_no_event_fails_alone() {
    let function = Function::new("invalid");
    let headers = [("content-type", "application/cloudevents+json")];
    let no_id = json!({ "specversion": "1.0", "source": "/x", "type": "ok" }).to_string();
    let records = [
        function.event(1, "a", "ok"),
        record(2, "a", "not JSON", &headers),
        record(3, "a", "{}", &[]),
        record(4, "a", &no_id, &headers),
        json!({ "offset": 5, "value": null, "headers": [{ "content-type": b"application/cloudevents+json" }] }),
        json!({ "offset": 6, "value": "%" }),
        function.event(7, "a", "ok"),
    ];
    let failed =
        function.handle(&[("events-0", &records), ("events-2", &[record(0, "b", "", &headers)])]).await;
    let wanted = [2, 3, 4, 5, 6].map(|offset| format!("events-0@{offset}"));
    assert_eq!(failed[..5], wanted);
    assert_eq!(failed[5..], ["events-2@0"]);
    assert_eq!(function.passed(), ["1", "7"]);
}

#[tokio::test]
async fn an_event_in_the_binary_mode_is_read_too() {
    let function = Function::new("binary");
    let headers = [
        ("ce_specversion", "1.0"),
        ("ce_id", "ä"),
        ("ce_source", "/binary"),
        ("ce_type", "ok"),
        ("content-type", "application/json"),
        ("somebody-elses", "\u{fffd}"),
    ];
    let mut record = record(1, "a", "{}", &headers);
    // Java counts bytes from -128.
    record["headers"][1]["ce_id"] = json!([-61, -92]);
    assert_eq!(function.handle(&[("events-0", &[record])]).await, NOTHING);
    assert_eq!(function.passed(), ["ä"]);
}

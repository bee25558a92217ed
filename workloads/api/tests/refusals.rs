//! What can't be taken is refused, and the answer says what is wrong and where.

mod support;

use serde_json::{Value, json};
use support::{Answer, Api, Broker, Client, batch, event, http};

/// SHA-256 of `first` and `second`.
const KEYS: &str = r#"{
    "shop": "a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e",
    "shop-new": "16367aacb67a4a017c8da8ab95682ccb390863780f7114dda0a0e0c55644c7c4"
}"#;

/// Where the errors are, and what they are.
fn errors(answer: &Answer) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let problem = answer.json();
    let errors = problem["errors"].as_array().expect("errors").iter();
    errors
        .map(|error| (text(error.get("pointer").unwrap_or(&error["header"])), text(&error["detail"])))
        .collect()
}

#[test]
fn every_rule_of_an_event_is_checked() {
    let broker = Broker::start();
    let api = Api::start(&broker);
    let cases = [
        ("id", json!(""), "must not be empty"),
        ("id", json!(null), "is required"),
        ("id", json!(7), "must be a text"),
        ("id", json!("a\u{7}"), "has a control character or a noncharacter"),
        ("id", json!("\u{fffe}"), "has a control character or a noncharacter"),
        ("source", json!("http://[::1"), "must be a URI reference (RFC 3986)"),
        ("source", json!("a b"), "must be a URI reference (RFC 3986)"),
        ("specversion", json!("0.3"), "must be `1.0`"),
        ("type", json!(""), "must not be empty"),
        ("subject", json!(""), "must not be empty"),
        ("time", json!("yesterday"), "must be a timestamp (RFC 3339)"),
        ("time", json!("2026-02-30T00:00:00Z"), "must be a timestamp (RFC 3339)"),
        ("dataschema", json!("relative"), "must be an absolute URI (RFC 3986)"),
        ("datacontenttype", json!("json"), "must be a media type (RFC 2046)"),
        ("data_base64", json!("AA=="), "excludes `data`"),
        ("extension", json!({}), "must not be an object"),
        ("extension", json!([1]), "must not be an array"),
        ("extension", json!(1.5), "must be an integer of 32 bits, if it is a number"),
        ("extension", json!(2_147_483_648_i64), "must be an integer of 32 bits, if it is a number"),
    ];
    for (attribute, value, rule) in cases {
        let mut event = event("1");
        event[attribute] = value.clone();
        let answer = api.client().post(&event);
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (400, "invalid-event"),
            "{attribute}: {value}"
        );
        assert_eq!(errors(&answer), [(format!("#/{attribute}"), rule.to_owned())], "{attribute}: {value}");
    }
    for (attribute, value) in [
        ("source", json!("")),
        ("time", json!("1985-04-12T23:20:50.52+01:00")),
        ("subject", json!(null)),
        ("extension", json!(-2_147_483_648_i64)),
        ("extension", json!(true)),
        ("extension", json!("")),
        ("data", json!(null)),
    ] {
        let mut event = event("1");
        event[attribute] = value.clone();
        let answer = api.client().post(&event);
        let expected = if attribute == "source" { 400 } else { 202 };
        assert_eq!(answer.status, expected, "{attribute}: {value}: {answer:?}");
    }
    assert_eq!(broker.records().len(), 6);
}

#[test]
fn a_batch_with_a_mistake_is_refused_as_a_whole() {
    let broker = Broker::start();
    let api = Api::start(&broker);
    let mut events = batch("e", 5);
    events[1]["source"] = json!(null);
    events[3]["Bad/Name"] = json!(1);
    events[4] = json!("text");
    let answer = api.client().post(&events);
    assert_eq!(answer.problem(), "invalid-event");
    let errors = errors(&answer);
    let places: Vec<&str> = errors.iter().map(|(place, _)| place.as_str()).collect();
    assert_eq!(places, ["#/1/source", "#/3/Bad~1Name", "#/4"]);
    let client = api.client().with("Content-Type", "application/cloudevents+json");
    let twice = r#"{"id":"1","id":"2","source":"s","specversion":"1.0","type":"t"}"#;
    let answer = client.send("POST", "/events", twice.as_bytes());
    assert_eq!(self::errors(&answer), [("#/id".to_owned(), "is there more than once".to_owned())]);
    let answer = api.client().post(&(0..50).map(|_| json!({})).collect());
    assert_eq!(self::errors(&answer).len(), 20);
    assert!(answer.json()["detail"].as_str().expect("a text").starts_with("there are more than 20"));
    assert_eq!(broker.records().len(), 0);
}

#[test]
fn what_is_no_json_is_told_where() {
    let broker = Broker::start();
    let api = Api::start(&broker);
    for (format, body) in [
        ("cloudevents", &b"{"[..]),
        ("cloudevents", b""),
        ("cloudevents", b"{} {}"),
        ("cloudevents", b"\"\xff\""),
        ("cloudevents-batch", b"[{}"),
        ("cloudevents-batch", b"{}"),
    ] {
        let client = api.client().with("Content-Type", &format!("application/{format}+json"));
        let answer = client.send("POST", "/events", body);
        assert_eq!((answer.status, answer.problem().as_str()), (400, "malformed-json"), "{body:?}");
        assert!(answer.json()["detail"].as_str().expect("a text").contains("at line 1 column"), "{answer:?}");
    }
}

#[test]
fn mistakes_in_headers_are_told_by_header() {
    let broker = Broker::start();
    let api = Api::start(&broker);
    let client = api
        .client()
        .with("Content-Type", "application/json")
        .with("ce-specversion", "1.0")
        .with("ce-type", "%C0%A0")
        .with("ce-source", "s")
        .with("ce-data", "no attribute")
        .with("ce-a-b", "no name");
    let answer = client.send("POST", "/events", b"{");
    assert_eq!(answer.problem(), "invalid-event");
    let mut places: Vec<String> = errors(&answer).into_iter().map(|(place, _)| place).collect();
    places.sort_unstable();
    places.dedup();
    assert_eq!(places, ["#", "ce-a-b", "ce-id", "ce-type"]);
}

#[test]
fn only_events_are_taken() {
    let broker = Broker::start();
    let api = Api::start(&broker);
    let body = event("1").to_string();
    let post = |headers: &[(&str, &str)]| {
        let client = headers.iter().fold(api.client(), |client, (name, value)| client.with(name, value));
        client.send("POST", "/events", body.as_bytes())
    };
    for headers in [
        &[("Content-Type", "application/json")][..],
        &[],
        &[("Content-Type", "application/cloudevents+avro"), ("ce-id", "1")],
        &[("Content-Type", "application/cloudevents+json; charset=latin1")],
        &[("Content-Type", "application/cloudevents+json"), ("Content-Encoding", "gzip")],
    ] {
        let answer = post(headers);
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (415, "unsupported-media-type"),
            "{headers:?}"
        );
        assert!(answer.headers["accept-post"].contains("application/cloudevents-batch+json"));
    }
    let answer = api.client().send("PUT", "/events", b"");
    assert_eq!((answer.status, answer.problem().as_str()), (405, "method-not-allowed"));
    assert_eq!(answer.headers["allow"], "POST");
    assert_eq!(api.client().get("/elsewhere").problem(), "not-found");
}

#[test]
fn only_callers_with_a_key_are_let_in() {
    let broker = Broker::start();
    let mut api = Api::with(&broker, &[("AUTHENTICATION", "api-keys"), ("API_KEYS", KEYS)]);
    let with_key = |key: &str| api.client().with("Authorization", &format!("Bearer {key}"));
    for client in [api.client(), with_key("third"), with_key("")] {
        let answer = client.post(&event("1"));
        assert_eq!((answer.status, answer.problem().as_str()), (401, "unauthorized"));
        assert_eq!(answer.headers["www-authenticate"], r#"Bearer realm="events""#);
    }
    for key in ["first", "second"] {
        assert_eq!(with_key(key).post(&event("1")).status, 202, "{key}");
    }
    // The load balancer has none.
    assert_eq!(api.client().get("/healthz").status, 200);
    assert_eq!(api.until_logged("events published")["caller"], "shop");
    assert_eq!(broker.records().len(), 2);
}

#[test]
fn a_start_that_can_not_work_says_what_to_set() {
    for (variables, expected) in [
        (&[("AUTHENTICATION", "api-keys")][..], "API_KEYS is not set: set it to"),
        (&[("AUTHENTICATION", "api-keys"), ("API_KEYS", "[]")], "API_KEYS can't be used"),
        (&[("KAFKA_SECURITY", "tls"), ("KAFKA_CA_PEM", "no PEM")], "ssl.ca.pem"),
        (&[("KAFKA_BROKERS", "")], "KAFKA_BROKERS is not set"),
    ] {
        let error = Api::start_error(variables);
        assert!(error.contains(expected), "{variables:?}: {error}");
    }
}

#[test]
fn sizes_are_limited_exactly() {
    let broker = Broker::start();
    let limits = [("MAX_EVENT_BYTES", "1000"), ("MAX_BATCH_EVENTS", "3"), ("MAX_BODY_BYTES", "4000")];
    let api = Api::with(&broker, &limits);
    let sized = |bytes: usize| {
        let mut event = event("1");
        event["data"] = json!("");
        let rest = bytes - event.to_string().len();
        event["data"] = json!("x".repeat(rest));
        event
    };
    assert_eq!(api.client().post(&sized(1000)).status, 202);
    let answer = api.client().post(&json!([event("1"), sized(1001)]));
    assert_eq!((answer.status, answer.problem().as_str()), (413, "event-too-large"));
    assert_eq!((&answer.json()["limit"], errors(&answer)[0].0.as_str()), (&json!(1000), "#/1"));
    assert_eq!(api.client().post(&batch("e", 3)).status, 202);
    let answer = api.client().post(&batch("e", 4));
    assert_eq!((answer.status, answer.problem().as_str()), (413, "batch-too-large"));
    assert!(
        answer.json()["detail"].as_str().expect("a text").starts_with("the batch has 4 events, at most 3")
    );
    let with_spaces = |bytes: usize| {
        let client = api.client().with("Content-Type", "application/cloudevents-batch+json");
        client.send("POST", "/events", format!("[{}]", " ".repeat(bytes - 2)).as_bytes())
    };
    assert_eq!(with_spaces(4000).status, 202);
    let answer = with_spaces(4001);
    assert_eq!((answer.status, answer.problem().as_str()), (413, "body-too-large"));
    assert_eq!(broker.records().len(), 4);
}

#[test]
fn a_body_is_not_read_beyond_the_limit() {
    let broker = Broker::start();
    let api = Api::start(&broker);
    let before = api.memory();
    let client = api.client().with("Content-Type", "application/cloudevents+json");
    let announced = client.send("POST", "/events", &vec![b' '; 50_000_000]);
    assert_eq!((announced.status, announced.problem().as_str()), (413, "body-too-large"));
    let chunked = http::send_chunks(&client, 50_000_000).expect("an answer");
    assert_eq!((chunked.status, chunked.problem().as_str()), (413, "body-too-large"));
    let grown = api.memory().saturating_sub(before);
    assert!(grown < 10_000_000, "{grown} bytes more");
    assert_eq!(Client::new(api.port()).post(&event("1")).status, 202);
}

//! What happens when Kafka is slow, hangs, is or is cut off: nothing that was acknowledged is lost, nobody waits
//! for ever, memory stays, and it goes on by itself.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};
use support::proxy::Proxy;
use support::{Answer, Api, Broker, Client, batch, event, until};

/// Posts batches one after the other, from several threads, until it is stopped.
struct Load {
    stopped: AtomicBool,
    posted: AtomicUsize,
}

impl Load {
    const THREADS: usize = 4;

    /// Runs a scenario under load; the answers to all that was posted.
    fn during(client: &Client, scenario: impl FnOnce(&Self)) -> Vec<Answer> {
        let load = Self { stopped: AtomicBool::new(false), posted: AtomicUsize::new(0) };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..Self::THREADS).map(|_| scope.spawn(|| load.post(client))).collect();
            let stop = Stop(&load.stopped);
            scenario(&load);
            drop(stop);
            threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
        })
    }

    fn post(&self, client: &Client) -> Vec<Answer> {
        let mut answers = Vec::new();
        while !self.stopped.load(Ordering::Relaxed) {
            let number = self.posted.fetch_add(1, Ordering::Relaxed);
            // While the API ends, connections are refused: nothing is accepted then.
            answers.extend(client.try_post(&batch(&format!("load-{number}"), 20)));
        }
        answers
    }

    /// Waits until some more was posted.
    fn until_more(&self) {
        let before = self.posted.load(Ordering::Relaxed);
        until("load", || (self.posted.load(Ordering::Relaxed) > before + 20).then_some(()));
    }
}

/// Stops a load, also when a scenario fails: its threads are waited for.
struct Stop<'load>(&'load AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// All events that were acknowledged are stored: how many these are.
fn assert_stored(broker: &Broker, answers: &[Answer]) -> usize {
    let id = |value: &str| serde_json::from_str::<Value>(value).expect("JSON")["id"].clone();
    let stored: Vec<Value> = broker.records().values().map(|record| id(&record.value)).collect();
    let stored: BTreeSet<&str> = stored.iter().filter_map(Value::as_str).collect();
    let told = |answer: &Answer| match answer.json()["events"].as_array() {
        Some(events) => events.clone(),
        None => vec![answer.json()],
    };
    let acknowledged: Vec<Value> =
        answers.iter().filter(|answer| answer.status == 202).flat_map(told).collect();
    for event in &acknowledged {
        assert!(stored.contains(event["id"].as_str().expect("an id")), "{event}");
    }
    acknowledged.len()
}

fn by_status(answers: &[Answer]) -> BTreeMap<u16, usize> {
    let mut counts = BTreeMap::new();
    for answer in answers {
        *counts.entry(answer.status).or_default() += 1;
    }
    counts
}

#[test]
fn a_broker_that_hangs_is_told_and_gone_on_with() {
    let broker = Broker::start();
    let api = Api::with(&broker, &[("DELIVERY_TIMEOUT", "3")]);
    let client = api.client();
    let answers = Load::during(&client, |load| {
        load.until_more();
        broker.pause();
        api.until_ready(503);
        // No reason to replace the process.
        assert_eq!(client.get("/healthz").status, 200);
        assert_eq!(api.metric("api_kafka_reachable"), 0);
        let answer = client.post(&json!([event("lost"), event("lost too")]));
        assert_eq!((answer.status, answer.problem().as_str()), (503, "not-acknowledged"));
        assert_eq!(answer.headers["retry-after"], "5");
        let told = &answer.json()["events"];
        assert_eq!(told[1]["id"], "lost too");
        assert!(told[1]["error"].as_str().is_some_and(|error| error.contains("timed out")), "{told}");
        broker.resume();
        api.until_ready(200);
        until("an acknowledgement", || (client.post(&event("after")).status == 202).then_some(()));
        load.until_more();
    });
    assert!(assert_stored(&broker, &answers) > 0);
    let counts = by_status(&answers);
    assert!(counts.keys().all(|status| [202, 503].contains(status)), "{counts:?}");
    assert!(counts[&202] > Load::THREADS, "{counts:?}");
}

#[test]
fn a_broker_that_is_cut_off_for_half_a_minute_costs_nothing_but_time() {
    let proxy = Proxy::start();
    let broker = Broker::behind(proxy.port(), |port| proxy.open(port));
    let api = Api::start(&broker);
    let answers = Load::during(&api.client(), |load| {
        load.until_more();
        proxy.cut();
        api.until_ready(503);
        sleep(Duration::from_secs(30));
        proxy.open(broker.port());
        api.until_ready(200);
        load.until_more();
    });
    assert_eq!(by_status(&answers).into_keys().collect::<Vec<_>>(), [202]);
    assert_eq!(assert_stored(&broker, &answers), answers.len() * 20);
    // An idempotent producer stores what it has to send again once.
    assert_eq!(broker.records().len(), answers.len() * 20);
}

#[test]
fn what_there_is_no_room_for_is_refused_at_once() {
    let broker = Broker::start();
    let limits =
        [("MAX_EVENTS_IN_FLIGHT", "50"), ("MAX_BATCH_EVENTS", "50"), ("MAX_BYTES_IN_FLIGHT", "20000")];
    let api = Api::with(&broker, &[&limits[..], &[("MAX_BODY_BYTES", "15000")]].concat());
    let client = api.client();
    broker.pause();
    std::thread::scope(|scope| {
        let held = scope.spawn(|| client.post(&batch("held", 50)));
        until("events under way", || (api.metric("api_in_flight_events") == 50).then_some(()));
        let events = client.post(&event("refused"));
        assert_eq!((events.status, events.problem().as_str()), (503, "overloaded"));
        assert_eq!(events.headers["retry-after"], "1");
        assert!(
            events.json()["detail"].as_str().is_some_and(|detail| detail.contains("events")),
            "{events:?}"
        );
        let mut large = event("refused");
        large["data"] = json!("x".repeat(14_000));
        let bytes = client.post(&large);
        assert_eq!((bytes.status, bytes.problem().as_str()), (503, "overloaded"));
        assert!(bytes.json()["detail"].as_str().is_some_and(|detail| detail.contains("bytes")), "{bytes:?}");
        broker.resume();
        assert_eq!(held.join().expect("no panic").status, 202);
    });
    assert_eq!(api.metric("api_in_flight_bytes"), 0);
    assert_eq!(client.post(&event("taken")).status, 202);
    assert_eq!(broker.records().len(), 51);
}

#[test]
fn being_told_to_end_loses_nothing() {
    let broker = Broker::start();
    let mut api = Api::start(&broker);
    let answers = Load::during(&api.client(), |load| {
        load.until_more();
        api.terminate();
        assert!(api.until_ended().success());
    });
    assert!(assert_stored(&broker, &answers) > 0);
    assert_eq!(by_status(&answers).into_keys().collect::<Vec<_>>(), [202]);
    assert_eq!(api.logged("stopped").len(), 1);
}

#[test]
fn what_was_accepted_is_sent_before_the_end_even_if_nobody_waits_for_it() {
    let broker = Broker::start();
    let mut api = Api::start(&broker);
    let client = api.client();
    broker.pause();
    let caller = client.begin_post(&event("left"));
    until("an event under way", || (api.metric("api_in_flight_events") == 1).then_some(()));
    drop(caller);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| client.post(&event("waited for")));
        until("events under way", || (api.metric("api_in_flight_events") == 2).then_some(()));
        api.terminate();
        api.until_logged("stopping");
        broker.resume();
        assert_eq!(waiting.join().expect("no panic").status, 202);
    });
    assert!(api.until_ended().success());
    let ids: Vec<Value> = broker
        .records()
        .into_values()
        .map(|record| serde_json::from_str::<Value>(&record.value).expect("JSON")["id"].clone())
        .collect();
    assert_eq!(ids, ["left", "waited for"]);
}

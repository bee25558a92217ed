use pipeline::event::{Event, RunResult};
use pipeline::store::{Cause, State};
use serde_json::json;

use crate::server::{OLD_SECRET, Place, SECRET, sign};

#[test]
fn a_signed_push_deploys_the_head_and_is_remembered() {
    let place = Place::simple();
    let server = place.serve(&[]);
    let first = server.until_run(&place.head(), State::Ended);
    assert_eq!((first.cause, first.result), (Cause::Poll, Some(RunResult::Changed)), "{first:?}");

    let commit = place.push("second");
    server.tell(&commit);
    let run = server.until_run(&commit, State::Ended);
    assert_eq!((run.cause, run.result, &run.reason), (Cause::Push, Some(RunResult::Changed), &None));
    assert_eq!(place.cloud.outputs("a")["Value"], "second-first");
    let events = server.events(run.id, 0);
    assert!(events.iter().map(|(sequence, _)| *sequence).eq(1..=i64::try_from(events.len()).unwrap()));
    assert!(matches!(&events[0].1, Event::Started { revision, .. } if revision.commit == commit));
    assert!(matches!(events.last().unwrap().1, Event::Finished { result: RunResult::Changed, .. }));
    assert_eq!(server.events(run.id, 3), events[2..]);
    server.stop();
}

#[test]
fn what_is_told_twice_late_or_again_is_deployed_once() {
    let place = Place::simple();
    let server = place.serve(&[]);
    let first = place.head();
    server.until_run(&first, State::Ended);
    let (second, third) = (place.push("second"), place.push("third"));
    let body = Place::told(&third, "");
    assert_eq!(server.deliver("push", "1", &body).body, "accepted");
    server.until_run(&third, State::Ended);

    // The same delivery, the same body under another identity, and the older push after the newer.
    for (id, body, answer) in [
        ("1", body.clone(), "duplicate"),
        ("1", Place::told(&third, "changed"), "duplicate"),
        ("2", body, "duplicate"),
        ("3", Place::told(&second, ""), "accepted"),
    ] {
        let answered = server.deliver("push", id, &body);
        assert_eq!((answered.status, answered.body.as_str()), (202, answer), "{id}");
    }
    // The API is behind them in the queue.
    let wish = json!({"environment": "local", "branch": "main"});
    let last = server.api("POST", "/api/runs", &wish);
    assert_eq!(last.status, 202, "{last:?}");
    let last = last.json()["id"].as_i64().unwrap();
    crate::support::until("the last run", || {
        server.runs().iter().find(|run| run.id == last && run.state == State::Ended).map(drop)
    });
    let started: Vec<_> = server.runs().into_iter().map(|run| (run.commit, run.result)).collect();
    let expected = [
        (first, Some(RunResult::Changed)),
        (third.clone(), Some(RunResult::Changed)),
        (third, Some(RunResult::Unchanged)),
    ];
    assert_eq!(started, expected);
    server.stop();
}

#[test]
fn what_is_not_signed_is_not_taken() {
    let place = Place::simple();
    let server = place.serve(&[]);
    server.until_run(&place.head(), State::Ended);
    let body = Place::told(&place.push("second"), "");
    let right = sign(SECRET, body.as_bytes());
    for wrong in [
        sign("another secret of some length", body.as_bytes()),
        sign(SECRET, b"another body"),
        right.replace("sha256=", "sha1="),
        right[..40].to_owned(),
        String::new(),
    ] {
        assert_eq!(server.deliver_signed("push", "1", &body, &wrong).status, 401, "{wrong}");
    }
    // Nothing was stored: under the same identity, and with the old secret, it is new.
    let answer = server.deliver_signed("push", "1", &body, &sign(OLD_SECRET, body.as_bytes()));
    assert_eq!((answer.status, answer.body.as_str()), (202, "accepted"));
    server.until_run(&place.head(), State::Ended);
    server.stop();
}

#[test]
fn what_nothing_follows_from_is_taken_and_ignored() {
    let place = Place::simple();
    let server = place.serve(&[]);
    server.until_run(&place.head(), State::Ended);
    let elsewhere = Place::told("0", "").replace("octo/shop", "octo/other");
    let tag = Place::told("0", "").replace("refs/heads/main", "refs/tags/v1");
    let branch = Place::told("0", "").replace("refs/heads/main", "refs/heads/gone");
    for (event, body, answer) in [
        ("ping", r#"{"zen": "Design for failure."}"#, "pong"),
        ("issues", "{}", "ignored"),
        ("push", &tag, "ignored"),
        ("push", &elsewhere, "not served here"),
        ("push", &branch, "accepted"),
    ] {
        let answered = server.deliver(event, &format!("{event}-{answer}"), body);
        assert_eq!((answered.status, answered.body.as_str()), (202, answer), "{event}");
    }
    assert_eq!(server.deliver("push", "no-push", "{}").status, 400);
    server.until_said("nothing is deployed of branch gone of octo/shop: there is no branch gone");
    assert_eq!(server.runs().len(), 1);
    let metrics = server.api("GET", "/metrics", &serde_json::Value::Null).body;
    for line in [
        r#"pipeline_deliveries_total{answer="pong"} 1"#,
        r#"pipeline_deliveries_total{answer="Bad Request"} 1"#,
        r#"pipeline_runs{state="running"} 0"#,
        r#"pipeline_runs_ended_total{result="changed"} 1"#,
        "pipeline_run_duration_seconds_count 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    server.stop();
}

#[test]
fn a_push_that_nobody_told_of_is_found() {
    let place = Place::simple();
    let server = place.serve_and_look_every("200ms", &[]);
    server.until_run(&place.head(), State::Ended);
    let commit = place.push("second");
    let run = server.until_run(&commit, State::Ended);
    assert_eq!((run.cause, run.result), (Cause::Poll, Some(RunResult::Changed)));
    server.stop();
}

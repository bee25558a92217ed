use pipeline::store::State;
use serde_json::Value;

use crate::receiver::{Does, Receiver, Told};
use crate::server::{NOTIFY_SECRET, PIPELINE, Place, TEMPLATE, sign};
use crate::support::postgres;

/// Pushes something that can't be deployed, tells of it, and gives its commit.
fn fail(place: &Place, server: &crate::server::Server) -> String {
    place.author.write("stacks/a/template.yaml", "no template");
    let commit = place.push_as_it_is();
    server.tell(&commit);
    server.until_run(&commit, State::Ended);
    commit
}

#[test]
fn a_failure_and_the_recovery_behind_it_are_told_to_everybody_once() {
    let place = Place::simple();
    let receiver = Receiver::start(&[]);
    let slack = format!("slack={}", receiver.url("slack"));
    let server = place.serve(&["--notify", &slack, "--notify", &receiver.url("generic")]);
    let first = place.head();
    server.until_run(&first, State::Ended);
    let failed = fail(&place, &server);
    receiver.until_told(2);
    place.author.git(&["revert", "--no-edit", "HEAD"]);
    place.author.git(&["push", "--quiet", "origin", "main"]);
    let recovered = place.head();
    server.tell(&recovered);
    server.until_run(&recovered, State::Ended);
    receiver.until_told(4);
    // And one more that goes well is not worth telling.
    let well = place.push("well");
    server.tell(&well);
    server.until_run(&well, State::Ended);
    let said = server.stop();
    assert!(!said.contains("canary-path"), "{said}");

    let told = receiver.until_told(4);
    assert_eq!(told.len(), 4, "{told:?}");
    let (slack, generic): (Vec<Told>, Vec<Told>) =
        told.into_iter().partition(|it| it.path.ends_with("/slack"));
    let events: Vec<Value> = generic.iter().map(|told| told.json()["event"].clone()).collect();
    assert_eq!(events, ["failed", "recovered"]);
    for (told, commit) in generic.iter().zip([&failed, &recovered]) {
        assert_eq!(
            told.header("x-hub-signature-256"),
            Some(sign(NOTIFY_SECRET, told.body.as_bytes()).as_str())
        );
        assert_eq!(told.json()["run"]["commit"], commit.as_str());
    }
    assert!(generic[0].body.contains("stacks/a/template.yaml"), "{generic:?}");
    let texts: Vec<String> =
        slack.iter().map(|told| told.json()["text"].as_str().expect("a text").to_owned()).collect();
    assert!(texts[0].contains(&failed[..7]) && texts[0].contains("failed"), "{texts:?}");
    assert!(texts[1].contains(&recovered[..7]) && texts[1].contains("well again"), "{texts:?}");
    assert!(slack.iter().all(|told| told.header("x-hub-signature-256").is_none()), "{slack:?}");
}

#[test]
fn who_fails_hangs_or_loses_answers_is_told_again_under_the_same_key_even_by_the_next_server() {
    let place = Place::simple();
    let receiver = Receiver::start(&[Does::Fail, Does::LoseTheAnswer, Does::Hang, Does::Take]);
    let options = ["--notify", &receiver.url("generic")];
    let server = place.serve(&options);
    server.until_run(&place.head(), State::Ended);
    fail(&place, &server);
    server.until_said("trying again for a day");
    receiver.until_told(2);
    server.kill();
    let server = place.serve(&options);
    let told = receiver.until_told(4);
    let keys: Vec<&str> = told.iter().filter_map(|told| told.header("idempotency-key")).collect();
    assert!(keys[0].starts_with("run-") && keys[0].ends_with("-failed"), "{keys:?}");
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    server.stop();
    assert_eq!(receiver.until_told(4).len(), 4);
}

#[test]
fn what_nobody_takes_for_a_day_is_given_up_and_said() {
    let place = Place::simple();
    let database = postgres::Database::create();
    database.set_clock("0 hours");
    let address = database.address();
    let receiver = Receiver::start(&[Does::Fail; 100]);
    let server = place.serve(&["--database", &address, "--notify", &receiver.url("generic")]);
    server.until_run(&place.head(), State::Ended);
    fail(&place, &server);
    receiver.until_told(1);
    database.set_clock("25 hours");
    server.until_said("given up after a day");
    server.stop();
}

#[test]
fn who_is_to_approve_a_plan_is_told_where_to_look() {
    let pipeline = PIPELINE.replace("branch: main", "branch: main, approval: required");
    let place = Place::with(&[("pipeline.yaml", &pipeline), ("stacks/a/template.yaml", TEMPLATE)]);
    let receiver = Receiver::start(&[]);
    let server = place.serve(&["--notify", &receiver.url("generic"), "--url", "https://deploy.example"]);
    let run = server.until_run(&place.head(), State::Waiting);
    let told = receiver.until_told(1).remove(0);
    assert_eq!(told.json()["event"], "approval_wanted");
    assert_eq!(told.json()["url"], format!("https://deploy.example/runs/{}", run.id));
    assert_eq!(told.json()["run"]["plan"], run.plan.expect("a plan"));
    server.stop();
    assert_eq!(receiver.until_told(1).len(), 1);
}

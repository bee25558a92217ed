use std::fs;

use pipeline::event::RunResult;
use pipeline::store::{Cause, State};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::server::{GATE, Place, at_the_gate, check};
use crate::support::{Cloud, Output, http};

#[test]
fn of_two_pushes_during_a_run_the_first_is_superseded() {
    let (place, server, first) = at_the_gate();
    let second = place.push("second");
    server.tell(&second);
    server.until_run(&second, State::Queued);
    let third = place.push("third");
    server.tell(&third);
    let waiting = server.until_run(&third, State::Queued);
    // The one that is under way is not cut.
    assert_eq!(server.until_run(&first, State::Running).state, State::Running);
    place.cloud.open_gate("gate");
    server.until_run(&third, State::Ended);
    let runs: Vec<_> =
        server.runs().into_iter().map(|run| (run.commit, run.state, run.superseded_by)).collect();
    let expected = [
        (first, State::Ended, None),
        (second, State::Superseded, Some(waiting.id)),
        (third, State::Ended, None),
    ];
    assert_eq!(runs, expected);
    assert_eq!(place.cloud.outputs("a")["Value"], "third-second-first");
    server.stop();
}

#[test]
fn environments_are_deployed_to_side_by_side() {
    let environment =
        |name: &str| format!("  {name}: {{ region: us-west-2, endpoint: \"ENDPOINT\", branch: main }}\n");
    let pipeline = format!(
        "project: PROJECT\nenvironments:\n{}{}{}stacks:\n  gate:\n",
        environment("local"),
        environment("other"),
        environment("elsewhere").replace("main", "another"),
    );
    let place = Place::with(&[("pipeline.yaml", &pipeline), ("stacks/gate/template.yaml", GATE)]);
    let other = Cloud::of_environment(&place.author.project, "other", "us-west-2");
    let server = place.serve(&[]);
    place.cloud.until_waiting("gate");
    other.until_waiting("gate");
    let running = server.runs().into_iter().filter(|run| run.state == State::Running);
    assert_eq!(running.map(|run| run.environment).collect::<Vec<_>>(), ["local", "other"]);
    for cloud in [&other, &place.cloud] {
        cloud.open_gate("gate");
    }
    crate::support::until("two ends", || {
        let ended = server.runs().into_iter().filter(|run| run.state == State::Ended).count();
        (ended == 2).then_some(())
    });
    server.stop();
}

#[test]
fn sigterm_waits_for_the_run_and_begins_no_other() {
    let (place, server, first) = at_the_gate();
    server.send(Signal::TERM);
    server.until_said("ending; waiting for 1 runs");
    assert_eq!(server.get("/readyz").status, 503);
    assert_eq!(server.get("/healthz").status, 200);
    // What is delivered now is for the next server.
    let second = place.push("second");
    server.tell(&second);
    server.until_run(&second, State::Queued);
    place.cloud.open_gate("gate");
    let said = server.end();
    assert!(said.contains(": changed"), "{said}");
    let server = place.serve(&[]);
    assert_eq!(server.get("/readyz").status, 200);
    server.until_run(&second, State::Ended);
    let runs: Vec<_> = server.runs().into_iter().map(|run| (run.commit, run.result)).collect();
    assert_eq!(runs, [(first, Some(RunResult::Changed)), (second, Some(RunResult::Changed))]);
    server.stop();
}

#[test]
fn a_run_that_is_told_to_end_is_begun_anew_by_the_next_server() {
    let place = Place::gated();
    let server = place.serve(&["--drain", "100ms"]);
    place.cloud.until_waiting("gate");
    server.send(Signal::TERM);
    // Its process follows CloudFormation to the end, and the server waits for that.
    place.cloud.open_gate("gate");
    server.end();
    let server = place.serve(&[]);
    let run = server.until_run(&place.head(), State::Ended);
    assert!(matches!(run.result, Some(RunResult::Unchanged | RunResult::Changed)), "{run:?}");
    assert_eq!(server.runs().len(), 1);
    server.stop();
}

#[test]
fn a_run_that_fails_says_why_and_is_tried_again_only_if_asked_for() {
    let place = Place::simple();
    let server = place.serve(&[]);
    server.until_run(&place.head(), State::Ended);
    // Its templates are read by the run alone.
    place.author.write("stacks/a/template.yaml", "no template");
    let commit = place.push_as_it_is();
    server.tell(&commit);
    let run = server.until_run(&commit, State::Ended);
    assert_eq!(run.result, Some(RunResult::Failed));
    let reason = run.reason.expect("a reason");
    assert!(reason.starts_with("its process ended with exit code 2\n"), "{reason}");
    assert!(reason.contains("stacks/a/template.yaml"), "{reason}");
    // A mere hint is not enough.
    assert_eq!(server.deliver("push", "again", &Place::told(&commit, "again")).status, 202);
    let wish = json!({"repository": "octo/shop", "environment": "local", "branch": "main"});
    let asked = server.api("POST", "/api/runs", &wish);
    assert_eq!(asked.status, 202, "{asked:?}");
    crate::support::until("another failure", || (server.runs().len() == 3).then_some(()));
    let causes: Vec<Cause> = server.runs().into_iter().map(|run| run.cause).collect();
    assert_eq!(causes, [Cause::Poll, Cause::Push, Cause::Api]);
    server.stop();
}

#[test]
fn a_mistake_in_the_configuration_of_what_was_deployed_before_is_a_run_that_failed() {
    let place = Place::simple();
    let server = place.serve(&[]);
    server.until_run(&place.head(), State::Ended);
    let right = fs::read_to_string(place.author.path().join("pipeline.yaml")).expect("a file");
    place.author.write("pipeline.yaml", &right.replace("stacks:", "stack:"));
    let commit = place.push_as_it_is();
    server.tell(&commit);
    let run = server.until_run(&commit, State::Ended);
    assert_eq!((run.cause, run.result), (Cause::Push, Some(RunResult::Failed)), "{run:?}");
    assert!(run.reason.as_deref().is_some_and(|reason| reason.contains("pipeline.yaml:5")), "{run:?}");
    place.author.git(&["rm", "--quiet", "pipeline.yaml"]);
    let commit = place.push_as_it_is();
    server.tell(&commit);
    let run = server.until_run(&commit, State::Ended);
    assert!(run.reason.as_deref().is_some_and(|reason| reason.contains("has no pipeline.yaml")), "{run:?}");
    place.author.write("pipeline.yaml", &right);
    let commit = place.push_as_it_is();
    server.tell(&commit);
    assert_eq!(server.until_run(&commit, State::Ended).result, Some(RunResult::Unchanged));
    server.stop();
}

#[test]
fn the_api_is_closed_without_its_token_and_says_what_is_wrong() {
    let place = Place::simple();
    let server = place.serve(&[]);
    let run = server.until_run(&place.head(), State::Ended);
    for path in ["/api/runs", "/api/runs/1", "/api/runs/1/events"] {
        for token in ["Bearer wrong", "Basic x", ""] {
            let answer = http::ask(&server.address, "GET", path, &[("Authorization", token)], b"").unwrap();
            assert_eq!(answer.status, 401, "{path} {token}");
        }
    }
    let asked = |wish: Value| server.api("POST", "/api/runs", &wish).status;
    assert_eq!(asked(json!({"environment": "local"})), 400);
    assert_eq!(asked(json!({"environment": "prod", "branch": "main"})), 422);
    assert_eq!(asked(json!({"environment": "local", "branch": "gone"})), 422);
    assert_eq!(asked(json!({"environment": "local", "branch": "main", "repository": "octo/other"})), 422);
    assert_eq!(server.api("GET", "/api/runs/999", &Value::Null).status, 404);
    assert_eq!(
        server.api("GET", &format!("/api/runs/{}", run.id), &Value::Null).json()["environment"],
        "local"
    );
    let answer = server.api("GET", "/api/runs?environment=other", &Value::Null);
    assert_eq!(answer.json(), json!([]));
    server.stop();
}

#[test]
fn history_shows_what_is_remembered_and_no_secrets_are_in_it() {
    let place = Place::simple();
    let server = place.serve(&[]);
    let run = server.until_run(&place.head(), State::Ended);
    let state = place.state().display().to_string();
    // While the server runs, and after it.
    let history = |more: &[&str]| {
        let arguments = [&["history", "--state", &state], more].concat();
        Output::of(place.author.command(&arguments)).code(0).stdout
    };
    let number = run.id.to_string();
    let table = history(&[]);
    assert!(table.contains(&run.commit[..7]) && table.contains("changed"), "{table}");
    server.stop();
    assert_eq!(history(&[]), table);
    assert_eq!(history(&["--env", "other"]), "no runs\n");
    let runs: Vec<pipeline::store::Run> = serde_json::from_str(&history(&["--format", "json"])).unwrap();
    assert_eq!(runs, [run]);
    let shown = history(&[&number]);
    assert!(shown.contains("stack/a") && shown.contains("done in"), "{shown}");
    let events = history(&[&number, "--format", "json"]);
    assert!(events.lines().last().unwrap().contains(r#""event":"finished""#), "{events}");
    let everything: Vec<u8> = fs::read(place.state().join("pipeline.db")).unwrap();
    check(&String::from_utf8_lossy(&everything));
    check(&(table + &shown + &events));
    let unknown = Output::of(place.author.command(&["history", "--state", &state, "999"])).code(2);
    assert!(unknown.stderr.contains("there is no run 999"), "{}", unknown.stderr);
}

#[test]
fn without_a_secret_or_beside_another_nobody_serves() {
    let place = Place::simple();
    let state = place.state().display().to_string();
    let arguments = ["serve", "octo/shop=.", "--state", &state, "--listen", "127.0.0.1:0"];
    let refused = |secret: &str, code: i32| {
        let mut command = place.author.command(&arguments);
        command.env("PIPELINE_WEBHOOK_SECRET", secret).current_dir(place.directory());
        Output::of(command).code(code).stderr
    };
    let said = refused("", 2);
    assert!(said.contains("PIPELINE_WEBHOOK_SECRET is not set"), "{said}");
    let said = refused("too-short", 2);
    assert!(said.contains("less than 16 characters") && !said.contains("too-short"), "{said}");
    let server = place.serve(&[]);
    let said = refused("a secret of some length", 1);
    assert!(said.contains("another server uses"), "{said}");
    server.stop();
}

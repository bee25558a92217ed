use std::io::Write as _;
use std::process::Stdio;

use pipeline::event::{Command, Event, RunResult};
use pipeline::store::{Run, State};
use serde_json::{Value, json};

use crate::server::{GATE, PIPELINE, Place, Server, TEMPLATE};
use crate::support::http::Answer;
use crate::support::{Output, until};

fn with_approval() -> String {
    PIPELINE.replace("branch: main", "branch: main, approval: required")
}

/// An environment whose plans are to be approved.
pub(crate) fn place() -> Place {
    Place::with(&[("pipeline.yaml", &with_approval()), ("stacks/a/template.yaml", TEMPLATE)])
}

impl Server {
    fn one(&self, id: i64) -> Run {
        serde_json::from_value(self.api("GET", &format!("/api/runs/{id}"), &Value::Null).json())
            .expect("a run")
    }

    fn act(&self, id: i64, verb: &str, body: &Value) -> Answer {
        self.api("POST", &format!("/api/runs/{id}/{verb}"), body)
    }

    /// Approves the plan of a run that waits.
    fn approve(&self, run: &Run) {
        let answer = self.act(run.id, "approve", &json!({"digest": run.plan.as_ref().expect("a plan")}));
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// Which commands were carried out for a run.
    fn commands(&self, run: &Run) -> Vec<Command> {
        let started = |(_, event)| match event {
            Event::Started { command, .. } => Some(command),
            _ => None,
        };
        self.events(run.id, 0).into_iter().filter_map(started).collect()
    }
}

#[test]
fn a_plan_is_deployed_when_it_is_approved_and_not_before() {
    let place = place();
    let runner = place.token("runner", &["--level", "run"]);
    let server = place.serve(&[]);
    let waiting = server.until_run(&place.head(), State::Waiting);
    assert_eq!(place.cloud.stack_status("a"), None);
    assert_eq!((waiting.ended, &waiting.approved_by), (None, &None), "{waiting:?}");
    let digest = waiting.plan.clone().expect("a plan");

    let bearer = format!("Bearer {runner}");
    let path = format!("/api/runs/{}/approve", waiting.id);
    let body = json!({ "digest": digest }).to_string();
    let asked = |headers: &[(&str, &str)], body: &str| {
        crate::support::http::ask(&server.address, "POST", &path, headers, body.as_bytes()).unwrap().status
    };
    assert_eq!(asked(&[("Authorization", &bearer)], &body), 403);
    assert_eq!(asked(&[], &body), 401);
    let other = server.act(waiting.id, "approve", &json!({"digest": digest.replace('-', "0-")}));
    assert_eq!(other.status, 409, "{other:?}");
    assert_eq!(server.act(waiting.id, "approve", &json!({})).status, 400);
    assert_eq!(server.one(waiting.id), waiting);

    server.approve(&waiting);
    let run = server.until_run(&place.head(), State::Ended);
    assert_eq!((run.result, run.approved_by.as_deref()), (Some(RunResult::Changed), Some("api")), "{run:?}");
    assert_eq!(place.cloud.outputs("a")["Value"], "first");
    assert_eq!(server.commands(&run), [Command::Plan, Command::Run]);
    assert_eq!(server.act(run.id, "approve", &json!({"digest": digest})).status, 409);

    // Where there is nothing to do, there is nothing to approve.
    place.author.write("README.md", "Nothing that is deployed");
    let commit = place.push_as_it_is();
    server.tell(&commit);
    let run = server.until_run(&commit, State::Ended);
    assert_eq!((run.result, run.plan), (Some(RunResult::Unchanged), None));
    let rows = server.api("GET", "/api/audit", &Value::Null).json();
    assert_eq!((&rows[0]["what"], &rows[0]["who"]), (&json!("approved"), &json!("api")));
    server.stop();
}

#[test]
fn a_plan_that_waits_holds_up_nobody_and_can_be_rejected() {
    let place = place();
    let server = place.serve(&[]);
    let first = server.until_run(&place.head(), State::Waiting);
    let commit = place.push("second");
    server.tell(&commit);
    let second = server.until_run(&commit, State::Waiting);
    let superseded = server.one(first.id);
    assert_eq!((superseded.state, superseded.superseded_by), (State::Superseded, Some(second.id)));
    assert_eq!(server.act(first.id, "approve", &json!({"digest": first.plan})).status, 409);

    assert_eq!(server.act(second.id, "reject", &json!({"digest": first.plan})).status, 409);
    assert_eq!(server.act(second.id, "reject", &json!({"digest": second.plan})).status, 200);
    let rejected = server.one(second.id);
    assert_eq!((rejected.state, rejected.result), (State::Ended, Some(RunResult::Refused)));
    assert_eq!(rejected.reason.as_deref(), Some("rejected by api"));
    // A hint of it asks nobody again; somebody who asks does.
    assert_eq!(server.deliver("push", "again", &Place::told(&commit, "again")).body, "accepted");
    let again = server.act(second.id, "again", &Value::Null);
    assert_eq!(again.status, 202, "{again:?}");
    let third = server.until_run(&commit, State::Waiting);
    assert_eq!(server.runs().len(), 3);
    assert_eq!(third.id, again.json()["id"].as_i64().unwrap());
    assert_eq!(place.cloud.stack_status("a"), None);
    server.stop();
}

#[test]
fn when_the_world_has_changed_it_is_planned_and_asked_again() {
    let place = place();
    let server = place.serve(&[]);
    let first = server.until_run(&place.head(), State::Waiting);
    // Somebody deploys something else from a laptop, where approval binds nobody.
    place.author.edit("stacks/a/template.yaml", "Value: first", "Value: other");
    Output::of(place.author.command(&["run", "--env", "local", "--output", "json"])).code(0);
    assert_eq!(place.cloud.outputs("a")["Value"], "other");
    server.approve(&first);
    let again = until("another plan", || {
        let run = server.one(first.id);
        (run.state == State::Waiting && run.plan != first.plan).then_some(run)
    });
    assert_eq!(again.approved_by, None);
    assert_eq!(server.commands(&again), [Command::Plan, Command::Run, Command::Plan]);
    let differs = |(_, event): &(i64, Event)| matches!(event, Event::PlanDiffers { .. });
    assert!(server.events(first.id, 0).iter().any(differs));
    assert_eq!(place.cloud.outputs("a")["Value"], "other");
    server.approve(&again);
    let run = server.until_run(&first.commit, State::Ended);
    assert_eq!(run.result, Some(RunResult::Changed), "{run:?}");
    assert_eq!(place.cloud.outputs("a")["Value"], "first");
    server.stop();
}

#[test]
fn killed_in_any_state_of_an_approval_a_server_loses_nothing() {
    let pipeline = format!("{}  gate:\n", with_approval());
    let place = Place::with(&[
        ("pipeline.yaml", &pipeline),
        ("stacks/a/template.yaml", TEMPLATE),
        ("stacks/gate/template.yaml", GATE),
    ]);
    let commit = place.head();
    // While it plans, or before, or just behind.
    for millis in [0, 300, 900] {
        let server = place.serve(&[]);
        until("a run", || (!server.runs().is_empty()).then_some(()));
        std::thread::sleep(std::time::Duration::from_millis(millis));
        server.kill();
    }
    let server = place.serve(&[]);
    let waiting = server.until_run(&commit, State::Waiting);
    server.kill();
    // While it waits.
    let server = place.serve(&[]);
    assert_eq!(server.one(waiting.id), waiting);
    server.approve(&waiting);
    // Approved, wherever it is by now.
    server.kill();
    let server = place.serve(&[]);
    place.cloud.until_waiting("gate");
    assert_eq!(server.one(waiting.id).approved_by.as_deref(), Some("api"));
    // While it deploys.
    server.kill();
    let server = place.serve(&[]);
    place.cloud.open_gate("gate");
    let run = server.until_run(&commit, State::Ended);
    assert!(matches!(run.result, Some(RunResult::Changed | RunResult::Unchanged)), "{run:?}");
    assert_eq!(server.runs().len(), 1);
    assert_eq!(place.cloud.outputs("a")["Value"], "first");
    assert_eq!(place.cloud.change_sets("gate"), 1);
    server.stop();
}

#[test]
fn a_plan_is_approved_from_the_command_line_with_a_token() {
    let place = place();
    let approver = place.token("ada", &["--level", "approve"]);
    let runner = place.token("runner", &["--level", "run"]);
    let server = place.serve(&[]);
    let waiting = server.until_run(&place.head(), State::Waiting);
    let (id, digest) = (waiting.id.to_string(), waiting.plan.clone().expect("a plan"));
    let approve = |token: &str, more: &[&str], code| {
        let address = format!("http://{}", server.address);
        let mut command = place.author.command(&[&["approve", &id, "--server", &address], more].concat());
        command.env("PIPELINE_TOKEN", token);
        Output::of(command).code(code)
    };
    let refused = |token: &str, more: &[&str], code, why: &str| {
        let said = approve(token, more, code).stderr;
        assert!(said.contains(why), "{said}");
    };
    refused("", &["--digest", &digest], 2, "PIPELINE_TOKEN is not set");
    refused(&approver, &[], 2, "there is nobody to ask");
    refused(&approver, &["--digest", "other"], 1, "the plan that waits for approval has another");
    refused(
        &runner,
        &["--digest", &digest],
        1,
        "runner may not do this with octo/shop: it takes the level approve",
    );
    refused("plt_wrong", &["--digest", &digest], 1, "401 Unauthorized");
    assert_eq!(approve(&approver, &["--digest", &digest], 0).stdout, format!("run {id}: approved\n"));
    let run = server.until_run(&place.head(), State::Ended);
    assert_eq!((run.result, run.approved_by.as_deref()), (Some(RunResult::Changed), Some("ada")));
    let commit = place.push("second");
    server.tell(&commit);
    let waiting = server.until_run(&commit, State::Waiting);
    // At a terminal the plan is shown, and it asks.
    let at_a_terminal = |answer: &str| {
        let command = format!(
            "{} approve {} --server http://{} --reject",
            env!("CARGO_BIN_EXE_pipeline"),
            waiting.id,
            server.address
        );
        let mut script = std::process::Command::new("script");
        script.args(["--quiet", "--return", "--command", &command, "/dev/null"]);
        script.env("PIPELINE_TOKEN", &approver).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut script = script.spawn().expect("script, of util-linux");
        script.stdin.take().expect("an input").write_all(answer.as_bytes()).expect("an answer");
        let output = script.wait_with_output().expect("an end");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, said) = at_a_terminal("n\n");
    assert!(said.contains("stack/a") && said.contains("Reject this plan of run"), "{said}");
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(server.one(waiting.id), waiting);
    let (code, said) = at_a_terminal("y\n");
    assert!(code == Some(0) && said.contains(&format!("run {}: rejected", waiting.id)), "{said}");
    assert_eq!(server.one(waiting.id).reason.as_deref(), Some("rejected by ada"));
    server.stop();
}

#[test]
fn a_roll_back_is_approved_as_any_other_plan() {
    let place = place();
    let server = place.serve(&[]);
    let deploy = |commit: &str| {
        let waiting = server.until_run(commit, State::Waiting);
        server.approve(&waiting);
        server.until_run(commit, State::Ended)
    };
    let first = deploy(&place.head());
    let commit = place.push("second");
    server.tell(&commit);
    deploy(&commit);
    let asked = server.act(first.id, "rollback", &Value::Null);
    assert_eq!(asked.status, 202, "{asked:?}");
    let id = asked.json()["id"].as_i64().unwrap();
    let until =
        |state: State| until("the roll back", || Some(server.one(id)).filter(|run| run.state == state));
    let back = until(State::Waiting);
    assert_eq!(back.commit, first.commit);
    // A late hint of the head that it is to get rid of does not take its place.
    assert_eq!(server.deliver("push", "late", &Place::told(&commit, "late")).body, "accepted");
    place.until_nothing_is_unsettled();
    assert_eq!(server.one(id), back);
    assert_eq!(place.cloud.outputs("a")["Value"], "second-first");
    server.approve(&back);
    assert_eq!(until(State::Ended).result, Some(RunResult::Changed));
    assert_eq!(place.cloud.outputs("a")["Value"], "first");
    server.stop();
}

#[test]
fn a_commit_that_does_away_with_approval_needs_it_once_more() {
    let place = place();
    let server = place.serve(&[]);
    let first = server.until_run(&place.head(), State::Waiting);
    server.approve(&first);
    server.until_run(&first.commit, State::Ended);
    place.author.edit("pipeline.yaml", ", approval: required", "");
    let without = place.push("second");
    server.tell(&without);
    let waiting = server.until_run(&without, State::Waiting);
    server.approve(&waiting);
    server.until_run(&without, State::Ended);
    let next = place.push("third");
    server.tell(&next);
    let run = server.until_run(&next, State::Ended);
    assert_eq!((run.result, run.plan), (Some(RunResult::Changed), None));
    server.stop();
}

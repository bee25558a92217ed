use pipeline::event::RunResult;
use pipeline::store::{Cause, State, Store};
use serde_json::{Value, json};

use crate::server::{Place, Server, at_the_gate};
use crate::support::until;

fn held_back(server: &Server) -> Value {
    server.api("GET", "/api/environments", &Value::Null).json()[0]["held_back"].clone()
}

impl Place {
    /// Waits until it is settled what follows from all deliveries.
    pub(crate) fn until_nothing_is_unsettled(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let store = pipeline::store::Place::Sqlite(self.state().join("pipeline.db"));
        let store = runtime.block_on(Store::open_existing(&store)).expect("a store");
        until("an end of deliveries", || {
            runtime.block_on(store.unsettled()).expect("deliveries").is_empty().then_some(())
        });
        runtime.block_on(store.close());
    }
}

/// Waits until the last run has ended, and nothing is left to be settled.
fn until_settled(server: &Server, runs: usize) {
    until("an end of all runs", || {
        let there = server.runs();
        let ended = there.iter().all(|run| matches!(run.state, State::Ended | State::Superseded));
        (ended && there.len() == runs).then_some(())
    });
}

#[test]
fn a_roll_back_holds_until_something_newer_is_pushed() {
    let place = Place::simple();
    let server = place.serve(&[]);
    let first = server.until_run(&place.head(), State::Ended);
    let commit = place.push("second");
    server.tell(&commit);
    let second = server.until_run(&commit, State::Ended);
    assert_eq!(held_back(&server), json!(false));

    let answer = server.api("POST", &format!("/api/runs/{}/rollback", first.id), &Value::Null);
    assert_eq!(answer.status, 202, "{answer:?}");
    let id = answer.json()["id"].as_i64().unwrap();
    until_settled(&server, 3);
    let back = server.runs().pop().unwrap();
    assert_eq!((back.id, back.cause, &back.commit), (id, Cause::Rollback, &first.commit));
    assert_eq!(back.result, Some(RunResult::Changed), "{back:?}");
    assert_eq!(place.cloud.outputs("a")["Value"], "first");
    assert_eq!(held_back(&server), json!(true));

    // Hints of the head do not deploy it again, neither from this server nor from the next one.
    assert_eq!(server.deliver("push", "late", &Place::told(&commit, "late")).body, "accepted");
    place.until_nothing_is_unsettled();
    server.stop();
    let server = place.serve(&[]);
    assert_eq!(server.deliver("push", "later", &Place::told(&commit, "later")).body, "accepted");
    place.until_nothing_is_unsettled();
    until_settled(&server, 3);
    assert_eq!(held_back(&server), json!(true));

    let third = place.push("third");
    server.tell(&third);
    server.until_run(&third, State::Ended);
    assert_eq!(place.cloud.outputs("a")["Value"], "third-second-first");
    assert_eq!(held_back(&server), json!(false));
    // Only what went well is gone back to.
    place.author.write("stacks/a/template.yaml", "no template");
    let broken = place.push_as_it_is();
    server.tell(&broken);
    let broken = server.until_run(&broken, State::Ended);
    let answer = server.api("POST", &format!("/api/runs/{}/rollback", broken.id), &Value::Null);
    assert_eq!(answer.status, 409, "{answer:?}");
    let runner = place.token("runner", &["--level", "run"]);
    let bearer = format!("Bearer {runner}");
    let path = format!("/api/runs/{}/rollback", second.id);
    let headers = [("Authorization", bearer.as_str())];
    let answer = crate::support::http::ask(&server.address, "POST", &path, &headers, b"").unwrap();
    assert_eq!(answer.status, 403, "{answer:?}");
    let acts = server.api("GET", "/api/audit", &Value::Null).json();
    assert!(acts.as_array().unwrap().iter().any(|row| row["what"] == "rolled_back"), "{acts}");
    server.stop();
}

#[test]
fn the_head_is_deployed_again_when_somebody_asks_and_waits_with_another_priority() {
    let (place, server, commit) = at_the_gate();
    let first = server.until_run(&commit, State::Running);
    let act = |id: i64, verb: &str, body: &Value| server.api("POST", &format!("/api/runs/{id}/{verb}"), body);
    assert_eq!(act(first.id, "priority", &json!({"priority": 5})).status, 409);
    assert_eq!(act(first.id, "rollback", &Value::Null).status, 409);
    assert_eq!(act(999, "again", &Value::Null).status, 404);
    let again = act(first.id, "again", &Value::Null);
    assert_eq!(again.status, 202, "{again:?}");
    let id = again.json()["id"].as_i64().unwrap();
    let urgent = act(id, "priority", &json!({"priority": 5}));
    assert_eq!((urgent.status, &urgent.json()["priority"]), (200, &json!(5)));
    place.cloud.open_gate("gate");
    until_settled(&server, 2);
    let last = server.runs().pop().unwrap();
    assert_eq!((last.id, last.cause, last.commit), (id, Cause::Api, commit));
    assert_eq!(last.result, Some(RunResult::Unchanged));
    server.stop();
}

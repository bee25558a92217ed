use pipeline::event::RunResult;
use pipeline::store::State;
use serde_json::json;

use crate::server::Place;
use crate::support::{Output, postgres};

#[test]
fn two_servers_share_a_database_and_each_push_is_deployed_once() {
    let place = Place::simple();
    let database = postgres::Database::create();
    let address = database.address();
    let other = place.directory().join("other").display().to_string();
    let one = place.serve(&["--database", &address]);
    let two = place.serve_elsewhere(&other, &["--database", &address]);
    one.until_run(&place.head(), State::Ended);

    let commit = place.push("second");
    let body = Place::told(&commit, "");
    let answers = [one.deliver("push", "1", &body).body, two.deliver("push", "1", &body).body];
    assert_eq!(answers, ["accepted", "duplicate"]);
    let run = two.until_run(&commit, State::Ended);
    assert_eq!(run.result, Some(RunResult::Changed), "{run:?}");
    assert_eq!(place.cloud.outputs("a")["Value"], "second-first");
    assert_eq!(one.runs(), two.runs());
    assert_eq!(one.runs().len(), 2);
    assert_eq!(one.events(run.id, 0), two.events(run.id, 0));
    // Who is asked for one is not who has to carry it out.
    let wish = json!({"environment": "local", "branch": "main"});
    let asked = two.api("POST", "/api/runs", &wish).json()["id"].as_i64().expect("a number");
    one.stop();
    crate::support::until("the last run", || {
        two.runs().into_iter().find(|run| run.id == asked && run.state == State::Ended)
    });
    two.stop();
    let arguments = ["history", "--state", &other, "--database", &address, "--format", "json"];
    let history = Output::of(place.author.command(&arguments)).code(0);
    let runs: Vec<pipeline::store::Run> = serde_json::from_str(&history.stdout).expect("runs");
    assert_eq!(runs.len(), 3);
}

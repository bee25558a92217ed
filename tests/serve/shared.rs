use pipeline::event::{Event, RunResult};
use pipeline::store::State;
use rustix::process::Signal;
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

#[test]
fn a_server_that_was_stopped_beyond_its_lease_changes_nothing_of_what_another_one_has_begun_anew() {
    let place = Place::gated_with_leases();
    let database = postgres::Database::create();
    let address = database.address();
    let options = ["--database", address.as_str(), "--lease", "3s"];
    let other = place.directory().join("other").display().to_string();
    let one = place.serve(&options);
    place.cloud.until_waiting("gate");
    one.send(Signal::STOP);

    // Its process goes on without it, and has the lease in the account: the second one waits for that.
    let two = place.serve_elsewhere(&other, &options);
    let run = crate::support::until("a run that waits for the first process", || {
        let run = two.runs().pop()?;
        let waits = |(_, event): &(i64, Event)| matches!(event, Event::Waiting { .. });
        two.events(run.id, 0).iter().any(waits).then_some(run)
    });
    assert_eq!((run.state, two.runs().len()), (State::Running, 1));
    let begun =
        two.events(run.id, 0).into_iter().rposition(|(_, event)| matches!(event, Event::Started { .. }));

    one.send(Signal::CONT);
    one.until_said(&format!("run {} was lost to another server", run.id));
    place.cloud.open_gate("gate");
    let ended = two.until_run(&run.commit, State::Ended);
    assert!(matches!(ended.result, Some(RunResult::Unchanged | RunResult::Changed)), "{ended:?}");
    assert_eq!((place.cloud.change_sets("gate"), two.runs().len()), (1, 1));
    // Nothing that the first one had to tell was added behind the second one's beginning.
    let events: Vec<Event> = two.events(run.id, 0).into_iter().map(|(_, event)| event).collect();
    let started = events.iter().rposition(|event| matches!(event, Event::Started { .. }));
    assert_eq!(started, begun, "{events:?}");
    let ends = events.iter().filter(|event| matches!(event, Event::Finished { .. })).count();
    assert_eq!(ends, 1, "{events:?}");
    assert!(matches!(events.last(), Some(Event::Finished { .. })), "{events:?}");
    one.stop();
    two.stop();
}

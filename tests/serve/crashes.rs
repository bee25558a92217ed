use pipeline::event::{Event, RunResult};
use pipeline::store::State;

use crate::server::Place;

/// How many times a run began.
fn begun(events: &[(i64, Event)]) -> usize {
    events.iter().filter(|(_, event)| matches!(event, Event::Started { .. })).count()
}

#[test]
fn what_was_acknowledged_is_deployed_by_the_next_server() {
    let place = Place::gated();
    let server = place.serve(&[]);
    let first = place.head();
    place.cloud.until_waiting("gate");
    // One waits for its turn, of the other it may not even be settled what follows.
    let second = place.push("second");
    server.tell(&second);
    server.until_run(&second, State::Queued);
    let third = place.push("third");
    server.tell(&third);
    server.kill();

    let server = place.serve(&[]);
    place.cloud.open_gate("gate");
    let run = server.until_run(&third, State::Ended);
    assert_eq!(run.result, Some(RunResult::Changed), "{run:?}");
    assert_eq!(place.cloud.outputs("a")["Value"], "third-second-first");
    // The one that was under way has given way to what waited, and nothing waits any more.
    let runs = server.runs();
    assert_eq!((runs[0].commit.as_str(), runs[0].state), (first.as_str(), State::Superseded), "{runs:?}");
    let ended = runs.iter().filter(|run| run.state == State::Ended).count();
    let superseded = runs.iter().filter(|run| run.state == State::Superseded).count();
    assert_eq!((ended, ended + superseded), (1, runs.len()), "{runs:?}");
    server.stop();
}

#[test]
fn a_run_that_was_under_way_is_begun_anew_when_its_process_has_ended() {
    let place = Place::gated();
    let server = place.serve(&[]);
    let commit = place.head();
    place.cloud.until_waiting("gate");
    server.kill();

    // Its process goes on without the server: nobody else deploys to the environment until it has ended.
    let server = place.serve(&[]);
    server.until_said("1 runs that did not come to their end are begun anew");
    server.until_said("waits for the end of a process that an earlier server began");
    place.cloud.open_gate("gate");
    let run = server.until_run(&commit, State::Ended);
    assert_eq!(run.result, Some(RunResult::Unchanged), "{run:?}");
    assert_eq!(server.runs().len(), 1);
    assert_eq!(begun(&server.events(run.id, 0)), 2);
    assert_eq!(place.cloud.change_sets("gate"), 1);
    server.stop();
}

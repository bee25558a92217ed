use std::fs;
use std::time::Duration;

use pipeline::event::{Event, RunResult};
use pipeline::store::{Cause, State};
use rustix::process::{Pid, Signal, kill_process};

use crate::server::{OLD_SECRET, Place, SECRET, TOKEN, at_the_gate};
use crate::support::Cloud;

/// How many times a run began.
fn begun(events: &[(i64, Event)]) -> usize {
    events.iter().filter(|(_, event)| matches!(event, Event::Started { .. })).count()
}

#[test]
fn what_was_acknowledged_is_deployed_by_the_next_server() {
    let (place, server, first) = at_the_gate();
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
    let (place, server, commit) = at_the_gate();
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

#[test]
fn what_was_acknowledged_while_the_remote_was_away_is_deployed_by_the_next_server() {
    let place = Place::simple();
    let server = place.serve(&[]);
    server.until_run(&place.head(), State::Ended);
    // A branch that no other way leads to than a delivery: only its own configuration knows of it.
    let cloud = Cloud::of_environment(&place.author.project, "side", "us-west-2");
    place.author.git(&["checkout", "--quiet", "-b", "side"]);
    place.author.edit("pipeline.yaml", "  local: ", "  side: ");
    place.author.edit("pipeline.yaml", "branch: main", "branch: side");
    let commit = place.author.commit("Deploy from another branch");
    place.author.git(&["push", "--quiet", "origin", "side"]);
    let away = place.directory().join("away.git");
    fs::rename(place.remote(), &away).expect("a renamed directory");
    let body = Place::told(&commit, "").replace("refs/heads/main", "refs/heads/side");
    assert_eq!(server.deliver("push", "1", &body).body, "accepted");
    server.until_said("looking at branch side of octo/shop");
    server.kill();

    fs::rename(&away, place.remote()).expect("a renamed directory");
    let server = place.serve(&[]);
    let run = server.until_run(&commit, State::Ended);
    assert_eq!((run.cause, run.result), (Cause::Push, Some(RunResult::Changed)), "{run:?}");
    assert_eq!(cloud.outputs("a")["Value"], "first");
    assert_eq!(server.deliver("push", "1", &body).body, "duplicate");
    server.stop();
}

#[test]
fn killed_at_any_moment_a_server_loses_nothing_that_it_acknowledged() {
    let place = Place::simple();
    let mut bodies = Vec::new();
    for number in 0..10 {
        let server = place.serve(&[]);
        let commit = place.push(&number.to_string());
        let body = Place::told(&commit, "");
        assert_eq!(server.deliver("push", &commit, &body).body, "accepted");
        bodies.push((commit, body));
        // From at once to when the run may have ended: other moments each time.
        std::thread::sleep(Duration::from_millis(number * 60));
        server.kill();
    }
    let server = place.serve(&[]);
    let head = place.head();
    server.until_run(&head, State::Ended);
    for (commit, body) in &bodies {
        assert_eq!(server.deliver("push", commit, body).body, "duplicate");
    }
    let runs = server.runs();
    assert!(runs.iter().all(|run| matches!(run.state, State::Ended | State::Superseded)), "{runs:?}");
    assert!(runs.iter().all(|run| run.result != Some(RunResult::Failed)), "{runs:?}");
    assert!(place.cloud.outputs("a")["Value"].starts_with("9-8-7-"));
    server.stop();
}

#[test]
fn a_process_that_is_killed_has_failed_and_says_so() {
    let (place, server, commit) = at_the_gate();
    let repository = place.state().join("repositories/octo/shop/environments/local");
    let process = process_with(&repository.display().to_string());
    // It has no use for what opens the server.
    let variables = fs::read(format!("/proc/{}/environ", process.as_raw_nonzero())).expect("variables");
    for secret in [SECRET, OLD_SECRET, TOKEN] {
        assert!(!String::from_utf8_lossy(&variables).contains(secret), "{secret}");
    }
    kill_process(process, Signal::KILL).expect("a process");
    let run = server.until_run(&commit, State::Ended);
    assert_eq!(run.result, Some(RunResult::Failed));
    assert!(
        run.reason.as_deref().is_some_and(|it| it.starts_with("its process was ended by signal 9")),
        "{run:?}"
    );
    place.cloud.open_gate("gate");
    server.stop();
}

/// The process that has this word among its arguments.
fn process_with(argument: &str) -> Pid {
    let has = |pid: i32| {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        arguments.split(|byte| *byte == 0).any(|word| word == argument.as_bytes())
    };
    let processes = fs::read_dir("/proc").expect("processes").filter_map(Result::ok);
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.find(|pid| has(*pid)).and_then(Pid::from_raw).expect("a process")
}

//! A run that is killed, at any moment, and the next one: what was begun is found and gone on with, nothing is done twice,
//! and in the end everything is as if nothing had happened.

mod support;

use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::proxy::Fate;
use support::system::System;
use support::{Proxy, Running};

/// A run whose writing call number `at`, counted from 0, is its last act.
fn start_to_be_killed(system: &System, at: usize, fate: Fate) -> Running {
    let mut writes = 0;
    system.proxy.plan(move |operation, _| {
        if !Proxy::changes_something(operation) {
            return Fate::Passed;
        }
        writes += 1;
        if writes == at + 1 { fate } else { Fate::Passed }
    });
    let running = system.repository.start_run(&[]);
    system.proxy.may_kill(running.pid());
    running
}

/// Deploys with a kill at the given write; false if the run had ended before.
fn survives(system: &System, at: usize, fate: Fate) -> bool {
    let killed = start_to_be_killed(system, at, fate).end().code.is_none();
    system.proxy.plan(|_, _| Fate::Passed);
    system.deploy();
    killed
}

/// An undisturbed first deployment, and one of a later version: what they do and what they lead to.
struct Undisturbed {
    first: Course,
    later: Course,
}

/// What a deployment does and what it leads to.
struct Course {
    decisive_calls: std::collections::BTreeMap<String, usize>,
    state: serde_json::Value,
    time: Duration,
}

fn course(system: &System) -> Course {
    let began = Instant::now();
    system.deploy();
    let time = began.elapsed();
    Course { decisive_calls: system.decisive_calls(), state: system.state(), time }
}

fn undisturbed() -> Undisturbed {
    let system = System::new();
    let first = course(&system);
    system.release("2");
    Undisturbed { first, later: course(&system) }
}

#[track_caller]
fn ended_like(system: &System, wanted: &Course, what: &str) {
    assert_eq!(system.decisive_calls(), wanted.decisive_calls, "{what}");
    assert_eq!(without_versions(system.state()), without_versions(wanted.state.clone()), "{what}");
}

/// Revisions and versions count deployments, and here there may have been others before.
fn without_versions(mut state: serde_json::Value) -> serde_json::Value {
    for workload in state["workloads"].as_array_mut().expect("workloads") {
        workload["running"]["version"] = serde_json::Value::Null;
    }
    state
}

#[test]
fn a_first_deployment_survives_a_kill_at_every_write() {
    let wanted = undisturbed().first;
    for at in 0.. {
        let mut killed = false;
        for fate in [Fate::KilledBefore, Fate::KilledAfter] {
            let system = System::new();
            killed = survives(&system, at, fate);
            ended_like(&system, &wanted, &format!("{fate:?} write {at}"));
        }
        if !killed {
            assert!(at > 5, "there are more writes than {at}");
            return;
        }
    }
}

#[test]
fn a_later_deployment_survives_a_kill_at_every_write() {
    let wanted = undisturbed().later;
    let system = System::new();
    system.deploy();
    system.proxy.take();
    for at in 0.. {
        let mut killed = false;
        for fate in [Fate::KilledBefore, Fate::KilledAfter] {
            system.release(&format!("{at}-{fate:?}"));
            killed = survives(&system, at, fate);
            ended_like(&system, &wanted, &format!("{fate:?} write {at}"));
        }
        if !killed {
            assert!(at > 5, "there are more writes than {at}");
            return;
        }
    }
}

#[test]
fn deployments_survive_kills_at_twenty_moments() {
    let Undisturbed { first, later } = undisturbed();
    let kill = |system: &System, share: u32, time: Duration| {
        let running = system.repository.start_run(&[]);
        // Whenever it comes, and whatever it hits: that is what is tested.
        std::thread::sleep(time * share / 10);
        running.send(Signal::KILL);
        running.end();
        system.deploy();
    };
    let system = System::new();
    for share in 1..=10 {
        let fresh = System::new();
        kill(&fresh, share, first.time);
        ended_like(&fresh, &first, &format!("first deployment at {share}/10"));
    }
    system.deploy();
    system.proxy.take();
    for share in 1..=10 {
        system.release(&format!("moment-{share}"));
        kill(&system, share, later.time);
        ended_like(&system, &later, &format!("later deployment at {share}/10"));
    }
}

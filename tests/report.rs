//! What people and programs see of plans and runs, for runs as they happen.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

#[path = "report/actions.rs"]
mod actions;
#[path = "report/markdown.rs"]
mod markdown;
#[path = "report/plans.rs"]
mod plans;
#[path = "report/scenarios.rs"]
mod scenarios;

use indicatif::{InMemoryTerm, ProgressDrawTarget};
use insta::assert_snapshot;
use jiff::{SignedDuration, Timestamp};
use pipeline::event::Event;
use pipeline::report::{Json, Live, Plain};
use scenarios::Timed;

fn at(millis: i64) -> Timestamp {
    "2026-03-01T02:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_millis(millis)
}

fn plain(events: &[Timed]) -> String {
    let mut out = Vec::new();
    let mut plain = Plain::new(&mut out, false);
    for (millis, event) in events {
        plain.tick(at(*millis));
        plain.handle(at(*millis), event);
    }
    drop(plain);
    String::from_utf8(out).unwrap()
}

fn json(events: &[Timed]) -> String {
    let mut out = Vec::new();
    let mut json = Json::new(&mut out);
    for (millis, event) in events {
        json.handle(at(*millis), event);
    }
    String::from_utf8(out).unwrap()
}

/// What the terminal shows once the events up to `until` (milliseconds) are in, the tree drawn at `until`.
fn live(events: &[Timed], until: i64, rows: u16, columns: u16) -> String {
    let term = InMemoryTerm::new(rows, columns);
    let target = ProgressDrawTarget::term_like(Box::new(term.clone()));
    let mut live = Live::new(target, move || (rows, columns), false);
    for (millis, event) in events.iter().filter(|(millis, _)| *millis <= until) {
        live.handle(at(*millis), event);
    }
    live.tick(at(until));
    // Dropped, the tree would be taken away.
    let shown = term.contents();
    assert!(shown.lines().all(|line| line.chars().count() <= usize::from(columns)), "{shown}");
    shown
}

#[test]
fn first_deployment_as_lines() {
    assert_snapshot!(plain(&scenarios::first_deployment()));
}

#[test]
fn first_deployment_on_a_terminal() {
    let events = scenarios::first_deployment();
    assert_snapshot!("first_deployment_live_at_9s", live(&events, 9_000, 40, 100));
    assert_snapshot!("first_deployment_live_at_70s", live(&events, 70_000, 40, 100));
    assert_snapshot!("first_deployment_live_end", live(&events, i64::MAX / 1_000_000_000, 60, 100));
}

#[test]
fn a_narrow_and_low_terminal_cuts_lines_and_counts_what_does_not_fit() {
    let events = scenarios::first_deployment();
    assert_snapshot!("narrow", live(&events, 9_000, 40, 50));
    assert_snapshot!("low", live(&events, 9_000, 6, 80));
}

#[test]
fn nothing_to_do() {
    let events = scenarios::nothing_to_do();
    assert_snapshot!("nothing_to_do_lines", plain(&events));
    assert_snapshot!("nothing_to_do_live", live(&events, 10_000, 40, 100));
}

#[test]
fn a_stack_fails() {
    let events = scenarios::failed_stack();
    assert_snapshot!("failed_stack_lines", plain(&events));
    assert_snapshot!("failed_stack_live_while_rolling_back", live(&events, 200_000, 40, 120));
    assert_snapshot!("failed_stack_live_end", live(&events, 10_000_000, 60, 120));
}

#[test]
fn a_build_fails() {
    assert_snapshot!("failed_build_live", live(&scenarios::failed_build(), 10_000_000, 60, 100));
}

#[test]
fn a_plan_shows_losses_first() {
    let events = scenarios::plan_with_replacement();
    assert_snapshot!("plan_lines", plain(&events));
    assert_snapshot!("plan_live_narrow", live(&events, 10_000, 60, 70));
}

#[test]
fn a_plan_that_fails_shows_what_it_knows() {
    assert_snapshot!(plain(&scenarios::failed_plan()));
}

#[test]
fn a_run_without_its_plan_shows_what_differs() {
    let events = scenarios::refused();
    assert_snapshot!("refused_lines", plain(&events));
    assert_snapshot!("refused_live", live(&events, 10_000, 40, 100));
}

#[test]
fn a_run_is_interrupted() {
    let events = scenarios::interrupted();
    assert_snapshot!("interrupted_lines", plain(&events));
    assert_snapshot!("interrupted_live", live(&events, 1_000_000, 40, 100));
}

#[test]
fn what_an_interrupted_canary_was_taken_back_to_is_said() {
    let events = scenarios::interrupted_canary();
    assert_snapshot!("interrupted_canary_lines", plain(&events));
    assert_snapshot!("interrupted_canary_live", live(&events, 1_000_000, 40, 120));
}

#[test]
fn json_has_one_event_per_line_that_reads_back() {
    let events = scenarios::failed_stack();
    let text = json(&events);
    let back: Vec<Event> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(back.iter().eq(events.iter().map(|(_, event)| event)));
    assert_snapshot!(text.lines().take(4).collect::<Vec<_>>().join("\n"));
}

#[test]
fn colours_only_where_asked_for() {
    let mut out = Vec::new();
    let mut plain = Plain::new(&mut out, true);
    for (millis, event) in scenarios::failed_stack() {
        plain.handle(at(millis), &event);
    }
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("\u{1b}[31m\u{1b}[1mFAILED\u{1b}[0m"), "{text:?}");
    assert!(!self::plain(&scenarios::failed_stack()).contains('\u{1b}'));
}

#[test]
fn a_reader_that_is_gone_stops_nothing() {
    struct Gone;
    impl std::io::Write for Gone {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
    }
    let (mut plain, mut json) = (Plain::new(Gone, false), Json::new(Gone));
    for (millis, event) in scenarios::first_deployment() {
        plain.handle(at(millis), &event);
        json.handle(at(millis), &event);
    }
}

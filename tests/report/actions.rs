//! A job's log on GitHub Actions, its summary and its outputs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use insta::assert_snapshot;
use pipeline::event::Event;
use pipeline::report::{Actions, Files};
use proptest::prelude::*;
use tempfile::TempDir;

use super::scenarios::Timed;
use super::{at, plans, scenarios};

/// What a job's runner gets to see.
struct Job {
    log: String,
    summary: String,
    output: String,
}

fn job(events: &[Timed]) -> Job {
    let directory = TempDir::new().unwrap();
    job_in(directory.path(), events)
}

fn job_in(directory: &Path, events: &[Timed]) -> Job {
    let (summary, output) = (directory.join("summary"), directory.join("output"));
    let log = log(events, Files { summary: Some(summary.clone()), output: Some(output.clone()) });
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    Job { log, summary: read(&summary), output: read(&output) }
}

fn log(events: &[Timed], files: Files) -> String {
    let mut out = Vec::new();
    let mut actions = Actions::new(&mut out, false, files);
    for (millis, event) in events {
        actions.tick(at(*millis));
        actions.handle(at(*millis), event);
    }
    drop(actions);
    String::from_utf8(out).unwrap()
}

/// The outputs as the runner reads them.
fn outputs(text: &str) -> BTreeMap<&str, String> {
    let mut outputs = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let (name, end) = line.split_once("<<").unwrap();
        let value: Vec<&str> = lines.by_ref().take_while(|line| *line != end).collect();
        outputs.insert(name, value.join("\n"));
    }
    outputs
}

#[test]
fn a_run_succeeds() {
    let job = job(&scenarios::first_deployment());
    assert_snapshot!("actions_success", job.log);
    assert_snapshot!("actions_success_output", job.output);
    assert!(job.summary.starts_with("### ✅ `prod`: done in 2m 50s\n"), "{}", job.summary);
}

#[test]
fn a_build_fails_and_its_log_is_open() {
    let job = job(&scenarios::failed_build());
    assert!(!job.log.contains("::group::"));
    assert_snapshot!("actions_failed_build", job.log);
    assert_eq!(outputs(&job.output)["result"], "failed");
}

#[test]
fn a_stack_fails() {
    assert_snapshot!("actions_failed_stack", job(&scenarios::failed_stack()).log);
}

#[test]
fn a_run_is_interrupted() {
    assert_snapshot!("actions_interrupted", job(&scenarios::interrupted()).log);
}

#[test]
fn a_plan_is_told_to_the_steps_behind_it() {
    let job = job(&scenarios::plan_with_replacement());
    assert_snapshot!("actions_plan", job.log);
    let outputs = outputs(&job.output);
    assert_eq!(outputs["plan-digest"], "0123456789abcdef0123456789abcdef-000111222333444555666");
    assert_eq!(outputs["changed"], r#"["image/api","stack/alb","stack/msk","stack/ecs","rollout/api"]"#);
    let plan: serde_json::Value = serde_json::from_str(&outputs["plan"]).unwrap();
    assert_eq!(plan["steps"][4]["changes"][5]["replacement"], "always");
}

#[test]
fn what_is_too_large_is_cut() {
    let directory = TempDir::new().unwrap();
    let job = job_in(directory.path(), &plans::very_large());
    let plan: serde_json::Value = serde_json::from_str(&outputs(&job.output)["plan"]).unwrap();
    assert_eq!(plan["steps"][59], serde_json::json!({ "step": "stack/service-59", "action": "update" }));
    assert!((900_000..1_000_000).contains(&job.summary.len()), "{}", job.summary.len());
    // The next command of the same step of the job finds little room left.
    let next = job_in(directory.path(), &plans::very_large());
    assert!(next.summary.len() < 1_000_000, "{}", next.summary.len());
}

#[test]
fn files_that_cannot_be_written_are_warnings() {
    let nowhere = Some("/nowhere/at/all".into());
    let log = log(&scenarios::nothing_to_do(), Files { summary: nowhere.clone(), output: nowhere });
    assert_eq!(log.matches("::warning title=pipeline::writing to /nowhere/at/all: ").count(), 2, "{log}");
    assert!(log.contains("nothing to do: 7 unchanged"));
}

/// The commands in a log, as the runner finds them.
fn commands(log: &str) -> Vec<&str> {
    let lines = log.split(['\n', '\r']);
    let new = lines.filter_map(|line| line.trim_start().strip_prefix("::"));
    new.filter_map(|rest| rest.split(|c: char| !c.is_ascii_lowercase()).next()).collect()
}

proptest! {
    #[test]
    fn no_text_from_outside_is_a_command(text in "((::|##\\[)?(set-output|group|error|stop-commands)?( name=x)?(::|\\])?[\n\r\t \u{a0}]?x?){0,4}") {
        let hostile = plans::hostile(&text);
        // A run tells things as they happen, a plan at its end.
        let as_run = hostile.iter().cloned().map(|(millis, event)| match event {
            Event::Started { project, environment, revision, steps, .. } => {
                (millis, Event::Started { command: pipeline::event::Command::Run, project, environment, revision, steps })
            }
            event => (millis, event),
        });
        for events in [as_run.collect::<Vec<_>>(), hostile] {
            let log = log(&events, Files::default());
            prop_assert!(!log.contains("##["), "{log}");
            let known = ["error", "warning", "group", "endgroup"];
            prop_assert!(commands(&log).iter().all(|command| known.contains(command)), "{log}");
            prop_assert_eq!(commands(&log).iter().filter(|command| **command == "error").count(), 1, "{}", log);
        }
    }
}

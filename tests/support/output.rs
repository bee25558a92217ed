use std::collections::BTreeMap;

use pipeline::event::{Event, Outcome, RunResult};
use pipeline::plan::{Action, Decision};

/// What a command printed and ended with.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// Runs a command to its end.
    pub(crate) fn of(mut command: std::process::Command) -> Self {
        let output = command.output().expect("the pipeline");
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The output, after checking the exit code.
    #[track_caller]
    pub(crate) fn code(self, wanted: i32) -> Self {
        super::canary::check(&self);
        assert_eq!(self.code, Some(wanted), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// The events that were printed with `--output json`.
    pub(crate) fn events(&self) -> Vec<Event> {
        let read = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.stdout.lines().map(read).collect()
    }

    pub(crate) fn result(&self) -> RunResult {
        match self.events().pop() {
            Some(Event::Finished { result, .. }) => result,
            other => panic!("the last event is {other:?}"),
        }
    }

    /// Each step's last decision.
    pub(crate) fn decisions(&self) -> BTreeMap<String, Decision> {
        let decided = |event| match event {
            Event::StepDecided { step, decision } => Some((step.to_string(), decision)),
            _ => None,
        };
        self.events().into_iter().filter_map(decided).collect()
    }

    pub(crate) fn outcomes(&self) -> BTreeMap<String, Outcome> {
        let finished = |event| match event {
            Event::StepFinished { step, outcome, .. } => Some((step.to_string(), outcome)),
            _ => None,
        };
        self.events().into_iter().filter_map(finished).collect()
    }

    /// The steps that changed something, in the order of their names.
    pub(crate) fn changed(&self) -> Vec<String> {
        let outcomes = self.outcomes().into_iter();
        outcomes
            .filter(|(_, outcome)| matches!(outcome, Outcome::Done { .. }))
            .map(|(step, _)| step)
            .collect()
    }

    #[track_caller]
    pub(crate) fn action(&self, step: &str) -> Action {
        self.decisions().get(step).unwrap_or_else(|| panic!("{step} was not decided: {self:?}")).action
    }
}

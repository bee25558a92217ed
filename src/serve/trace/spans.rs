use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use crate::event::{Event, Outcome, RunResult};
use crate::plan::StepId;
use crate::store::Run;

/// What a run came to, as spans: it is the root, its steps are below it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trace {
    pub(super) run: Run,
    pub(super) steps: Vec<Span>,
}

/// A step from its start to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) step: StepId,
    pub(super) start: Timestamp,
    /// As far as it came to one.
    pub(super) end: Option<Timestamp>,
    pub(super) result: TaskResult,
    /// Why it failed.
    pub(super) failure: Option<String>,
}

/// The words of the semantic conventions.
/// <https://opentelemetry.io/docs/specs/semconv/registry/attributes/cicd/>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TaskResult {
    Success,
    Failure,
    /// It did not come to its end.
    Error,
    Cancellation,
    Skip,
}

impl TaskResult {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Error => "error",
            Self::Cancellation => "cancellation",
            Self::Skip => "skip",
        }
    }

    pub(super) fn is_bad(self) -> bool {
        matches!(self, Self::Failure | Self::Error)
    }

    /// The same for a run.
    pub(super) fn of_run(result: Option<RunResult>) -> Self {
        match result {
            Some(RunResult::Changed | RunResult::Unchanged) => Self::Success,
            Some(RunResult::Failed | RunResult::Refused) => Self::Failure,
            Some(RunResult::Interrupted | RunResult::Superseded) => Self::Cancellation,
            None => Self::Error,
        }
    }
}

/// When an event happened, which stands beside what it tells.
#[derive(Deserialize)]
struct At {
    time: Timestamp,
}

/// Steps, put together from events in their order.
#[derive(Debug, Default)]
pub(super) struct Steps(BTreeMap<StepId, Span>);

impl Steps {
    /// Takes the next event, as it was written.
    pub(super) fn take(&mut self, line: &str) {
        let (Ok(At { time }), Ok(event)) = (serde_json::from_str(line), serde_json::from_str(line)) else {
            return;
        };
        match event {
            // A run that was begun anew is told of as it went in the end.
            Event::Started { .. } => self.0.clear(),
            Event::StepStarted { step } => {
                self.0.entry(step.clone()).or_insert_with(|| Span::begun(step, time));
            }
            Event::StepFinished { step, outcome, .. } => {
                let span = self.0.entry(step.clone()).or_insert_with(|| Span::begun(step, time));
                span.end = Some(time);
                (span.result, span.failure) = match outcome {
                    Outcome::Unchanged | Outcome::Done { .. } => (TaskResult::Success, None),
                    Outcome::Failed { failure } => (TaskResult::Failure, Some(failure.message)),
                    Outcome::Blocked { .. } => (TaskResult::Skip, None),
                    Outcome::Interrupted { .. } => (TaskResult::Cancellation, None),
                };
            }
            _ => {}
        }
    }

    /// The trace of the run whose events they were.
    pub(super) fn of(self, run: Run) -> Trace {
        Trace { run, steps: self.0.into_values().collect() }
    }
}

impl Span {
    fn begun(step: StepId, start: Timestamp) -> Self {
        Self { step, start, end: None, result: TaskResult::Error, failure: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_those_of_the_last_beginning() {
        let mut steps = Steps::default();
        let revision = r#"{"commit":"1a","subject":"s","tree":"2b","dirty":false}"#;
        let started = format!(
            r#"{{"time":"2026-01-01T00:00:00Z","event":"started","command":"run","project":"p","environment":"e","revision":{revision},"steps":[]}}"#
        );
        for line in [
            started.as_str(),
            r#"{"time":"2026-01-01T00:00:01Z","event":"step_started","step":"stack/gone"}"#,
            started.as_str(),
            r#"{"time":"2026-01-01T00:00:02Z","event":"step_started","step":"stack/a"}"#,
            r#"{"time":"2026-01-01T00:00:02.5Z","event":"step_started","step":"image/w"}"#,
            "no event",
            r#"{"time":"2026-01-01T00:00:03Z","event":"step_finished","step":"stack/a","outcome":{"kind":"failed","failure":{"message":"no"}},"millis":1000}"#,
            r#"{"time":"2026-01-01T00:00:03Z","event":"step_finished","step":"stack/b","outcome":{"kind":"blocked","by":"stack/a"},"millis":0}"#,
        ] {
            steps.take(line);
        }
        let told: Vec<(String, TaskResult, bool)> =
            steps.0.values().map(|span| (span.step.to_string(), span.result, span.end.is_some())).collect();
        let word = |word: &str| word.to_owned();
        let expected = [
            (word("image/w"), TaskResult::Error, false),
            (word("stack/a"), TaskResult::Failure, true),
            (word("stack/b"), TaskResult::Skip, true),
        ];
        assert_eq!(told, expected);
    }
}

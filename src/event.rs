//! What happens during a plan or a run, one value per thing that happens.
//!
//! These types are the interface between the executor and everything that shows or stores progress; with
//! `--output json` each event is one line. New kinds and fields may come; those that are here stay.

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::plan::{Decided, Decision, PlanDigest, Step, StepId};
use crate::redact::redacted;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The first event: what is about to be planned or run.
    Started {
        /// `plan`, `run` or `revert`.
        command: Command,
        /// The project's name.
        project: String,
        /// The environment's name.
        environment: String,
        /// What is deployed.
        revision: Revision,
        /// Every selected step, in an order in which they could run one after the other.
        steps: Vec<Step>,
    },
    /// The run can't begin to act before another one has ended.
    Waiting {
        /// Who deploys to the environment, and since when.
        reason: String,
    },
    /// A step has what it needs and begins to look at what is live.
    StepStarted {
        /// The step.
        step: StepId,
    },
    /// It is settled what a step does and why. A step that is decided anew with better knowledge sends another.
    StepDecided {
        /// The step.
        step: StepId,
        /// What it does.
        decision: Decision,
    },
    /// What a step is doing now: `building`, `pushing`, `waiting for stacks.ecr.ApiRepositoryUri`.
    Activity {
        /// The step.
        step: StepId,
        /// In a few words.
        text: String,
    },
    /// How far the current activity is.
    Progress {
        /// The step.
        step: StepId,
        /// Done so far.
        done: u64,
        /// All there is to do, where it is known.
        total: Option<u64>,
        /// What is counted.
        unit: Unit,
    },
    /// A line that a build, a push or a service wrote.
    Log {
        /// The step.
        step: StepId,
        /// The line, without its end.
        line: String,
    },
    /// A resource of a stack changed its status.
    Resource {
        /// The step.
        step: StepId,
        /// The resource's name in the template.
        logical_id: String,
        /// `AWS::ECS::Service`.
        resource_type: String,
        /// `CREATE_IN_PROGRESS`, `UPDATE_COMPLETE`, `DELETE_FAILED`…
        status: String,
        /// What the service says about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A step has ended.
    StepFinished {
        /// The step.
        step: StepId,
        /// How.
        outcome: Outcome,
        /// Milliseconds since its `step_started`, or 0 if it never started.
        millis: u64,
    },
    /// The plan is not the one that the run has to have. Nothing was changed, and the run ends.
    PlanDiffers {
        /// The digest of the plan that it has to have.
        required: PlanDigest,
        /// The steps that do something else than in that plan, as far as that can be told, and what they would do.
        steps: Vec<Decided>,
        /// How many steps that plan has more or less.
        #[serde(default, skip_serializing_if = "is_zero")]
        gone_or_new: usize,
    },
    /// Something that does not fail the deployment but should be known.
    Warning {
        /// The step it concerns, if it concerns one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<StepId>,
        /// What was tried, on what, what came back.
        message: String,
    },
    /// The last event.
    Finished {
        /// How it ended.
        result: RunResult,
        /// Milliseconds since `started`.
        millis: u64,
        /// Where people find what is deployed, if the environment says so and a run knows it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<String>,
        /// The newer commit that the run gave way to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        newer: Option<String>,
        /// What the plan comes to, if there is something to do: `run --plan-digest` carries out this plan alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<PlanDigest>,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks like this")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Show what would happen.
    Plan,
    /// Make it happen.
    Run,
    /// Bring what was changed by hand back to what the stacks say.
    Revert,
}

/// What is deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// The commit's full identity. For a dirty tree the commit it is based on.
    pub commit: String,
    /// The first line of the commit's message.
    pub subject: String,
    /// The tree that is deployed.
    pub tree: String,
    /// Whether the tree holds changes that are in no commit.
    pub dirty: bool,
}

impl Revision {
    /// The commit's first seven characters, with `+changes` for a dirty tree.
    #[must_use]
    pub fn short(&self) -> String {
        let commit = short(&self.commit);
        if self.dirty { format!("{commit}+changes") } else { commit.to_owned() }
    }
}

/// A commit's first seven characters, as git shows it.
#[must_use]
pub fn short(commit: &str) -> &str {
    commit.get(..7).unwrap_or(commit)
}

/// What progress is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Bytes of an upload.
    Bytes,
    /// Resources of a stack.
    Resources,
    /// Tasks of a service.
    Tasks,
    /// Instructions of a Dockerfile.
    Instructions,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outcome {
    /// What is wanted was live already.
    Unchanged,
    /// It did what it had to; in a plan: it would.
    Done {
        /// What is live now, in a few words: `repo@sha256:…`, `3 resources changed`.
        summary: String,
    },
    /// It failed.
    Failed {
        /// Why.
        failure: Failure,
    },
    /// It could not begin, because a step it needs failed.
    Blocked {
        /// The step that failed, or was blocked itself.
        by: StepId,
    },
    /// The run was interrupted before the step was through.
    Interrupted {
        /// What is live now, where what was begun has been taken back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        summary: Option<String>,
    },
}

/// How a plan or a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunResult {
    /// Nothing to do.
    Unchanged,
    /// Changes were made; in a plan: there are some to make.
    Changed,
    /// A step failed.
    Failed,
    /// Ctrl-C or SIGTERM.
    Interrupted,
    /// It gave way to a newer commit.
    Superseded,
    /// The plan is not the one that it has to have.
    Refused,
}

impl RunResult {
    /// Whether everything is as it was wanted.
    #[must_use]
    pub fn is_good(self) -> bool {
        matches!(self, Self::Unchanged | Self::Changed)
    }

    /// The word that it is in events.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Changed => "changed",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Superseded => "superseded",
            Self::Refused => "refused",
        }
    }
}

/// Where events go: cheap to clone, never blocks the sender, loses nothing.
#[derive(Debug, Clone)]
pub struct Events(tokio::sync::mpsc::UnboundedSender<Event>);

impl Events {
    /// A channel: the end to send on, and the end that the outputs read.
    #[must_use]
    pub fn channel() -> (Self, tokio::sync::mpsc::UnboundedReceiver<Event>) {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Sends an event. Outputs that are gone (a closed pipe) do not stop a deployment.
    pub fn send(&self, event: Event) {
        let _ = self.0.send(without_secrets(event));
    }

    /// The same channel, for one step.
    #[must_use]
    pub fn step(&self, step: StepId) -> StepEvents {
        StepEvents { events: self.clone(), step }
    }
}

/// Where one step's events go.
#[derive(Debug, Clone)]
pub struct StepEvents {
    events: Events,
    step: StepId,
}

impl StepEvents {
    /// What the step is doing now.
    pub fn activity(&self, text: impl Into<String>) {
        self.events.send(Event::Activity { step: self.step.clone(), text: text.into() });
    }

    /// How far it is.
    pub fn progress(&self, done: u64, total: Option<u64>, unit: Unit) {
        self.events.send(Event::Progress { step: self.step.clone(), done, total, unit });
    }

    /// A line that a build, a push or a service wrote.
    pub fn log(&self, line: impl Into<String>) {
        self.events.send(Event::Log { step: self.step.clone(), line: line.into() });
    }

    /// Something that should be known.
    pub fn warning(&self, message: impl Into<String>) {
        self.events.send(Event::Warning { step: Some(self.step.clone()), message: message.into() });
    }

    /// What is to be done in the step.
    pub fn decided(&self, decision: Decision) {
        self.events.send(Event::StepDecided { step: self.step.clone(), decision });
    }

    /// Any other event of the step.
    pub fn send(&self, event: impl FnOnce(StepId) -> Event) {
        self.events.send(event(self.step.clone()));
    }
}

/// What fields hold that are words of this program or names from `pipeline.yaml`, which are no secrets.
const NAMES: [&str; 12] = [
    "event", "command", "step", "id", "needs", "by", "kind", "action", "unit", "result", "required", "digest",
];

/// The event with every secret that is known hidden, in whichever field.
fn without_secrets(event: Event) -> Event {
    // It comes many times a second, and holds numbers alone.
    if matches!(event, Event::Progress { .. }) {
        return event;
    }
    let Ok(mut value) = serde_json::to_value(&event) else { return event };
    if !hide(&mut value) {
        return event;
    }
    serde_json::from_value(value).unwrap_or_else(|_| Event::Warning {
        step: None,
        message: "an event is not shown, as a secret stands in it where a word of this program belongs"
            .to_owned(),
    })
}

/// Whether there was something to hide.
fn hide(value: &mut serde_json::Value) -> bool {
    use serde_json::Value;
    match value {
        Value::String(text) => {
            let shown = redacted(text).into_owned();
            let hidden = shown != *text;
            *text = shown;
            hidden
        }
        Value::Array(items) => hide_all(items.iter_mut()),
        Value::Object(entries) => {
            let texts = entries.iter_mut().filter(|(key, _)| !NAMES.contains(&key.as_str()));
            hide_all(texts.map(|(_, value)| value))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether there was something to hide in one of them; none is left out.
fn hide_all<'a>(values: impl Iterator<Item = &'a mut serde_json::Value>) -> bool {
    values.filter_map(|value| hide(value).then_some(())).count() > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_the_same_word_everywhere() {
        use RunResult::{Changed, Failed, Interrupted, Refused, Superseded, Unchanged};
        for result in [Unchanged, Changed, Failed, Interrupted, Superseded, Refused] {
            assert_eq!(serde_json::to_value(result).unwrap(), result.as_str());
        }
    }
}

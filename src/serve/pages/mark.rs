use maud::{Markup, html};

use crate::event::{Outcome, RunResult};
use crate::report::words::intent;
use crate::report::{Board, Phase, StepState};
use crate::store::{Run, State};

/// How something stands, told by a shape and a colour; a word stands beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// Something was changed, and it went well.
    Good,
    /// Everything was as wanted.
    Same,
    /// It failed.
    Bad,
    /// It is under way.
    Busy,
    /// It waits.
    Waiting,
    /// Somebody is to decide on it.
    Asks,
    /// It was kept from beginning, or cut off.
    Stopped,
}

impl Mark {
    /// How a run stands, and the word for it that the API uses.
    pub(super) fn of_run(run: &Run) -> (Self, &'static str) {
        match (run.state, run.result) {
            (State::Queued, _) => (Self::Waiting, "queued"),
            (State::Waiting, _) => (Self::Asks, "waiting for approval"),
            (State::Running, _) => (Self::Busy, "running"),
            (State::Superseded, _) => (Self::Stopped, "superseded"),
            (State::Ended, Some(result)) => (Self::of_result(result), result.as_str()),
            (State::Ended, None) => (Self::Stopped, "ended"),
        }
    }

    fn of_result(result: RunResult) -> Self {
        match result {
            RunResult::Changed => Self::Good,
            RunResult::Unchanged => Self::Same,
            RunResult::Failed | RunResult::Refused => Self::Bad,
            RunResult::Interrupted | RunResult::Superseded => Self::Stopped,
        }
    }

    /// How a step of a plan or a run stands, and the word for it.
    pub(super) fn of_step(board: &Board, step: &StepState) -> (Self, &'static str) {
        match &step.phase {
            Phase::Ended { outcome: Outcome::Done { .. }, .. } if board.is_plan() => {
                (Self::Asks, intent(step.action()))
            }
            Phase::Waiting => (Self::Waiting, "waiting"),
            Phase::Running { .. } => (Self::Busy, "running"),
            Phase::Ended { outcome, millis } => match outcome {
                Outcome::Done { .. } => (Self::Good, "changed"),
                Outcome::Unchanged => (Self::Same, "unchanged"),
                Outcome::Failed { .. } => (Self::Bad, "failed"),
                Outcome::Blocked { .. } => (Self::Stopped, "blocked"),
                Outcome::Interrupted { .. } if *millis == 0 => (Self::Waiting, "not started"),
                Outcome::Interrupted { .. } => (Self::Stopped, "interrupted"),
            },
        }
    }

    /// The class that colours it.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Same => "same",
            Self::Bad => "bad",
            Self::Busy => "busy",
            Self::Waiting => "waiting",
            Self::Asks => "asks",
            Self::Stopped => "stopped",
        }
    }

    /// The shape, 16 pixels wide. It says nothing to who hears the page: a word stands beside it.
    pub(super) fn icon(self) -> Markup {
        html! {
            svg class={ "icon " (self.class()) } viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" {
                (self.shape())
            }
        }
    }

    /// What the shape is drawn with, in a square of 16 pixels.
    pub(super) fn shape(self) -> Markup {
        let (disc, lines) = match self {
            Self::Good => (true, "M4.8 8.2 7 10.4 11.2 5.8"),
            Self::Same => (true, "M5 6.6H11M5 9.4H11"),
            Self::Bad => (true, "M5.5 5.5 10.5 10.5M10.5 5.5 5.5 10.5"),
            Self::Stopped => (false, "M4.6 11.4 11.4 4.6"),
            Self::Busy => (false, "M8 4.4V8L10.4 9.6"),
            Self::Asks => (true, "M6.2 5.2V10.8M9.8 5.2V10.8"),
            Self::Waiting => (false, "M5 8H5.01M8 8H8.01M11 8H11.01"),
        };
        html! {
            @if disc { circle class="disc" cx="8" cy="8" r="7.5" {} } @else { circle class="ring" cx="8" cy="8" r="6.7" {} }
            path class={ @if disc { "cut" } @else { "line" } } d=(lines) {}
        }
    }
}

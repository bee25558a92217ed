//! A finished plan as text: what would be done, why, and what changes property by property.

use crate::event::{Outcome, RunResult};
use crate::failure::Failure;
use crate::plan::{Action, Change, Decided};

use super::board::{Board, Phase, StepState};
use super::changes;
use super::paint::{Paint, Tone, wrap};
use super::words;

/// Columns of `+ create           `, the symbol and the word in front of a step.
const LABEL: usize = 17;

/// The plan without its header line. Values are cut so that lines take at most `width` columns.
pub fn lines(board: &Board, result: RunResult, millis: u64, width: usize, paint: Paint) -> Vec<String> {
    let mut lines: Vec<String> = board
        .steps
        .iter()
        .filter(|step| !is_unchanged(step))
        .flat_map(|s| step(s, board, width, paint))
        .collect();
    // A plan without changes says all in its last line.
    if !lines.is_empty() {
        lines.extend(unchanged(board, width, paint));
        lines.push(String::new());
    }
    lines.extend(
        board.warnings.iter().map(|text| format!("{} {text}", paint.show(Tone::Caution, "warning:"))),
    );
    lines.push(summary(board, result, millis, paint));
    lines.extend(board.digest.iter().map(|digest| format!("digest: {digest}")));
    lines
}

/// How a plan differs from the one that a run has to have: the steps that do something else, as in a plan.
pub fn differences(
    board: &Board,
    differing: &[Decided],
    gone_or_new: usize,
    width: usize,
    paint: Paint,
) -> Vec<String> {
    let title = "the plan is not the one that is required; what differs is now";
    let mut lines = vec![paint.show(Tone::Bad, title)];
    let states = differing.iter().filter_map(|decided| board.step(&decided.step));
    lines.extend(states.flat_map(|state| step(state, board, width, paint)));
    if gone_or_new > 0 {
        let steps = if gone_or_new == 1 { "step has" } else { "steps have" };
        lines.push(format!("{gone_or_new} {steps} come or gone since"));
    } else if differing.is_empty() {
        lines.push("no step: the required plan is of another environment, region or account, or allows something else".to_owned());
    }
    lines
}

/// Whether there is nothing to do in the step.
pub fn is_unchanged(step: &StepState) -> bool {
    matches!(step.phase, Phase::Ended { outcome: Outcome::Unchanged, .. })
        || (!failed_or_stopped(step) && step.action() == Action::Nothing)
}

fn failed_or_stopped(step: &StepState) -> bool {
    matches!(&step.phase, Phase::Ended { outcome, .. } if !matches!(outcome, Outcome::Done { .. } | Outcome::Unchanged))
}

/// What is to be done in a step, or why that is not known: a symbol, a word, its colour, and why.
pub fn told(step: &StepState) -> (&'static str, &'static str, Tone, String) {
    match &step.phase {
        Phase::Ended { outcome: Outcome::Failed { failure }, .. } => {
            ("✖", "FAILED", Tone::Bad, failure.message.clone())
        }
        Phase::Ended { outcome: Outcome::Blocked { by }, .. } => {
            ("⊘", "blocked", Tone::Caution, format!("by {by}"))
        }
        Phase::Ended { outcome: Outcome::Interrupted { .. }, .. } => {
            ("■", "interrupted", Tone::Caution, String::new())
        }
        _ => decided(step),
    }
}

fn step(step: &StepState, board: &Board, width: usize, paint: Paint) -> Vec<String> {
    let (symbol, word, tone, text) = told(step);
    let line = format!(
        "{}{}  {text}",
        paint.show(tone, format!("{symbol} {word:<width$}", width = LABEL - 2)),
        paint.show(Tone::Strong, format!("{:<width$}", step.id, width = board.id_width())),
    );
    let mut lines = vec![line.trim_end().to_owned()];
    if let Some(failure) = step.failure() {
        lines.extend(explanation(failure, paint).into_iter().map(|line| format!("    {line}")));
    }
    if let Some(decision) = &step.decision {
        let changes = changes::lines(&decision.changes, paint, width.saturating_sub(4));
        lines.extend(changes.into_iter().map(|line| format!("    {line}")));
    }
    lines
}

fn decided(step: &StepState) -> (&'static str, &'static str, Tone, String) {
    let (symbol, tone) = match step.action() {
        Action::Nothing => ("=", Tone::Faint),
        Action::Build => ("*", Tone::Busy),
        Action::Create => ("+", Tone::Good),
        Action::Update => ("~", Tone::Busy),
        Action::Recreate => ("±", Tone::Bad),
        Action::Roll => ("»", Tone::Busy),
        Action::Unknown => ("?", Tone::Caution),
    };
    (
        symbol,
        words::intent(step.action()),
        tone,
        step.decision.as_ref().map_or_else(String::new, words::reason),
    )
}

/// A failure's details and its hint, line by line.
pub fn explanation(failure: &Failure, paint: Paint) -> Vec<String> {
    let mut lines: Vec<String> =
        failure.details.iter().flat_map(|detail| detail.lines()).map(words::clean).collect();
    if let Some(hint) = &failure.hint {
        lines.push(format!("{} {hint}", paint.show(Tone::Strong, "next:")));
    }
    lines
}

fn unchanged(board: &Board, width: usize, paint: Paint) -> Vec<String> {
    let ids = board.steps.iter().filter(|step| is_unchanged(step)).map(|step| step.id.to_string());
    wrap(ids, width.saturating_sub(LABEL))
        .into_iter()
        .enumerate()
        .map(|(index, ids)| {
            let label = if index == 0 { "= unchanged" } else { "" };
            paint.show(Tone::Faint, format!("{label:<LABEL$}{ids}"))
        })
        .collect()
}

fn summary(board: &Board, result: RunResult, millis: u64, paint: Paint) -> String {
    let time = words::duration(millis);
    let (tone, text) = match result {
        RunResult::Unchanged => (Tone::Good, words::verdict(result, millis, &board.tally())),
        RunResult::Changed if grave(board).next().is_some() => {
            (Tone::Bad, format!("plan: {} ({time})", to_do(board)))
        }
        RunResult::Changed => (Tone::Strong, format!("plan: {} ({time})", to_do(board))),
        RunResult::Failed => (Tone::Bad, format!("plan FAILED after {time}: {}", to_do(board))),
        RunResult::Interrupted | RunResult::Superseded | RunResult::Refused => {
            (Tone::Bad, format!("plan INTERRUPTED after {time}: {}", to_do(board)))
        }
    };
    paint.show(tone, text)
}

/// `2 to build, 1 stack to create, 1 stack to update (1 replacement!), 1 to roll, 4 unchanged`.
pub fn to_do(board: &Board) -> String {
    let tally = board.tally();
    let open: Vec<&StepState> =
        board.steps.iter().filter(|step| !is_unchanged(step) && !failed_or_stopped(step)).collect();
    let count = |action| open.iter().filter(|step| step.action() == action).count();
    let stacks = |action, verb: &str| {
        let noun = if count(action) == 1 { "stack" } else { "stacks" };
        format!("{noun} to {verb}")
    };
    let update = format!("{}{}", stacks(Action::Update, "update"), losses(board));
    words::listed([
        (tally.failed, "failed"),
        (tally.blocked, "blocked"),
        (tally.interrupted + tally.not_started, "not planned"),
        (count(Action::Build), "to build"),
        (count(Action::Create), stacks(Action::Create, "create").as_str()),
        (count(Action::Recreate), stacks(Action::Recreate, "delete and create anew").as_str()),
        (count(Action::Update), update.as_str()),
        (count(Action::Roll), "to roll"),
        (count(Action::Unknown), "not known yet"),
        (board.steps.iter().filter(|step| is_unchanged(step)).count(), "unchanged"),
    ])
}

/// ` (1 replacement!, 2 removals!)` over all stacks, or nothing.
fn losses(board: &Board) -> String {
    let grave: Vec<Change> = grave(board).cloned().collect();
    if grave.is_empty() { String::new() } else { format!(" ({})", changes::counts(&grave)) }
}

/// The changes by which a live resource is lost, or may be.
fn grave(board: &Board) -> impl Iterator<Item = &Change> {
    board.steps.iter().flat_map(StepState::grave)
}

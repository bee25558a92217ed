//! The live tree: one line per step in the graph's order, and beneath a running stack what it is busy with.

use jiff::Timestamp;

use crate::event::Outcome;
use crate::plan::{Action, StepId};

use super::board::{Board, Phase, Progress, Resource, StepState};
use super::paint::{Paint, Tone, cut};
use super::words;

const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/// How many of a stack's resources are shown while they are under way.
const RESOURCES: usize = 3;

/// Columns of a progress bar.
const BAR: usize = 16;

/// What the tree is drawn with.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// Now.
    pub at: Timestamp,
    /// Counts up with every drawing, so that the spinner turns.
    pub frame: usize,
    /// The terminal's rows.
    pub rows: usize,
    /// The terminal's columns.
    pub columns: usize,
    /// Colours or none.
    pub paint: Paint,
}

/// The tree, cut to the terminal: lines are never wrapped, and what does not fit is counted in a last line.
pub fn lines(board: &Board, view: View) -> Vec<String> {
    let full: Vec<String> = board.steps.iter().flat_map(|step| step_lines(step, board, view)).collect();
    // One row is left to the cursor.
    let rows = view.rows.saturating_sub(1).max(2);
    let lines = if full.len() <= rows { full } else { folded(board, view, rows) };
    lines.into_iter().map(|line| cut(&line, view.columns)).collect()
}

/// Every step as it ended, each on one line.
pub fn ended(board: &Board, view: View) -> Vec<String> {
    board.steps.iter().map(|step| cut(&step_line(step, board, view), view.columns)).collect()
}

/// Only what runs or failed, and how many others there are.
fn folded(board: &Board, view: View, rows: usize) -> Vec<String> {
    let shown = |step: &&StepState| {
        matches!(step.phase, Phase::Running { .. } | Phase::Ended { outcome: Outcome::Failed { .. }, .. })
    };
    let mut lines: Vec<String> =
        board.steps.iter().filter(shown).map(|step| step_line(step, board, view)).collect();
    let mut running_over = 0;
    if lines.len() > rows - 1 {
        running_over = lines.len() - (rows - 1);
        lines.truncate(rows - 1);
    }
    let tally = board.tally();
    let rest = words::listed([
        (running_over, "more running"),
        (tally.changed, "changed"),
        (tally.unchanged, "unchanged"),
        (tally.blocked, "blocked"),
        (tally.not_started, "waiting"),
    ]);
    lines.push(view.paint.show(Tone::Faint, format!("… {rest}")));
    lines
}

fn step_lines(step: &StepState, board: &Board, view: View) -> Vec<String> {
    let mut lines = vec![step_line(step, board, view)];
    if matches!(step.phase, Phase::Running { .. }) {
        lines.extend(latest_in_progress(step).map(|resource| resource_line(resource, view)));
    }
    lines
}

/// `⠙ stack/vpc      12.3s  creating  ━━━━━━━━──────── 7 of 14 resources`.
fn step_line(step: &StepState, board: &Board, view: View) -> String {
    let (symbol, tone, millis, text) = match &step.phase {
        Phase::Waiting => ("○", Tone::Faint, None, waiting(step, board, view)),
        Phase::Running { since } => {
            let symbol = SPINNER[view.frame % SPINNER.len()];
            (symbol, Tone::Busy, Some(words::millis_between(*since, view.at)), running(step, view))
        }
        Phase::Ended { outcome, millis } => {
            let (symbol, tone, text) = how_it_ended(outcome, *millis);
            let text = if *outcome == Outcome::Unchanged { view.paint.show(Tone::Faint, text) } else { text };
            (symbol, tone, Some(*millis).filter(|millis| *millis > 0), text)
        }
    };
    let id = format!("{:<width$}", step.id, width = board.id_width());
    let id = if step.ended() { id } else { view.paint.show(Tone::Strong, id) };
    let time =
        view.paint.show(Tone::Faint, format!("{:>7}", millis.map(words::duration).unwrap_or_default()));
    format!("{} {id}  {time}  {text}", view.paint.show(tone, symbol))
}

/// How a step ended: a symbol, its colour, and in words.
pub fn how_it_ended(outcome: &Outcome, millis: u64) -> (&'static str, Tone, String) {
    match outcome {
        Outcome::Unchanged => ("=", Tone::Faint, "unchanged".to_owned()),
        Outcome::Done { summary } => ("✔", Tone::Good, summary.clone()),
        Outcome::Failed { failure } => {
            let first = failure.message.lines().next().unwrap_or_default();
            ("✖", Tone::Bad, format!("FAILED: {first}"))
        }
        Outcome::Blocked { by } => ("⊘", Tone::Caution, format!("blocked by {by}")),
        Outcome::Interrupted { .. } if millis == 0 => ("○", Tone::Faint, "not started".to_owned()),
        Outcome::Interrupted { summary: None } => ("■", Tone::Caution, "interrupted".to_owned()),
        Outcome::Interrupted { summary: Some(summary) } => {
            ("■", Tone::Caution, format!("interrupted: {summary}"))
        }
    }
}

fn waiting(step: &StepState, board: &Board, view: View) -> String {
    view.paint.show(Tone::Faint, waits_for(step, board))
}

/// What a step waits for that has not begun.
pub fn waits_for(step: &StepState, board: &Board) -> String {
    let open = |id: &&StepId| board.step(id).is_some_and(|step| !step.ended());
    let ids: Vec<String> = step.needs.iter().filter(open).map(ToString::to_string).collect();
    if ids.is_empty() { "waiting".to_owned() } else { format!("waits for {}", ids.join(", ")) }
}

/// What a step that is under way is doing.
pub fn doing(step: &StepState) -> String {
    match (&step.activity, step.action()) {
        (Some(activity), _) => activity.clone(),
        (None, Action::Unknown) => "looking at what is live".to_owned(),
        (None, action) => words::doing(action).to_owned(),
    }
}

/// What a step does, how far it is, and the last line it wrote.
fn running(step: &StepState, view: View) -> String {
    let mut text = doing(step);
    if let Some(progress) = &step.progress {
        text = format!("{text}  {}{}", bar(progress, view.paint), words::progress(progress));
    }
    if let Some(line) = step.log.back().filter(|line| !line.is_empty()) {
        text = format!("{text}  {}", view.paint.show(Tone::Faint, format!("| {}", line.trim_start())));
    }
    text
}

fn bar(progress: &Progress, paint: Paint) -> String {
    let Some(total) = progress.total.filter(|total| *total > 0) else { return String::new() };
    let filled = u128::from(progress.done.min(total)) * BAR as u128 / u128::from(total);
    let filled = usize::try_from(filled).unwrap_or(BAR);
    let empty = paint.show(Tone::Faint, "─".repeat(BAR - filled));
    format!("{}{empty} ", paint.show(Tone::Busy, "━".repeat(filled)))
}

fn latest_in_progress(step: &StepState) -> impl Iterator<Item = &Resource> {
    let busy = |resource: &&Resource| resource.status.ends_with("_IN_PROGRESS");
    step.resources.iter().rev().filter(busy).take(RESOURCES)
}

/// `NatGateway  AWS::EC2::NatGateway  CREATE_IN_PROGRESS  12.3s`.
fn resource_line(resource: &Resource, view: View) -> String {
    let Resource { logical_id, kind, status, since } = resource;
    let time = words::duration(words::millis_between(*since, view.at));
    view.paint.show(Tone::Faint, format!("    {logical_id}  {kind}  {status}  {time}"))
}

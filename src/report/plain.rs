//! Events as plain lines, for logs and pipes.

use std::io::Write;

use jiff::Timestamp;

use crate::event::{Event, Outcome, RunResult};
use crate::plan::{Action, Decision, StepId};

use super::board::{Board, Phase, StepState};
use super::paint::{Paint, Tone};
use super::safe::safe;
use super::{changes, plan_text, run_text, words};

/// Columns that values are cut to; a log has no width of its own.
const WIDTH: usize = 120;

/// After so long without a line it is said what still runs: CI services stop jobs that are silent for long.
const SILENCE_SECONDS: i64 = 60;

/// Writes lines like `stack/vpc  done in 12.3s: 14 resources created`.
#[derive(Debug)]
pub struct Plain<W> {
    pub(super) out: W,
    paint: Paint,
    pub(super) board: Board,
    /// Lines about unchanged steps: shown once anything else is, as a run that does nothing is told in one line.
    held: Vec<String>,
    last_line: Option<Timestamp>,
}

impl<W: Write> Plain<W> {
    /// Writes to `out`, with colours if asked for.
    pub fn new(out: W, color: bool) -> Self {
        Self { out, paint: Paint { color }, board: Board::default(), held: Vec::new(), last_line: None }
    }

    /// Shows an event.
    pub fn handle(&mut self, at: Timestamp, event: &Event) {
        let event = &*safe(event);
        let news = self.board.apply(at, event);
        match event {
            Event::Started { .. } => self.write(at, &self.header()),
            Event::Finished { result, millis, .. } => {
                if *result != RunResult::Unchanged {
                    self.show_held(at);
                }
                self.write(at, &self.end(*result, *millis));
            }
            // A plan is told as a whole at its end.
            _ if !news || self.board.is_plan() => {}
            Event::StepFinished { step, outcome: Outcome::Unchanged, .. } => {
                let lines = self.step_lines(step, &run_text::outcome(&Outcome::Unchanged, 0, self.paint));
                self.held.extend(lines);
            }
            Event::Warning { .. } => self.write(at, &self.warning()),
            Event::Waiting { reason } => self.write(at, &[words::waiting(reason)]),
            Event::PlanDiffers { steps, gone_or_new, .. } => {
                let lines = plan_text::differences(&self.board, steps, *gone_or_new, WIDTH, self.paint);
                self.write(at, &lines);
            }
            _ => {
                let lines = self.told(event);
                if !lines.is_empty() {
                    self.show_held(at);
                    self.write(at, &lines);
                }
            }
        }
    }

    /// Takes an event in that is shown by others. Returns whether it told anything new.
    pub(super) fn take_in(&mut self, at: Timestamp, event: &Event) -> bool {
        self.board.apply(at, event)
    }

    /// To be called now and then, so that a long silence is broken.
    pub fn tick(&mut self, at: Timestamp) {
        let silent = self.last_line.is_some_and(|last| at.duration_since(last).as_secs() >= SILENCE_SECONDS);
        let running: Vec<String> =
            self.board.steps.iter().filter(|_| silent).filter_map(|step| still_running(step, at)).collect();
        if !running.is_empty() {
            self.write(at, &[format!("still running: {}", running.join(", "))]);
        }
    }

    /// Writes what was kept back until there is more to tell.
    pub(super) fn show_held(&mut self, at: Timestamp) {
        let held = std::mem::take(&mut self.held);
        self.write(at, &held);
    }

    fn header(&self) -> Vec<String> {
        let header = self.board.header.as_ref().map(words::header);
        header.map(|header| vec![self.paint.show(Tone::Strong, header), String::new()]).unwrap_or_default()
    }

    fn end(&self, result: RunResult, millis: u64) -> Vec<String> {
        if self.board.is_plan() {
            return plan_text::lines(&self.board, result, millis, WIDTH, self.paint);
        }
        let blank = (result != RunResult::Unchanged).then(String::new);
        blank.into_iter().chain(run_text::end(&self.board, result, millis, self.paint)).collect()
    }

    fn warning(&self) -> Vec<String> {
        let warning = self.board.warnings.last().into_iter();
        warning.map(|text| format!("{} {text}", self.paint.show(Tone::Caution, "warning:"))).collect()
    }

    /// The lines for an event of a step in a run.
    fn told(&self, event: &Event) -> Vec<String> {
        match event {
            Event::StepDecided { step, decision } => self.step_lines(step, &self.decision(decision)),
            Event::Activity { step, text } if self.is_worth_a_line(step, text) => {
                self.step_lines(step, std::slice::from_ref(text))
            }
            Event::Log { step, line } => {
                let line = format!("| {}", words::clean(line));
                self.step_lines(step, &[self.paint.show(Tone::Faint, line)])
            }
            Event::Resource { step, logical_id, resource_type, status, reason } => {
                let status = self.paint.status(status);
                let reason = reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
                self.step_lines(step, &[format!("{resource_type} {logical_id} {status}{reason}")])
            }
            Event::StepFinished { step, outcome, millis } => {
                self.step_lines(step, &run_text::outcome(outcome, *millis, self.paint))
            }
            _ => Vec::new(),
        }
    }

    /// Whether an activity tells more than the decision did. What a step looks at before it has decided is
    /// nobody's concern.
    fn is_worth_a_line(&self, step: &StepId, activity: &str) -> bool {
        let action = self.board.step(step).map_or(Action::Unknown, StepState::action);
        !matches!(action, Action::Nothing | Action::Unknown) && activity != words::doing(action)
    }

    fn decision(&self, decision: &Decision) -> Vec<String> {
        let reason = words::reason(decision);
        match decision.action {
            Action::Nothing => Vec::new(),
            Action::Unknown => vec![reason],
            Action::Update => {
                let mut lines = vec![format!("updating: {reason}")];
                lines.extend(changes::lines(&decision.changes, self.paint, WIDTH));
                lines
            }
            action => vec![format!("{}: {reason}", words::doing(action))],
        }
    }

    /// The lines behind the step's identity, and from the second on below it.
    fn step_lines(&self, step: &StepId, lines: &[String]) -> Vec<String> {
        let width = self.board.id_width();
        let id = format!("{step:<width$}");
        lines
            .iter()
            .enumerate()
            .map(|(index, line)| match index {
                0 => format!("{}  {line}", self.paint.show(Tone::Strong, &id)),
                _ => format!("{:width$}  {line}", ""),
            })
            .collect()
    }

    /// Writes the lines. A reader that is gone is not an error: the deployment goes on without it.
    fn write(&mut self, at: Timestamp, lines: &[String]) {
        for line in lines {
            let _ = writeln!(self.out, "{}", line.trim_end());
        }
        let _ = self.out.flush();
        self.last_line = Some(at);
    }
}

/// `stack/msk 12m 05s (creating)` if the step is under way.
fn still_running(step: &StepState, at: Timestamp) -> Option<String> {
    let Phase::Running { since } = step.phase else { return None };
    let time = words::duration(words::millis_between(since, at));
    let doing = step.activity.as_deref().unwrap_or_else(|| words::doing(step.action()));
    Some(format!("{} {time} ({doing})", step.id))
}

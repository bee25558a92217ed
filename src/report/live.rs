//! Events as a tree on a terminal that is redrawn in place, with what must not scroll away above it.

use std::fmt;

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;

use crate::event::{Event, Outcome, RunResult};
use crate::plan::{Action, StepId};

use super::board::Board;
use super::paint::{Paint, Tone, cut};
use super::safe::safe;
use super::tree::{self, View};
use super::{changes, plan_text, run_text, words};

/// Rows and columns of the terminal, asked for at each drawing as windows change their size.
type Size = Box<dyn Fn() -> (u16, u16) + Send>;

/// Draws the tree.
pub struct Live {
    /// Puts several lines in place of those it drew before, and lines above them.
    bar: ProgressBar,
    size: Size,
    paint: Paint,
    board: Board,
    frame: usize,
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("board", &self.board).finish_non_exhaustive()
    }
}

impl Live {
    /// Draws to standard output, which has to be a terminal.
    #[must_use]
    pub fn on_stdout(color: bool) -> Self {
        let size = || Term::stdout().size_checked().unwrap_or((24, 80));
        Self::new(ProgressDrawTarget::stdout(), size, color)
    }

    /// Draws to any terminal; `size` tells its rows and columns.
    pub fn new(
        target: ProgressDrawTarget,
        size: impl Fn() -> (u16, u16) + Send + 'static,
        color: bool,
    ) -> Self {
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        Self { bar, size: Box::new(size), paint: Paint { color }, board: Board::default(), frame: 0 }
    }

    /// Takes an event in. What has to stay is printed above the tree; the rest shows with the next [`tick`].
    ///
    /// [`tick`]: Self::tick
    pub fn handle(&mut self, at: Timestamp, event: &Event) {
        let event = &*safe(event);
        let news = self.board.apply(at, event);
        match event {
            Event::Finished { result, millis, .. } => self.finish(at, *result, *millis),
            Event::Started { .. } => {
                self.print(&self.header());
                self.bar.println("");
            }
            _ if !news || self.board.is_plan() => {}
            Event::Warning { .. } => self.print(&self.warning()),
            Event::Waiting { reason } => self.print(&[words::waiting(reason)]),
            Event::PlanDiffers { steps, gone_or_new, .. } => {
                let (columns, paint) = (self.columns(), self.paint);
                let mut lines = plan_text::differences(&self.board, steps, *gone_or_new, columns, paint);
                lines.push(String::new());
                self.print(&lines);
            }
            Event::StepDecided { step, decision } if decision.action == Action::Update => {
                let lines = changes::grave_lines(&decision.changes, self.paint, self.columns());
                self.print_of(step, &lines);
            }
            Event::Resource { step, logical_id, resource_type, status, reason }
                if is_telling(status, reason.as_deref().unwrap_or_default()) =>
            {
                let status = self.paint.status(status);
                let reason = reason.as_deref().unwrap_or_default();
                self.print_of(step, &[format!("{resource_type} {logical_id} {status}: {reason}")]);
            }
            Event::StepFinished { step, outcome: outcome @ Outcome::Failed { .. }, millis } => {
                self.print(&self.log_tail(step));
                self.print_of(step, &run_text::outcome(outcome, *millis, self.paint));
            }
            _ => {}
        }
    }

    /// Draws the tree as it stands.
    pub fn tick(&mut self, at: Timestamp) {
        if self.board.header.is_some() && !self.bar.is_finished() {
            self.frame += 1;
            self.bar.set_message(tree::lines(&self.board, self.view(at)).join("\n"));
        }
    }

    /// Takes the tree away and leaves how it ended.
    fn finish(&self, at: Timestamp, result: RunResult, millis: u64) {
        let lines = if self.board.is_plan() {
            plan_text::lines(&self.board, result, millis, self.columns(), self.paint)
        } else {
            let end = run_text::end(&self.board, result, millis, self.paint);
            let tree = tree::ended(&self.board, self.view(at)).into_iter().chain([String::new()]);
            // Of steps that all were as wanted, or that never began, the last line says enough.
            let told = !matches!(result, RunResult::Unchanged | RunResult::Refused);
            tree.filter(|_| told).chain(end).collect()
        };
        self.bar.set_message("");
        self.print(&lines);
        self.bar.finish_and_clear();
    }

    fn view(&self, at: Timestamp) -> View {
        let (rows, columns) = (self.size)();
        View { at, frame: self.frame, rows: rows.into(), columns: columns.into(), paint: self.paint }
    }

    fn columns(&self) -> usize {
        usize::from((self.size)().1)
    }

    fn header(&self) -> Vec<String> {
        let header = self.board.header.as_ref().map(words::header);
        header.into_iter().map(|header| self.paint.show(Tone::Strong, cut(&header, self.columns()))).collect()
    }

    fn warning(&self) -> Vec<String> {
        let warning = self.board.warnings.last().into_iter();
        warning.map(|text| format!("{} {text}", self.paint.show(Tone::Caution, "warning:"))).collect()
    }

    /// The last lines that a step wrote.
    fn log_tail(&self, step: &StepId) -> Vec<String> {
        let log = self.board.step(step).map(|step| &step.log).filter(|log| !log.is_empty());
        let title = log.map(|log| format!("last {} lines of {step}:", log.len()));
        let lines = log.into_iter().flatten().map(|line| self.paint.show(Tone::Faint, format!("  | {line}")));
        title.into_iter().chain(lines).collect()
    }

    /// Prints lines above the tree, where they stay.
    fn print(&self, lines: &[String]) {
        if !lines.is_empty() {
            self.bar.println(lines.join("\n"));
        }
    }

    /// Prints lines with the step's name in front of the first.
    fn print_of(&self, step: &StepId, lines: &[String]) {
        if let Some((first, rest)) = lines.split_first() {
            let first = format!("{} {first}", self.paint.show(Tone::Strong, step));
            self.print(
                &std::iter::once(first)
                    .chain(rest.iter().map(|line| format!("  {line}")))
                    .collect::<Vec<_>>(),
            );
        }
    }
}

/// Whether a resource's status is an error of its own: what is cancelled failed because of another.
fn is_telling(status: &str, reason: &str) -> bool {
    status.ends_with("_FAILED") && !reason.is_empty() && !reason.to_lowercase().contains("cancelled")
}

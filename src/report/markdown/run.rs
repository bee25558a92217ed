//! A run as a page: how it ended, what failed and what to do now, every step, and what it changed.

use crate::event::{Outcome, RunResult};
use crate::report::board::{Board, Phase, StepState};
use crate::report::run_text::unfinished;
use crate::report::{plan_text, words};

use super::block::text;
use super::changes;
use super::escape::{address, code, prose};
use super::page::{Block, Page, Worth};
use super::parts::{environment, failure, names, table, warnings, what};

/// The page of a run, each value in at most `values` characters.
pub fn page(board: &Board, result: RunResult, millis: u64, values: usize) -> Page {
    let failures = board.failures().flat_map(|(step, why)| failure(step, why));
    let stacks = board.steps.iter().filter_map(|step| changes::block(step, values));
    let blocks = failures
        .chain(interrupted(board, result))
        .chain(refused(board, result))
        .chain([steps(board)])
        .chain(unchanged(board))
        .chain(stacks);
    Page {
        head: head(board, result, millis),
        blocks: blocks.chain([warnings(board)]).collect(),
        foot: String::new(),
    }
}

fn head(board: &Board, result: RunResult, millis: u64) -> String {
    let (environment, time) = (environment(board), words::duration(millis));
    let title = match result {
        RunResult::Unchanged => format!("✅ {environment}: nothing to do"),
        RunResult::Changed => format!("✅ {environment}: done in {time}"),
        RunResult::Failed => format!("❌ {environment}: failed after {time}"),
        RunResult::Interrupted => format!("⏹️ {environment}: interrupted after {time}"),
        RunResult::Superseded => format!("⏭️ {environment}: gave way to a newer commit after {time}"),
        RunResult::Refused => format!("🚫 {environment}: not the plan that was reviewed"),
    };
    let what = board.header.as_ref().map(what).unwrap_or_default();
    let newer = board.newer.iter().map(|newer| format!("{} is deployed instead", code(newer, 60)));
    let url = board.url.iter().map(|url| address(url));
    let lines: Vec<String> =
        [what, words::tally(&board.tally())].into_iter().chain(newer).chain(url).collect();
    format!("### {title}\n\n{}\n\n", lines.join("\n\n"))
}

/// What was under way, and what to do now.
fn interrupted(board: &Board, result: RunResult) -> Option<Block> {
    let lines = unfinished(board).map(|line| format!("- {}\n", prose(&line, 500)));
    let next = "**Next:** run the same command again; it goes on from what is live then";
    (result == RunResult::Interrupted).then(|| text(Worth::Grave, lines.collect::<String>() + "\n" + next))
}

/// What to do about a plan that is another one now.
fn refused(board: &Board, result: RunResult) -> Option<Block> {
    let digest = board.digest.as_ref().filter(|_| result == RunResult::Refused)?;
    let next = format!(
        "Nothing was changed. What the steps would do now differs from the plan that the run has to have.\n\n\
         **Next:** look at the plan as it is now; its digest is `{digest}`"
    );
    Some(text(Worth::Grave, next))
}

/// Every step that did something, or should have.
fn steps(board: &Board) -> Block {
    let rows = board.steps.iter().filter(|step| !plan_text::is_unchanged(step)).map(|step| {
        let (word, text) = how_it_ended(step);
        let worth = if step.failure().is_some() { Worth::Grave } else { Worth::Step };
        let time = match step.phase {
            // Without a place to break the line at.
            Phase::Ended { millis, .. } if millis > 0 => words::duration(millis).replace(' ', "\u{a0}"),
            _ => String::new(),
        };
        (worth, [code(&step.id.to_string(), 100), word.to_owned(), time, text])
    });
    table(["Step", "Result", "Time", "What"], rows)
}

/// In a word, and what there is to say about it, as Markdown.
fn how_it_ended(step: &StepState) -> (&'static str, String) {
    let said = |text: &str| prose(text, 300);
    let activity = || step.activity.as_deref().map(said).unwrap_or_default();
    let why = || step.decision.as_ref().map(|decision| said(&words::reason(decision))).unwrap_or_default();
    match &step.phase {
        Phase::Ended { outcome, millis } => match outcome {
            Outcome::Unchanged => ("unchanged", String::new()),
            Outcome::Done { summary } => ("done", format!("{}: {}", said(summary), why())),
            Outcome::Failed { failure } => ("**failed**", said(&failure.message)),
            Outcome::Blocked { by } => ("blocked", format!("by {}", code(&by.to_string(), 100))),
            Outcome::Interrupted { .. } if *millis == 0 => ("not started", String::new()),
            Outcome::Interrupted { summary } => {
                ("interrupted", summary.as_deref().map_or_else(activity, said))
            }
        },
        Phase::Running { .. } => ("under way", activity()),
        Phase::Waiting => ("not started", String::new()),
    }
}

/// What was as wanted, in one line.
fn unchanged(board: &Board) -> Option<Block> {
    let names = names(board.steps.iter().filter(|step| plan_text::is_unchanged(step)))?;
    Some(text(Worth::Step, format!("Unchanged: {names}")))
}

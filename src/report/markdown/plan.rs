//! A plan as a page: what is lost comes first, then the steps, then each stack's changes.

use crate::event::{Outcome, RunResult};
use crate::plan::Change;
use crate::report::board::{Board, Phase, StepState};
use crate::report::changes::Fate;
use crate::report::plan_text::{is_unchanged, to_do, told};

use super::block::{alert, text};
use super::changes;
use super::escape::{code, prose};
use super::page::{Block, Page, Worth};
use super::parts::{environment, failure, names, table, warnings, what};

/// The page of a plan, each value in at most `values` characters.
pub fn page(board: &Board, result: RunResult, values: usize) -> Page {
    let failures = board.failures().flat_map(|(step, why)| failure(step, why));
    let stacks = board.steps.iter().filter_map(|step| changes::block(step, values));
    let blocks =
        losses(board).into_iter().chain(failures).chain([steps(board)]).chain(unchanged(board)).chain(stacks);
    Page { head: head(board, result), blocks: blocks.chain([warnings(board)]).collect(), foot: foot(board) }
}

/// What a plan comes to, in one line of plain text.
#[must_use]
pub fn plan_title(board: &Board, result: RunResult) -> String {
    match result {
        RunResult::Unchanged => "nothing to do".to_owned(),
        RunResult::Changed => to_do(board),
        RunResult::Failed => format!("the plan failed: {}", to_do(board)),
        RunResult::Interrupted | RunResult::Superseded | RunResult::Refused => {
            format!("the plan was interrupted: {}", to_do(board))
        }
    }
}

/// Whether a live resource is lost, or may be.
#[must_use]
pub fn is_grave(board: &Board) -> bool {
    board.steps.iter().any(|step| step.grave().next().is_some())
}

fn head(board: &Board, result: RunResult) -> String {
    let environment = environment(board);
    let title = match result {
        RunResult::Unchanged => format!("✅ Plan for {environment}: nothing to do"),
        RunResult::Changed if is_grave(board) => {
            format!("⚠️ Plan for {environment}: live resources are at stake")
        }
        RunResult::Changed => format!("Plan for {environment}"),
        RunResult::Failed => format!("❌ Plan for {environment} failed"),
        RunResult::Interrupted | RunResult::Superseded | RunResult::Refused => {
            format!("⏹️ Plan for {environment} was interrupted")
        }
    };
    let what = board.header.as_ref().map(what).unwrap_or_default();
    format!("### {title}\n\n{what}\n\n{}\n\n", to_do(board))
}

/// The command that does what is shown, or nothing.
fn foot(board: &Board) -> String {
    let Some((digest, header)) = board.digest.as_ref().zip(board.header.as_ref()) else {
        return String::new();
    };
    let command = format!("pipeline run --env {} --plan-digest {digest}", header.environment);
    format!("To run this plan and no other: {}\n", code(&command, 300))
}

/// What is lost or may be, before anything else.
fn losses(board: &Board) -> Option<Block> {
    let mut grave: Vec<(Fate, &StepState, &Change)> = Vec::new();
    for step in &board.steps {
        grave.extend(step.grave().map(|change| (Fate::of(change), step, change)));
    }
    grave.sort_by_key(|(fate, ..)| *fate);
    let (first, ..) = grave.first()?;
    let kind = if *first == Fate::MayReplace { "WARNING" } else { "CAUTION" };
    let items = grave.iter().map(|(fate, step, change)| (Worth::Grave, loss(*fate, step, change)));
    Some(alert(kind, "", items))
}

/// **replaced**: `AWS::MSK::Cluster` `Cluster` of `stack/msk` because of `InstanceType`.
fn loss(fate: Fate, step: &StepState, change: &Change) -> String {
    let word = match fate {
        Fate::Replace => "is replaced",
        Fate::MayReplace => "may be replaced",
        _ => "is removed",
    };
    let causes: Vec<String> = change
        .properties
        .iter()
        .filter(|property| property.replacement != crate::plan::Replacement::Never)
        .take(3)
        .map(|property| code(&property.path, 100))
        .collect();
    let because =
        if causes.is_empty() { String::new() } else { format!(", because of {}", causes.join(", ")) };
    let live = change.physical_id.as_ref().filter(|id| **id != change.logical_id);
    let live = live.map(|id| format!(", live {}", code(id, 200))).unwrap_or_default();
    let name = format!("{} {}", change.resource_type, change.logical_id);
    format!("{} of {} **{word}**{because}{live}", code(&name, 200), code(&step.id.to_string(), 100))
}

/// Every step with something to do: what, and why.
fn steps(board: &Board) -> Block {
    let rows = board.steps.iter().filter(|step| !is_unchanged(step)).map(|step| {
        let grave = step.grave().next().is_some();
        let failed = matches!(&step.phase, Phase::Ended { outcome: Outcome::Failed { .. }, .. });
        let (_, word, _, why) = told(step);
        let word = if grave || failed { format!("**{}**", word.to_lowercase()) } else { word.to_owned() };
        let worth = if grave || failed { Worth::Grave } else { Worth::Step };
        (worth, [code(&step.id.to_string(), 100), word, prose(&why, 300)])
    });
    table(["Step", "Plan", "Why"], rows)
}

/// What does not change, in one line.
fn unchanged(board: &Board) -> Option<Block> {
    let names = names(board.steps.iter().filter(|step| is_unchanged(step)))?;
    Some(text(Worth::Step, format!("Unchanged: {names}")))
}

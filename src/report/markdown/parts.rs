//! Parts that plans and runs have in common.

use crate::failure::Failure;
use crate::report::board::{Board, Header, StepState};
use crate::report::words;

use super::block::{alert, fenced, text, titled};
use super::escape::{cell, code, prose, short};
use super::page::{Block, Piece, Worth};

/// A message of a service says what it has to say in less.
const MESSAGE: usize = 1_500;

/// A line of a log, or of what explains a failure.
const LINE: usize = 500;

/// So many facts that explain a failure are worth more than the rest.
const TELLING: usize = 6;

/// `events` at `3f2a91c`: Give the brokers more memory.
pub fn what(header: &Header) -> String {
    let Header { project, revision, .. } = header;
    let subject = prose(&revision.subject, 120);
    format!("{} at {} {subject}", code(project, 100), code(&revision.short(), 60))
}

/// The environment's name, as code.
pub fn environment(board: &Board) -> String {
    code(board.header.as_ref().map_or("", |header| &header.environment), 100)
}

/// A table of steps: each row with what it is worth and its cells, which are Markdown.
pub fn table<const N: usize>(
    columns: [&str; N],
    rows: impl IntoIterator<Item = (Worth, [String; N])>,
) -> Block {
    let row = |(worth, cells): (Worth, [String; N])| {
        Piece::new(worth, format!("| {} |", cells.map(|markdown| cell(&markdown)).join(" | ")))
    };
    Block {
        open: format!("| {} |\n|{}\n", columns.join(" | "), "---|".repeat(N)),
        pieces: rows.into_iter().map(row).collect(),
        more: ("| … and ", " more |"),
        close: "\n".to_owned(),
    }
}

/// Why a step failed, and what to do now.
pub fn failure(step: &StepState, failure: &Failure) -> Vec<Block> {
    let head =
        format!("#### ❌ {} failed\n\n{}", code(&step.id.to_string(), 200), prose(&failure.message, MESSAGE));
    let lines = failure.details.iter().flat_map(|detail| detail.lines());
    let facts = lines.enumerate().map(|(index, line)| {
        Piece::new(
            if index < TELLING { Worth::Cause } else { Worth::Change },
            short(&words::clean(line), LINE),
        )
    });
    let hint =
        failure.hint.iter().map(|hint| text(Worth::Grave, format!("**Next:** {}", prose(hint, MESSAGE))));
    [text(Worth::Grave, head), fenced("text", facts.collect())]
        .into_iter()
        .chain(log(step))
        .chain(hint)
        .collect()
}

/// The last lines that a step wrote.
pub fn log(step: &StepState) -> Option<Block> {
    let lines = step.log.iter().map(|line| Piece::new(Worth::Change, short(&words::clean(line), LINE)));
    let lines: Vec<Piece> = lines.collect();
    let count = match lines.len() {
        0 => return None,
        1 => "last line".to_owned(),
        count => format!("last {count} lines"),
    };
    Some(titled("log", &count, true, fenced("text", lines)))
}

/// What should be known, beside all else.
pub fn warnings(board: &Board) -> Block {
    alert("WARNING", "", board.warnings.iter().map(|warning| (Worth::Step, prose(warning, MESSAGE))))
}

/// Steps by their names; of many only how many there are.
pub fn names<'a>(steps: impl Iterator<Item = &'a StepState>) -> Option<String> {
    const NAMED: usize = 20;
    let ids: Vec<String> = steps.map(|step| code(&step.id.to_string(), 100)).collect();
    match ids.len() {
        0 => None,
        1..=NAMED => Some(ids.join(", ")),
        count => Some(format!("{count} steps")),
    }
}

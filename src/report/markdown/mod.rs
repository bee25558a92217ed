//! Plans and runs as GitHub shows them: the comment on a pull request, the job's summary, a step's check.
//!
//! A page is made of pieces that stay whole or are left out, so that it fits without breaking; and of what comes from
//! outside nothing is read as Markdown.

mod annotation;
mod block;
mod changes;
mod escape;
mod output;
mod page;
mod parts;
mod plan;
mod run;
mod step;

pub use annotation::{Annotation, Level, annotations};
pub use output::Markdown;
pub use plan::{is_grave, plan_title};
pub use step::step_text;

use crate::event::RunResult;

use super::board::Board;
use page::characters;

/// Characters of a value in a comment: with its property's name it is seen whole.
const VALUE: usize = 80;

/// Characters of a value where there is room.
const LONG_VALUE: usize = 4_000;

/// The comment on a pull request: the plan in at most `limit` characters, which should be 4,000 at least. What has to be
/// left out is to be found at `full_text`.
#[must_use]
pub fn plan_comment(board: &Board, result: RunResult, limit: usize, full_text: Option<&str>) -> String {
    plan::page(board, result, VALUE).fit(limit, characters, full_text)
}

/// The summary of a job that planned or ran, in at most `limit` bytes, which should be 4,000 at least.
#[must_use]
pub fn summary(board: &Board, result: RunResult, millis: u64, limit: usize) -> String {
    let page = if board.is_plan() {
        plan::page(board, result, LONG_VALUE)
    } else {
        run::page(board, result, millis, LONG_VALUE)
    };
    page.fit(limit, str::len, None)
}

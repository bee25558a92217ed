//! One step, as its check on GitHub tells it.

use crate::report::board::{Phase, Resource, StepState};
use crate::report::paint::Paint;
use crate::report::{run_text, words};

use super::block::{fenced, text, titled};
use super::escape::{one_line, prose, short};
use super::page::{Block, Page, Piece, Worth, characters};
use super::{LONG_VALUE, changes, parts};

/// GitHub shows no more of a title.
const TITLE: usize = 140;

/// A step's title in plain text, and all that is to be known of it in Markdown of at most `limit` characters, which
/// should be 4,000 at least.
#[must_use]
pub fn step_text(step: &StepState, limit: usize) -> (String, String) {
    let decision = step.decision.as_ref().map(|decision| {
        let why = prose(&words::reason(decision), 1_000);
        text(Worth::Grave, format!("**{}** {why}", words::intent(decision.action)))
    });
    let failure = step.failure().map(|failure| parts::failure(step, failure));
    let log = if failure.is_some() { None } else { parts::log(step) };
    let blocks = decision.into_iter().chain(failure.into_iter().flatten());
    let blocks = blocks.chain(changes::block(step, LONG_VALUE)).chain(resources(step)).chain(log);
    let page = Page { head: String::new(), blocks: blocks.collect(), foot: String::new() };
    (title(step), page.fit(limit, characters, None))
}

fn title(step: &StepState) -> String {
    let plain = Paint { color: false };
    let title = match &step.phase {
        Phase::Waiting => "waiting".to_owned(),
        Phase::Running { .. } => {
            step.activity.clone().unwrap_or_else(|| words::doing(step.action()).to_owned())
        }
        Phase::Ended { outcome, millis } => {
            run_text::outcome(outcome, *millis, plain).into_iter().next().unwrap_or_default()
        }
    };
    one_line(&title, TITLE)
}

/// The stack's resources and where each stands; what changed last comes last.
fn resources(step: &StepState) -> Option<Block> {
    let line = |Resource { logical_id, kind, status, .. }: &Resource| {
        Piece::new(Worth::Detail, short(&words::clean(&format!("{status:<30} {kind} {logical_id}")), 300))
    };
    let lines: Vec<Piece> = step.resources.iter().map(line).collect();
    let count = lines.len();
    (count > 0).then(|| titled("resources", &format!("{count} so far"), false, fenced("text", lines)))
}

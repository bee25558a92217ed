//! What further steps of a job learn: its outputs, each a text under a name.

use serde::Serialize;

use crate::event::{Outcome, RunResult};
use crate::plan::{Action, Change, PlanDigest, StepId};
use crate::report::board::{Board, Phase, StepState};
use crate::report::{plan_text, words};

/// GitHub refuses outputs of more than 1 MiB; a longer plan is told without reasons and changes.
const MAX_PLAN: usize = 900_000;

#[derive(Serialize)]
struct Plan<'a> {
    environment: &'a str,
    commit: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<&'a PlanDigest>,
    steps: Vec<Planned<'a>>,
}

#[derive(Serialize)]
struct Planned<'a> {
    step: &'a StepId,
    action: Action,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "<[Change]>::is_empty")]
    changes: &'a [Change],
}

/// The outputs of a plan or a run, as `$GITHUB_OUTPUT` takes them.
pub fn text(board: &Board, result: RunResult) -> String {
    outputs(board, result).iter().map(|(name, value)| written(name, value)).collect()
}

fn outputs(board: &Board, result: RunResult) -> Vec<(&'static str, String)> {
    let changed: Vec<&StepId> =
        board.steps.iter().filter(|step| is_changed(step, board)).map(|step| &step.id).collect();
    let plan = Some(plan(board, true)).filter(|plan| plan.len() <= MAX_PLAN);
    let outputs = [
        ("result", result.as_str().to_owned()),
        ("changed", json(&changed)),
        ("plan", plan.unwrap_or_else(|| self::plan(board, false))),
    ];
    let digest = board.digest.as_ref().map(|digest| ("plan-digest", digest.to_string()));
    let url = board.url.clone().map(|url| ("url", url));
    outputs.into_iter().chain(digest).chain(url).collect()
}

/// An output with an end that does not stand in its value.
fn written(name: &str, value: &str) -> String {
    let mut end = "END".to_owned();
    while value.contains(&end) {
        end.push('_');
    }
    format!("{name}<<{end}\n{value}\n{end}\n")
}

/// Whether a run changed something in the step; in a plan: would.
fn is_changed(step: &StepState, board: &Board) -> bool {
    let done = matches!(&step.phase, Phase::Ended { outcome: Outcome::Done { .. }, .. });
    done && !(board.is_plan() && plan_text::is_unchanged(step))
}

fn plan(board: &Board, whole: bool) -> String {
    let header = board.header.as_ref();
    let step = |step| planned(step, whole);
    json(&Plan {
        environment: header.map_or("", |header| &header.environment),
        commit: header.map_or("", |header| &header.revision.commit),
        digest: board.digest.as_ref(),
        steps: board.steps.iter().map(step).collect(),
    })
}

fn planned(step: &StepState, whole: bool) -> Planned<'_> {
    let decision = step.decision.as_ref().filter(|_| whole);
    Planned {
        step: &step.id,
        action: step.action(),
        reason: decision.map(words::reason),
        changes: decision.map_or(&[], |decision| decision.changes.as_slice()),
    }
}

/// Of types of this program's own, which are all written as JSON.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_value_ends_where_it_is_to_end(value in "(END|_|\n|x){0,12}") {
            let text = written("plan", &value);
            let (first, rest) = text.split_once('\n').expect("a line");
            let end = first.strip_prefix("plan<<").expect("an end");
            let lines: Vec<&str> = rest.lines().take_while(|line| *line != end).collect();
            prop_assert_eq!(lines.join("\n"), value);
        }
    }
}

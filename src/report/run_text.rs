//! How steps and runs end, as text.

use crate::event::{Outcome, RunResult};

use super::board::{Board, Phase, StepState};
use super::paint::{Paint, Tone};
use super::plan_text::explanation;
use super::words;

/// How a step ended; a failure takes several lines, and the first says what happened.
pub fn outcome(outcome: &Outcome, millis: u64, paint: Paint) -> Vec<String> {
    let time = words::duration(millis);
    match outcome {
        Outcome::Unchanged => vec![paint.show(Tone::Faint, "unchanged")],
        Outcome::Done { summary } => vec![format!("{} in {time}: {summary}", paint.show(Tone::Good, "done"))],
        Outcome::Failed { failure } => {
            let mut message = failure.message.lines();
            let first = message.next().unwrap_or_default();
            let mut lines = vec![format!("{} after {time}: {first}", paint.show(Tone::Bad, "FAILED"))];
            lines.extend(
                message.map(ToOwned::to_owned).chain(explanation(failure, paint)).map(|l| format!("  {l}")),
            );
            lines
        }
        Outcome::Blocked { by } => vec![format!("{} by {by}", paint.show(Tone::Caution, "blocked"))],
        Outcome::Interrupted { .. } if millis == 0 => vec![paint.show(Tone::Caution, "not started")],
        Outcome::Interrupted { summary } => {
            let summary = summary.as_ref().map(|summary| format!(": {summary}")).unwrap_or_default();
            vec![format!("{} after {time}{summary}", paint.show(Tone::Caution, "interrupted"))]
        }
    }
}

/// How a run ended: the verdict and every failure. They were told before, but much may lie in between, and the
/// end is what people see first.
pub fn end(board: &Board, result: RunResult, millis: u64, paint: Paint) -> Vec<String> {
    let tone = match result {
        RunResult::Unchanged | RunResult::Changed => Tone::Good,
        RunResult::Failed | RunResult::Interrupted | RunResult::Superseded | RunResult::Refused => Tone::Bad,
    };
    let warnings = match board.warnings.len() {
        0 => String::new(),
        1 => ", 1 warning (above)".to_owned(),
        count => format!(", {count} warnings (above)"),
    };
    let verdict = words::verdict(result, millis, &board.tally());
    let mut lines = vec![format!("{}{}", paint.show(tone, verdict), paint.show(Tone::Caution, warnings))];
    lines.extend(board.url.iter().map(|url| format!("  {url}")));
    lines.extend(board.newer.iter().map(|newer| format!("  {newer} is deployed instead")));
    for (step, failure) in board.failures() {
        let first = failure.message.lines().next().unwrap_or_default();
        lines.push(format!("  {}: {first}", paint.show(Tone::Bad, &step.id)));
        lines.extend(explanation(failure, paint).into_iter().map(|line| format!("    {line}")));
    }
    if let (RunResult::Refused, Some(digest)) = (result, &board.digest) {
        let next = format!("look at the plan as it is now (`pipeline plan`); its digest is {digest}");
        lines.push(format!("  {} {next}", paint.show(Tone::Strong, "next:")));
    }
    if result == RunResult::Interrupted {
        lines.extend(unfinished(board).map(|line| format!("  {line}")));
        let next = "run the same command again; it goes on from what is live then";
        lines.push(format!("  {} {next}", paint.show(Tone::Strong, "next:")));
    }
    lines
}

/// What was under way when a run was interrupted, and doing what, or what it was taken back to.
pub fn unfinished(board: &Board) -> impl Iterator<Item = String> {
    board.steps.iter().filter(|step| was_cut_off(step)).map(|step| {
        if let Phase::Ended { outcome: Outcome::Interrupted { summary: Some(summary) }, .. } = &step.phase {
            return format!("{}: {summary}", step.id);
        }
        let doing = step.activity.clone().unwrap_or_else(|| words::doing(step.action()).to_owned());
        format!("{} was {doing}", step.id)
    })
}

fn was_cut_off(step: &StepState) -> bool {
    match &step.phase {
        Phase::Waiting => false,
        Phase::Running { .. } => true,
        Phase::Ended { outcome, millis } => matches!(outcome, Outcome::Interrupted { .. }) && *millis > 0,
    }
}

//! The words that every output shares, so that the same thing is called the same everywhere.

use indicatif::HumanBytes;
use jiff::Timestamp;

use crate::diagnostic::visible;
use crate::event::{Command, RunResult, Unit};
use crate::plan::{Action, Decision};

use super::board::{Header, Progress, Tally};
use super::changes;

/// A duration as people say it: `850ms`, `12.3s`, `4m 05s`, `1h 02m`.
pub fn duration(millis: u64) -> String {
    let seconds = millis / 1000;
    match millis {
        0..1_000 => format!("{millis}ms"),
        1_000..60_000 => format!("{seconds}.{}s", millis % 1000 / 100),
        60_000..3_600_000 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Milliseconds from one moment to another; 0 if the clock was set back in between.
pub fn millis_between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_millis()).unwrap_or(0)
}

/// What is run or planned: `run  events → prod  at 3f2a91c  Raise the broker size`.
pub fn header(header: &Header) -> String {
    let command = match header.command {
        Command::Plan => "plan",
        Command::Run => "run",
        Command::Revert => "revert",
    };
    let Header { project, environment, revision, .. } = header;
    format!("{command}  {project} → {environment}  at {}  {}", revision.short(), revision.subject)
}

/// An action that has yet to be taken, as a plan names it.
pub fn intent(action: Action) -> &'static str {
    match action {
        Action::Nothing => "unchanged",
        Action::Build => "build",
        Action::Create => "create",
        Action::Update => "update",
        Action::Recreate => "recreate",
        Action::Roll => "roll",
        Action::Unknown => "not known yet",
    }
}

/// An action that is being taken.
pub fn doing(action: Action) -> &'static str {
    match action {
        Action::Nothing => "unchanged",
        Action::Build => "building",
        Action::Create => "creating",
        Action::Update => "updating",
        Action::Recreate => "recreating",
        Action::Roll => "rolling out",
        Action::Unknown => "deciding later",
    }
}

/// Why a decision is what it is: its reason, what it waits for, how it goes about it, and how much of the stack it
/// touches.
pub fn reason(decision: &Decision) -> String {
    let waiting = &decision.waiting_for;
    let waiting = (!waiting.is_empty()).then(|| format!("waiting for {}", waiting.join(", ")));
    let reason = Some(decision.reason.clone()).filter(|reason| !reason.is_empty());
    let why =
        [reason, waiting, decision.strategy.clone()].into_iter().flatten().collect::<Vec<_>>().join("; ");
    if decision.changes.is_empty() { why } else { format!("{why} ({})", changes::counts(&decision.changes)) }
}

/// How far an activity is: `12.00 MiB of 80.00 MiB`, `7 of 14 resources`.
pub fn progress(progress: &Progress) -> String {
    let count = |n: u64| match progress.unit {
        Unit::Bytes => HumanBytes(n).to_string(),
        _ => n.to_string(),
    };
    let unit = match progress.unit {
        Unit::Bytes => "",
        Unit::Resources => " resources",
        Unit::Tasks => " tasks",
        Unit::Instructions => " instructions",
    };
    match progress.total {
        Some(total) => format!("{} of {}{unit}", count(progress.done), count(total)),
        None => format!("{}{unit}", count(progress.done)),
    }
}

/// How many steps ended how: `1 failed, 2 blocked, 3 changed, 4 unchanged`; nothing that is zero.
pub fn tally(tally: &Tally) -> String {
    let counts = [
        (tally.failed, "failed"),
        (tally.blocked, "blocked"),
        (tally.interrupted, "interrupted"),
        (tally.changed, "changed"),
        (tally.unchanged, "unchanged"),
        (tally.not_started, "not started"),
    ];
    listed(counts)
}

/// `3 changed, 4 unchanged` out of counts and their words, without what is zero.
pub fn listed<'a>(counts: impl IntoIterator<Item = (usize, &'a str)>) -> String {
    let parts: Vec<String> = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if parts.is_empty() { "no steps".to_owned() } else { parts.join(", ") }
}

/// Names in a sentence: `stack/vpc, stack/alb and 7 more`.
pub fn several(names: &[String]) -> String {
    const NAMED: usize = 3;
    match names {
        [] => String::new(),
        [name] => name.clone(),
        [first @ .., last] if names.len() <= NAMED => format!("{} and {last}", first.join(", ")),
        _ => format!("{} and {} more", names[..NAMED - 1].join(", "), names.len() + 1 - NAMED),
    }
}

/// A run's or plan's end in one line, told from how its steps ended.
pub fn verdict(result: RunResult, millis: u64, counts: &Tally) -> String {
    let time = duration(millis);
    let steps = tally(counts);
    match result {
        RunResult::Unchanged => format!("nothing to do: {steps} ({time})"),
        RunResult::Changed => format!("done in {time}: {steps}"),
        RunResult::Failed => format!("FAILED after {time}: {steps}"),
        RunResult::Interrupted => format!("INTERRUPTED after {time}: {steps}"),
        RunResult::Refused => format!("REFUSED after {time}: nothing was changed"),
        RunResult::Superseded => format!("GAVE WAY to a newer commit after {time}: {steps}"),
    }
}

/// What a run says that waits for another.
pub fn waiting(reason: &str) -> String {
    format!("waiting for another run to end: {}", clean(reason))
}

/// A line that something else wrote, safe to show: no escape sequences, no control characters, and of what a
/// carriage return overwrites only what was seen last.
pub fn clean(line: &str) -> String {
    let line = console::strip_ansi_codes(line);
    let last = line.trim_end().rsplit('\r').next().unwrap_or_default();
    let printed: String = last.replace('\t', "    ").chars().filter(|c| !c.is_control()).collect();
    visible(&printed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_keep_two_units() {
        let said = [0, 850, 12_345, 59_999, 245_000, 3_720_000].map(duration);
        assert_eq!(said, ["0ms", "850ms", "12.3s", "59.9s", "4m 05s", "1h 02m"]);
    }

    #[test]
    fn clean_keeps_only_what_a_person_would_have_seen() {
        assert_eq!(clean("\u{1b}[31mred\u{1b}[0m\tx"), "red    x");
        assert_eq!(clean("a\u{202e}b\u{9b}31m"), "a�b");
        assert_eq!(clean("10%\r50%\r100%\r\n"), "100%");
    }
}

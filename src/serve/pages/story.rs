use std::collections::VecDeque;

use jiff::Timestamp;

use super::ansi;
use crate::event::{Event, RunResult};
use crate::plan::StepId;
use crate::report::{Board, read, safe};

/// How many of a step's last lines a page shows.
const LINES: usize = 400;

/// A run as far as its events tell.
#[derive(Debug, Default)]
pub(super) struct Story {
    /// The steps.
    pub(super) board: Board,
    /// Who deploys to the environment as long as this one waits.
    pub(super) waiting: Option<String>,
    /// How it ended, and after how many milliseconds.
    pub(super) finished: Option<(RunResult, u64)>,
    /// The number of the next event.
    pub(super) next: i64,
    /// What steps wrote.
    pub(super) logs: Vec<(StepId, Log)>,
    /// Only lines with this are kept.
    pub(super) search: String,
}

/// A step's last lines.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) lines: VecDeque<String>,
    /// How many it wrote.
    pub(super) written: usize,
    /// How many of them fit the search.
    pub(super) fitting: usize,
}

impl Story {
    /// A story of which nothing is known yet.
    pub(super) fn new(search: &str) -> Self {
        Self { search: search.to_owned(), next: 1, ..Self::default() }
    }

    /// Takes events in, with their numbers.
    pub(super) fn take(&mut self, events: &[(i64, String)]) {
        for (sequence, line) in events {
            self.next = sequence + 1;
            // A newer version may have written what this one does not know.
            if let Some((at, event)) = read(line) {
                self.apply(at, &event);
            }
        }
    }

    fn apply(&mut self, at: Timestamp, event: &Event) {
        let event = &*safe(event);
        match event {
            // It was begun anew: what was before is no more.
            Event::Started { .. } if self.board.header.is_some() => {
                *self = Self { next: self.next, ..Self::new(&self.search) };
            }
            Event::Log { step, line } => self.keep(step, line),
            Event::Finished { result, millis, .. } => self.finished = Some((*result, *millis)),
            _ => {}
        }
        match event {
            Event::Waiting { reason } => self.waiting = Some(reason.clone()),
            Event::Log { .. } | Event::Progress { .. } | Event::Warning { .. } => {}
            _ => self.waiting = None,
        }
        self.board.apply(at, event);
    }

    fn keep(&mut self, step: &StepId, line: &str) {
        let index = self.logs.iter().position(|(id, _)| id == step).unwrap_or_else(|| {
            self.logs.push((step.clone(), Log::default()));
            self.logs.len() - 1
        });
        let log = &mut self.logs[index].1;
        log.written += 1;
        if !ansi::has(line, &self.search) {
            return;
        }
        log.fitting += 1;
        if log.lines.len() == LINES {
            log.lines.pop_front();
        }
        log.lines.push_back(line.to_owned());
    }

    /// What a step wrote, if it wrote anything.
    pub(super) fn log(&self, step: &StepId) -> Option<&Log> {
        self.logs.iter().find(|(id, _)| id == step).map(|(_, log)| log)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn story(search: &str, events: &[serde_json::Value]) -> Story {
        let mut story = Story::new(search);
        let line = |event: &serde_json::Value| {
            let mut event = event.clone();
            event["time"] = "2026-01-01T00:00:00Z".into();
            event.to_string()
        };
        story.take(&(1..).zip(events.iter().map(line)).collect::<Vec<_>>());
        story
    }

    fn started() -> serde_json::Value {
        let revision = serde_json::json!({ "commit": "c", "subject": "s", "tree": "t", "dirty": false });
        serde_json::json!({
            "event": "started", "command": "run", "project": "p", "environment": "e", "revision": revision,
            "steps": [{ "id": "image/api", "needs": [] }],
        })
    }

    fn log(line: &str) -> serde_json::Value {
        serde_json::json!({ "event": "log", "step": "image/api", "line": line })
    }

    #[test]
    fn the_last_lines_are_kept_and_all_are_counted() {
        let events: Vec<_> = (0..LINES + 7).map(|number| log(&format!("line {number}"))).collect();
        let story = story("", &events);
        let log = story.log(&StepId::image("api")).unwrap();
        assert_eq!((log.written, log.lines.len(), log.lines[0].as_str()), (LINES + 7, LINES, "line 7"));
    }

    #[test]
    fn of_a_search_only_what_fits_is_kept() {
        let story = story("err", &[log("fine"), log("an Error")]);
        let log = story.log(&StepId::image("api")).unwrap();
        assert_eq!((log.written, log.fitting, log.lines[0].as_str()), (2, 1, "an Error"));
    }

    #[test]
    fn of_a_run_that_was_begun_anew_the_last_time_is_told() {
        let waiting = serde_json::json!({ "event": "waiting", "reason": "somebody" });
        let again = story("", &[started(), log("first"), waiting, started(), log("second")]);
        assert_eq!(again.log(&StepId::image("api")).unwrap().lines, ["second"]);
        assert_eq!((again.waiting, again.next), (None, 6));
    }

    #[test]
    fn what_is_not_understood_is_passed_over() {
        let story = story("", &[serde_json::json!({ "event": "of a newer version" }), log("a")]);
        assert_eq!((story.next, story.logs.len()), (3, 1));
    }
}

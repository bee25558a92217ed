use std::collections::VecDeque;

use crate::event::StepEvents;

/// How many of the last lines a failure shows.
const SHOWN: usize = 15;

/// What a command or a build writes: logged line by line as it comes, and its end kept for a failure.
#[derive(Debug)]
pub(super) struct Output<'a> {
    events: &'a StepEvents,
    partial: String,
    last: VecDeque<String>,
}

impl<'a> Output<'a> {
    pub(super) fn new(events: &'a StepEvents) -> Self {
        Self { events, partial: String::new(), last: VecDeque::new() }
    }

    /// Takes a piece of text, which may be part of a line or several lines; returns the lines that it completes.
    pub(super) fn text(&mut self, text: &str) -> Vec<String> {
        self.partial.push_str(text);
        let Some(end) = self.partial.rfind('\n') else { return Vec::new() };
        let rest = self.partial.split_off(end + 1);
        let complete = std::mem::replace(&mut self.partial, rest);
        complete.lines().filter_map(|line| self.line(line)).collect()
    }

    /// Takes a whole line; returns what of it is shown, if anything.
    pub(super) fn line(&mut self, line: &str) -> Option<String> {
        // A progress bar paints its line over and over: what it looks like in the end is what counts.
        let line = line.trim_end().rsplit('\r').next().unwrap_or_default();
        if line.trim().is_empty() {
            return None;
        }
        self.events.log(line);
        if self.last.len() == SHOWN {
            self.last.pop_front();
        }
        self.last.push_back(line.to_owned());
        Some(line.to_owned())
    }

    /// The last lines, in the order in which they came.
    pub(super) fn last(mut self) -> Vec<String> {
        let unfinished = std::mem::take(&mut self.partial);
        self.line(&unfinished);
        self.last.into()
    }
}

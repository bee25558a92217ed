//! A plan as the comment on a pull request, a run as its summary: Markdown, once it has ended.

use std::io::Write;

use jiff::Timestamp;

use crate::event::Event;
use crate::report::board::Board;

use super::{plan_comment, summary};

/// GitHub takes comments of so many characters.
const LIMIT: usize = 65_536;

/// Writes Markdown at the end.
#[derive(Debug)]
pub struct Markdown<W> {
    out: W,
    board: Board,
}

impl<W: Write> Markdown<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out, board: Board::default() }
    }

    /// Takes an event in, and after the last writes all. A reader that is gone is not an error.
    pub fn handle(&mut self, at: Timestamp, event: &Event) {
        self.board.apply(at, event);
        if let Event::Finished { result, millis, .. } = event {
            let page = if self.board.is_plan() {
                plan_comment(&self.board, *result, LIMIT, None)
            } else {
                summary(&self.board, *result, *millis, LIMIT)
            };
            let _ = writeln!(self.out, "{}", page.trim_end()).and_then(|()| self.out.flush());
        }
    }
}

//! Events as JSON, one line each, for programs.

use std::io::Write;

use jiff::Timestamp;
use serde::Serialize;

use crate::event::Event;

/// Writes `{"time":"…","event":"step_started",…}` per event.
#[derive(Debug)]
pub struct Json<W> {
    out: W,
}

#[derive(Serialize)]
struct Line<'a> {
    /// When the event arrived at the output, in UTC with milliseconds.
    time: String,
    #[serde(flatten)]
    event: &'a Event,
}

impl<W: Write> Json<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out }
    }

    /// Writes the event and flushes. A reader that is gone is not an error: the deployment goes on without it.
    pub fn handle(&mut self, time: Timestamp, event: &Event) {
        if let Ok(mut line) = serde_json::to_vec(&Line { time: format!("{time:.3}"), event }) {
            line.push(b'\n');
            let _ = self.out.write_all(&line).and_then(|()| self.out.flush());
        }
    }
}

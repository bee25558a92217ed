use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// As they were said.
    Text,
    /// One object each: `time`, `level` and `message`.
    Json,
}

impl LogFormat {
    /// A line as it is written, said at this time.
    #[must_use]
    pub fn line(self, said: &str, time: jiff::Timestamp) -> String {
        match self {
            Self::Text => said.to_owned(),
            Self::Json => {
                let warning = said.strip_prefix("warning: ");
                let level = if warning.is_some() { "warning" } else { "info" };
                let message = warning.unwrap_or(said);
                serde_json::json!({ "time": format!("{time:.3}"), "level": level, "message": message })
                    .to_string()
            }
        }
    }
}

/// What the server has to tell whoever runs it, a line each. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Log(UnboundedSender<String>);

impl Log {
    /// A log, and the end at which it is read.
    #[must_use]
    pub fn channel() -> (Self, UnboundedReceiver<String>) {
        let (sender, receiver) = unbounded_channel();
        (Self(sender), receiver)
    }

    /// Tells something.
    pub fn say(&self, text: impl Into<String>) {
        // Nobody may be left to read it.
        let _ = self.0.send(text.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_its_time_and_level() {
        let time = jiff::Timestamp::UNIX_EPOCH;
        let line = |said: &str| LogFormat::Json.line(said, time);
        let info = r#"{"time":"1970-01-01T00:00:00.000Z","level":"info","message":"a \"word\""}"#;
        assert_eq!(line("a \"word\""), info);
        assert!(line("warning: careful").ends_with(r#""level":"warning","message":"careful"}"#));
        assert_eq!(LogFormat::Text.line("warning: careful", time), "warning: careful");
    }
}

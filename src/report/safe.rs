//! Events come with words from outside: commits, templates, services. None of them steers a terminal.

use std::borrow::Cow;

use serde_json::Value;

use crate::diagnostic::visible_lines;
use crate::event::Event;

/// The event with a visible character for each control character in its texts. Only a log line is left as it is: it is
/// cleaned of the colours that belong to it where it is shown.
pub fn safe(event: &Event) -> Cow<'_, Event> {
    if matches!(event, Event::Log { .. } | Event::Progress { .. }) {
        return Cow::Borrowed(event);
    }
    let made = serde_json::to_value(event).map(texts).and_then(serde_json::from_value);
    made.map_or(Cow::Borrowed(event), Cow::Owned)
}

fn texts(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(visible_lines(&text)),
        Value::Array(items) => items.into_iter().map(texts).collect(),
        Value::Object(entries) => entries.into_iter().map(|(key, value)| (key, texts(value))).collect(),
        other => other,
    }
}

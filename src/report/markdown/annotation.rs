//! What is said at a line of a file: GitHub shows it beside the change that is reviewed.

use serde::{Deserialize, Serialize};

use crate::location::Location;
use crate::plan::Change;
use crate::report::board::StepState;
use crate::report::changes::Fate;
use crate::report::words;

use super::escape::{one_line, short};

/// GitHub refuses longer titles.
const TITLE: usize = 255;

/// More than enough for a person, and less than GitHub refuses.
const MESSAGE: usize = 8_000;

/// Something about a line of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Annotation {
    /// The line.
    pub location: Location,
    /// How bad it is.
    pub level: Level,
    /// What is said, in a few words.
    pub title: String,
    /// All of it, in lines of plain text.
    pub message: String,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// It failed.
    Failure,
    /// A live resource is lost, or may be.
    Warning,
}

/// What a step has to say about lines of templates: what failed there, and by which change a live resource is lost.
#[must_use]
pub fn annotations(step: &StepState) -> Vec<Annotation> {
    let mut grave: Vec<&Change> = step.grave().collect();
    grave.sort_by_key(|change| Fate::of(change));
    failure(step).into_iter().chain(grave.into_iter().filter_map(loss)).collect()
}

fn failure(step: &StepState) -> Option<Annotation> {
    let failure = step.failure()?;
    let location = failure.location.clone()?;
    let title = one_line(&format!("{} failed", step.id), TITLE);
    Some(Annotation { location, level: Level::Failure, title, message: message(&failure.to_string()) })
}

fn loss(change: &Change) -> Option<Annotation> {
    let what = match Fate::of(change) {
        Fate::Replace => "is replaced: a new one is made, the old one deleted",
        Fate::MayReplace => "may be replaced: that depends on values that are not known yet",
        _ => "is removed",
    };
    let title = one_line(&format!("{} {what}", change.logical_id), TITLE);
    let live = change.physical_id.iter().map(|id| format!("live: {id}"));
    let properties = change.properties.iter().map(|property| {
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "(not known)".to_owned());
        format!("{}: {} → {}", property.path, value(&property.before), value(&property.after))
    });
    let lines: Vec<String> =
        [change.resource_type.clone()].into_iter().chain(live).chain(properties).collect();
    let location = change.location.clone()?;
    Some(Annotation { location, level: Level::Warning, title, message: message(&lines.join("\n")) })
}

/// The lines without control characters.
fn message(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(words::clean).collect();
    short(&lines.join("\n"), MESSAGE)
}

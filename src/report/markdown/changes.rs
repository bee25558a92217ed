//! A stack's change set as a `diff`, in GitHub's colours: what is lost in red, what comes in green.

use crate::plan::{Change, PropertyChange, Replacement};
use crate::report::board::StepState;
use crate::report::changes::{Fate, counts, one_line, parts, quoted};
use crate::report::paint::cut_pair;
use crate::report::words::clean;

use super::block::{fenced, titled};
use super::escape::short;
use super::page::{Block, Piece, Worth};

/// Names in templates and identities of resources are shorter.
const NAME: usize = 300;

/// More properties of one resource than these are the first to be left out.
const TELLING: usize = 8;

/// The changes of a step's stack, property by property, each value in at most `values` characters.
pub fn block(step: &StepState, values: usize) -> Option<Block> {
    let changes = &step.decision.as_ref()?.changes;
    if changes.is_empty() {
        return None;
    }
    let mut sorted: Vec<&Change> = changes.iter().collect();
    sorted.sort_by_key(|change| Fate::of(change));
    let pieces = sorted.into_iter().flat_map(|change| resource(change, values)).collect();
    let open = step.grave().next().is_some();
    Some(titled(&step.id.to_string(), &counts(changes), open, fenced("diff", pieces)))
}

fn resource(change: &Change, values: usize) -> Vec<Piece> {
    let fate = Fate::of(change);
    let worth = match fate {
        _ if fate.is_grave() => Worth::Grave,
        Fate::Add => Worth::Addition,
        _ => Worth::Change,
    };
    let place = change.location.as_ref().filter(|_| fate != Fate::Add);
    let place = place.map(|location| format!("  {location}")).unwrap_or_default();
    let head = format!("{} {} {}{place}", fate.label(), change.resource_type, change.logical_id);
    let parts: Vec<PropertyChange> = change.properties.iter().flat_map(parts).collect();
    let properties = parts.iter().enumerate().map(|(index, part)| property(part, fate, index, values));
    [Piece::new(worth, short(&clean(&head), NAME))].into_iter().chain(properties).collect()
}

/// The value before in red, and in green the one after.
fn property(property: &PropertyChange, fate: Fate, index: usize, values: usize) -> Piece {
    let note = match property.replacement {
        Replacement::Always if fate != Fate::Revise => "  (forces replacement)",
        Replacement::Conditional => "  (may force replacement)",
        _ => "",
    };
    let worth = match (fate.is_grave(), property.replacement) {
        (true, Replacement::Always | Replacement::Conditional) => Worth::Cause,
        _ if index >= TELLING || property.path.starts_with("Tags") => Worth::Detail,
        _ => Worth::Property,
    };
    let path = short(&clean(&property.path), NAME);
    let line = |sign: char, value: String, note: &str| format!("{sign}       {path}: {value}{note}");
    let lines: Vec<String> = match texts(property, values) {
        (Some(before), Some(after)) => vec![line('-', quoted(&before), ""), line('+', quoted(&after), note)],
        (Some(before), None) => {
            vec![line('-', quoted(&before), ""), line('+', "(removed or not known yet)".to_owned(), note)]
        }
        (None, Some(after)) => vec![line('+', quoted(&after), note)],
        (None, None) => vec![line('!', "(not known yet)".to_owned(), note)],
    };
    Piece::new(worth, lines.join("\n"))
}

/// The values, so that what differs stays in sight.
fn texts(property: &PropertyChange, length: usize) -> (Option<String>, Option<String>) {
    let text = |value: &Option<String>| value.as_deref().map(|value| clean(&one_line(value)));
    let (before, after) = (text(&property.before), text(&property.after));
    let cut = |value: &str| short(value, length);
    match (before, after) {
        (Some(before), Some(after)) => {
            let (before, after) = cut_pair(&before, &after, length);
            (Some(cut(&before)), Some(cut(&after)))
        }
        (before, after) => (before.as_deref().map(cut), after.as_deref().map(cut)),
    }
}

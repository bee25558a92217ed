use maud::{Markup, html};

use super::failures::fate;
use super::links;
use super::run::View;
use crate::plan::{Change, PropertyChange, Replacement};
use crate::report::changes::{Fate, counts, parts};

/// More properties of one resource are not shown.
const PROPERTIES: usize = 100;

/// A stack's change set property by property, the gravest first.
pub(super) fn changes(view: &View<'_>, changes: &[Change]) -> Markup {
    let mut sorted: Vec<&Change> = changes.iter().collect();
    sorted.sort_by_key(|change| Fate::of(change));
    html! {
        div.changes {
            h3 { "Changes: " (counts(changes)) }
            ul { @for change in &sorted { (resource(view, change)) } }
        }
    }
}

fn resource(view: &View<'_>, change: &Change) -> Markup {
    let of = Fate::of(change);
    let live = change.physical_id.as_ref().filter(|id| of.is_grave() && **id != change.logical_id);
    let parts: Vec<PropertyChange> = change.properties.iter().flat_map(parts).take(PROPERTIES).collect();
    html! {
        li class=(if of.is_grave() { "change grave" } else { "change" }) {
            p {
                (fate(of)) code.logical { (change.logical_id) } span.kind { (change.resource_type) }
                @if let Some(location) = &change.location {
                    span.where { (links::line(view.web, &view.run.commit, location)) }
                }
            }
            @if let Some(live) = live { p.lost { "Live: " code { (live) } } }
            @if !parts.is_empty() { dl.properties { @for part in &parts { (property(part, of)) } } }
        }
    }
}

fn property(part: &PropertyChange, of: Fate) -> Markup {
    let note = match part.replacement {
        Replacement::Always if of != Fate::Revise => Some(("bad", "forces replacement")),
        Replacement::Conditional if of != Fate::Revise => Some(("caution", "may force replacement")),
        _ => None,
    };
    html! {
        div {
            dt { code { (part.path) } @if let Some((class, note)) = note { " " span class={ "word " (class) } { (note) } } }
            dd {
                @if let Some(before) = &part.before { del { (before) } }
                @match &part.after {
                    Some(after) => ins { (after) },
                    None => em { @if part.before.is_some() { "removed or not known yet" } @else { "not known yet" } },
                }
            }
        }
    }
}

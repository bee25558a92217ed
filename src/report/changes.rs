//! A stack's resource changes as text: what is lost or replaced comes first and can't be overlooked.

use crate::plan::{Change, ChangeKind, PropertyChange, Replacement};

use console::measure_text_width;
use serde_json::Value;

use super::paint::{Paint, Tone, cut, cut_middle, cut_pair, wrap};
use super::words::listed;

/// More added resources than this are counted by type instead of named.
const NAMED_ADDITIONS: usize = 8;

/// What becomes of a resource, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// A new one is made, the old one deleted.
    Replace,
    /// It is deleted.
    Remove,
    /// It is replaced if a value that is not known yet turns out different.
    MayReplace,
    /// It is changed in place.
    Modify,
    /// A new revision is made beside the old ones, which is the only way to change it.
    Revise,
    /// `CloudFormation` can't tell yet.
    Unclear,
    /// It comes under the stack's control.
    Import,
    /// It is made.
    Add,
}

impl Fate {
    /// What becomes of the changed resource.
    pub fn of(change: &Change) -> Self {
        match (change.kind, change.replacement) {
            (ChangeKind::Modify, Replacement::Always | Replacement::Conditional) if has_revisions(change) => {
                Self::Revise
            }
            (ChangeKind::Add, _) => Self::Add,
            (ChangeKind::Remove, _) => Self::Remove,
            (ChangeKind::Import, _) => Self::Import,
            (ChangeKind::Modify | ChangeKind::Dynamic, Replacement::Always) => Self::Replace,
            (ChangeKind::Modify | ChangeKind::Dynamic, Replacement::Conditional) => Self::MayReplace,
            (ChangeKind::Modify, Replacement::Never) => Self::Modify,
            (ChangeKind::Dynamic, Replacement::Never) => Self::Unclear,
        }
    }

    /// Whether a live resource is lost, or may be.
    pub fn is_grave(self) -> bool {
        matches!(self, Self::Replace | Self::Remove | Self::MayReplace)
    }

    /// A symbol and a word, of the same width for all.
    pub fn label(self) -> &'static str {
        match self {
            Self::Replace => "-/+ REPLACE      ",
            Self::Remove => "-   REMOVE       ",
            Self::MayReplace => "!   MAY REPLACE  ",
            Self::Modify => "~   modify       ",
            Self::Revise => "~   new revision ",
            Self::Unclear => "?   not known yet",
            Self::Import => "<   import       ",
            Self::Add => "+   add          ",
        }
    }

    fn tone(self) -> Tone {
        match self {
            Self::Replace | Self::Remove => Tone::Bad,
            Self::MayReplace | Self::Unclear => Tone::Caution,
            Self::Modify | Self::Revise => Tone::Busy,
            Self::Import | Self::Add => Tone::Good,
        }
    }
}

/// Whether the resource never changes and has successors instead. `CloudFormation` calls that a replacement; to
/// warn of it with each deployment would teach people to overlook the warning.
fn has_revisions(change: &Change) -> bool {
    const TYPES: [&str; 3] =
        ["AWS::ECS::TaskDefinition", "AWS::Lambda::Version", "AWS::Lambda::LayerVersion"];
    TYPES.contains(&change.resource_type.as_str())
}

/// How many resources are replaced, removed…: `1 replacement!, 2 modified, 3 added`.
pub fn counts(changes: &[Change]) -> String {
    let count = |fate| changes.iter().filter(|change| Fate::of(change) == fate).count();
    let (replaced, removed, revised) = (count(Fate::Replace), count(Fate::Remove), count(Fate::Revise));
    listed([
        (replaced, if replaced == 1 { "replacement!" } else { "replacements!" }),
        (removed, if removed == 1 { "removal!" } else { "removals!" }),
        (count(Fate::MayReplace), "may be replaced!"),
        (count(Fate::Modify), "modified"),
        (revised, if revised == 1 { "new revision" } else { "new revisions" }),
        (count(Fate::Unclear), "not known yet"),
        (count(Fate::Import), "imported"),
        (count(Fate::Add), "added"),
    ])
}

/// All changes, the gravest first, at most `width` columns wide.
pub fn lines(changes: &[Change], paint: Paint, width: usize) -> Vec<String> {
    let mut sorted: Vec<&Change> = changes.iter().filter(|change| Fate::of(change) != Fate::Add).collect();
    sorted.sort_by_key(|change| Fate::of(change));
    let added: Vec<&Change> = changes.iter().filter(|change| Fate::of(change) == Fate::Add).collect();
    let mut lines: Vec<String> =
        sorted.into_iter().flat_map(|change| resource(change, paint, width)).collect();
    lines.extend(additions(&added, paint, width));
    lines
}

/// Only the changes by which a live resource is lost, or may be.
pub fn grave_lines(changes: &[Change], paint: Paint, width: usize) -> Vec<String> {
    let grave: Vec<Change> = changes.iter().filter(|change| Fate::of(change).is_grave()).cloned().collect();
    lines(&grave, paint, width)
}

fn resource(change: &Change, paint: Paint, width: usize) -> Vec<String> {
    let fate = Fate::of(change);
    let lost = match &change.physical_id {
        Some(id) if fate.is_grave() && *id != change.logical_id => format!("  (live: {id})"),
        _ => String::new(),
    };
    let name = format!("{} {}", change.resource_type, change.logical_id);
    let line = format!(
        "{}  {}{}",
        paint.show(fate.tone(), fate.label()),
        paint.show(Tone::Strong, name),
        paint.show(Tone::Faint, lost)
    );
    let mut lines = vec![cut(&line, width)];
    let parts: Vec<PropertyChange> = change.properties.iter().flat_map(parts).collect();
    lines.extend(parts.iter().flat_map(|part| property_lines(part, fate, paint, width)));
    lines
}

/// Where a property's values are JSON, what differs within them: `Policy.Statement.0.Effect` instead of two policies.
pub fn parts(property: &PropertyChange) -> Vec<PropertyChange> {
    /// Values with more differences are told apart best as a whole.
    const FEW: usize = 8;
    let value = |text: &Option<String>| {
        let value: Option<Value> = text.as_ref().and_then(|text| serde_json::from_str(text).ok());
        value.filter(|value| value.is_object() || value.is_array())
    };
    let mut parts = Vec::new();
    if let (Some(before), Some(after)) = (value(&property.before), value(&property.after)) {
        differences(&property.path, Some(&before), Some(&after), &mut parts);
    }
    if parts.is_empty() || parts.len() > FEW {
        return vec![property.clone()];
    }
    let part =
        |(path, before, after)| PropertyChange { path, before, after, replacement: property.replacement };
    parts.into_iter().map(part).collect()
}

/// The paths at which two values differ, with what is there before and after.
fn differences(
    path: &str,
    before: Option<&Value>,
    after: Option<&Value>,
    found: &mut Vec<(String, Option<String>, Option<String>)>,
) {
    match (before, after) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let added = new.keys().filter(|key| !old.contains_key(*key));
            for key in old.keys().chain(added) {
                differences(&format!("{path}.{key}"), old.get(key), new.get(key), found);
            }
        }
        // Of lists of different lengths it can't be said which items are the same.
        (Some(Value::Array(old)), Some(Value::Array(new))) if old.len() == new.len() => {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                differences(&format!("{path}.{index}"), Some(old), Some(new), found);
            }
        }
        _ if before == after => {}
        _ => {
            let text = |value: Option<&Value>| match value {
                Some(Value::String(text)) => Some(text.clone()),
                value => value.map(Value::to_string),
            };
            found.push((path.to_owned(), text(before), text(after)));
        }
    }
}

/// `BrokerNodeGroupInfo.InstanceType  (forces replacement): "a" → "b"`, with the values on lines of their own
/// where that is too long for one.
fn property_lines(property: &PropertyChange, fate: Fate, paint: Paint, width: usize) -> Vec<String> {
    const INDENT: &str = "        ";
    let (tone, note) = match property.replacement {
        Replacement::Always if fate == Fate::Revise => (Tone::Faint, ""),
        Replacement::Always => (Tone::Bad, "  (forces replacement)"),
        Replacement::Conditional => (Tone::Caution, "  (may force replacement)"),
        Replacement::Never => (Tone::Faint, ""),
    };
    let head = format!("{INDENT}{}{}", property.path, paint.show(tone, note));
    let room = width.saturating_sub(INDENT.len() + 6).max(12);
    let (before, after) = values(property, room);
    let before_arrow = if before.is_empty() { String::new() } else { format!("{before} ") };
    let line = format!("{head}: {before_arrow}→ {after}");
    if measure_text_width(&line) <= width {
        return vec![line];
    }
    let before = (!before.is_empty()).then(|| format!("{INDENT}    {before}"));
    let lines = [Some(format!("{head}:")), before, Some(format!("{INDENT}  → {after}"))];
    lines.into_iter().flatten().map(|line| cut(&line, width)).collect()
}

/// The value before, if it is known, and the one after, each in at most `room` columns.
fn values(property: &PropertyChange, room: usize) -> (String, String) {
    let inside = room.saturating_sub(2);
    match (property.before.as_deref().map(one_line), property.after.as_deref().map(one_line)) {
        (Some(before), Some(after)) => {
            let (before, after) = cut_pair(&before, &after, inside);
            (quoted(&before), quoted(&after))
        }
        (Some(before), None) => {
            (quoted(&cut_middle(&before, inside)), "(removed or not known yet)".to_owned())
        }
        (None, Some(after)) => (String::new(), quoted(&cut_middle(&after, inside))),
        (None, None) => (String::new(), "(not known yet)".to_owned()),
    }
}

/// A value without line breaks.
pub fn one_line(value: &str) -> String {
    value.replace("\r\n", "\\n").replace(['\n', '\r'], "\\n").replace('\t', " ")
}

/// A value as it is shown.
pub fn quoted(value: &str) -> String {
    format!("\"{value}\"")
}

/// New resources in as few lines as tell enough: their names, or of many only how many of which type.
fn additions(added: &[&Change], paint: Paint, width: usize) -> Vec<String> {
    let label = Fate::Add.label();
    let items: Vec<String> = if added.len() <= NAMED_ADDITIONS {
        added.iter().map(|change| format!("{} {}", change.resource_type, change.logical_id)).collect()
    } else {
        by_type(added)
    };
    let blank = " ".repeat(label.len());
    let room = width.saturating_sub(label.len() + 2);
    let texts = if added.len() <= NAMED_ADDITIONS { items } else { wrap(items, room) };
    texts
        .into_iter()
        .enumerate()
        .map(|(index, text)| {
            let label = if index == 0 || added.len() <= NAMED_ADDITIONS { label } else { &blank };
            cut(&format!("{}  {text}", paint.show(Fate::Add.tone(), label)), width)
        })
        .collect()
}

/// `6 AWS::EC2::Subnet`, in the order in which the types first come up.
fn by_type(added: &[&Change]) -> Vec<String> {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for change in added {
        match counts.iter_mut().find(|(known, _)| *known == change.resource_type) {
            Some((_, count)) => *count += 1,
            None => counts.push((&change.resource_type, 1)),
        }
    }
    counts.into_iter().map(|(resource_type, count)| format!("{count} {resource_type}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differing(before: &str, after: &str) -> Vec<String> {
        let value = |text: &str| Some(text.to_owned());
        let property = PropertyChange {
            path: "Policy".to_owned(),
            before: value(before),
            after: value(after),
            replacement: Replacement::Never,
        };
        let shown = |part: PropertyChange| {
            let value = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
            format!("{}: {} → {}", part.path, value(part.before), value(part.after))
        };
        parts(&property).into_iter().map(shown).collect()
    }

    #[test]
    fn of_json_documents_what_differs_is_shown() {
        let shown = differing(r#"{"a":[1,{"b":"x"}],"c":1}"#, r#"{"a":[1,{"b":"y"}],"d":[2]}"#);
        assert_eq!(shown, ["Policy.a.1.b: x → y", "Policy.c: 1 → -", "Policy.d: - → [2]"]);
    }

    #[test]
    fn other_values_are_shown_whole() {
        assert_eq!(differing("[1]", "[1,2]"), ["Policy: [1] → [1,2]"]);
        assert_eq!(differing("1", "2"), ["Policy: 1 → 2"]);
        // They differ in their spaces alone.
        assert_eq!(differing(r#"{"a":1}"#, r#"{"a": 1}"#), [r#"Policy: {"a":1} → {"a": 1}"#]);
        let many = |value: u8| serde_json::json!((0..9).map(|_| value).collect::<Vec<_>>()).to_string();
        assert_eq!(differing(&many(1), &many(2)).len(), 1);
    }
}

use std::collections::{BTreeMap, BTreeSet};

use super::{Live, ParameterValue, Spec};
use crate::plan::{Change, ChangeKind, PropertyChange, Replacement};
use crate::template::Value;

/// The changes, with old and new values where CloudFormation named none.
///
/// CloudFormation leaves values out where they are long or only known when the change is made, and not every endpoint
/// has them. What the templates and parameters say on both sides is then the next best answer.
#[must_use]
pub fn filled(mut changes: Vec<Change>, spec: &Spec, live: &Live) -> Vec<Change> {
    let Some(template) = &live.template else { return changes };
    let before = Side { body: template, value: &|name| live.parameters.get(name).cloned() };
    let after = Side { body: &spec.template.body, value: &|name| parameter(spec, name) };
    for change in changes.iter_mut().filter(|change| change.kind == ChangeKind::Modify) {
        if change.properties.iter().all(|property| property.before.is_none() && property.after.is_none()) {
            let old = before.leaves(&change.logical_id);
            let new = after.leaves(&change.logical_id);
            let found = differing(&old, &new, &change.properties);
            if !found.is_empty() {
                change.properties = found;
            }
        }
    }
    changes
}

fn parameter(spec: &Spec, name: &str) -> Option<String> {
    match spec.effective(name)? {
        ParameterValue::Known(value)
            if spec.template.parameters.get(name).is_some_and(|known| known.no_echo) =>
        {
            Some("*".repeat(value.len().min(4)))
        }
        ParameterValue::Known(value) => Some(value),
        ParameterValue::Pending(references) => references.first().map(ToString::to_string),
    }
}

/// A template with the values of its parameters.
struct Side<'a> {
    body: &'a Value,
    value: &'a dyn Fn(&str) -> Option<String>,
}

impl Side<'_> {
    /// The resource's properties, each leaf by its path.
    fn leaves(&self, logical_id: &str) -> BTreeMap<String, String> {
        let mut leaves = BTreeMap::new();
        let properties =
            ["Resources", logical_id, "Properties"].iter().try_fold(self.body, |value, key| value.get(key));
        if let Some(properties) = properties {
            self.collect(properties, String::new(), &mut leaves);
        }
        leaves
    }

    fn collect(&self, value: &Value, path: String, leaves: &mut BTreeMap<String, String>) {
        let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        match value {
            Value::Null => {}
            Value::Scalar(text) => drop(leaves.insert(path, text.clone())),
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.collect(item, below(&index.to_string()), leaves);
                }
            }
            Value::Map(entries) => match function(entries) {
                Some((name, argument)) => drop(leaves.insert(path, self.shown(name, argument))),
                None => {
                    for (key, value) in entries {
                        self.collect(value, below(key), leaves);
                    }
                }
            },
        }
    }

    /// A function of the template as people read it; a reference to a parameter as its value.
    fn shown(&self, name: &str, argument: &Value) -> String {
        let text = self.text(argument);
        match name {
            "Ref" => (self.value)(&text).unwrap_or_else(|| format!("${{{text}}}")),
            "Fn::GetAtt" => format!("${{{}}}", text.replace(", ", ".")),
            "Fn::Sub" => self.substituted(&text),
            _ => format!("{}({text})", name.trim_start_matches("Fn::")),
        }
    }

    fn text(&self, value: &Value) -> String {
        match value {
            Value::Null => String::new(),
            Value::Scalar(text) => text.clone(),
            Value::List(items) => items.iter().map(|item| self.text(item)).collect::<Vec<_>>().join(", "),
            Value::Map(entries) => match function(entries) {
                Some((name, argument)) => self.shown(name, argument),
                None => entries
                    .iter()
                    .map(|(key, value)| format!("{key}: {}", self.text(value)))
                    .collect::<Vec<_>>()
                    .join(", "),
            },
        }
    }

    fn substituted(&self, text: &str) -> String {
        let mut parts = text.split("${");
        let mut shown = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').unwrap_or((part, ""));
            shown.push_str(&(self.value)(name).unwrap_or_else(|| format!("${{{name}}}")));
            shown.push_str(rest);
        }
        shown
    }
}

/// A map with one key that is a function's name.
fn function(entries: &BTreeMap<String, Value>) -> Option<(&str, &Value)> {
    match entries.iter().next() {
        Some((name, argument)) if entries.len() == 1 && (name == "Ref" || name.starts_with("Fn::")) => {
            Some((name, argument))
        }
        _ => None,
    }
}

/// Leaves that differ, each with what CloudFormation says of the property that it lies in.
fn differing(
    old: &BTreeMap<String, String>,
    new: &BTreeMap<String, String>,
    told: &[PropertyChange],
) -> Vec<PropertyChange> {
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let changed = paths.into_iter().filter(|path| old.get(*path) != new.get(*path));
    changed
        .map(|path| PropertyChange {
            path: path.clone(),
            before: old.get(path).cloned(),
            after: new.get(path).cloned(),
            replacement: told
                .iter()
                .find(|property| path.split('.').next() == property.path.split('.').next())
                .map_or(Replacement::Never, |property| property.replacement),
        })
        .collect()
}

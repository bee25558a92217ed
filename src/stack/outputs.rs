use std::collections::BTreeSet;

use super::{Live, ParameterValue, Spec};
use crate::plan::{ChangeKind, Decision, Replacement};
use crate::template::Value;

/// Outputs that a plan can't know: those that are new or defined anew, those of resources that are yet to be made, or
/// made anew, and those that follow a value that changes or is not known itself. Every other output is taken to stay as
/// it is.
#[must_use]
pub fn unknown_outputs(spec: &Spec, decision: &Decision, live: Option<&Live>) -> BTreeSet<String> {
    let uncertain = uncertain(spec, decision, live);
    let unknown = |name: &str, attribute: Option<&str>| {
        uncertain.contains(name) || attribute.is_some_and(|attribute| follows(decision, name, attribute))
    };
    section(&spec.template.body, "Outputs")
        .filter(|(name, output)| {
            mentions(output, &unknown) || !live.is_some_and(|live| is_live(live, name, output))
        })
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// Whether the live stack has the output, and has it by the same definition.
fn is_live(live: &Live, name: &str, output: &Value) -> bool {
    let defined = live.template.as_ref().and_then(|template| template.get("Outputs")?.get(name));
    live.outputs.contains_key(name) && defined == Some(output)
}

/// Resources and parameters whatever refers to which is not known.
fn uncertain<'a>(spec: &'a Spec, decision: &'a Decision, live: Option<&Live>) -> BTreeSet<&'a str> {
    let made = decision
        .changes
        .iter()
        .filter(|change| change.kind != ChangeKind::Modify || change.replacement != Replacement::Never);
    let mut uncertain: BTreeSet<&str> = made.map(|change| change.logical_id.as_str()).collect();
    let pending: BTreeSet<&str> = spec.pending().map(|(name, _)| name).collect();
    let waits = |name: &str, _: Option<&str>| pending.contains(name);
    let resources = section(&spec.template.body, "Resources");
    uncertain.extend(resources.filter(|(_, resource)| mentions(resource, &waits)).map(|(name, _)| name));
    let parameters = spec.template.parameters.keys().map(String::as_str);
    uncertain.extend(parameters.filter(|name| changes(spec, live, name)));
    uncertain.extend(pending);
    uncertain
}

fn changes(spec: &Spec, live: Option<&Live>, parameter: &str) -> bool {
    match spec.effective(parameter) {
        Some(ParameterValue::Known(value)) => {
            live.and_then(|live| live.parameters.get(parameter)) != Some(&value)
        }
        _ => false,
    }
}

/// Whether an attribute repeats a property that changes: `Value` of a parameter, `Endpoint.Port` of a database.
fn follows(decision: &Decision, resource: &str, attribute: &str) -> bool {
    let properties = decision
        .changes
        .iter()
        .filter(|change| change.logical_id == resource)
        .flat_map(|change| &change.properties);
    properties
        .filter_map(|property| property.path.split('.').next())
        .any(|property| attribute.split('.').any(|part| part == property))
}

fn section<'a>(body: &'a Value, name: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let entries = match body.get(name) {
        Some(Value::Map(entries)) => Some(entries),
        _ => None,
    };
    entries.into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

/// Whether a part of a template refers to a resource or parameter, or an attribute of it, that is `wanted`.
fn mentions(value: &Value, wanted: &dyn Fn(&str, Option<&str>) -> bool) -> bool {
    match value {
        Value::Null | Value::Scalar(_) => false,
        Value::List(items) => items.iter().any(|item| mentions(item, wanted)),
        Value::Map(entries) => entries.iter().any(|(key, value)| match (key.as_str(), value) {
            ("Ref", Value::Scalar(name)) => wanted(name, None),
            ("Fn::GetAtt", Value::List(path)) => match path.as_slice() {
                [Value::Scalar(name), Value::Scalar(attribute)] => wanted(name, Some(attribute)),
                [Value::Scalar(name), attribute] => wanted(name, None) || mentions(attribute, wanted),
                _ => false,
            },
            ("Fn::Sub", Value::Scalar(text)) => substitutes(text, wanted),
            ("Fn::Sub", Value::List(items)) => items.iter().any(|item| match item {
                Value::Scalar(text) => substitutes(text, wanted),
                other => mentions(other, wanted),
            }),
            (_, value) => mentions(value, wanted),
        }),
    }
}

fn substitutes(text: &str, wanted: &dyn Fn(&str, Option<&str>) -> bool) -> bool {
    text.split("${").skip(1).any(|rest| {
        let path = rest.split('}').next().unwrap_or_default().trim();
        match path.split_once('.') {
            Some((name, attribute)) => wanted(name, Some(attribute)),
            None => wanted(path, None),
        }
    })
}

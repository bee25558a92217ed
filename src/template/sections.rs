use std::collections::BTreeMap;

use super::{Parameter, Resource, Template, body};
use crate::yaml::{Fields, Form, Node, Reader, Value};

/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-anatomy.html>
const SECTIONS: &[&str] = &[
    "AWSTemplateFormatVersion",
    "Description",
    "Metadata",
    "Parameters",
    "Rules",
    "Mappings",
    "Conditions",
    "Transform",
    "Resources",
    "Outputs",
    "Hooks",
];
const PARAMETER: &[&str] = &[
    "Type",
    "Default",
    "Description",
    "AllowedValues",
    "AllowedPattern",
    "ConstraintDescription",
    "MaxLength",
    "MaxValue",
    "MinLength",
    "MinValue",
    "NoEcho",
];
const RESOURCE: &[&str] = &[
    "Type",
    "Properties",
    "DependsOn",
    "Condition",
    "CreationPolicy",
    "DeletionPolicy",
    "UpdatePolicy",
    "UpdateReplacePolicy",
    "Metadata",
];
const OUTPUT: &[&str] = &["Value", "Description", "Export", "Condition"];
const PARAMETER_TYPES: [&str; 4] = ["String", "Number", "CommaDelimitedList", "List<Number>"];
const LOGICAL_ID: Form = Form { what: "logical ID", is: is_logical_id, expected: "letters and digits only" };

/// Reads the sections of a template.
pub(super) fn read(reader: &mut Reader<'_>, root: &Node) -> Option<Template> {
    // A macro can bring sections, attributes and resources of its own.
    let has_macros = root.get("Transform").is_some();
    let fields =
        if has_macros { reader.fields(root, &keys_of(root))? } else { reader.fields(root, SECTIONS)? };
    version(reader, fields);
    no_nulls_or_twins(reader, root);
    let parameters = fields.get("Parameters").and_then(|node| named(reader, node, parameter));
    let resources = fields
        .required(reader, "Resources", "at least one resource")
        .and_then(|node| named(reader, node, |reader, node| resource(reader, node, has_macros)));
    let outputs = fields.get("Outputs").and_then(|node| named(reader, node, output));
    Some(Template {
        file: reader.source().file.to_owned(),
        text: reader.source().text.to_owned(),
        description: fields.get("Description").and_then(Node::scalar).map(str::to_owned),
        parameters: parameters.unwrap_or_default(),
        resources: resources?,
        outputs: outputs.unwrap_or_default(),
        has_macros,
        body: body::value(root),
    })
}

fn keys_of(node: &Node) -> Vec<&str> {
    node.entries().iter().map(|(key, _)| key.name.as_str()).collect()
}

fn named<T>(
    reader: &mut Reader<'_>,
    node: &Node,
    read: impl Fn(&mut Reader<'_>, &Node) -> Option<T>,
) -> Option<BTreeMap<String, T>> {
    reader.named(node, &LOGICAL_ID, |reader, name, node| {
        // A loop, which is no resource itself: `Fn::ForEach::Name: […]`.
        if name.starts_with("Fn::ForEach::") { None } else { read(reader, node) }
    })
}

fn is_logical_id(name: &str) -> bool {
    let letters = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric());
    letters(name) || name.strip_prefix("Fn::ForEach::").is_some_and(letters)
}

fn version(reader: &mut Reader<'_>, fields: Fields<'_>) {
    const VERSION: &str = "2010-09-09";
    if let Some(node) = fields.get("AWSTemplateFormatVersion")
        && node.scalar() != Some(VERSION)
    {
        let message = "CloudFormation knows one version of templates";
        reader.wrong(node.place, message, |mistake| mistake.expected(format!("\"{VERSION}\"")));
    }
}

/// CloudFormation takes neither nothing as a value nor a key twice.
fn no_nulls_or_twins(reader: &mut Reader<'_>, node: &Node) {
    match &node.value {
        Value::Null => {
            reader.wrong(node.place, "this has no value, which CloudFormation refuses", |mistake| {
                mistake.hint("give it a value, or remove it")
            });
        }
        Value::Map(entries) => {
            reader.map(node);
            for (_, node) in entries {
                no_nulls_or_twins(reader, node);
            }
        }
        Value::List(items) => items.iter().for_each(|item| no_nulls_or_twins(reader, item)),
        Value::Boolean(_) | Value::Number(_) | Value::Text(_) => {}
    }
}

fn parameter(reader: &mut Reader<'_>, node: &Node) -> Option<Parameter> {
    const TYPE: &str = "a type such as String or Number";
    let fields = reader.fields(node, PARAMETER)?;
    let type_node = fields.required(reader, "Type", TYPE)?;
    let type_name = parameter_type(reader, type_node, TYPE);
    let default = fields.get("Default").and_then(|node| scalar(reader, node));
    let no_echo =
        fields.get("NoEcho").and_then(Node::scalar).is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let allowed_values = fields
        .get("AllowedValues")
        .and_then(|node| reader.list(node, "a list of values", scalar))
        .unwrap_or_default();
    Some(Parameter { type_name: type_name?, default, no_echo, allowed_values, line: node.place.line })
}

fn parameter_type(reader: &mut Reader<'_>, node: &Node, expected: &str) -> Option<String> {
    let text = reader.string(node, expected)?;
    if !PARAMETER_TYPES.contains(&text.as_str())
        && !text.starts_with("AWS::")
        && !text.starts_with("List<AWS::")
    {
        reader.wrong(node.place, format!("`{text}` is no type of a parameter"), |mistake| {
            let types = format!("{} or one of AWS's own types", PARAMETER_TYPES.join(", "));
            mistake.expected(types).did_you_mean(&text, PARAMETER_TYPES)
        });
        return None;
    }
    Some(text)
}

fn scalar(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    if node.scalar().is_none() {
        reader.unexpected(node, "a text, a number or a boolean");
    }
    node.scalar().map(str::to_owned)
}

fn resource(reader: &mut Reader<'_>, node: &Node, has_macros: bool) -> Option<Resource> {
    let fields =
        if has_macros { reader.fields(node, &keys_of(node))? } else { reader.fields(node, RESOURCE)? };
    let resource_type = fields
        .required(reader, "Type", "a type such as AWS::S3::Bucket")
        .and_then(|node| reader.string(node, "a type such as AWS::S3::Bucket"));
    let word = |key: &str| fields.get(key).and_then(Node::scalar).map(str::to_owned);
    Some(Resource {
        resource_type: resource_type?,
        deletion_policy: word("DeletionPolicy"),
        update_replace_policy: word("UpdateReplacePolicy"),
        line: node.place.line,
    })
}

fn output(reader: &mut Reader<'_>, node: &Node) -> Option<usize> {
    let fields = reader.fields(node, OUTPUT)?;
    fields.required(reader, "Value", "what the output gives")?;
    Some(node.place.line)
}

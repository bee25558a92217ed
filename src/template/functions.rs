use crate::yaml::{Key, Node, Reader, Value};

/// The functions that have a short form.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html>
const FUNCTIONS: [&str; 20] = [
    "Ref",
    "Condition",
    "And",
    "Base64",
    "Cidr",
    "Contains",
    "Equals",
    "FindInMap",
    "GetAtt",
    "GetAZs",
    "GetStackOutput",
    "If",
    "ImportValue",
    "Join",
    "Length",
    "Not",
    "Or",
    "Select",
    "Split",
    "Sub",
];
/// More of them, for the message about an unknown one.
const MACROS: [&str; 2] = ["ToJsonString", "Transform"];

/// The tree with every short form (`!Sub x`) written out (`{Fn::Sub: x}`).
pub(super) fn long_form(reader: &mut Reader<'_>, node: Node) -> Node {
    let Node { place, tag, value } = node;
    let value = match value {
        Value::List(items) => Value::List(items.into_iter().map(|item| long_form(reader, item)).collect()),
        Value::Map(entries) => {
            Value::Map(entries.into_iter().map(|entry| long_entry(reader, entry)).collect())
        }
        scalar => scalar,
    };
    let node = Node { place, tag: None, value };
    let Some(tag) = tag else { return node };
    let short = tag.trim_start_matches('!');
    let known = || FUNCTIONS.into_iter().chain(MACROS);
    if !known().any(|function| function == short) {
        let tags: Vec<String> = known().map(|function| format!("!{function}")).collect();
        reader.wrong(place, format!("unknown function `{tag}`"), |mistake| {
            mistake.did_you_mean(&tag, tags.iter().map(String::as_str))
        });
    }
    let name = match short {
        "Ref" | "Condition" => short.to_owned(),
        _ => format!("Fn::{short}"),
    };
    let argument = if short == "GetAtt" { attribute_path(node) } else { node };
    Node { place, tag: None, value: Value::Map(vec![(Key { name, place }, argument)]) }
}

fn long_entry(reader: &mut Reader<'_>, (key, node): (Key, Node)) -> (Key, Node) {
    let node = long_form(reader, node);
    let node = if key.name == "Fn::GetAtt" { attribute_path(node) } else { node };
    (key, node)
}

/// `Resource.Attribute` as the list that it stands for; attributes may have dots themselves.
fn attribute_path(node: Node) -> Node {
    let Some((resource, attribute)) = node.scalar().and_then(|text| text.split_once('.')) else {
        return node;
    };
    let item = |text: &str| Node { place: node.place, tag: None, value: Value::Text(text.to_owned()) };
    let value = Value::List(vec![item(resource), item(attribute)]);
    Node { place: node.place, tag: None, value }
}

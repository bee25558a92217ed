use super::Template;
use crate::diagnostic::{Place, nearest};
use crate::yaml::{Node, Reader};

/// What `Ref` finds in every template.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/pseudo-parameter-reference.html>
const PSEUDO_PARAMETERS: [&str; 8] = [
    "AWS::AccountId",
    "AWS::NotificationARNs",
    "AWS::NoValue",
    "AWS::Partition",
    "AWS::Region",
    "AWS::StackId",
    "AWS::StackName",
    "AWS::URLSuffix",
];

/// Checks that what the template refers to is in it. With macros that can't be told from the text.
pub(super) fn check(reader: &mut Reader<'_>, root: &Node, template: &Template) {
    if template.has_macros {
        return;
    }
    let names = Names::new(root);
    for section in ["Resources", "Outputs"] {
        for (_, node) in root.get(section).map(Node::entries).unwrap_or_default() {
            attributes(reader, node, &names);
            functions(reader, node, &names);
        }
    }
    for section in ["Conditions", "Rules"] {
        if let Some(node) = root.get(section) {
            functions(reader, node, &names);
            conditions(reader, node, &names);
        }
    }
}

/// What there is to refer to.
struct Names<'a> {
    parameters: Vec<&'a str>,
    resources: Vec<&'a str>,
    conditions: Vec<&'a str>,
    mappings: Vec<&'a str>,
}

impl<'a> Names<'a> {
    fn new(root: &'a Node) -> Self {
        let keys = |section: &str| {
            let entries = root.get(section).map(Node::entries).unwrap_or_default();
            entries.iter().map(|(key, _)| key.name.as_str()).collect()
        };
        Self {
            parameters: keys("Parameters"),
            resources: keys("Resources"),
            conditions: keys("Conditions"),
            mappings: keys("Mappings"),
        }
    }

    fn referable(&self) -> Vec<&'a str> {
        self.parameters.iter().chain(&self.resources).copied().chain(PSEUDO_PARAMETERS).collect()
    }
}

/// `DependsOn` and `Condition` of a resource or an output.
fn attributes(reader: &mut Reader<'_>, node: &Node, names: &Names<'_>) {
    if let Some(condition) = node.get("Condition") {
        target(reader, condition, "condition", &names.conditions);
    }
    if let Some(depends_on) = node.get("DependsOn") {
        target(reader, depends_on, "resource", &names.resources);
        depends_on.items().iter().for_each(|item| target(reader, item, "resource", &names.resources));
    }
}

/// `{Condition: Name}` wherever it stands in a section that is about conditions.
fn conditions(reader: &mut Reader<'_>, node: &Node, names: &Names<'_>) {
    for (key, value) in node.entries() {
        if key.name == "Condition" {
            target(reader, value, "condition", &names.conditions);
        }
        conditions(reader, value, names);
    }
    node.items().iter().for_each(|item| conditions(reader, item, names));
}

fn functions(reader: &mut Reader<'_>, node: &Node, names: &Names<'_>) {
    if let [(key, argument)] = node.entries() {
        let first = argument.items().first();
        match (key.name.as_str(), first) {
            ("Ref", _) => target(reader, argument, "parameter or resource", &names.referable()),
            ("Fn::GetAtt", Some(resource)) => target(reader, resource, "resource", &names.resources),
            ("Fn::If", Some(condition)) => target(reader, condition, "condition", &names.conditions),
            ("Fn::FindInMap", Some(mapping)) => target(reader, mapping, "mapping", &names.mappings),
            ("Fn::Sub", _) => substitution(reader, argument, names),
            _ => {}
        }
    }
    node.entries().iter().for_each(|(_, value)| functions(reader, value, names));
    node.items().iter().for_each(|item| functions(reader, item, names));
}

/// What a text names must exist.
fn target(reader: &mut Reader<'_>, node: &Node, kind: &str, known: &[&str]) {
    if let Some(name) = node.scalar() {
        named(reader, node.find(reader.source(), name), name, kind, known);
    }
}

fn named(reader: &mut Reader<'_>, place: Place, name: &str, kind: &str, known: &[&str]) {
    if known.contains(&name) {
        return;
    }
    reader.wrong(place, format!("there is no {kind} `{name}` in this template"), |mistake| {
        if nearest(name, known.iter().copied()).is_some() {
            return mistake.did_you_mean(name, known.iter().copied());
        }
        mistake.instead_of(name, known.iter().copied().filter(|name| !name.starts_with("AWS::")))
    });
}

/// `${Name}` and `${Resource.Attribute}` in a `Fn::Sub`, which may bring names of its own.
fn substitution(reader: &mut Reader<'_>, argument: &Node, names: &Names<'_>) {
    let (text, own) = match argument.items() {
        [text, own, ..] => (text, own.entries()),
        [text] => (text, &[][..]),
        [] => (argument, &[][..]),
    };
    let known: Vec<&str> =
        names.referable().into_iter().chain(own.iter().map(|(key, _)| key.name.as_str())).collect();
    for (start, name) in substituted(text.scalar().unwrap_or_default()) {
        let place = text.part(reader.source(), start, name.len());
        match name.trim().split_once('.') {
            // A name with a dot can be one of its own, too.
            Some((resource, _)) if !known.contains(&name.trim()) => {
                named(reader, place, resource, "resource", &names.resources);
            }
            _ => named(reader, place, name.trim(), "parameter or resource", &known),
        }
    }
}

/// The names within `${…}` and where they begin; `${!…}` stands for itself.
fn substituted(text: &str) -> Vec<(usize, &str)> {
    let starts = text.match_indices("${").map(|(start, _)| start + 2);
    starts
        .filter_map(|start| {
            let name = text[start..].split_once('}')?.0;
            (!name.starts_with('!')).then_some((start, name))
        })
        .collect()
}

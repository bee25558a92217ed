//! The kinds of value that `pipeline.yaml` is made of.

use super::{Text, syntax};
use crate::yaml::{Node, Reader, Value};

/// The path of something in the repository.
pub(super) fn path(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    const EXPECTED: &str = "a path relative to the repository's root";
    let text = reader.string(node, EXPECTED)?;
    let path = syntax::path(&text);
    if path.is_none() {
        reader.wrong(node.place, format!("`{text}` is not within the repository"), |mistake| {
            mistake.expected(EXPECTED).hint("write it without `..`, with `/`, and without a `/` in front")
        });
    }
    path
}

/// A text that may contain references.
pub(super) fn text(reader: &mut Reader<'_>, node: &Node, expected: &str) -> Option<Text> {
    let text = reader.string(node, expected)?;
    references(reader, node, &text)
}

/// A text, number or boolean as it is written; an empty text is fine, nothing at all is not.
pub(super) fn scalar(reader: &mut Reader<'_>, node: &Node, expected: &str) -> Option<Text> {
    let Some(text) = node.scalar() else {
        reader.unexpected(node, expected);
        return None;
    };
    references(reader, node, text)
}

/// A scalar, or a list of them that is joined with commas.
pub(super) fn parameter(reader: &mut Reader<'_>, node: &Node) -> Option<Text> {
    let Value::List(items) = &node.value else {
        return scalar(reader, node, "a text, a number, a boolean, or a list of them");
    };
    let items: Vec<Text> =
        items.iter().filter_map(|item| scalar(reader, item, "a text, a number or a boolean")).collect();
    Some(Text::join(items, ","))
}

fn references(reader: &mut Reader<'_>, node: &Node, text: &str) -> Option<Text> {
    match Text::parse(text) {
        Ok(text) => Some(text),
        Err(error) => {
            let length = text[error.offset..].find('}').map_or(text.len() - error.offset, |end| end + 1);
            let place = node.part(reader.source(), error.offset, length);
            reader.wrong(place, &error.message, |mistake| mistake.hint(&error.hint));
            None
        }
    }
}

/// CloudFormation's short tags belong in templates.
pub(super) fn no_tags(reader: &mut Reader<'_>, node: &Node) {
    if let Some(tag) = &node.tag {
        reader.wrong(node.place, format!("`{tag}` means nothing here"), |mistake| {
            mistake.hint(
                "CloudFormation's functions work in templates; write a reference as ${stacks.NAME.OUTPUT}",
            )
        });
    }
    node.entries().iter().for_each(|(_, value)| no_tags(reader, value));
    node.items().iter().for_each(|item| no_tags(reader, item));
}

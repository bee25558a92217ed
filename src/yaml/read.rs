use serde_yaml::budget::BudgetBreach;
use serde_yaml::options::DuplicateKeyPolicy;
use serde_yaml::{Error, Location, Options, SnippetMode, Tagged, UserMessageFormatter};

use super::raw::{Raw, RawNode};
use super::{Key, Node, Value};
use crate::diagnostic::{Mistake, Mistakes, Place, Source};

/// How deep a document may be nested.
const MAX_DEPTH: usize = 40;
/// How many scalars, lists and maps a document may have, those that come from aliases included.
const MAX_NODES: usize = 100_000;

/// Reads one document.
///
/// # Errors
/// The first place at which the text is no YAML, or is more of it than is sensible.
pub(crate) fn read(source: &Source<'_>) -> Result<Node, Mistakes> {
    let document: RawNode =
        serde_yaml::from_str_with_options(source.text, options()).map_err(|error| mistake(source, &error))?;
    Ok(locate(document, source.text, None))
}

fn options() -> Options {
    serde_yaml::options! {
        budget: serde_yaml::budget! { max_depth: MAX_DEPTH, max_nodes: MAX_NODES, max_documents: 1 },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        with_snippet: false,
    }
}

fn mistake(source: &Source<'_>, mut error: &Error) -> Mistake {
    while let Error::AliasError { error: inner, .. } = error {
        error = inner;
    }
    let place = error.location().map_or(Place { line: 1, column: 1, length: 1 }, |location| place(&location));
    let message = match error {
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => {
            format!("this is nested more than {MAX_DEPTH} levels deep")
        }
        Error::Budget { breach: BudgetBreach::Documents { .. }, .. } => {
            "a second document begins here, where one is allowed".to_owned()
        }
        Error::Budget { .. } | Error::AliasReplayLimitExceeded { .. } => {
            format!("this is more than {MAX_NODES} values, or too many aliases")
        }
        other => format!("this is no YAML: {}", what(other)),
    };
    source.mistake(place, message)
}

/// The parser's own words, without the place that is shown anyway.
fn what(error: &Error) -> String {
    let message = error.render_with_options(serde_yaml::render_options! {
        formatter: &UserMessageFormatter,
        snippets: SnippetMode::Off,
    });
    message.rsplit_once(" at line ").map_or(message.clone(), |(message, _)| message.to_owned())
}

fn place(location: &Location) -> Place {
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    Place {
        line: number(location.line()).max(1),
        column: number(location.column()).max(1),
        length: number(location.span().len()).max(1),
    }
}

/// The node with its place; `key` is where it is named, for what has no text of its own to point at.
fn locate(raw: RawNode, text: &str, key: Option<Place>) -> Node {
    let written = || written(&raw.defined, text);
    let here = place(&raw.referenced);
    let Tagged(value, tag) = raw.value;
    let value = match value {
        Raw::Null => Value::Null,
        Raw::Boolean => Value::Boolean(written()),
        Raw::Number => Value::Number(written()),
        Raw::Text(text) => Value::Text(text),
        Raw::List(items) => Value::List(items.into_iter().map(|item| locate(item, text, None)).collect()),
        Raw::Map(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(key, node)| {
                    let key = Key { place: place(&key.referenced), name: key.value };
                    let node = locate(node, text, Some(key.place));
                    (key, node)
                })
                .collect(),
        ),
    };
    let place = match value {
        Value::Null | Value::List(_) | Value::Map(_) => key.unwrap_or(Place { length: 1, ..here }),
        Value::Boolean(_) | Value::Number(_) | Value::Text(_) => here,
    };
    Node { place, tag: tag.filter(|tag| tag.starts_with('!')), value }
}

/// The scalar as it stands in the file.
fn written(location: &Location, text: &str) -> String {
    let span = location.span();
    let bytes = span.byte_offset().zip(span.byte_len()).and_then(|(start, length)| {
        let start = usize::try_from(start).ok()?;
        text.get(start..start.checked_add(usize::try_from(length).ok()?)?)
    });
    bytes.unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(node: &Node) -> String {
        let place = format!("{}:{}+{}", node.place.line, node.place.column, node.place.length);
        let tag = node.tag.as_ref().map(|tag| format!("{tag} ")).unwrap_or_default();
        let list = |items: Vec<String>| items.join(", ");
        match &node.value {
            Value::List(items) => format!("{tag}[{}]@{place}", list(items.iter().map(show).collect())),
            Value::Map(entries) => {
                let entries = entries.iter().map(|(key, node)| format!("{}: {}", key.name, show(node)));
                format!("{tag}{{{}}}@{place}", list(entries.collect()))
            }
            Value::Null => format!("{tag}null@{place}"),
            _ => format!("{tag}{} {:?}@{place}", node.kind(), node.scalar().unwrap_or_default()),
        }
    }

    fn shown(text: &str) -> String {
        match read(&Source { file: "pipeline.yaml", text }) {
            Ok(node) => {
                let lines = node.entries().iter().map(|(key, node)| format!("{}: {}", key.name, show(node)));
                lines.collect::<Vec<_>>().join(
                    "
",
                )
            }
            Err(mistakes) => mistakes.iter().map(|mistake| mistake.message.clone()).collect(),
        }
    }

    #[test]
    fn scalars_stay_as_they_are_written_and_all_know_their_place() {
        insta::assert_snapshot!(shown(
            "version: 1.10\nmode: 012\nflag: true\nquoted: 'x'\né: \"a\\n\"\nempty:\nmap:\n  ref: !Ref Foo\n  \
             get: !GetAtt [A, B]\ntwice: &x 1\ntwice: *x\nlong: 123456789012345678901234567890\ntext: |\n  a\n  b\n"
        ), @r#"
        version: a number "1.10"@1:10+4
        mode: a number "012"@2:7+3
        flag: a boolean "true"@3:7+4
        quoted: a text "x"@4:9+3
        é: a text "a\n"@5:4+5
        empty: null@6:1+5
        map: {ref: !Ref a text "Foo"@8:13+3, get: !GetAtt [a text "A"@9:17+1, a text "B"@9:20+1]@9:3+3}@7:1+3
        twice: a number "1"@10:11+1
        twice: a number "1"@11:8+2
        long: a number "123456789012345678901234567890"@12:7+30
        text: a text "a\nb\n"@14:3+6
        "#);
    }

    #[test]
    fn what_is_no_sensible_document_is_refused_where_it_goes_wrong() {
        assert_eq!(shown("a: ["), "this is no YAML: unclosed bracket '['");
        assert_eq!(shown(&"- ".repeat(10_000)), "this is nested more than 40 levels deep");
        assert_eq!(shown("a: 1\n---\nb: 1\n"), "a second document begins here, where one is allowed");
        assert_eq!(shown(&"[".repeat(10_000)), "this is no YAML: recursion limit exceeded");
    }

    #[test]
    fn aliases_that_multiply_are_refused() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
            bomb = format!("{bomb}a{level}: &a{level} [{aliases}]\n");
        }
        assert_eq!(shown(&bomb), "this is more than 100000 values, or too many aliases");
    }
}

use crate::diagnostic::{Place, Source};

/// A piece of a document.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Where to point: at the scalar itself, at the key of anything else.
    pub(crate) place: Place,
    /// A tag such as `!Ref`, with its exclamation mark.
    pub(crate) tag: Option<String>,
    /// What it is.
    pub(crate) value: Value,
}

/// What a node is.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// Nothing: an empty value, `~` or `null`.
    Null,
    /// `true` or `false`, as written.
    Boolean(String),
    /// A number, as written: `1.10` stays `1.10`.
    Number(String),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Keys and their values in the order of the file; a key may occur twice.
    Map(Vec<(Key, Node)>),
}

/// A key of a map.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    /// The key itself.
    pub(crate) name: String,
    /// Where it stands.
    pub(crate) place: Place,
}

impl Node {
    /// The scalar as it is written; `None` for nothing, lists and maps.
    pub(crate) fn scalar(&self) -> Option<&str> {
        match &self.value {
            Value::Boolean(text) | Value::Number(text) | Value::Text(text) => Some(text),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The keys and values; none for anything but a map.
    pub(crate) fn entries(&self) -> &[(Key, Node)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items; none for anything but a list.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(known, _)| known.name == key).map(|(_, node)| node)
    }

    /// The deepest node that exists on the way to `path`, to point at.
    pub(crate) fn at(&self, path: &[&str]) -> &Self {
        path.split_first().and_then(|(first, rest)| Some(self.get(first)?.at(rest))).unwrap_or(self)
    }

    /// Where a key stands; the node's place if there is no such key.
    pub(crate) fn key(&self, key: &str) -> Place {
        self.entries()
            .iter()
            .find(|(known, _)| known.name == key)
            .map_or(self.place, |(known, _)| known.place)
    }

    /// What it is, in a few words.
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Boolean(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

impl Node {
    /// Where `needle` stands in the node's texts; the node's place if it can't be told.
    pub(crate) fn find(&self, source: &Source<'_>, needle: &str) -> Place {
        self.locate(source, needle).unwrap_or(self.place)
    }

    fn locate(&self, source: &Source<'_>, needle: &str) -> Option<Place> {
        match &self.value {
            Value::Text(text) => text.find(needle).map(|start| self.part(source, start, needle.len())),
            Value::List(items) => items.iter().find_map(|item| item.locate(source, needle)),
            Value::Map(entries) => entries.iter().find_map(|(_, node)| node.locate(source, needle)),
            Value::Null | Value::Boolean(_) | Value::Number(_) => None,
        }
    }

    /// Where some bytes of the text stand: exact where the text is written on one line without escapes, else all of
    /// it.
    pub(crate) fn part(&self, source: &Source<'_>, start: usize, length: usize) -> Place {
        let text = self.scalar().unwrap_or_default();
        let (Some(before), Some(part)) = (text.get(..start), text.get(start..start + length)) else {
            return self.place;
        };
        let line = source.text.lines().nth(self.place.line - 1).unwrap_or_default();
        let written: String = line.chars().skip(self.place.column - 1).take(self.place.length).collect();
        let quotes = usize::from(written.starts_with(['"', '\'']));
        if written.get(quotes..written.len().saturating_sub(quotes)) != Some(text) {
            return self.place;
        }
        Place {
            line: self.place.line,
            column: self.place.column + quotes + before.chars().count(),
            length: part.chars().count(),
        }
    }
}

//! Reads typed values out of a tree and remembers every mistake on the way, so that all of them are shown at once.

use std::collections::{BTreeMap, HashMap};

use super::{Key, Node, Value};
use crate::diagnostic::{Mistake, Mistakes, Place, Source, nearest};

/// How many names a map that the user names things in may have, and items a list. CloudFormation takes 500 resources.
const MAX_ENTRIES: usize = 1_000;

/// What has been found wrong so far, and where to show it.
pub(crate) struct Reader<'a> {
    source: Source<'a>,
    mistakes: Mistakes,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(source: Source<'a>) -> Self {
        Self { source, mistakes: Mistakes::default() }
    }

    /// What was read, if nothing was wrong with it. Who has nothing to give has found a mistake.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<T, Mistakes> {
        match value {
            Some(value) => self.mistakes.or(value),
            None => Err(self.mistakes),
        }
    }

    /// The file that is read.
    pub(crate) fn source(&self) -> &Source<'a> {
        &self.source
    }

    /// Remembers a mistake; `detail` adds what is expected and what to do.
    pub(crate) fn wrong(
        &mut self,
        place: Place,
        message: impl AsRef<str>,
        detail: impl Fn(Mistake) -> Mistake,
    ) {
        // What `detail` does, such as looking for the nearest word, is not done in vain.
        if !self.mistakes.is_full() {
            self.mistakes.push(detail(self.source.mistake(place, message)));
        }
    }

    /// The node as a map with certain keys; nothing at all counts as a map without entries.
    pub(crate) fn fields<'n>(&mut self, node: &'n Node, known: &[&str]) -> Option<Fields<'n>> {
        for (key, _) in self.map(node)? {
            if !known.contains(&key.name.as_str()) {
                self.wrong(key.place, format!("unknown key `{}`", key.name), |mistake| {
                    mistake.instead_of(&key.name, known.iter().copied())
                });
            }
        }
        Some(Fields(node))
    }

    /// The node as a map with any keys, each of them once.
    pub(crate) fn map<'n>(&mut self, node: &'n Node) -> Option<&'n [(Key, Node)]> {
        if !matches!(node.value, Value::Map(_) | Value::Null) {
            self.unexpected(node, "a map of keys and values");
            return None;
        }
        let entries = node.entries();
        let mut seen: HashMap<&str, Place> = HashMap::new();
        for (key, _) in entries {
            let first = *seen.entry(&key.name).or_insert(key.place);
            if first != key.place {
                self.wrong(key.place, format!("`{}` is given twice", key.name), |mistake| {
                    mistake.hint(format!("it is given in line {} already; keep one of them", first.line))
                });
            }
        }
        Some(entries)
    }

    /// A map of names to what `read` makes of each value.
    pub(crate) fn named<T>(
        &mut self,
        node: &Node,
        form: &Form,
        read: impl Fn(&mut Self, &str, &Node) -> Option<T>,
    ) -> Option<BTreeMap<String, T>> {
        let entries = self.map(node)?;
        self.not_too_many(node, entries.len())?;
        for (key, _) in entries.iter().filter(|(key, _)| !(form.is)(&key.name)) {
            self.wrong(key.place, format!("`{}` is no {}", key.name, form.what), |mistake| {
                mistake.expected(form.expected)
            });
        }
        Some(
            entries
                .iter()
                .filter_map(|(key, node)| Some((key.name.clone(), read(self, &key.name, node)?)))
                .collect(),
        )
    }

    /// A list of what `read` makes of each item.
    pub(crate) fn list<T>(
        &mut self,
        node: &Node,
        expected: &str,
        read: impl Fn(&mut Self, &Node) -> Option<T>,
    ) -> Option<Vec<T>> {
        match &node.value {
            Value::List(items) => {
                self.not_too_many(node, items.len())?;
                Some(items.iter().filter_map(|item| read(self, item)).collect())
            }
            Value::Null => Some(Vec::new()),
            _ => {
                self.unexpected(node, expected);
                None
            }
        }
    }

    fn not_too_many(&mut self, node: &Node, count: usize) -> Option<()> {
        if count > MAX_ENTRIES {
            let message = format!("these are {count}, of which at most {MAX_ENTRIES} are read");
            self.wrong(node.place, message, |mistake| mistake);
            return None;
        }
        Some(())
    }

    /// A text that is not empty.
    pub(crate) fn string(&mut self, node: &Node, expected: &str) -> Option<String> {
        match &node.value {
            Value::Text(text) if text.trim().is_empty() => {
                self.wrong(node.place, "this is empty", |mistake| mistake.expected(expected));
                None
            }
            Value::Text(text) => Some(text.clone()),
            Value::Number(written) | Value::Boolean(written) => {
                self.wrong(node.place, format!("`{written}` is {}", node.kind()), |mistake| {
                    mistake
                        .expected(expected)
                        .hint(format!("put it in quotes to make it a text: \"{written}\""))
                });
                None
            }
            Value::Null | Value::List(_) | Value::Map(_) => {
                self.unexpected(node, expected);
                None
            }
        }
    }

    /// A text of a certain form.
    pub(crate) fn formed(&mut self, node: &Node, form: &Form) -> Option<String> {
        if let Some(written) = node.scalar().filter(|written| !(form.is)(written)) {
            let message = if written.trim().is_empty() {
                format!("the {} is empty", form.what)
            } else {
                format!("`{written}` is no {}", form.what)
            };
            self.wrong(node.place, message, |mistake| mistake.expected(form.expected));
            return None;
        }
        self.string(node, form.expected)
    }

    /// A scalar of a certain form, quoted or not, read as what it stands for.
    pub(crate) fn parsed<T: std::str::FromStr>(&mut self, node: &Node, form: &Form) -> Option<T> {
        let Some(written) = node.scalar() else {
            self.unexpected(node, form.expected);
            return None;
        };
        if (form.is)(written) {
            return written.parse().ok();
        }
        self.wrong(node.place, format!("`{written}` is no {}", form.what), |mistake| {
            mistake.expected(form.expected)
        });
        None
    }

    /// The node is not of the right kind.
    pub(crate) fn unexpected(&mut self, node: &Node, expected: &str) {
        self.wrong(node.place, format!("this is {}", node.kind()), |mistake| mistake.expected(expected));
    }
}

/// What a text has to look like.
pub(crate) struct Form {
    /// What it is, in a word or two: `region`.
    pub(crate) what: &'static str,
    /// Whether a text is one.
    pub(crate) is: fn(&str) -> bool,
    /// What it looks like, for the message.
    pub(crate) expected: &'static str,
}

/// A map whose keys are known.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'n>(&'n Node);

impl<'n> Fields<'n> {
    /// Where the map begins.
    pub(crate) fn place(self) -> Place {
        self.0.place
    }

    /// The value of a key; nothing if there is nothing behind the key.
    pub(crate) fn get(self, key: &str) -> Option<&'n Node> {
        self.0.get(key).filter(|node| !matches!(node.value, Value::Null))
    }

    /// The value of a key that must be there.
    pub(crate) fn required(self, reader: &mut Reader<'_>, key: &str, expected: &str) -> Option<&'n Node> {
        if let Some(node) = self.get(key) {
            return Some(node);
        }
        match self.0.get(key) {
            Some(empty) => {
                reader.wrong(empty.place, format!("`{key}` has no value"), |mistake| {
                    mistake.expected(expected)
                });
            }
            // Of a key that is misspelled is said that it is unknown.
            None if self.0.entries().iter().any(|(other, _)| nearest(&other.name, [key]).is_some()) => {}
            None => reader.wrong(self.0.place, format!("`{key}` is missing"), |mistake| {
                mistake.hint(format!("add `{key}:` with {expected}"))
            }),
        }
        None
    }
}

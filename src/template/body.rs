use std::collections::BTreeMap;

use serde::Serialize;

use crate::yaml::{self, Node};

/// What a template says. Comments, the order of keys, short or long form of functions, and whether a scalar is quoted
/// make no difference: CloudFormation sees `1` and `"1"` as the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// Nothing.
    Null,
    /// A text, number or boolean.
    Scalar(String),
    /// A list.
    List(Vec<Value>),
    /// A map.
    Map(BTreeMap<String, Value>),
}

impl Value {
    /// The value of a key; nothing for anything but a map.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries.get(key),
            Self::Null | Self::Scalar(_) | Self::List(_) => None,
        }
    }

    /// Whether a map with this key is anywhere in it.
    pub(super) fn mentions(&self, key: &str) -> bool {
        match self {
            Self::Map(entries) => {
                entries.contains_key(key) || entries.values().any(|value| value.mentions(key))
            }
            Self::List(items) => items.iter().any(|item| item.mentions(key)),
            Self::Null | Self::Scalar(_) => false,
        }
    }
}

/// What a node says.
pub(super) fn value(node: &Node) -> Value {
    match &node.value {
        yaml::Value::Null => Value::Null,
        yaml::Value::Boolean(written) => Value::Scalar(written.to_lowercase()),
        yaml::Value::Number(written) => Value::Scalar(written.clone()),
        yaml::Value::Text(text) => Value::Scalar(text.clone()),
        yaml::Value::List(items) => Value::List(items.iter().map(value).collect()),
        yaml::Value::Map(entries) => {
            Value::Map(entries.iter().map(|(key, node)| (key.name.clone(), value(node))).collect())
        }
    }
}

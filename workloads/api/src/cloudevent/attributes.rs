use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use chrono::DateTime;
use iri_string::types::{UriReferenceStr, UriStr};

use super::MOST_VIOLATIONS;

/// The attributes that an event must have.
const REQUIRED: [&str; 4] = ["id", "source", "specversion", "type"];

/// The members of the JSON format that are no attributes.
pub(super) const DATA: &str = "data";
pub(super) const DATA_BASE64: &str = "data_base64";

/// How much of a name is shown.
const SHOWN: usize = 40;

/// One way in which an event breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The event's place in its batch.
    pub index: Option<usize>,
    /// The attribute, if it is about one.
    pub attribute: Option<String>,
    /// The rule.
    pub detail: Cow<'static, str>,
}

/// An attribute's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Text(Cow<'a, str>),
    Boolean(bool),
    Integer(i32),
    /// What no attribute can be.
    Other(&'static str),
}

/// Collects an event's attributes, and what is wrong with them.
#[derive(Debug)]
pub(super) struct Attributes<'a, 'rules> {
    ordering_key: &'rules str,
    names: Vec<Cow<'a, str>>,
    pub(super) id: Cow<'a, str>,
    pub(super) key: Option<Cow<'a, str>>,
    pub(super) violations: Vec<Violation>,
}

impl<'a, 'rules> Attributes<'a, 'rules> {
    pub(super) fn new(ordering_key: &'rules str) -> Self {
        Self {
            ordering_key,
            names: Vec::with_capacity(12),
            id: Cow::Borrowed(""),
            key: None,
            violations: Vec::new(),
        }
    }

    /// Takes one attribute.
    pub(super) fn add(&mut self, name: Cow<'a, str>, value: Value<'a>) {
        if let Err(rule) = check(&name, &value) {
            self.violate(&name, rule);
        } else {
            if name == self.ordering_key {
                self.key = Some(value.text());
            }
            if let ("id", Value::Text(id)) = (name.as_ref(), value) {
                self.id = id;
            }
        }
        self.names.push(name);
    }

    /// Takes the member `data` or `data_base64`, whose name is no attribute's.
    pub(super) fn add_data(&mut self, name: &'static str) {
        self.names.push(Cow::Borrowed(name));
    }

    pub(super) fn violate(&mut self, attribute: &str, detail: impl Into<Cow<'static, str>>) {
        // One more than is told, so that it can be told that there are more.
        if self.violations.len() <= MOST_VIOLATIONS {
            let attribute = Some(shortened(attribute));
            self.violations.push(Violation { index: None, attribute, detail: detail.into() });
        }
    }

    /// Checks what can be told only when all attributes are there.
    pub(super) fn finish(&mut self) {
        let mut names = std::mem::take(&mut self.names);
        names.sort_unstable();
        for pair in names.windows(2).filter(|pair| pair[0] == pair[1]) {
            self.violate(&pair[0], "is there more than once");
        }
        let has = |wanted: &str| names.iter().any(|name| name == wanted);
        for required in REQUIRED.into_iter().filter(|required| !has(required)) {
            self.violate(required, "is required");
        }
        if has(DATA) && has(DATA_BASE64) {
            self.violate(DATA_BASE64, "excludes `data`");
        }
    }
}

impl<'a> Value<'a> {
    fn text(&self) -> Cow<'a, str> {
        match self {
            Self::Text(text) => text.clone(),
            Self::Boolean(value) => Cow::Owned(value.to_string()),
            Self::Integer(value) => Cow::Owned(value.to_string()),
            Self::Other(_) => Cow::Borrowed(""),
        }
    }
}

fn shortened(name: &str) -> String {
    match name.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

/// The rule that an attribute breaks.
/// <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md>
fn check(name: &str, value: &Value<'_>) -> Result<(), &'static str> {
    if name == DATA
        || name.is_empty()
        || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    {
        return Err(
            "is no attribute's name: these have lower-case letters a to z and digits only, and `data` is none",
        );
    }
    let text = match value {
        Value::Text(text) => text,
        Value::Other(what) => return Err(what),
        Value::Boolean(_) | Value::Integer(_) if is_text(name) => return Err("must be a text"),
        Value::Boolean(_) | Value::Integer(_) => return Ok(()),
    };
    if text.chars().any(is_disallowed) {
        return Err("has a control character or a noncharacter");
    }
    if is_text(name) && text.is_empty() {
        return Err("must not be empty");
    }
    let (holds, rule) = match name {
        "specversion" => (text == "1.0", "must be `1.0`"),
        "source" => (UriReferenceStr::new(text).is_ok(), "must be a URI reference (RFC 3986)"),
        "dataschema" => (UriStr::new(text).is_ok(), "must be an absolute URI (RFC 3986)"),
        "datacontenttype" => (is_media_type(text), "must be a media type (RFC 2046)"),
        "time" => (DateTime::parse_from_rfc3339(text).is_ok(), "must be a timestamp (RFC 3339)"),
        _ => (true, ""),
    };
    if holds { Ok(()) } else { Err(rule) }
}

/// The attributes that the specification itself defines: all are texts, and none may be empty.
fn is_text(name: &str) -> bool {
    REQUIRED.contains(&name) || ["datacontenttype", "dataschema", "subject", "time"].contains(&name)
}

/// What the type String excludes. A `char` is never a surrogate.
fn is_disallowed(character: char) -> bool {
    let code = u32::from(character);
    character.is_control() || (0xFDD0..=0xFDEF).contains(&code) || code & 0xFFFE == 0xFFFE
}

/// `type/subtype`, and perhaps parameters.
fn is_media_type(text: &str) -> bool {
    let is_token = |token: &str| {
        !token.is_empty()
            && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    let essence = text.split(';').next().unwrap_or_default().trim();
    essence.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}

/// Whether a media type is that of JSON.
pub(super) fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.split_once('/').is_some_and(|(_, subtype)| subtype == "json" || subtype.ends_with("+json"))
}

/// As forgiving as the standard: bits that are left over may be set.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

pub(super) fn is_base64(text: &str) -> bool {
    BASE64.decode(text).is_ok()
}

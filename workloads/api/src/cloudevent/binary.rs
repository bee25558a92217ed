use std::borrow::Cow;

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode;
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};

use super::attributes::{Attributes, DATA, Value, is_json};
use super::{Event, Rejection, Rules};

const PREFIX: &str = "ce-";

/// Whether a request has an event's attributes in its headers.
#[must_use]
pub fn is_binary(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name.as_str().starts_with(PREFIX))
}

/// Reads an event whose attributes are headers and whose data is the body.
/// <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md>
///
/// # Errors
/// If it breaks a rule.
pub fn from_http<'body>(
    headers: &'body HeaderMap,
    body: &'body [u8],
    rules: &Rules,
) -> Result<Event<'body>, Rejection> {
    let mut attributes = Attributes::new(&rules.ordering_key);
    let mut members = Map::new();
    for (name, value) in headers {
        let name = match name.as_str().strip_prefix(PREFIX) {
            Some(name) => name,
            None if name == CONTENT_TYPE => "datacontenttype",
            None => continue,
        };
        match decode(value.as_bytes()) {
            Some(text) => {
                members.insert(name.to_owned(), Json::String(text.clone()));
                attributes.add(Cow::Borrowed(name), Value::Text(Cow::Owned(text)));
            }
            None => attributes.violate(name, "is not UTF-8 when its quotes and percent signs are decoded"),
        }
    }
    let data = data(members.get("datacontenttype").and_then(Json::as_str), body);
    if data.is_none() {
        attributes.violate(DATA, "must be JSON, as `Content-Type` says");
    }
    attributes.finish();
    let Attributes { id, key, violations, .. } = attributes;
    let Some(data) = data.filter(|_| violations.is_empty()) else {
        return Err(Rejection::Invalid(violations, false));
    };
    let json = with_data(&members, &data);
    if json.len() > rules.event {
        return Err(Rejection::EventTooLarge { index: None, bytes: json.len(), limit: rules.event });
    }
    Ok(Event { id, key, json: Cow::Owned(json) })
}

/// An attribute's value: what a quoted string holds, percent-decoded.
fn decode(value: &[u8]) -> Option<String> {
    let unquoted = match value {
        [b'"', inner @ .., b'"'] => Cow::Owned(without_escapes(inner)),
        plain => Cow::Borrowed(plain),
    };
    percent_decode(&unquoted).decode_utf8().ok().map(Cow::into_owned)
}

fn without_escapes(quoted: &[u8]) -> Vec<u8> {
    let mut bytes = quoted.iter();
    let mut plain = Vec::with_capacity(quoted.len());
    while let Some(&byte) = bytes.next() {
        let escaped = if byte == b'\\' { bytes.next() } else { None };
        plain.push(escaped.copied().unwrap_or(byte));
    }
    plain
}

/// The member that holds the data, as JSON text after the attributes; `None` if the data is not what its type says.
fn data(media_type: Option<&str>, body: &[u8]) -> Option<String> {
    if body.is_empty() {
        return Some(String::new());
    }
    if media_type.is_some_and(is_json) {
        let json: &RawValue = serde_json::from_slice(body).ok()?;
        return Some(format!(r#","data":{}"#, json.get()));
    }
    // Whether bytes are a text can't be told from a type without knowing all types.
    Some(format!(r#","data_base64":"{}""#, STANDARD.encode(body)))
}

fn with_data(attributes: &Map<String, Json>, data: &str) -> String {
    let mut json = Json::Object(attributes.clone()).to_string();
    json.pop();
    json.push_str(data);
    json.push('}');
    json
}

//! Events as the specification CloudEvents 1.0 describes them, out of Kafka records.
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md>

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::value::RawValue;

use crate::kafka::Record;

/// What headers with an attribute begin with in the binary mode.
const PREFIX: &str = "ce_";

/// An event.
#[derive(Debug, Clone)]
pub struct CloudEvent {
    /// Together with the source: which event this is.
    pub id: String,
    /// Where it happened.
    pub source: String,
    /// What happened.
    pub kind: String,
    /// What it is about, within the source.
    pub subject: Option<String>,
    /// When it happened.
    pub time: Option<Timestamp>,
    /// The data's media type; JSON if there is none.
    pub datacontenttype: Option<String>,
    /// What describes the data.
    pub dataschema: Option<String>,
    /// All other attributes, such as `traceparent`.
    pub extensions: BTreeMap<String, String>,
    /// What the event carries.
    pub data: Option<Data>,
}

/// What an event carries.
#[derive(Debug, Clone)]
pub enum Data {
    /// A JSON document, character for character.
    Json(Box<RawValue>),
    /// Anything else.
    Bytes(Vec<u8>),
}

impl CloudEvent {
    /// Reads the event in a record.
    ///
    /// # Errors
    /// If there is none, or it breaks a rule.
    pub fn read(record: &Record) -> anyhow::Result<Self> {
        let headers = headers(record)?;
        let value = record.value().context("the record's value is not Base64")?;
        let event = match headers.get("content-type") {
            Some(content_type) if is_cloudevent(content_type) => structured(content_type, value)?,
            _ if headers.contains_key("ce_specversion") => binary(headers, value)?,
            _ => bail!(
                "the record is no CloudEvent: it has neither a header `content-type: application/cloudevents+json` \
                 nor one named `ce_specversion`"
            ),
        };
        Ok(event)
    }

    /// The name that no other event has. A source can't have a space in it.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} {}", self.source, self.id)
    }

    /// The trace that the event belongs to.
    /// <https://www.w3.org/TR/trace-context/#traceparent-header>
    #[must_use]
    pub fn trace_id(&self) -> Option<&str> {
        self.extensions.get("traceparent")?.split('-').nth(1)
    }

    /// The data as JSON.
    ///
    /// # Errors
    /// If its media type is JSON's and it is not JSON.
    fn checked_data(bytes: Vec<u8>, media_type: Option<&str>) -> anyhow::Result<Data> {
        if !media_type.is_none_or(is_json) {
            return Ok(Data::Bytes(bytes));
        }
        serde_json::from_slice(&bytes)
            .map(Data::Json)
            .context("the data is not JSON, as `datacontenttype` says")
    }

    fn from_attributes(mut attributes: BTreeMap<String, String>, data: Option<Data>) -> anyhow::Result<Self> {
        let version = required(&mut attributes, "specversion")?;
        ensure!(version == "1.0", "`specversion` is `{version}`, and this reads `1.0`");
        let source = required(&mut attributes, "source")?;
        ensure!(!source.contains(char::is_whitespace), "`source` is no URI reference");
        let time = attributes.remove("time");
        let time = time
            .map(|time| time.parse().with_context(|| format!("`time` is `{time}`, which is no timestamp")));
        Ok(Self {
            id: required(&mut attributes, "id")?,
            source,
            kind: required(&mut attributes, "type")?,
            subject: attributes.remove("subject"),
            time: time.transpose()?,
            datacontenttype: attributes.remove("datacontenttype"),
            dataschema: attributes.remove("dataschema"),
            extensions: attributes,
            data,
        })
    }
}

fn required(attributes: &mut BTreeMap<String, String>, name: &str) -> anyhow::Result<String> {
    let value = attributes.remove(name).with_context(|| format!("the event has no `{name}`"))?;
    ensure!(!value.is_empty(), "the event's `{name}` is empty");
    Ok(value)
}

fn headers(record: &Record) -> anyhow::Result<BTreeMap<String, String>> {
    let text = |(name, value): (&str, Vec<u8>)| {
        let value = String::from_utf8(value).with_context(|| format!("the header `{name}` is not UTF-8"))?;
        Ok((name.to_ascii_lowercase(), value))
    };
    // Headers of others are none of ours.
    let ours = record.headers().filter(|(name, _)| {
        name.eq_ignore_ascii_case("content-type") || name.to_ascii_lowercase().starts_with(PREFIX)
    });
    ours.map(text).collect()
}

/// The whole event is the record's value.
fn structured(content_type: &str, value: Option<Vec<u8>>) -> anyhow::Result<CloudEvent> {
    let format = essence(content_type);
    ensure!(
        format == "application/cloudevents+json",
        "the record's format is `{format}`, and this reads JSON"
    );
    let value = value.context("the record has no value")?;
    let mut members: BTreeMap<String, &RawValue> =
        serde_json::from_slice(&value).context("the record's value is not a JSON object")?;
    let data = members.remove("data").filter(|data| data.get() != "null").map(ToOwned::to_owned);
    let bytes = members.remove("data_base64");
    ensure!(data.is_none() || bytes.is_none(), "the event has both `data` and `data_base64`");
    let bytes = bytes.map(|bytes| -> anyhow::Result<_> {
        let bytes: String = serde_json::from_str(bytes.get()).context("`data_base64` is not a text")?;
        STANDARD.decode(bytes).context("`data_base64` is not Base64")
    });
    let data = match bytes.transpose()? {
        Some(bytes) => Some(Data::Bytes(bytes)),
        None => data.map(Data::Json),
    };
    let attributes = members.into_iter().filter_map(|(name, value)| attribute(name, value).transpose());
    CloudEvent::from_attributes(attributes.collect::<anyhow::Result<_>>()?, data)
}

/// An attribute out of JSON. One that is null is not there.
fn attribute(name: String, value: &RawValue) -> anyhow::Result<Option<(String, String)>> {
    let value = match serde_json::from_str(value.get())? {
        serde_json::Value::Null => return Ok(None),
        serde_json::Value::String(text) => text,
        serde_json::Value::Bool(value) => value.to_string(),
        serde_json::Value::Number(number) => number.to_string(),
        _ => bail!("the attribute `{name}` is an array or an object"),
    };
    Ok(Some((name, value)))
}

/// The attributes are headers, and the data is the record's value.
fn binary(headers: BTreeMap<String, String>, value: Option<Vec<u8>>) -> anyhow::Result<CloudEvent> {
    let media_type = headers.get("content-type").cloned();
    let data = value.map(|value| CloudEvent::checked_data(value, media_type.as_deref())).transpose()?;
    let attributes = headers.into_iter().filter_map(|(name, value)| {
        let name = if name == "content-type" { "datacontenttype" } else { name.strip_prefix(PREFIX)? };
        Some((name.to_owned(), value))
    });
    CloudEvent::from_attributes(attributes.collect(), data)
}

fn is_cloudevent(content_type: &str) -> bool {
    essence(content_type).starts_with("application/cloudevents")
}

fn is_json(media_type: &str) -> bool {
    let essence = essence(media_type);
    essence.split_once('/').is_some_and(|(_, subtype)| subtype == "json" || subtype.ends_with("+json"))
}

/// A media type without its parameters.
fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Reads a record with these headers and this value.
    fn read(headers: &[(&str, &str)], value: &str) -> Result<CloudEvent, String> {
        let header = |(name, value): &(&str, &str)| json!({ *name: value.as_bytes() });
        let headers: Vec<_> = headers.iter().map(header).collect();
        let record = json!({ "offset": 0, "value": STANDARD.encode(value), "headers": headers });
        CloudEvent::read(&serde_json::from_value(record).unwrap()).map_err(|error| format!("{error:#}"))
    }

    fn structured(value: &str) -> Result<CloudEvent, String> {
        read(&[("Content-Type", "application/cloudevents+json; charset=UTF-8")], value)
    }

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn reads_all_of_a_structured_event() {
        let event = structured(&format!(
            r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":"x","time":"2026-01-02T03:04:05.6Z",
                "dataschema":null,"traceparent":"{TRACE}","sequence":7,"data":{{"b": 1.0,  "a": [null]}}}}"#
        ));
        let event = event.unwrap();
        assert_eq!(event.name(), "/s 1");
        assert_eq!((event.kind.as_str(), event.subject.as_deref()), ("t", Some("x")));
        assert_eq!(event.time.unwrap().to_string(), "2026-01-02T03:04:05.6Z");
        assert_eq!((&event.dataschema, &event.datacontenttype), (&None, &None));
        assert_eq!(event.extensions["sequence"], "7");
        assert_eq!(event.trace_id(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
        let Some(Data::Json(json)) = event.data else { panic!("{:?}", event.data) };
        assert_eq!(json.get(), r#"{"b": 1.0,  "a": [null]}"#);
    }

    #[test]
    fn reads_data_that_is_not_json() {
        let event =
            structured(r#"{"specversion":"1.0","id":"1","source":"s","type":"t","data_base64":"AP8="}"#);
        assert!(matches!(event.unwrap().data, Some(Data::Bytes(bytes)) if bytes == [0, 255]));
        let attributes = [("ce_specversion", "1.0"), ("ce_id", "1"), ("ce_source", "s"), ("ce_type", "t")];
        let with_type = |media_type| [&attributes[..], &[("content-type", media_type)]].concat();
        let event = read(&with_type("text/plain"), "hi").unwrap();
        assert!(matches!(event.data, Some(Data::Bytes(bytes)) if bytes == b"hi"));
        assert_eq!(event.datacontenttype.as_deref(), Some("text/plain"));
        let error = read(&with_type("application/json"), "hi").unwrap_err();
        assert!(error.starts_with("the data is not JSON"), "{error}");
    }

    #[test]
    fn says_what_is_wrong() {
        let cases = [
            (r#"{"id":"1","source":"s","type":"t"}"#, "the event has no `specversion`"),
            (
                r#"{"specversion":"0.3","id":"1","source":"s","type":"t"}"#,
                "`specversion` is `0.3`, and this reads `1.0`",
            ),
            (r#"{"specversion":"1.0","id":"","source":"s","type":"t"}"#, "the event's `id` is empty"),
            (r#"{"specversion":"1.0","id":"1","source":"a b","type":"t"}"#, "`source` is no URI reference"),
            (
                r#"{"specversion":"1.0","id":[],"source":"s","type":"t"}"#,
                "the attribute `id` is an array or an object",
            ),
            (r#"{"data":1,"data_base64":""}"#, "the event has both `data` and `data_base64`"),
        ];
        for (json, wanted) in cases {
            assert_eq!(structured(json).unwrap_err(), wanted, "{json}");
        }
        let time = r#"{"specversion":"1.0","id":"1","source":"s","type":"t","time":"today"}"#;
        assert!(structured(time).unwrap_err().starts_with("`time` is `today`, which is no timestamp"));
        assert!(structured("[]").unwrap_err().starts_with("the record's value is not a JSON object"));
        let batch = read(&[("content-type", "application/cloudevents-batch+json")], "[]").unwrap_err();
        assert!(batch.starts_with("the record's format is `application/cloudevents-batch+json`"), "{batch}");
        assert!(read(&[], "{}").unwrap_err().starts_with("the record is no CloudEvent"));
    }
}

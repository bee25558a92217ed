use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::attributes::{Attributes, DATA, DATA_BASE64, Value, is_base64};
use super::{Event, MOST_VIOLATIONS, Rejection, Rules};

/// Reads one event in the JSON format.
///
/// # Errors
/// If it is none, or breaks a rule.
pub fn from_json<'body>(body: &'body [u8], rules: &Rules) -> Result<Event<'body>, Rejection> {
    let json: &RawValue = serde_json::from_slice(body).map_err(|error| not_json(&error))?;
    let mut violations = Vec::new();
    let event = read(json.get(), None, rules, &mut violations)?;
    event.ok_or_else(|| invalid(violations))
}

/// Reads a batch in the JSON format. It is taken as a whole or not at all.
///
/// # Errors
/// If it is none, is too large, or an event breaks a rule.
pub fn from_batch<'body>(body: &'body [u8], rules: &Rules) -> Result<Vec<Event<'body>>, Rejection> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let batch =
        Elements { limit: rules.batch }.deserialize(&mut deserializer).map_err(|error| not_json(&error))?;
    deserializer.end().map_err(|error| not_json(&error))?;
    if batch.count > rules.batch {
        return Err(Rejection::BatchTooLarge { count: batch.count, limit: rules.batch });
    }
    let mut violations = Vec::new();
    let mut events = Vec::with_capacity(batch.elements.len());
    for (index, element) in batch.elements.iter().enumerate() {
        events.extend(read(element.get(), Some(index), rules, &mut violations)?);
        if violations.len() > MOST_VIOLATIONS {
            break;
        }
    }
    if violations.is_empty() { Ok(events) } else { Err(invalid(violations)) }
}

/// One event; or `None` when it breaks rules, and which.
fn read<'body>(
    json: &'body str,
    index: Option<usize>,
    rules: &Rules,
    violations: &mut Vec<super::Violation>,
) -> Result<Option<Event<'body>>, Rejection> {
    if json.len() > rules.event {
        return Err(Rejection::EventTooLarge { index, bytes: json.len(), limit: rules.event });
    }
    let mut attributes = Attributes::new(&rules.ordering_key);
    // The syntax was checked before: what fails here is that it is no object, or a text that is no Unicode.
    if let Err(error) = serde_json::Deserializer::from_str(json).deserialize_map(Members(&mut attributes)) {
        let detail = if json.starts_with('{') {
            format!("can't be read: {error}").into()
        } else {
            "must be a JSON object".into()
        };
        violations.push(super::Violation { index, attribute: None, detail });
        return Ok(None);
    }
    attributes.finish();
    let Attributes { id, key, violations: found, .. } = attributes;
    if found.is_empty() {
        return Ok(Some(Event { id, key, json: Cow::Borrowed(json) }));
    }
    violations.extend(found.into_iter().map(|violation| super::Violation { index, ..violation }));
    Ok(None)
}

fn not_json(error: &serde_json::Error) -> Rejection {
    Rejection::Json(error.to_string())
}

fn invalid(mut violations: Vec<super::Violation>) -> Rejection {
    let more = violations.len() > MOST_VIOLATIONS;
    violations.truncate(MOST_VIOLATIONS);
    Rejection::Invalid(violations, more)
}

/// The elements of an array, up to a number; the others are counted.
struct Elements {
    limit: usize,
}

struct Batch<'body> {
    elements: Vec<&'body RawValue>,
    count: usize,
}

impl<'body> DeserializeSeed<'body> for Elements {
    type Value = Batch<'body>;

    fn deserialize<D: Deserializer<'body>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'body> Visitor<'body> for Elements {
    type Value = Batch<'body>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of events")
    }

    fn visit_seq<A: SeqAccess<'body>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while elements.len() < self.limit
            && let Some(element) = array.next_element()?
        {
            elements.push(element);
        }
        let mut count = elements.len();
        while array.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(Batch { elements, count })
    }
}

/// The members of an event's object.
struct Members<'out, 'body, 'rules>(&'out mut Attributes<'body, 'rules>);

impl<'body> Visitor<'body> for Members<'_, 'body, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<A: MapAccess<'body>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(Text(name)) = members.next_key()? {
            match name.as_ref() {
                DATA => {
                    members.next_value::<IgnoredAny>()?;
                    self.0.add_data(DATA);
                }
                DATA_BASE64 => match members.next_value()? {
                    Member(Some(Value::Text(text))) if is_base64(&text) => self.0.add_data(DATA_BASE64),
                    Member(_) => self.0.violate(DATA_BASE64, "must be a text in Base64"),
                },
                // An attribute that is null is one that is not there.
                _ => {
                    if let Member(Some(value)) = members.next_value()? {
                        self.0.add(name, value);
                    }
                }
            }
        }
        Ok(())
    }
}

/// A text, borrowed where it has no escapes.
struct Text<'body>(Cow<'body, str>);

impl<'body> Deserialize<'body> for Text<'body> {
    fn deserialize<D: Deserializer<'body>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_str(AnyValue)? {
            Member(Some(Value::Text(text))) => Ok(Self(text)),
            Member(_) => Err(serde::de::Error::custom("a name is no text")),
        }
    }
}

/// A member's value; `None` is `null`.
struct Member<'body>(Option<Value<'body>>);

impl<'body> Deserialize<'body> for Member<'body> {
    fn deserialize<D: Deserializer<'body>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

/// What is said of a number that is no Integer.
const NO_INTEGER: &str = "must be an integer of 32 bits, if it is a number";

impl<'body> Visitor<'body> for AnyValue {
    type Value = Member<'body>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, an integer or a boolean")
    }

    fn visit_borrowed_str<E>(self, text: &'body str) -> Result<Self::Value, E> {
        Ok(Member(Some(Value::Text(Cow::Borrowed(text)))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Member(Some(Value::Text(Cow::Owned(text.to_owned())))))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Member(Some(Value::Boolean(value))))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Member(Some(i32::try_from(value).map_or(Value::Other(NO_INTEGER), Value::Integer))))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Member(Some(i32::try_from(value).map_or(Value::Other(NO_INTEGER), Value::Integer))))
    }

    /// Some write integers so: `1.0`.
    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        let is_integer = value.fract() == 0.0 && (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&value);
        #[expect(clippy::cast_possible_truncation, reason = "it has no fraction and is in range")]
        let integer = is_integer.then_some(value as i32);
        Ok(Member(Some(integer.map_or(Value::Other(NO_INTEGER), Value::Integer))))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Member(None))
    }

    fn visit_seq<A: SeqAccess<'body>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        while array.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Member(Some(Value::Other("must not be an array"))))
    }

    fn visit_map<A: MapAccess<'body>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Member(Some(Value::Other("must not be an object"))))
    }
}

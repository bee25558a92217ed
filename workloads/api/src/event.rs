use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

/// An event as it goes to Kafka: what was posted, with the id that was given to it.
#[derive(Debug, Serialize)]
pub struct Event<'body> {
    /// Unique, and in the order of creation.
    pub id: Uuid,
    /// The posted document, character for character.
    pub data: &'body RawValue,
}

impl<'body> Event<'body> {
    /// Accepts any JSON document.
    ///
    /// # Errors
    /// If the body is not one; the error says where.
    pub fn parse(id: Uuid, body: &'body [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(body).map(|data| Self { id, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_document_as_it_was_posted() {
        let event = Event::parse(Uuid::nil(), br#"{"b": 1.0,  "a": [null]}"#).unwrap();
        assert_eq!(
            serde_json::to_string(&event).unwrap(),
            r#"{"id":"00000000-0000-0000-0000-000000000000","data":{"b": 1.0,  "a": [null]}}"#
        );
    }

    #[test]
    fn refuses_what_is_not_one_json_document() {
        for body in ["", "{", "{} {}", "nonsense", "\"\u{1}\""] {
            assert!(Event::parse(Uuid::nil(), body.as_bytes()).is_err(), "{body:?}");
        }
        assert!(Event::parse(Uuid::nil(), b"\"\xff\"").is_err(), "not UTF-8");
    }
}

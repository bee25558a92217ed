use std::borrow::Cow;
use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;
use serde_json::{Value, json};

use crate::cloudevent::{MOST_VIOLATIONS, Rejection, Violation};

/// What kinds of problem there are. README.md has the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The body is not JSON.
    MalformedJson,
    /// An event breaks rules of CloudEvents.
    InvalidEvent,
    /// The caller shows no known key.
    Unauthorized,
    /// Nothing is at this path.
    NotFound,
    /// The path has no such method.
    MethodNotAllowed,
    /// The body did not arrive in time.
    BodyTimeout,
    /// The body did not arrive.
    BodyIncomplete,
    /// The body has too many bytes.
    BodyTooLarge,
    /// The batch has too many events.
    BatchTooLarge,
    /// An event has too many bytes.
    EventTooLarge,
    /// The body is neither an event nor a batch.
    UnsupportedMediaType,
    /// There is too much to do already.
    Overloaded,
    /// The brokers did not acknowledge all events.
    NotAcknowledged,
}

impl Kind {
    fn about(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::MalformedJson => (StatusCode::BAD_REQUEST, "malformed-json", "The body is not JSON"),
            Self::InvalidEvent => (StatusCode::BAD_REQUEST, "invalid-event", "Not a valid CloudEvent"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "No known API key"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "Nothing is here"),
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "The method is not allowed here")
            }
            Self::BodyTimeout => (StatusCode::REQUEST_TIMEOUT, "body-timeout", "The body came too slowly"),
            Self::BodyIncomplete => (StatusCode::BAD_REQUEST, "body-incomplete", "The body is incomplete"),
            Self::BodyTooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "The body has too many bytes")
            }
            Self::BatchTooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "batch-too-large", "The batch has too many events")
            }
            Self::EventTooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "event-too-large", "An event has too many bytes")
            }
            Self::UnsupportedMediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "Neither an event nor a batch of events",
            ),
            Self::Overloaded => {
                (StatusCode::SERVICE_UNAVAILABLE, "overloaded", "More is under way than can be taken")
            }
            Self::NotAcknowledged => (
                StatusCode::SERVICE_UNAVAILABLE,
                "not-acknowledged",
                "Not all events were acknowledged by Kafka",
            ),
        }
    }

    /// Its name, the last part of its type.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.about().1
    }
}

/// An answer that says what went wrong, as RFC 9457 has it.
#[derive(Debug, Clone)]
pub struct Problem {
    /// What kind it is.
    pub kind: Kind,
    /// What is the case here.
    pub detail: Cow<'static, str>,
    members: Vec<(&'static str, Value)>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem of this kind; `detail` is about this occurrence.
    pub fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, detail: detail.into(), members: Vec::new(), headers: Vec::new() }
    }

    /// Too much is under way; the same request may be taken soon.
    pub fn overloaded(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Overloaded, detail).retry_after(Duration::from_secs(1))
    }

    /// Tells more.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Serialize) -> Self {
        self.members.push((name, json!(value)));
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Tells when to try again.
    #[must_use]
    pub fn retry_after(self, pause: Duration) -> Self {
        self.header(RETRY_AFTER, pause.as_secs().into())
    }

    /// The answer, for a request to `instance` that has this trace.
    pub fn render(&self, instance: &str, trace_id: &str) -> Response {
        let (status, name, title) = self.kind.about();
        let mut body = json!({
            "type": format!("urn:events:problem:{name}"),
            "title": title,
            "status": status.as_u16(),
            "detail": self.detail,
            "instance": instance,
            "trace_id": trace_id,
        });
        for (name, value) in &self.members {
            body[*name] = value.clone();
        }
        let mut response = (status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.extend(self.headers.iter().cloned());
        response
    }
}

/// The problem itself, for whoever knows instance and trace to render it.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.kind.about().0.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl Problem {
    /// What is wrong with events that were posted as JSON.
    #[must_use]
    pub fn in_json(rejection: Rejection) -> Self {
        Self::rejected(
            rejection,
            |violation| json!({ "pointer": pointer(violation), "detail": violation.detail }),
        )
    }

    /// What is wrong with an event whose attributes were posted as headers.
    #[must_use]
    pub fn in_headers(rejection: Rejection) -> Self {
        Self::rejected(rejection, |violation| {
            let header = match violation.attribute.as_deref() {
                None | Some("data") => None,
                Some("datacontenttype") => Some("content-type".to_owned()),
                Some(attribute) => Some(format!("ce-{attribute}")),
            };
            match header {
                Some(header) => json!({ "header": header, "detail": violation.detail }),
                None => json!({ "pointer": "#", "detail": violation.detail }),
            }
        })
    }

    fn rejected(rejection: Rejection, place: impl Fn(&Violation) -> Value) -> Self {
        match rejection {
            Rejection::Json(error) => Self::new(Kind::MalformedJson, error),
            Rejection::Invalid(violations, more) => {
                let detail = if more {
                    format!("there are more than {MOST_VIOLATIONS} violations; nothing was published")
                } else {
                    format!("{} violation(s); nothing was published", violations.len())
                };
                let errors: Vec<Value> = violations.iter().map(place).collect();
                Self::new(Kind::InvalidEvent, detail).with("errors", errors)
            }
            Rejection::BatchTooLarge { count, limit } => Self::new(
                Kind::BatchTooLarge,
                format!("the batch has {count} events, at most {limit} are taken; nothing was published"),
            )
            .with("limit", limit),
            Rejection::EventTooLarge { index, bytes, limit } => {
                let problem = Self::new(
                    Kind::EventTooLarge,
                    format!("an event has {bytes} bytes, at most {limit} are taken; nothing was published"),
                );
                let pointer = index.map_or_else(|| "#".to_owned(), |index| format!("#/{index}"));
                problem
                    .with("limit", limit)
                    .with("errors", [json!({ "pointer": pointer, "detail": "is too large" })])
            }
        }
    }
}

/// What a URI's fragment can't hold.
const FRAGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Where a violation is: a JSON pointer (RFC 6901) as a URI's fragment.
fn pointer(violation: &Violation) -> String {
    let mut pointer = "#".to_owned();
    pointer.extend(violation.index.map(|index| format!("/{index}")));
    if let Some(attribute) = &violation.attribute {
        let token = attribute.replace('~', "~0").replace('/', "~1");
        pointer.push('/');
        pointer.extend(utf8_percent_encode(&token, FRAGMENT));
    }
    pointer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_is_escaped_twice() {
        let at = |index, attribute: Option<&str>| {
            let attribute = attribute.map(str::to_owned);
            pointer(&Violation { index, attribute, detail: "".into() })
        };
        assert_eq!(at(None, None), "#");
        assert_eq!(at(Some(3), Some("source")), "#/3/source");
        assert_eq!(at(None, Some("a/b~c d%é")), "#/a~1b~0c%20d%25%C3%A9");
    }
}

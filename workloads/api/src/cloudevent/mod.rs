//! CloudEvents 1.0: reading them as the JSON format and the HTTP binding have them, and checking them.
//!
//! The published SDK is not used: it decodes an event into a tree of its own and encodes it again, which changes numbers
//! and costs time, and it does not check the attributes' syntax.

mod attributes;
mod binary;
mod json;

use std::borrow::Cow;

pub use attributes::Violation;
pub use binary::{from_http, is_binary};
pub use json::{from_batch, from_json};

/// A valid event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'request> {
    /// Unique together with `source`.
    pub id: Cow<'request, str>,
    /// The value of the attribute that orders events, if the event has it.
    pub key: Option<Cow<'request, str>>,
    /// The event in the JSON format; what was posted in that format is passed on as it is.
    pub json: Cow<'request, str>,
}

/// Why something is not an event, or not a batch of them.
#[derive(Debug, PartialEq, Eq)]
pub enum Rejection {
    /// It is not JSON.
    Json(String),
    /// Events that break rules: at most [`MOST_VIOLATIONS`], and whether there are more.
    Invalid(Vec<Violation>, bool),
    /// More events than a batch may have.
    BatchTooLarge { count: usize, limit: usize },
    /// An event with too many bytes.
    EventTooLarge { index: Option<usize>, bytes: usize, limit: usize },
}

/// How many violations are told at once.
pub const MOST_VIOLATIONS: usize = 20;

/// What is allowed, and what is looked for.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Bytes of an event.
    pub event: usize,
    /// Events of a batch.
    pub batch: usize,
    /// The attribute that orders events.
    pub ordering_key: String,
}

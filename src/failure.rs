//! An error as every part of the program hands it on.

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::location::Location;

/// An error as a person needs it: what was tried and what came back, the details, and what to do now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What was tried, on what, what came back.
    pub message: String,
    /// Facts that explain it, the most telling first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// What to do now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Where in the repository what failed is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
}

/// What lies behind an error: the layers of clients say no more than "dispatch failure" or "client error".
pub fn root_cause(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

impl Failure {
    /// A failure with nothing but its message.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), details: Vec::new(), hint: None, location: None }
    }

    /// The same failure, with a fact that explains it.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.details.push(detail.into());
        self
    }

    /// The same failure, with a fact that explains it and where what it is about is written, if that is known.
    #[must_use]
    pub fn detail_at(self, (detail, location): (String, Option<Location>)) -> Self {
        let failure = self.detail(detail);
        let Some(location) = location else { return failure };
        let failure = failure.detail(format!("at {location}"));
        Self { location: failure.location.clone().or(Some(location)), ..failure }
    }

    /// The same failure, with what to do now.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        for detail in &self.details {
            write!(f, "\n  {detail}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  next: {hint}")?;
        }
        Ok(())
    }
}

impl Error for Failure {}

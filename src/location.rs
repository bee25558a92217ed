//! A place in the repository that a person is to look at.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Location {
    /// The file's path from the repository's root.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
}

/// `stacks/msk/template.yaml:42`.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

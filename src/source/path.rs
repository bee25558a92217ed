use std::fmt;

use anyhow::{Result, bail};

use crate::diagnostic::visible;

/// How many bytes a path may have; a longer one can't be checked out (`PATH_MAX` in `path_resolution(7)`).
pub(super) const MAX_LENGTH: usize = 4096;

/// A path inside a tree: relative, without `.` and `..`, its parts joined by `/`. The root is empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TreePath(String);

impl TreePath {
    /// Parses what a person wrote: `./api/` is `api`, and `.` the root.
    pub(super) fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            bail!("an empty path names nothing; write `.` for the whole repository");
        }
        if text.len() > MAX_LENGTH {
            bail!("a path of {} bytes is too long; at most {MAX_LENGTH} are taken", text.len());
        }
        if text.starts_with('/') {
            bail!("`{text}` is an absolute path; write it relative to the repository's root");
        }
        if text.contains('\0') {
            bail!("{text:?} is not a path");
        }
        let parts: Vec<_> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        if parts.contains(&"..") {
            bail!("`{text}` has `..` in it; write it relative to the repository's root");
        }
        Ok(Self(parts.join("/")))
    }

    pub(super) fn root() -> Self {
        Self(String::new())
    }

    pub(super) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn parts(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/').filter(|part| !part.is_empty())
    }

    pub(super) fn join(&self, name: &str) -> Self {
        Self(if self.is_root() { name.to_owned() } else { format!("{}/{name}", self.0) })
    }

    /// The directory that it is in; `None` for the root.
    pub(super) fn parent(&self) -> Option<Self> {
        (!self.is_root()).then(|| Self(self.0.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned()))
    }

    /// Whether it is `directory` or below it.
    pub(super) fn is_within(&self, directory: &Self) -> bool {
        directory.is_root()
            || self.0.strip_prefix(&directory.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// For messages: a name may hold control characters.
impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() { f.write_str(".") } else { f.write_str(&visible(&self.0)) }
    }
}

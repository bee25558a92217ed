use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What somebody may do with a repository; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// See its runs.
    Read,
    /// Ask for runs.
    Run,
    /// Approve and reject what waits for approval, and roll back.
    Approve,
}

impl Level {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Run, Self::Approve];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Run => "run",
            Self::Approve => "approve",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|level| level.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is no level: write read, run or approve"))
    }
}

/// What somebody may do: in every repository, and in single ones. Names of repositories know no case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    everywhere: Option<Level>,
    #[serde(default)]
    repositories: BTreeMap<String, Level>,
}

impl Rights {
    /// The same level in all repositories.
    #[must_use]
    pub fn everywhere(level: Level) -> Self {
        Self { everywhere: Some(level), repositories: BTreeMap::new() }
    }

    /// A level in each of these repositories, and nothing in others.
    pub fn of(repositories: impl IntoIterator<Item = (String, Level)>) -> Self {
        let name = |(name, level): (String, Level)| (name.to_ascii_lowercase(), level);
        Self { everywhere: None, repositories: repositories.into_iter().map(name).collect() }
    }

    /// Whether they allow as much in a repository.
    #[must_use]
    pub fn allow(&self, repository: &str, level: Level) -> bool {
        let there = self.repositories.get(&repository.to_ascii_lowercase()).copied();
        self.everywhere.max(there) >= Some(level)
    }

    /// Whether they allow as much in every repository, whichever there are.
    #[must_use]
    pub fn allow_everywhere(&self, level: Level) -> bool {
        self.everywhere >= Some(level)
    }

    /// Whether they allow nothing at all.
    #[must_use]
    pub fn are_none(&self) -> bool {
        self.everywhere.is_none() && self.repositories.is_empty()
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let everywhere = self.everywhere.map(|level| level.to_string());
        let single = self.repositories.iter().map(|(name, level)| format!("{level} {name}"));
        f.write_str(&everywhere.into_iter().chain(single).collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn level() -> impl Strategy<Value = Level> {
        proptest::sample::select(Level::ALL.to_vec())
    }

    proptest! {
        #[test]
        fn a_level_includes_those_before_it_and_counts_for_its_repository(given in level(), asked in level()) {
            let rights = Rights::of([("Octo/Shop".to_owned(), given)]);
            prop_assert_eq!(rights.allow("octo/shop", asked), given >= asked);
            prop_assert!(!rights.allow("octo/other", asked));
            prop_assert!(!rights.allow_everywhere(asked));
            prop_assert_eq!(Rights::everywhere(given).allow("octo/other", asked), given >= asked);
        }

        #[test]
        fn what_was_written_is_read_back(given in level()) {
            for rights in [Rights::everywhere(given), Rights::of([("octo/shop".to_owned(), given)])] {
                let written = serde_json::to_string(&rights).unwrap();
                prop_assert_eq!(serde_json::from_str::<Rights>(&written).unwrap(), rights);
            }
            prop_assert_eq!(given.to_string().parse::<Level>(), Ok(given));
        }
    }

    #[test]
    fn nobody_may_do_anything_unasked() {
        assert!(Rights::default().are_none());
        assert!(!Rights::default().allow("octo/shop", Level::Read));
    }
}

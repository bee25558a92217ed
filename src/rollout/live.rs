use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use crate::config::Weight;

/// What runs after a rollout, and how that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// `api:5` for an ECS service, `version 7` for a function.
    pub version: String,
    /// Digests of the images, or of the code package.
    pub digests: BTreeSet<String>,
    /// The running tasks; a function has none.
    pub tasks: Option<Tasks>,
    /// How it is known.
    pub proof: Proof,
}

/// How it is known what runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// What runs reports the digests that its definition names.
    Digest,
    /// What runs belongs to the wanted revision or version; its digest is not reported or not pinned.
    Version,
}

/// What is live now, as `pipeline status` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Live {
    /// The service's or function's name.
    pub name: String,
    /// `api:5` for an ECS service, `version 7` for a function.
    pub version: String,
    /// Other versions that get a share of a function's calls, in fractions.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub weights: BTreeMap<String, Weight>,
    /// Digests of the images, or of the code package.
    pub digests: BTreeSet<String>,
    /// The tasks of an ECS service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tasks: Option<Tasks>,
    /// What a Lambda version was published with: the commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl fmt::Display for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} runs {}", self.name, self.version)?;
        self.weights.iter().try_for_each(|(version, weight)| write!(f, ", {weight} version {version}"))?;
        if let Some(tasks) = &self.tasks {
            write!(f, ", {tasks}")?;
        }
        self.digests.iter().try_for_each(|digest| write!(f, ", {}", short(digest)))
    }
}

/// How many tasks a service runs, of how many it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Tasks {
    /// Running now.
    pub running: u32,
    /// Wanted, as the service or its autoscaling says.
    pub desired: u32,
}

impl Tasks {
    /// Whether as many run as should.
    #[must_use]
    pub fn all_run(&self) -> bool {
        self.running >= self.desired
    }
}

impl fmt::Display for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} tasks", self.running, self.desired)
    }
}

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.version)?;
        for digest in &self.digests {
            write!(f, ", {}", short(digest))?;
        }
        if let Some(tasks) = &self.tasks {
            write!(f, ", {tasks}")?;
        }
        match self.proof {
            Proof::Digest => Ok(()),
            Proof::Version => f.write_str(" (by version; no digest to compare)"),
        }
    }
}

/// A digest as people read it: its first twelve hexadecimal digits.
pub(super) fn short(digest: &str) -> &str {
    digest.get(..digest.find(':').map_or(12, |colon| colon + 13)).unwrap_or(digest)
}

/// The digest in `repository@sha256:…`, if the image is pinned by one.
pub(super) fn pinned_digest(image: &str) -> Option<&str> {
    image.split_once('@').map(|(_, digest)| digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(proof: Proof) -> Running {
        Running {
            version: "api:5".to_owned(),
            digests: BTreeSet::from([format!("sha256:{}", "0123456789abcdef".repeat(4))]),
            tasks: Some(Tasks { running: 2, desired: 2 }),
            proof,
        }
    }

    #[test]
    fn a_summary_names_version_digest_and_tasks() {
        insta::assert_snapshot!(running(Proof::Digest), @"api:5, sha256:0123456789ab, 2 of 2 tasks");
    }

    #[test]
    fn a_summary_says_when_there_was_no_digest_to_compare() {
        insta::assert_snapshot!(
            running(Proof::Version),
            @"api:5, sha256:0123456789ab, 2 of 2 tasks (by version; no digest to compare)"
        );
    }

    #[test]
    fn a_digest_that_is_short_already_stays() {
        assert_eq!(short("sha256:abc"), "sha256:abc");
    }

    #[test]
    fn a_tag_is_no_digest() {
        assert_eq!(pinned_digest("repo:5000/api:latest"), None);
        assert_eq!(pinned_digest("repo:5000/api@sha256:abc"), Some("sha256:abc"));
    }
}

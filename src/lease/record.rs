use std::fmt;

use crate::event::short;

/// The lease of one environment, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Counts the writes; every write is made on the condition that this is still what was read.
    pub version: u64,
    /// The run that wrote it.
    pub holder: Holder,
    /// When it ends by itself, in seconds since 1970 by the table's clock. Once it is given back: shortly before that.
    pub expires: i64,
    /// A newer commit whose run wants the lease.
    pub wanted_for: Option<String>,
}

/// A run that holds a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Tells runs apart: no two have the same.
    pub run: String,
    /// Who runs it, and where: `ada@laptop`, or the page of a CI job.
    pub name: String,
    /// The commit that it deploys.
    pub commit: String,
    /// When it began, as people read it: `2026-03-01T02:00:00Z`.
    pub started: String,
}

impl Holder {
    /// A run of this process.
    #[must_use]
    pub fn here(commit: &str) -> Self {
        let variable = |name| std::env::var(name).ok();
        let user = variable("USER").or_else(|| variable("LOGNAME")).unwrap_or_else(|| "somebody".to_owned());
        Self {
            run: unique_name(),
            name: run_url().unwrap_or_else(|| format!("{user}@{}", host())),
            commit: commit.to_owned(),
            started: format!("{:.0}", jiff::Timestamp::now()),
        }
    }
}

/// A name that nobody else has, here or on another machine, now or later.
#[must_use]
pub fn unique_name() -> String {
    format!("{}-{}-{}", host(), std::process::id(), jiff::Timestamp::now().as_nanosecond())
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The page of the run that this process carries out, if there is one: of `pipeline serve`, which names it in
/// `PIPELINE_RUN_URL`, or of GitHub Actions.
#[must_use]
pub fn run_url() -> Option<String> {
    std::env::var("PIPELINE_RUN_URL").ok().or_else(actions_run_url)
}

/// The page of the GitHub Actions run that this process is part of.
#[must_use]
pub fn actions_run_url() -> Option<String> {
    let variable = |name| std::env::var(name).ok();
    Some(format!(
        "{}/{}/actions/runs/{}",
        variable("GITHUB_SERVER_URL")?,
        variable("GITHUB_REPOSITORY")?,
        variable("GITHUB_RUN_ID")?
    ))
}

impl Record {
    /// What to write to give the lease back at this time by the table's clock. Nobody has to wait for its end.
    #[must_use]
    pub fn given_back(&self, now: i64) -> Self {
        Self { version: self.version + 1, expires: now - Seen::GRACE - 1, ..self.clone() }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} deploys {}, since {}", self.name, short(&self.commit), self.started)
    }
}

/// The lease as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// `None` if there was never one.
    pub record: Option<Record>,
    /// When it was read, in seconds since 1970 by the table's clock. The clocks of two machines need not agree: both go
    /// by this one.
    pub now: i64,
}

/// Whether a lease can be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim<'a> {
    /// Nobody holds it.
    Free,
    /// Somebody holds it.
    Held(&'a Record),
}

impl Seen {
    /// Seconds by which a lease has to be over before another run takes it: the table's clock tells whole seconds.
    const GRACE: i64 = 1;

    /// Whether the lease can be had.
    #[must_use]
    pub fn claim(&self) -> Claim<'_> {
        match &self.record {
            Some(record) if self.now <= record.expires.saturating_add(Self::GRACE) => Claim::Held(record),
            _ => Claim::Free,
        }
    }

    /// Whether anybody may have held the lease in the last so many seconds.
    #[must_use]
    pub fn held_within(&self, seconds: i64) -> bool {
        // Both times are in whole seconds.
        let since = self.now - seconds - 2 * (Self::GRACE + 1);
        self.record.as_ref().is_some_and(|record| record.expires >= since)
    }

    /// What to write to take the lease, or to keep it.
    #[must_use]
    pub fn taken_by(&self, holder: Holder, seconds: i64) -> Record {
        let version = self.record.as_ref().map_or(0, |record| record.version) + 1;
        Record { version, holder, expires: self.now + seconds, wanted_for: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn holder(run: &str) -> Holder {
        Holder {
            run: run.to_owned(),
            name: "ada@laptop".to_owned(),
            commit: "3f2a91c0d1e2".to_owned(),
            started: "2026-03-01T02:00:00Z".to_owned(),
        }
    }

    #[test]
    fn a_holder_is_told_in_a_sentence() {
        assert_eq!(holder("1").to_string(), "ada@laptop deploys 3f2a91c, since 2026-03-01T02:00:00Z");
    }

    proptest! {
        #[test]
        fn it_is_held_until_it_is_surely_over(now in 0..10_000_i64, seconds in 1..100_i64, later in 0..200_i64) {
            let taken = Seen { record: None, now }.taken_by(holder("1"), seconds);
            let seen = Seen { record: Some(taken), now: now + later };
            prop_assert_eq!(matches!(seen.claim(), Claim::Held(_)), later <= seconds + Seen::GRACE);
        }

        #[test]
        fn who_has_held_it_is_not_overlooked(now in 0..10_000_i64, ago in 0..100_i64, seconds in 0..100_i64) {
            let held = Record { version: 1, holder: holder("1"), expires: now, wanted_for: None };
            let seen = Seen { record: Some(held.given_back(now)), now: now + ago };
            prop_assert!(seen.held_within(seconds) || ago > seconds);
        }

        #[test]
        fn every_write_has_the_next_version(version in 0..1_000_u64, now in 0..10_000_i64) {
            let held = Record { version, holder: holder("1"), expires: now + 60, wanted_for: None };
            let seen = Seen { record: Some(held.given_back(now)), now };
            prop_assert_eq!(seen.claim(), Claim::Free);
            prop_assert_eq!(seen.taken_by(holder("2"), 60).version, version + 2);
        }
    }
}

use std::fmt;

/// The lease of one environment, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Counts the writes; every write is made on the condition that this is still what was read.
    pub version: u64,
    /// The run that wrote it.
    pub holder: Holder,
    /// When it ends by itself, in seconds since 1970 by the table's clock; 0 once it is given back.
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
        let now = jiff::Timestamp::now();
        let uname = rustix::system::uname();
        let host = uname.nodename().to_string_lossy();
        let variable = |name| std::env::var(name).ok();
        let user = variable("USER").or_else(|| variable("LOGNAME")).unwrap_or_else(|| "somebody".to_owned());
        Self {
            run: format!("{host}-{}-{}", std::process::id(), now.as_nanosecond()),
            name: actions_run_url().unwrap_or_else(|| format!("{user}@{host}")),
            commit: commit.to_owned(),
            started: format!("{now:.0}"),
        }
    }
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

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let commit = self.commit.get(..7).unwrap_or(&self.commit);
        write!(f, "{} deploys {commit}, since {}", self.name, self.started)
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
        fn every_write_has_the_next_version(version in 0..1_000_u64, now in 0..10_000_i64) {
            let record = Record { version, holder: holder("1"), expires: 0, wanted_for: None };
            let seen = Seen { record: Some(record), now };
            prop_assert_eq!(seen.claim(), Claim::Free);
            prop_assert_eq!(seen.taken_by(holder("2"), 60).version, version + 1);
        }
    }
}

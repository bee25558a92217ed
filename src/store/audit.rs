use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sqlx::any::AnyRow;
use sqlx::{Any, AssertSqlSafe, Row as _, Transaction};

use super::run::{only, time, word};
use super::{Store, failed, now};
use crate::failure::Failure;

/// Whoever does something, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// The name of a token, `@LOGIN` on GitHub, or on the server's machine who is signed in there.
    pub who: String,
    /// An address, or `command line`.
    pub from: String,
}

/// What the audit log tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Act {
    SignedIn,
    SignedOut,
    TokenCreated,
    TokenRevoked,
    RunAsked,
    RolledBack,
    Prioritized,
    Approved,
    Rejected,
}

/// A row of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audited {
    /// Its number; rows are numbered without gaps.
    pub number: i64,
    /// When.
    pub at: Timestamp,
    /// Who: see [`By`].
    pub who: String,
    /// What was done: `signed_in`, `run_asked`…
    pub what: String,
    /// On what: `run 41 to prod`.
    pub subject: String,
    /// The repository that it was about; empty if about none.
    pub repository: String,
    /// From where.
    pub from: String,
    /// The SHA-256, in hexadecimal, of all of this and of the hash of the row before.
    pub hash: String,
}

/// The rows as far as they were looked at: each is to follow from the one before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chain {
    number: i64,
    hash: String,
}

impl Audited {
    /// What its hash has to be behind this row.
    fn hash_behind(&self, before: &str) -> String {
        let Self { number, at, who, what, subject, repository, from, hash: _ } = self;
        let row =
            serde_json::json!([number, at.as_millisecond(), who, what, subject, repository, from, before]);
        hex::encode(Sha256::digest(row.to_string()))
    }
}

impl Chain {
    /// Goes on to the next row.
    ///
    /// # Errors
    /// If it does not follow from the one before: what is wrong with which row.
    pub fn follow(&mut self, row: &Audited) -> Result<(), String> {
        let next = self.number + 1;
        if row.number != next {
            return Err(format!("row {next} is missing"));
        }
        if row.hash != row.hash_behind(&self.hash) {
            return Err(format!("row {next} was changed, or the one before it"));
        }
        *self = Self { number: next, hash: row.hash.clone() };
        Ok(())
    }

    /// Where it has come to: a number and a hash.
    #[must_use]
    pub fn end(&self) -> (i64, &str) {
        (self.number, &self.hash)
    }

    /// Whether the rows end where the store says that they do.
    ///
    /// # Errors
    /// If there were more.
    pub fn ends(&self, head: &Self) -> Result<(), String> {
        if self == head {
            return Ok(());
        }
        Err(format!("the rows end with {}, and {} were written", self.number, head.number))
    }
}

/// Adds a row. The transaction is one that changes runs, so that rows follow one after the other.
pub(super) async fn note(
    transaction: &mut Transaction<'static, Any>,
    by: &By,
    act: Act,
    repository: &str,
    subject: &str,
) -> Result<(), sqlx::Error> {
    let before = chain(&sqlx::query(HEAD).fetch_one(&mut **transaction).await?)?;
    let at = now();
    let mut row = Audited {
        number: before.number + 1,
        at: time(at)?,
        who: by.who.clone(),
        what: word(act),
        subject: subject.to_owned(),
        repository: repository.to_owned(),
        from: by.from.clone(),
        hash: String::new(),
    };
    row.hash = row.hash_behind(&before.hash);
    let insert = "INSERT INTO audit (number, at, who, what, subject, repository, origin, hash) \
                  VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    sqlx::query(insert)
        .bind(row.number)
        .bind(at)
        .bind(&row.who)
        .bind(&row.what)
        .bind(&row.subject)
        .bind(&row.repository)
        .bind(&row.from)
        .bind(&row.hash)
        .execute(&mut **transaction)
        .await?;
    let update = sqlx::query("UPDATE audit_head SET number = $1, hash = $2").bind(row.number).bind(&row.hash);
    update.execute(&mut **transaction).await.map(drop)
}

const HEAD: &str = "SELECT number, hash FROM audit_head";

impl Store {
    /// The newest rows of the audit log from before the row `before`; those about these repositories, if not all.
    ///
    /// # Errors
    /// If they can't be read.
    pub async fn audit(
        &self,
        repositories: Option<Vec<String>>,
        before: Option<i64>,
        limit: u16,
    ) -> Result<Vec<Audited>, Failure> {
        let only = only(repositories.as_ref(), 3);
        let select = AssertSqlSafe(format!(
            "SELECT * FROM audit WHERE number < $1 {only} ORDER BY number DESC LIMIT $2"
        ));
        let query = sqlx::query(select).bind(before.unwrap_or(i64::MAX)).bind(i64::from(limit));
        let query = repositories.into_iter().flatten().fold(query, sqlx::query::Query::bind);
        let rows = query.fetch_all(&self.pool).await.map_err(failed("reading the audit log"))?;
        rows.iter().map(audited).collect::<Result<_, _>>().map_err(failed("reading the audit log"))
    }

    /// The rows of the audit log from a number on, the oldest first.
    ///
    /// # Errors
    /// If they can't be read.
    pub async fn audit_from(&self, from: i64, limit: u16) -> Result<Vec<Audited>, Failure> {
        let select = "SELECT * FROM audit WHERE number >= $1 ORDER BY number LIMIT $2";
        let query = sqlx::query(select).bind(from).bind(i64::from(limit));
        let rows = query.fetch_all(&self.pool).await.map_err(failed("reading the audit log"))?;
        rows.iter().map(audited).collect::<Result<_, _>>().map_err(failed("reading the audit log"))
    }

    /// Where the audit log ends.
    ///
    /// # Errors
    /// If that can't be read.
    pub async fn audit_head(&self) -> Result<Chain, Failure> {
        let row = sqlx::query(HEAD).fetch_one(&self.pool).await.map_err(failed("reading the audit log"))?;
        chain(&row).map_err(failed("reading the audit log"))
    }
}

fn chain(row: &AnyRow) -> Result<Chain, sqlx::Error> {
    Ok(Chain { number: row.try_get("number")?, hash: row.try_get("hash")? })
}

fn audited(row: &AnyRow) -> Result<Audited, sqlx::Error> {
    Ok(Audited {
        number: row.try_get("number")?,
        at: time(row.try_get("at")?)?,
        who: row.try_get("who")?,
        what: row.try_get("what")?,
        subject: row.try_get("subject")?,
        repository: row.try_get("repository")?,
        from: row.try_get("origin")?,
        hash: row.try_get("hash")?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A chain of rows about these subjects.
    fn rows(subjects: &[String]) -> Vec<Audited> {
        let mut before = String::new();
        let row = |(number, subject): (i64, &String)| {
            let mut row = Audited {
                number,
                at: Timestamp::UNIX_EPOCH,
                who: "ada".to_owned(),
                what: "run_asked".to_owned(),
                subject: subject.clone(),
                repository: String::new(),
                from: String::new(),
                hash: String::new(),
            };
            row.hash = row.hash_behind(&before);
            before.clone_from(&row.hash);
            row
        };
        (1..).zip(subjects).map(row).collect()
    }

    fn verify(rows: &[Audited], head: &Chain) -> Result<(), String> {
        let mut chain = Chain::default();
        rows.iter().try_for_each(|row| chain.follow(row))?;
        chain.ends(head)
    }

    proptest! {
        #[test]
        fn what_is_changed_deleted_or_moved_shows(
            subjects in proptest::collection::vec("[a-c]{1,3}", 2..8),
            at in any::<prop::sample::Index>(),
            how in 0..4,
        ) {
            let mut rows = rows(&subjects);
            let last = rows.last().unwrap();
            let head = Chain { number: last.number, hash: last.hash.clone() };
            prop_assert_eq!(verify(&rows, &head), Ok(()));
            let at = at.index(rows.len());
            match how {
                0 => rows[at].subject.push('d'),
                1 => drop(rows.remove(at)),
                2 => rows[at].from = "elsewhere".to_owned(),
                _ => {
                    // Even if whoever does it knows how rows are hashed, those behind tell.
                    rows[at].who = "eve".to_owned();
                    let before = at.checked_sub(1).map(|at| rows[at].hash.clone()).unwrap_or_default();
                    rows[at].hash = rows[at].hash_behind(&before);
                }
            }
            prop_assert!(verify(&rows, &head).is_err());
        }
    }
}

use std::collections::HashSet;

use sqlx::any::AnyRow;
use sqlx::{Any, AssertSqlSafe, Row as _, Transaction};

use super::{Store, failed};
use crate::failure::Failure;

/// What a webhook told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// GitHub's identity of it; a redelivery has the same.
    pub id: String,
    /// SHA-256 of its body in hexadecimal.
    pub digest: String,
    /// `push`, `ping`, or what else GitHub calls it.
    pub event: String,
    /// The repository and the branch that it tells of; nothing follows from a delivery without.
    pub push: Option<(String, String)>,
    /// What it asks for, if it tells of no push.
    pub ask: Option<Ask>,
}

/// What somebody asks for on GitHub beside pushing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Deploying the branch's head to an environment once more.
    Again {
        /// The environment's name.
        environment: String,
    },
    /// Showing what a pull request from the branch would change.
    Plan {
        /// The pull request.
        number: u64,
        /// The branch that it is to be merged into.
        base: String,
    },
}

/// Something that is asked for and not settled yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The delivery.
    pub delivery: String,
    /// `OWNER/NAME`.
    pub repository: String,
    /// The branch.
    pub branch: String,
    /// What is asked for.
    pub ask: Ask,
}

/// What became of a delivery that was to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// It is stored.
    New,
    /// It was there already.
    Duplicate,
}

/// How many deliveries one statement is about at most; a power of two.
const AT_ONCE: usize = 256;

/// Deliveries in pieces whose lengths are powers of two: so there are few different statements, and each is prepared once.
fn pieces<T>(mut rest: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let length = AT_ONCE.min(1 << rest.len().checked_ilog2()?);
        let (piece, behind) = rest.split_at(length);
        rest = behind;
        Some(piece)
    })
}

/// What of a delivery is bound, beside the time, which is the first value.
const COLUMNS: [&str; 9] =
    ["id", "digest", "event", "repository", "branch", "outcome", "environment", "pull_request", "base"];

/// A statement that stores so many deliveries, and tells which of them were not there.
fn insert(count: usize) -> AssertSqlSafe<String> {
    let width = COLUMNS.len();
    let row = |row: usize| {
        let values: Vec<String> = (0..width).map(|column| format!("${}", row * width + column + 2)).collect();
        format!("($1, {})", values.join(", "))
    };
    let rows: Vec<String> = (0..count).map(row).collect();
    let columns = COLUMNS.join(", ");
    AssertSqlSafe(format!(
        "INSERT INTO deliveries (received, {columns}) VALUES {} ON CONFLICT DO NOTHING RETURNING id, digest",
        rows.join(", ")
    ))
}

impl Store {
    /// Stores deliveries, all or none, in one transaction.
    ///
    /// # Errors
    /// If that can't be done.
    pub async fn accept(&self, deliveries: &[Delivery]) -> Result<Vec<Accepted>, Failure> {
        self.insert(deliveries).await.map_err(failed("storing deliveries"))
    }

    async fn insert(&self, deliveries: &[Delivery]) -> Result<Vec<Accepted>, sqlx::Error> {
        let mut transaction = self.begin().await?;
        let now = self.now(&mut *transaction).await?;
        let mut new = HashSet::new();
        for deliveries in pieces(deliveries) {
            let mut insert = sqlx::query_as::<_, (String, String)>(insert(deliveries.len())).bind(now);
            for delivery in deliveries {
                let (repository, branch) = delivery.push.clone().unzip();
                let (environment, number, base) = match delivery.ask.clone() {
                    Some(Ask::Again { environment }) => (Some(environment), None, None),
                    Some(Ask::Plan { number, base }) => (None, i64::try_from(number).ok(), Some(base)),
                    None => (None, None, None),
                };
                insert = insert
                    .bind(&delivery.id)
                    .bind(&delivery.digest)
                    .bind(&delivery.event)
                    .bind(repository)
                    .bind(branch)
                    .bind(delivery.push.is_none().then_some("nothing to do"))
                    .bind(environment)
                    .bind(number)
                    .bind(base);
            }
            new.extend(insert.fetch_all(&mut *transaction).await?);
        }
        // One that comes twice among them is new once.
        let mut accept = |delivery: &Delivery| {
            let is_new = new.remove(&(delivery.id.clone(), delivery.digest.clone()));
            if is_new { Accepted::New } else { Accepted::Duplicate }
        };
        let accepted = deliveries.iter().map(&mut accept).collect();
        transaction.commit().await?;
        Ok(accepted)
    }

    /// The repositories and branches with deliveries of which it is not settled yet what follows.
    ///
    /// # Errors
    /// If they can't be read.
    pub async fn unsettled(&self) -> Result<Vec<(String, String)>, Failure> {
        let select = "SELECT DISTINCT repository, branch FROM deliveries WHERE outcome IS NULL AND environment IS NULL \
                      AND pull_request IS NULL";
        sqlx::query_as(select).fetch_all(&self.pool).await.map_err(failed("reading deliveries"))
    }

    /// The identities of those deliveries for one branch.
    ///
    /// # Errors
    /// If they can't be read.
    pub async fn unsettled_of(&self, repository: &str, branch: &str) -> Result<Vec<String>, Failure> {
        let select = "SELECT id FROM deliveries WHERE outcome IS NULL AND repository = $1 AND branch = $2 \
                      AND environment IS NULL AND pull_request IS NULL";
        let select = sqlx::query_scalar(select).bind(repository.to_owned()).bind(branch.to_owned());
        select.fetch_all(&self.pool).await.map_err(failed("reading deliveries"))
    }

    /// What is asked for and not settled yet, in the order in which it came.
    ///
    /// # Errors
    /// If it can't be read.
    pub async fn asked(&self) -> Result<Vec<Asked>, Failure> {
        let asked = async {
            let select = "SELECT id, repository, branch, environment, pull_request, base FROM deliveries WHERE outcome IS NULL \
                          AND (environment IS NOT NULL OR pull_request IS NOT NULL) ORDER BY received, id";
            let rows = sqlx::query(select).fetch_all(&self.pool).await?;
            rows.iter().map(asked).collect::<Result<_, sqlx::Error>>()
        };
        asked.await.map_err(failed("reading deliveries"))
    }

    /// Notes what followed from deliveries.
    ///
    /// # Errors
    /// If that can't be done.
    pub async fn settle(&self, deliveries: &[String], outcome: &str) -> Result<(), Failure> {
        let settle = async {
            let mut transaction = self.begin().await?;
            note(&mut transaction, deliveries, outcome).await?;
            transaction.commit().await
        };
        settle.await.map_err(failed("settling deliveries"))
    }
}

fn asked(row: &AnyRow) -> Result<Asked, sqlx::Error> {
    let ask = match row.try_get::<Option<i64>, _>("pull_request")? {
        Some(number) => Ask::Plan { number: number.cast_unsigned(), base: row.try_get("base")? },
        None => Ask::Again { environment: row.try_get("environment")? },
    };
    Ok(Asked {
        delivery: row.try_get("id")?,
        repository: row.try_get("repository")?,
        branch: row.try_get("branch")?,
        ask,
    })
}

pub(super) async fn note(
    transaction: &mut Transaction<'static, Any>,
    deliveries: &[String],
    outcome: &str,
) -> Result<(), sqlx::Error> {
    for deliveries in pieces(deliveries) {
        let places: Vec<String> = (0..deliveries.len()).map(|place| format!("${}", place + 2)).collect();
        let update = format!("UPDATE deliveries SET outcome = $1 WHERE id IN ({})", places.join(", "));
        let mut update = sqlx::query(AssertSqlSafe(update)).bind(outcome.to_owned());
        for delivery in deliveries {
            update = update.bind(delivery);
        }
        update.execute(&mut **transaction).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pieces_are_all_there_is_and_of_few_lengths(count in 0..2000_usize) {
            let items: Vec<usize> = (0..count).collect();
            prop_assert_eq!(pieces(&items).flatten().copied().collect::<Vec<_>>(), items.clone());
            prop_assert!(pieces(&items).all(|piece| piece.len().is_power_of_two() && piece.len() <= AT_ONCE));
        }
    }
}

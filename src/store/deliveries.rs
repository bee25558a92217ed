use sqlx::{Any, Transaction};

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
    /// The repository and the branch that were pushed to; nothing follows from a delivery without.
    pub push: Option<(String, String)>,
}

/// What became of a delivery that was to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// It is stored.
    New,
    /// It was there already.
    Duplicate,
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
        let mut accepted = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            let (repository, branch) = delivery.push.clone().unzip();
            let insert = "INSERT INTO deliveries (id, digest, event, repository, branch, received, outcome) \
                          VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";
            let done = sqlx::query(insert)
                .bind(&delivery.id)
                .bind(&delivery.digest)
                .bind(&delivery.event)
                .bind(repository)
                .bind(branch)
                .bind(now)
                .bind(delivery.push.is_none().then_some("nothing to do"))
                .execute(&mut *transaction)
                .await?;
            accepted.push(if done.rows_affected() == 0 { Accepted::Duplicate } else { Accepted::New });
        }
        transaction.commit().await?;
        Ok(accepted)
    }

    /// The repositories and branches with deliveries of which it is not settled yet what follows.
    ///
    /// # Errors
    /// If they can't be read.
    pub async fn unsettled(&self) -> Result<Vec<(String, String)>, Failure> {
        let select = "SELECT DISTINCT repository, branch FROM deliveries WHERE outcome IS NULL";
        sqlx::query_as(select).fetch_all(&self.pool).await.map_err(failed("reading deliveries"))
    }

    /// The identities of those deliveries for one branch.
    ///
    /// # Errors
    /// If they can't be read.
    pub async fn unsettled_of(&self, repository: &str, branch: &str) -> Result<Vec<String>, Failure> {
        let select = "SELECT id FROM deliveries WHERE outcome IS NULL AND repository = $1 AND branch = $2";
        let select = sqlx::query_scalar(select).bind(repository.to_owned()).bind(branch.to_owned());
        select.fetch_all(&self.pool).await.map_err(failed("reading deliveries"))
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

pub(super) async fn note(
    transaction: &mut Transaction<'static, Any>,
    deliveries: &[String],
    outcome: &str,
) -> Result<(), sqlx::Error> {
    for delivery in deliveries {
        sqlx::query("UPDATE deliveries SET outcome = $1 WHERE id = $2")
            .bind(outcome.to_owned())
            .bind(delivery)
            .execute(&mut **transaction)
            .await?;
    }
    Ok(())
}

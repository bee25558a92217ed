use std::time::Duration;

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::run::from_word;
use super::{Store, failed, millis};
use crate::event::RunResult;
use crate::failure::Failure;

/// How a run ended that failed or went well; times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// `OWNER/NAME`.
    pub repository: String,
    /// The environment's name.
    pub environment: String,
    /// Failed, changed or unchanged.
    pub result: RunResult,
    /// When it ended.
    pub ended: i64,
    /// When what it deployed was committed, if that is known.
    pub committed: Option<i64>,
}

fn end(row: &AnyRow) -> Result<End, sqlx::Error> {
    Ok(End {
        repository: row.try_get("repository")?,
        environment: row.try_get("environment")?,
        result: from_word(row.try_get("result")?)?,
        ended: row.try_get("ended")?,
        committed: row.try_get("committed")?,
    })
}

impl Store {
    /// How runs ended in this time up to now that failed or went well, the earliest first.
    ///
    /// # Errors
    /// If they can't be read.
    pub async fn ends(&self, within: Duration) -> Result<Vec<End>, Failure> {
        let ends = async {
            let within = millis(within);
            let since = self.now(&self.pool).await?.saturating_sub(within);
            let select = "SELECT repository, environment, result, ended, committed FROM runs WHERE state = 'ended' \
                          AND ended >= $1 AND result IN ('failed', 'changed', 'unchanged') ORDER BY ended, id";
            let rows = sqlx::query(select).bind(since).fetch_all(&self.pool).await?;
            rows.iter().map(end).collect::<Result<_, sqlx::Error>>()
        };
        ends.await.map_err(failed("reading how runs ended"))
    }

    /// How long the run that waits longest has waited.
    ///
    /// # Errors
    /// If it can't be read.
    pub async fn longest_wait(&self) -> Result<Duration, Failure> {
        let wait = async {
            let oldest = "SELECT MIN(created) FROM runs WHERE state = 'queued'";
            let oldest: Option<i64> = sqlx::query_scalar(oldest).fetch_one(&self.pool).await?;
            let Some(oldest) = oldest else { return Ok(Duration::ZERO) };
            let millis = self.now(&self.pool).await?.saturating_sub(oldest);
            Ok(Duration::from_millis(u64::try_from(millis).unwrap_or_default()))
        };
        wait.await.map_err(failed("reading the queue"))
    }
}

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::run::{from_word, time, word};
use super::{Store, failed, millis, now};
use crate::drift::{Report, State};
use crate::failure::Failure;

/// A look at what was changed by hand in an environment, which one server has taken upon itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriftLook {
    /// `OWNER/NAME`.
    pub repository: String,
    /// The environment's name.
    pub environment: String,
    /// The branch that is deployed.
    pub branch: String,
    /// The commit that was deployed last.
    pub commit: String,
    begun: i64,
}

/// What was last found in an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// `OWNER/NAME`.
    pub repository: String,
    /// The environment's name.
    pub environment: String,
    /// The commit that what is live was compared with.
    pub commit: String,
    /// When.
    pub looked: Timestamp,
    /// What came of it.
    pub state: State,
    /// All that was found, unless the look failed as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Report>,
    /// Why the look failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// The last good run of each environment that ended before a time, if nobody deploys there now and no look was begun since.
const DUE: &str = "SELECT repository, environment, branch, commit_id FROM runs WHERE id IN (SELECT MAX(id) FROM runs \
                   WHERE state = 'ended' AND result IN ('changed', 'unchanged') GROUP BY repository, environment) \
                   AND ended < $1 AND NOT EXISTS (SELECT 1 FROM runs AS other WHERE other.state = 'running' \
                   AND other.repository = runs.repository AND other.environment = runs.environment) \
                   AND NOT EXISTS (SELECT 1 FROM drift WHERE drift.repository = runs.repository \
                   AND drift.environment = runs.environment AND drift.begun >= $1) ORDER BY ended";

impl Store {
    /// Takes the look that is due at an environment to which nothing was deployed for `interval`, nor was it looked at.
    ///
    /// # Errors
    /// If the store can't be asked.
    pub async fn take_drift_look(&self, interval: Duration) -> Result<Option<DriftLook>, Failure> {
        let limit = now().saturating_sub(millis(interval));
        let take = async {
            for row in sqlx::query(DUE).bind(limit).fetch_all(&self.pool).await? {
                let look = DriftLook {
                    repository: row.try_get("repository")?,
                    environment: row.try_get("environment")?,
                    branch: row.try_get("branch")?,
                    commit: row.try_get("commit_id")?,
                    begun: now(),
                };
                // Another server may have been faster.
                let insert = "INSERT INTO drift (repository, environment, commit_id, begun) VALUES ($1, $2, $3, $4) \
                             ON CONFLICT (repository, environment) DO UPDATE SET begun = $4 WHERE drift.begun < $5";
                let begun = sqlx::query(insert)
                    .bind(&look.repository)
                    .bind(&look.environment)
                    .bind(&look.commit)
                    .bind(look.begun)
                    .bind(limit)
                    .execute(&self.pool)
                    .await?;
                if begun.rows_affected() == 1 {
                    return Ok(Some(look));
                }
            }
            Ok(None)
        };
        take.await.map_err(failed("taking a look for drift"))
    }

    /// Notes what came of a look.
    ///
    /// # Errors
    /// If that can't be done.
    pub async fn note_drift(&self, look: &DriftLook, found: &Result<Report, String>) -> Result<(), Failure> {
        let state = found.as_ref().map_or(State::Failed, Report::state);
        let report = found.as_ref().ok().map(|report| serde_json::json!(report).to_string());
        let update = "UPDATE drift SET commit_id = $1, looked = $2, state = $3, report = $4, failure = $5 \
                      WHERE repository = $6 AND environment = $7 AND begun = $8";
        sqlx::query(update)
            .bind(&look.commit)
            .bind(now())
            .bind(word(state))
            .bind(report)
            .bind(found.as_ref().err())
            .bind(&look.repository)
            .bind(&look.environment)
            .bind(look.begun)
            .execute(&self.pool)
            .await
            .map(drop)
            .map_err(failed("noting drift"))
    }

    /// What was last found in each environment that was looked at.
    ///
    /// # Errors
    /// If it can't be read.
    pub async fn drift(&self) -> Result<Vec<Drift>, Failure> {
        let select = "SELECT repository, environment, commit_id, looked, state, report, failure FROM drift \
                      WHERE looked IS NOT NULL ORDER BY repository, environment";
        let rows = sqlx::query(select).fetch_all(&self.pool).await.map_err(failed("reading drift"))?;
        rows.iter().map(drift).collect::<Result<_, _>>().map_err(failed("reading drift"))
    }
}

fn drift(row: &AnyRow) -> Result<Drift, sqlx::Error> {
    let report: Option<String> = row.try_get("report")?;
    let report = report.map(|report| serde_json::from_str(&report)).transpose();
    Ok(Drift {
        repository: row.try_get("repository")?,
        environment: row.try_get("environment")?,
        commit: row.try_get("commit_id")?,
        looked: time(row.try_get("looked")?)?,
        state: from_word(row.try_get("state")?)?,
        report: report.map_err(|error| sqlx::Error::Decode(error.into()))?,
        failure: row.try_get("failure")?,
    })
}

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};

use super::{Store, failed};
use crate::event::RunResult;
use crate::failure::Failure;

/// The columns that a run is read from.
const COLUMNS: &str = "id, repository, environment, branch, commit_id, cause, priority, state, result, reason, \
                       superseded_by, created, started, ended, task_token, task, task_after";

/// One deployment to one environment, from its request to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its number; later requests have greater ones.
    pub id: i64,
    /// `OWNER/NAME`.
    pub repository: String,
    /// The environment's name.
    pub environment: String,
    /// The branch whose head is deployed.
    pub branch: String,
    /// The head when the run was asked for, and once it has begun the one that is deployed.
    pub commit: String,
    /// Who asked for it.
    pub cause: Cause,
    /// The greater goes first.
    pub priority: i64,
    /// How far it is.
    pub state: State,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<RunResult>,
    /// Why, if its events don't tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The run that took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<i64>,
    /// When it was asked for.
    pub created: Timestamp,
    /// When it last began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It waits for its turn.
    Queued,
    /// It is carried out.
    Running,
    /// It has ended.
    Ended,
    /// Another one took its place before it began.
    Superseded,
}

/// Who asked for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A delivery told of a push.
    Push,
    /// A new head was found without one.
    Poll,
    /// Somebody, through the API.
    Api,
}

/// The word that a value is in the store, the same as in JSON.
pub(super) fn word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        other => format!("{other:?}"),
    }
}

fn from_word<T: serde::de::DeserializeOwned>(word: String) -> Result<T, sqlx::Error> {
    serde_json::from_value(serde_json::Value::String(word)).map_err(|error| sqlx::Error::Decode(error.into()))
}

fn time(millis: i64) -> Result<Timestamp, sqlx::Error> {
    Timestamp::from_millisecond(millis).map_err(|error| sqlx::Error::Decode(error.into()))
}

pub(super) fn run(row: &AnyRow) -> Result<Run, sqlx::Error> {
    let at = |column: &str| row.try_get::<Option<i64>, _>(column)?.map(time).transpose();
    Ok(Run {
        id: row.try_get("id")?,
        repository: row.try_get("repository")?,
        environment: row.try_get("environment")?,
        branch: row.try_get("branch")?,
        commit: row.try_get("commit_id")?,
        cause: from_word(row.try_get("cause")?)?,
        priority: row.try_get("priority")?,
        state: from_word(row.try_get("state")?)?,
        result: row.try_get::<Option<String>, _>("result")?.map(from_word).transpose()?,
        reason: row.try_get("reason")?,
        superseded_by: row.try_get("superseded_by")?,
        created: time(row.try_get("created")?)?,
        started: at("started")?,
        ended: at("ended")?,
    })
}

/// A statement that reads runs: `rest` begins behind `FROM runs`, and holds nothing from outside.
pub(super) fn select(rest: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!("SELECT {COLUMNS} FROM runs {rest}"))
}

impl Store {
    /// The newest runs, of one environment or of all, those from before the run `before` if it is given.
    ///
    /// # Errors
    /// If they can't be read.
    pub async fn runs(
        &self,
        environment: Option<&str>,
        before: Option<i64>,
        limit: u16,
    ) -> Result<Vec<Run>, Failure> {
        let rest = "WHERE ($1 = '' OR environment = $1) AND id < $2 ORDER BY id DESC LIMIT $3";
        let rows = sqlx::query(select(rest))
            .bind(environment.unwrap_or_default())
            .bind(before.unwrap_or(i64::MAX))
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await
            .map_err(failed("reading runs"))?;
        rows.iter().map(run).collect::<Result<_, _>>().map_err(failed("reading runs"))
    }

    /// A run, if there is one with this number.
    ///
    /// # Errors
    /// If it can't be read.
    pub async fn run(&self, id: i64) -> Result<Option<Run>, Failure> {
        let found = sqlx::query(select("WHERE id = $1")).bind(id).fetch_optional(&self.pool);
        let found = found.await.map_err(failed("reading a run"))?;
        found.as_ref().map(run).transpose().map_err(failed("reading a run"))
    }

    /// How many runs there are in a state.
    ///
    /// # Errors
    /// If they can't be counted.
    pub async fn count(&self, state: State) -> Result<i64, Failure> {
        let count = sqlx::query_scalar("SELECT COUNT(*) FROM runs WHERE state = $1").bind(word(state));
        count.fetch_one(&self.pool).await.map_err(failed("counting runs"))
    }

    /// The branches that runs of a repository were of.
    ///
    /// # Errors
    /// If they can't be read.
    pub async fn branches(&self, repository: &str) -> Result<Vec<String>, Failure> {
        let select = "SELECT DISTINCT branch FROM runs WHERE repository = $1 ORDER BY branch";
        let select = sqlx::query_scalar(select).bind(repository.to_owned());
        select.fetch_all(&self.pool).await.map_err(failed("reading branches"))
    }
}

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};

use super::{Store, failed};
use crate::event::RunResult;
use crate::failure::Failure;

/// The columns that a run is read from.
const COLUMNS: &str = "id, repository, environment, branch, commit_id, cause, priority, state, result, reason, \
                       superseded_by, created, started, ended, plan, approved_by";

/// One deployment to one environment, from its request to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its number; later requests have greater ones.
    pub id: i64,
    /// `OWNER/NAME`.
    pub repository: String,
    /// The environment's name.
    pub environment: String,
    /// The branch whose head is deployed, unless it is a roll back.
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
    /// The digest of the plan that waits for approval, or is approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Who has approved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It waits for its turn.
    Queued,
    /// It is carried out.
    Running,
    /// It waits for somebody to approve its plan.
    Waiting,
    /// It has ended.
    Ended,
    /// Another one took its place before it changed anything.
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
    /// Somebody, through the API or a page.
    Api,
    /// Somebody who had a check run again on GitHub.
    Rerun,
    /// Somebody who wants an earlier commit back, and not the branch's head.
    Rollback,
}

impl Run {
    /// Whether it deploys a certain commit, whatever the branch's head is.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.cause == Cause::Rollback || self.approved_by.is_some()
    }

    /// Whether it holds its environment back, as its newest run: the head is deployed only when it is newer than what was
    /// tried, or somebody asks. A roll back whose plan was rejected has changed nothing.
    #[must_use]
    pub fn holds_back(&self) -> bool {
        self.cause == Cause::Rollback && self.result != Some(RunResult::Refused)
    }
}

/// The word that a value is in the store, the same as in JSON.
pub(crate) fn word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        other => format!("{other:?}"),
    }
}

pub(super) fn from_word<T: serde::de::DeserializeOwned>(word: String) -> Result<T, sqlx::Error> {
    serde_json::from_value(serde_json::Value::String(word)).map_err(|error| sqlx::Error::Decode(error.into()))
}

pub(super) fn time(millis: i64) -> Result<Timestamp, sqlx::Error> {
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
        plan: row.try_get("plan")?,
        approved_by: row.try_get("approved_by")?,
    })
}

/// A statement that reads runs: `rest` begins behind `FROM runs`, and holds nothing from outside.
pub(super) fn select(rest: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!("SELECT {COLUMNS} FROM runs {rest}"))
}

/// The condition that a row is about one of these repositories; they are bound from this place on.
pub(super) fn only(repositories: Option<&Vec<String>>, first: usize) -> String {
    let Some(repositories) = repositories else { return String::new() };
    let places: Vec<String> = (first..).take(repositories.len()).map(|place| format!(", ${place}")).collect();
    // One that is no repository's name stands for none at all.
    format!("AND repository IN ('-'{})", places.concat())
}

/// Which runs are meant.
#[derive(Debug, Clone, Default)]
pub struct Runs<'a> {
    /// Those of these repositories, if not of all.
    pub repositories: Option<Vec<String>>,
    /// Those of one repository.
    pub repository: Option<&'a str>,
    /// Those to one environment, if not to all.
    pub environment: Option<&'a str>,
    /// Those of one branch.
    pub branch: Option<&'a str>,
    /// Those that are so far.
    pub state: Option<State>,
    /// Those that ended so.
    pub result: Option<RunResult>,
    /// Those that were asked for so.
    pub cause: Option<Cause>,
    /// Those from before this one, if not from the newest on.
    pub before: Option<i64>,
}

impl Store {
    /// The newest of these runs.
    ///
    /// # Errors
    /// If they can't be read.
    pub async fn runs(&self, which: Runs<'_>, limit: u16) -> Result<Vec<Run>, Failure> {
        let only = only(which.repositories.as_ref(), 9);
        let rest = format!(
            "WHERE ($1 = '' OR repository = $1) AND ($2 = '' OR environment = $2) AND ($3 = '' OR branch = $3) \
             AND ($4 = '' OR state = $4) AND ($5 = '' OR result = $5) AND ($6 = '' OR cause = $6) AND id < $7 \
             {only} ORDER BY id DESC LIMIT $8"
        );
        let query = sqlx::query(select(&rest))
            .bind(which.repository.unwrap_or_default())
            .bind(which.environment.unwrap_or_default())
            .bind(which.branch.unwrap_or_default())
            .bind(which.state.map(word).unwrap_or_default())
            .bind(which.result.map(word).unwrap_or_default())
            .bind(which.cause.map(word).unwrap_or_default())
            .bind(which.before.unwrap_or(i64::MAX))
            .bind(i64::from(limit));
        let query = which.repositories.into_iter().flatten().fold(query, sqlx::query::Query::bind);
        let rows = query.fetch_all(&self.pool).await.map_err(failed("reading runs"))?;
        rows.iter().map(run).collect::<Result<_, _>>().map_err(failed("reading runs"))
    }

    /// The last commit that was deployed well to an environment.
    ///
    /// # Errors
    /// If it can't be read.
    pub async fn deployed(&self, repository: &str, environment: &str) -> Result<Option<String>, Failure> {
        let select = "SELECT commit_id FROM runs WHERE repository = $1 AND environment = $2 AND state = 'ended' \
                      AND result IN ('changed', 'unchanged') ORDER BY id DESC LIMIT 1";
        let select = sqlx::query_scalar(select).bind(repository.to_owned()).bind(environment.to_owned());
        select.fetch_optional(&self.pool).await.map_err(failed("looking for what was deployed"))
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

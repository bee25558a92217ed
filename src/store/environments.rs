use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::run::{only, run, select};
use super::{Run, State, Store, failed};
use crate::event::RunResult;
use crate::failure::Failure;

/// What runs in an environment, and what happens to it, as far as runs of this server tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// `OWNER/NAME`.
    pub repository: String,
    /// The environment's name.
    pub environment: String,
    /// Whether it was rolled back, and stays so until something newer is pushed or asked for.
    pub held_back: bool,
    /// The newest run that no other took the place of.
    pub run: Run,
    /// The last run that ended well: its commit is what runs, unless a later run has failed half way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<Run>,
    /// Since when that commit is live: the end of the first run of it behind the last run of another one that ended well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The last run that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Run>,
    /// The run that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<Run>,
    /// The run whose plan waits for approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Run>,
    /// The run that comes next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued: Option<Run>,
}

/// The newest run of each environment among those that are `such`, a condition on the row `runs`.
macro_rules! newest {
    ($such:literal) => {
        concat!("(SELECT MAX(id) FROM runs WHERE ", $such, " GROUP BY repository, environment)")
    };
}

/// The runs that an environment is told from.
const TOLD: &str = concat!(
    "(state IN ('running', 'waiting', 'queued') OR id IN ",
    newest!("state = 'ended'"),
    " OR id IN ",
    newest!("result IN ('changed', 'unchanged')"),
    ")"
);

/// The end of the first run since which nothing but `$3` was deployed to an environment.
const SINCE: &str = "SELECT MIN(ended) FROM runs WHERE repository = $1 AND environment = $2 AND commit_id = $3 \
                     AND result IN ('changed', 'unchanged') AND id > COALESCE((SELECT MAX(id) FROM runs WHERE \
                     repository = $1 AND environment = $2 AND commit_id <> $3 AND result IN ('changed', 'unchanged')), 0)";

impl Store {
    /// What runs where: every environment of these repositories, if not of all, that there are runs of, in the order of
    /// their names.
    ///
    /// # Errors
    /// If it can't be read.
    pub async fn environments(&self, repositories: Option<Vec<String>>) -> Result<Vec<Environment>, Failure> {
        let read = async {
            let only = only(repositories.as_ref(), 1);
            let told_from = select(&format!("WHERE {TOLD} {only} ORDER BY id"));
            let query =
                repositories.into_iter().flatten().fold(sqlx::query(told_from), sqlx::query::Query::bind);
            let rows = query.fetch_all(&self.pool).await?;
            let runs: Vec<Run> = rows.iter().map(run).collect::<Result<_, _>>()?;
            let mut environments = told(runs);
            for environment in &mut environments {
                if let Some(live) = &environment.live {
                    let since: Option<i64> = sqlx::query_scalar(SINCE)
                        .bind(&live.repository)
                        .bind(&live.environment)
                        .bind(&live.commit)
                        .fetch_one(&self.pool)
                        .await?;
                    environment.since = since.and_then(|since| Timestamp::from_millisecond(since).ok());
                }
            }
            Ok(environments)
        };
        read.await.map_err(failed("reading what runs where"))
    }

    /// The first lines of the events of runs, by run: in them stands what is deployed.
    ///
    /// # Errors
    /// If they can't be read.
    pub async fn beginnings(&self, runs: &[i64]) -> Result<BTreeMap<i64, Vec<String>>, Failure> {
        /// What is said before that is rarely more than one thing.
        const LINES: &str = "SELECT run, line FROM events WHERE run = $1 AND sequence <= 3 ORDER BY sequence";
        let mut beginnings: BTreeMap<i64, Vec<String>> = BTreeMap::new();
        for id in runs {
            let lines: Vec<(i64, String)> = sqlx::query_as(LINES)
                .bind(*id)
                .fetch_all(&self.pool)
                .await
                .map_err(failed("reading how runs began"))?;
            beginnings.insert(*id, lines.into_iter().map(|(_, line)| line).collect());
        }
        Ok(beginnings)
    }
}

/// Puts runs, the oldest first, into the places that they have in their environments.
fn told(runs: Vec<Run>) -> Vec<Environment> {
    let mut environments: BTreeMap<(String, String), Environment> = BTreeMap::new();
    for run in runs {
        let key = (run.repository.clone(), run.environment.clone());
        let environment = environments.entry(key).or_insert_with(|| Environment {
            repository: run.repository.clone(),
            environment: run.environment.clone(),
            held_back: false,
            run: run.clone(),
            live: None,
            since: None,
            last: None,
            running: None,
            waiting: None,
            queued: None,
        });
        environment.held_back = run.holds_back();
        environment.run = run.clone();
        match run.state {
            State::Running => environment.running = Some(run),
            State::Waiting => environment.waiting = Some(run),
            State::Queued => environment.queued = Some(run),
            State::Superseded => {}
            State::Ended => {
                if run.result.is_some_and(RunResult::is_good) {
                    environment.live = Some(run.clone());
                }
                environment.last = Some(run);
            }
        }
    }
    environments.into_values().collect()
}

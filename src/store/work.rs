use std::time::Duration;

use jiff::Timestamp;
use sqlx::any::AnyRow;
use sqlx::{Any, AnyConnection, Transaction};

use super::run::{run, select, time, word};
use super::tasks::task;
use super::{Run, State, Store, Task, failed, later};
use crate::event::RunResult;
use crate::failure::Failure;

/// A run that somebody carries out, for as long as the lease is renewed. Who has lost it changes nothing any more: every
/// write asks for the fencing number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The run.
    pub run: Run,
    /// The task that carries it out already: another server began it.
    pub task: Option<Task>,
    pub(super) fence: i64,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// The result.
    pub result: RunResult,
    /// Why, if its events don't tell.
    pub reason: Option<String>,
}

/// One that a task carries out without a server that follows it, or else the one whose turn it is.
const OPEN: &str = "WHERE state = 'running' AND task_token IS NOT NULL AND expires < $1 ORDER BY id LIMIT 1";

/// Of those that wait and whose environment nobody deploys to, the one that goes first: the more urgent, then the one whose
/// repository's last run began longest ago. So who pushes often does not keep others from their turn.
const NEXT: &str = "WHERE state = 'queued' AND NOT EXISTS (SELECT 1 FROM runs AS other WHERE other.state = 'running' \
                    AND other.repository = runs.repository AND other.environment = runs.environment) \
                    ORDER BY priority DESC, (SELECT COALESCE(MAX(began.started), 0) FROM runs AS began \
                    WHERE began.repository = runs.repository), id LIMIT 1";

impl Store {
    /// Takes the next run whose turn it is.
    ///
    /// # Errors
    /// If the store can't be asked.
    pub async fn claim(&self, holder: &str, lease: Duration) -> Result<Option<Claim>, Failure> {
        let claim = async {
            // Most of the time there is none: then nothing is written.
            // One connection at a time: who holds one and waits for another may wait for ever.
            let now = self.now(&self.pool).await?;
            if next(&mut *self.pool.acquire().await?, now).await?.is_none() {
                return Ok(None);
            }
            let (mut transaction, fence) = self.begin_change().await?;
            let now = self.now(&mut *transaction).await?;
            let Some(next) = next(&mut transaction, now).await? else { return Ok(None) };
            let (run, task) = (run(&next)?, task(&next)?);
            let started = run.started.filter(|_| task.is_some()).map_or(now, Timestamp::as_millisecond);
            let update = "UPDATE runs SET state = $1, holder = $2, fence = $3, expires = $4, started = $5 WHERE id = $6";
            sqlx::query(update)
                .bind(word(State::Running))
                .bind(holder)
                .bind(fence)
                .bind(later(now, lease))
                .bind(started)
                .bind(run.id)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            let started = Some(time(started)?);
            Ok(Some(Claim { run: Run { state: State::Running, started, ..run }, task, fence }))
        };
        claim.await.map_err(failed("taking a run"))
    }

    /// Renews a lease; false if it was lost.
    ///
    /// # Errors
    /// If the store can't be asked.
    pub async fn renew(&self, claim: &Claim, lease: Duration) -> Result<bool, Failure> {
        let renew = async {
            let until = later(self.now(&self.pool).await?, lease);
            let renew = "UPDATE runs SET expires = $1 WHERE id = $2 AND fence = $3 AND state = 'running'";
            let renew = sqlx::query(renew).bind(until).bind(claim.run.id).bind(claim.fence);
            Ok(renew.execute(&self.pool).await?.rows_affected() == 1)
        };
        renew.await.map_err(failed("renewing a lease"))
    }

    /// Notes which commit a run deploys, and when that was made; false if the lease was lost. A run that waits to deploy the same commit is not
    /// needed any more.
    ///
    /// # Errors
    /// If the store can't be asked.
    pub async fn deploys(
        &self,
        claim: &Claim,
        commit: &str,
        committed: Option<Timestamp>,
    ) -> Result<bool, Failure> {
        let deploys = async {
            let (mut transaction, _) = self.begin_change().await?;
            let update = "UPDATE runs SET commit_id = $1, committed = $2 WHERE id = $3 AND fence = $4 AND state = 'running'";
            let update = sqlx::query(update)
                .bind(commit.to_owned())
                .bind(committed.map(Timestamp::as_millisecond))
                .bind(claim.run.id)
                .bind(claim.fence);
            if update.execute(&mut *transaction).await?.rows_affected() == 0 {
                return Ok(false);
            }
            let now = self.now(&mut *transaction).await?;
            let supersede = "UPDATE runs SET state = $1, superseded_by = $2, ended = $3 WHERE state = 'queued' \
                             AND repository = $4 AND environment = $5 AND branch = $6 AND commit_id = $7";
            sqlx::query(supersede)
                .bind(word(State::Superseded))
                .bind(claim.run.id)
                .bind(now)
                .bind(&claim.run.repository)
                .bind(&claim.run.environment)
                .bind(&claim.run.branch)
                .bind(commit.to_owned())
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok(true)
        };
        deploys.await.map_err(failed("noting a run's commit"))
    }

    /// Ends a run; false if the lease was lost.
    ///
    /// # Errors
    /// If the store can't be asked.
    pub async fn end(&self, claim: &Claim, ending: &Ending) -> Result<bool, Failure> {
        let update = "UPDATE runs SET state = 'ended', result = $1, reason = $2, ended = $3, expires = NULL \
                      WHERE id = $4 AND fence = $5 AND state = 'running'";
        let end = async {
            let update = sqlx::query(update)
                .bind(word(ending.result))
                .bind(&ending.reason)
                .bind(self.now(&self.pool).await?)
                .bind(claim.run.id)
                .bind(claim.fence);
            Ok(update.execute(&self.pool).await?.rows_affected() == 1)
        };
        end.await.map_err(failed("ending a run"))
    }

    /// Gives a run back that did not come to its end: it waits for its turn again. If a task carries it out, that goes on,
    /// and whoever takes the run next follows it.
    ///
    /// # Errors
    /// If the store can't be asked.
    pub async fn give_back(&self, claim: &Claim) -> Result<(), Failure> {
        let give = async {
            let (mut transaction, _) = self.begin_change().await?;
            let rest = "WHERE id = $1 AND fence = $2 AND state = 'running'";
            let held = sqlx::query(select(rest))
                .bind(claim.run.id)
                .bind(claim.fence)
                .fetch_optional(&mut *transaction);
            if let Some(held) = held.await? {
                let held_run = run(&held)?;
                if task(&held)?.is_some() {
                    let open = sqlx::query("UPDATE runs SET expires = 0 WHERE id = $1").bind(held_run.id);
                    open.execute(&mut *transaction).await?;
                } else {
                    let now = self.now(&mut *transaction).await?;
                    queue_again(&mut transaction, now, &held_run).await?;
                }
            }
            transaction.commit().await
        };
        give.await.map_err(failed("giving a run back"))
    }

    /// Puts the runs back into the queue whose holder is no more: their lease has expired, or it is `own`, a holder that
    /// was started anew. Those that a task carries out are none of them: they are taken on as they are. Returns how many
    /// there were.
    ///
    /// # Errors
    /// If the store can't be asked.
    pub async fn recover(&self, own: Option<&str>) -> Result<usize, Failure> {
        let dead = |now: i64| {
            let rest = "WHERE state = 'running' AND task_token IS NULL AND (expires < $1 OR holder = $2) ORDER BY id";
            sqlx::query(select(rest)).bind(now).bind(own.unwrap_or_default().to_owned())
        };
        let recover = async {
            // Most of the time there are none: then nothing is written.
            if dead(self.now(&self.pool).await?).fetch_all(&self.pool).await?.is_empty() {
                return Ok(0);
            }
            let (mut transaction, _) = self.begin_change().await?;
            let now = self.now(&mut *transaction).await?;
            let dead = dead(now).fetch_all(&mut *transaction).await?;
            for row in &dead {
                queue_again(&mut transaction, now, &run(row)?).await?;
            }
            transaction.commit().await?;
            Ok(dead.len())
        };
        recover.await.map_err(failed("recovering runs"))
    }
}

/// The run that is to be taken next.
async fn next(connection: &mut AnyConnection, now: i64) -> Result<Option<AnyRow>, sqlx::Error> {
    let open = sqlx::query(select(OPEN)).bind(now).fetch_optional(&mut *connection).await?;
    if open.is_some() { Ok(open) } else { sqlx::query(select(NEXT)).fetch_optional(connection).await }
}

/// The run that waits for its turn to the same environment: it deploys the branch's head, and is newer.
pub(super) async fn waits_behind(
    transaction: &mut Transaction<'static, Any>,
    held: &Run,
) -> Result<Option<i64>, sqlx::Error> {
    let select = "SELECT id FROM runs WHERE state = 'queued' AND repository = $1 AND environment = $2";
    let select = sqlx::query_scalar(select).bind(&held.repository).bind(&held.environment);
    select.fetch_optional(&mut **transaction).await
}

async fn queue_again(
    transaction: &mut Transaction<'static, Any>,
    now: i64,
    held: &Run,
) -> Result<(), sqlx::Error> {
    let waiting = waits_behind(transaction, held).await?;
    let (state, ended) = match waiting {
        Some(_) => (State::Superseded, Some(now)),
        None => (State::Queued, None),
    };
    let update = "UPDATE runs SET state = $1, superseded_by = $2, ended = $3, started = NULL, holder = NULL, \
                  fence = NULL, expires = NULL WHERE id = $4";
    sqlx::query(update)
        .bind(word(state))
        .bind(waiting)
        .bind(ended)
        .bind(held.id)
        .execute(&mut **transaction)
        .await
        .map(drop)
}

use std::time::Duration;

use jiff::Timestamp;
use sqlx::{Any, Transaction};

use super::run::{run, select, time, word};
use super::{Run, State, Store, failed, later};
use crate::event::RunResult;
use crate::failure::Failure;

/// A run that somebody carries out, for as long as the lease is renewed. Who has lost it changes nothing any more: every
/// write asks for the fencing number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The run.
    pub run: Run,
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
            if sqlx::query(select(NEXT)).fetch_optional(&self.pool).await?.is_none() {
                return Ok(None);
            }
            let (mut transaction, fence) = self.begin_change().await?;
            let next = sqlx::query(select(NEXT)).fetch_optional(&mut *transaction).await?;
            let Some(next) = next.as_ref().map(run).transpose()? else { return Ok(None) };
            let now = self.now(&mut *transaction).await?;
            let update = "UPDATE runs SET state = $1, holder = $2, fence = $3, expires = $4, started = $5 WHERE id = $6";
            sqlx::query(update)
                .bind(word(State::Running))
                .bind(holder)
                .bind(fence)
                .bind(later(now, lease))
                .bind(now)
                .bind(next.id)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            let started = Some(time(now)?);
            Ok(Some(Claim { run: Run { state: State::Running, started, ..next }, fence }))
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

    /// Gives a run back that did not come to its end: it waits for its turn again.
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
            if let Some(held) = held.await?.as_ref().map(run).transpose()? {
                let now = self.now(&mut *transaction).await?;
                queue_again(&mut transaction, now, &held).await?;
            }
            transaction.commit().await
        };
        give.await.map_err(failed("giving a run back"))
    }

    /// Puts the runs back into the queue whose holder is no more: their lease has expired, or it is `own`, a holder that
    /// was started anew. Returns how many there were.
    ///
    /// # Errors
    /// If the store can't be asked.
    pub async fn recover(&self, own: Option<&str>) -> Result<usize, Failure> {
        let dead = |now: i64| {
            let rest = "WHERE state = 'running' AND (expires < $1 OR holder = $2) ORDER BY id";
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

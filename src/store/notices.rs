use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{Any, Row as _, Transaction};

use super::run::{from_word, run, select, word};
use super::{Run, State, Store, failed, millis};
use crate::event::RunResult;
use crate::failure::Failure;

/// What of a run is worth telling somebody who does not look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// It failed.
    Failed,
    /// It went well, and the environment's last one had failed.
    Recovered,
    /// Its plan waits for somebody to approve it.
    ApprovalWanted,
}

impl Occasion {
    /// The word that it is in notices.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Recovered => "recovered",
            Self::ApprovalWanted => "approval_wanted",
        }
    }

    /// What there is to tell of a run that ended so, given how the environment's one before ended that failed or went well.
    #[must_use]
    pub fn of(result: RunResult, before: Option<RunResult>) -> Option<Self> {
        match result {
            RunResult::Failed => Some(Self::Failed),
            RunResult::Changed | RunResult::Unchanged if before == Some(RunResult::Failed) => {
                Some(Self::Recovered)
            }
            RunResult::Changed
            | RunResult::Unchanged
            | RunResult::Interrupted
            | RunResult::Superseded
            | RunResult::Refused => None,
        }
    }
}

/// Something that a receiver is still to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What happened.
    pub occasion: Occasion,
    /// To which run.
    pub run: Run,
    /// Who is told.
    pub receiver: String,
    /// How often that was tried before.
    pub tries: u32,
    /// Milliseconds since it was to be told first.
    pub age: Duration,
}

const UNNOTICED: &str = "WHERE (state = 'ended' AND noticed IS NULL) OR (state = 'waiting' \
                         AND (plan_noticed IS NULL OR plan_noticed <> plan)) ORDER BY id LIMIT 100";

/// How the environment's last run before one ended that failed or went well.
const BEFORE: &str = "SELECT result FROM runs WHERE repository = $1 AND environment = $2 AND id < $3 AND state = 'ended' \
                      AND result IN ('failed', 'changed', 'unchanged') ORDER BY id DESC LIMIT 1";

async fn settle(
    transaction: &mut Transaction<'static, Any>,
    run: &Run,
    receivers: &[String],
    now: i64,
) -> Result<(), sqlx::Error> {
    let occasion = match run.state {
        State::Waiting => Some(Occasion::ApprovalWanted),
        _ => ending(transaction, run).await?,
    };
    if let Some(occasion) = occasion {
        for receiver in receivers {
            // Of an earlier plan of the run one may still be told.
            let insert = "INSERT INTO notices (run, occasion, receiver, made, due, tries) VALUES ($1, $2, $3, $4, $4, 0) \
                          ON CONFLICT (run, occasion, receiver) DO NOTHING";
            let insert = sqlx::query(insert).bind(run.id).bind(word(occasion)).bind(receiver).bind(now);
            insert.execute(&mut **transaction).await?;
        }
    }
    let settled = match run.state {
        State::Waiting => sqlx::query("UPDATE runs SET plan_noticed = plan WHERE id = $1").bind(run.id),
        _ => sqlx::query("UPDATE runs SET noticed = $2 WHERE id = $1").bind(run.id).bind(now),
    };
    settled.execute(&mut **transaction).await.map(drop)
}

/// What there is to tell of how a run ended.
async fn ending(
    transaction: &mut Transaction<'static, Any>,
    run: &Run,
) -> Result<Option<Occasion>, sqlx::Error> {
    let before = sqlx::query_scalar(BEFORE).bind(&run.repository).bind(&run.environment).bind(run.id);
    let before: Option<String> = before.fetch_optional(&mut **transaction).await?;
    let before = before.map(from_word).transpose()?;
    Ok(run.result.and_then(|result| Occasion::of(result, before)))
}

impl Store {
    /// Settles for runs that have ended since, or wait for approval, what these receivers are to be told of them. Of servers that share the store
    /// one settles it for each run.
    ///
    /// # Errors
    /// If the store can't be asked.
    pub async fn notice(&self, receivers: &[String]) -> Result<(), Failure> {
        let notice = async {
            // Most of the time there are none: then nothing is written.
            if sqlx::query(select(UNNOTICED)).fetch_optional(&self.pool).await?.is_none() {
                return Ok(());
            }
            let (mut transaction, _) = self.begin_change().await?;
            let now = self.now(&mut *transaction).await?;
            for row in sqlx::query(select(UNNOTICED)).fetch_all(&mut *transaction).await? {
                settle(&mut transaction, &run(&row)?, receivers, now).await?;
            }
            transaction.commit().await
        };
        notice.await.map_err(failed("settling who is told of runs"))
    }

    /// What one of these receivers is to be told now. It is this server's for so long; if it is not told by then, whoever
    /// asks next gets it again.
    ///
    /// # Errors
    /// If the store can't be asked.
    pub async fn due_notice(&self, receivers: &[String], held: Duration) -> Result<Option<Notice>, Failure> {
        let due = async {
            let mut due = None;
            for receiver in receivers {
                let next = "SELECT run, occasion, receiver, made, tries FROM notices WHERE receiver = $1 AND due <= $2 \
                            ORDER BY due, run LIMIT 1";
                let now = self.now(&self.pool).await?;
                let next = sqlx::query(next).bind(receiver).bind(now).fetch_optional(&self.pool).await?;
                let Some(next) = next else { continue };
                // Another server may have been quicker.
                let take = "UPDATE notices SET due = $1, tries = tries + 1 WHERE run = $2 AND occasion = $3 AND receiver = $4 \
                            AND tries = $5";
                let taken = sqlx::query(take)
                    .bind(now.saturating_add(millis(held)))
                    .bind(next.try_get::<i64, _>("run")?)
                    .bind(next.try_get::<String, _>("occasion")?)
                    .bind(receiver)
                    .bind(next.try_get::<i64, _>("tries")?)
                    .execute(&self.pool)
                    .await?;
                if taken.rows_affected() == 1 {
                    due = self.notice_of(&next, now).await?;
                    break;
                }
            }
            Ok(due)
        };
        due.await.map_err(failed("reading what is to be told"))
    }

    async fn notice_of(&self, row: &AnyRow, now: i64) -> Result<Option<Notice>, sqlx::Error> {
        let found = sqlx::query(select("WHERE id = $1")).bind(row.try_get::<i64, _>("run")?);
        let Some(found) = found.fetch_optional(&self.pool).await? else { return Ok(None) };
        let age = u64::try_from(now - row.try_get::<i64, _>("made")?).unwrap_or_default();
        Ok(Some(Notice {
            occasion: from_word(row.try_get("occasion")?)?,
            run: run(&found)?,
            receiver: row.try_get("receiver")?,
            tries: u32::try_from(row.try_get::<i64, _>("tries")?).unwrap_or(u32::MAX),
            age: Duration::from_millis(age),
        }))
    }

    /// Has a notice told again after a pause.
    ///
    /// # Errors
    /// If the store can't be asked.
    pub async fn postpone(&self, notice: &Notice, pause: Duration) -> Result<(), Failure> {
        let postpone = async {
            let due = self.now(&self.pool).await?.saturating_add(millis(pause));
            let update = "UPDATE notices SET due = $1 WHERE run = $2 AND occasion = $3 AND receiver = $4";
            let update = sqlx::query(update).bind(due).bind(notice.run.id);
            update.bind(word(notice.occasion)).bind(&notice.receiver).execute(&self.pool).await.map(drop)
        };
        postpone.await.map_err(failed("postponing what is to be told"))
    }

    /// Forgets a notice: it was told, or given up.
    ///
    /// # Errors
    /// If the store can't be asked.
    pub async fn told(&self, notice: &Notice) -> Result<(), Failure> {
        let delete = "DELETE FROM notices WHERE run = $1 AND occasion = $2 AND receiver = $3";
        let delete =
            sqlx::query(delete).bind(notice.run.id).bind(word(notice.occasion)).bind(&notice.receiver);
        delete.execute(&self.pool).await.map(drop).map_err(failed("noting what was told"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_and_the_first_success_behind_one() {
        use RunResult::{Changed, Failed, Interrupted, Superseded, Unchanged};
        assert_eq!(Occasion::of(Failed, None), Some(Occasion::Failed));
        assert_eq!(Occasion::of(Failed, Some(Failed)), Some(Occasion::Failed));
        for well in [Changed, Unchanged] {
            assert_eq!(Occasion::of(well, Some(Failed)), Some(Occasion::Recovered));
            assert_eq!(Occasion::of(well, Some(Changed)), None);
            assert_eq!(Occasion::of(well, None), None);
        }
        for neither in [Interrupted, Superseded] {
            assert_eq!(Occasion::of(neither, Some(Failed)), None);
        }
    }
}

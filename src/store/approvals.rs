use sqlx::{Any, Transaction};

use super::audit::{Act, note};
use super::run::{run, select, word};
use super::stage::{Move, Stage, Unfit, go};
use super::work::waits_behind;
use super::{By, Claim, Run, State, Store, failed};
use crate::event::RunResult;
use crate::failure::Failure;
use crate::plan::PlanDigest;

impl Store {
    /// A run that was carried out has a plan with something to do: it waits for approval, or gives way to a newer commit.
    /// False if the lease was lost.
    ///
    /// # Errors
    /// If that can't be stored.
    pub async fn planned(&self, claim: &Claim, digest: &PlanDigest) -> Result<bool, Failure> {
        let planned = async {
            let (mut transaction, _) = self.begin_change().await?;
            let rest = "WHERE id = $1 AND fence = $2 AND state = 'running'";
            let held = sqlx::query(select(rest)).bind(claim.run.id).bind(claim.fence);
            let held = held.fetch_optional(&mut *transaction).await?.as_ref().map(run).transpose()?;
            let Some(held) = held else { return Ok(false) };
            let behind = waits_behind(&mut transaction, &held).await?;
            let digest = digest.to_string();
            let Ok(stage) = go(&held, Move::Planned { digest: &digest, behind }) else { return Ok(false) };
            let now = self.now(&mut *transaction).await?;
            write(&mut transaction, now, &held, &stage, None).await?;
            transaction.commit().await?;
            Ok(true)
        };
        planned.await.map_err(failed("noting a run's plan"))
    }

    /// Somebody approves the plan of a run, which then waits for its turn.
    ///
    /// # Errors
    /// If that can't be stored. Within, if this plan of this run does not wait for approval.
    pub async fn approve(&self, id: i64, digest: &str, by: &By) -> Result<Result<(), Unfit>, Failure> {
        let step = Move::Approved { digest, by: &by.who };
        self.settle_plan(id, step, by).await.map_err(failed("approving a plan"))
    }

    /// Somebody rejects the plan of a run, which has ended with that.
    ///
    /// # Errors
    /// If that can't be stored. Within, if this plan of this run does not wait for approval.
    pub async fn reject(&self, id: i64, digest: Option<&str>, by: &By) -> Result<Result<(), Unfit>, Failure> {
        self.settle_plan(id, Move::Rejected { digest }, by).await.map_err(failed("rejecting a plan"))
    }

    async fn settle_plan(&self, id: i64, step: Move<'_>, by: &By) -> Result<Result<(), Unfit>, sqlx::Error> {
        let (mut transaction, _) = self.begin_change().await?;
        let there = sqlx::query(select("WHERE id = $1")).bind(id).fetch_optional(&mut *transaction).await?;
        let there = there.as_ref().map(run).transpose()?;
        let Some(there) = there else { return Ok(Err(Unfit::NotWaiting(State::Ended))) };
        let stage = match go(&there, step) {
            Ok(stage) => stage,
            Err(unfit) => return Ok(Err(unfit)),
        };
        let (act, reason) = match stage.state {
            State::Queued => (Act::Approved, None),
            _ => (Act::Rejected, Some(format!("rejected by {}", by.who))),
        };
        let now = self.now(&mut *transaction).await?;
        write(&mut transaction, now, &there, &stage, reason).await?;
        let plan = there.plan.as_deref().unwrap_or_default();
        let subject = format!("run {id} to {}, plan {plan}", there.environment);
        note(&mut transaction, by, act, &there.repository, &subject).await?;
        transaction.commit().await?;
        Ok(Ok(()))
    }
}

/// Writes where a run is now. Nobody holds it any more.
async fn write(
    transaction: &mut Transaction<'static, Any>,
    now: i64,
    there: &Run,
    stage: &Stage,
    reason: Option<String>,
) -> Result<(), sqlx::Error> {
    let has_ended = matches!(stage.state, State::Ended | State::Superseded);
    let update = "UPDATE runs SET state = $1, plan = $2, approved_by = $3, superseded_by = $4, result = $5, \
                  reason = $6, ended = $7, holder = NULL, fence = NULL, expires = NULL WHERE id = $8";
    sqlx::query(update)
        .bind(word(stage.state))
        .bind(&stage.plan)
        .bind(&stage.approved_by)
        .bind(stage.superseded_by)
        .bind((stage.state == State::Ended).then(|| word(RunResult::Refused)))
        .bind(reason)
        .bind(has_ended.then_some(now))
        .bind(there.id)
        .execute(&mut **transaction)
        .await
        .map(drop)
}

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::{Claim, Store, failed};
use crate::failure::Failure;

/// The task that carries a run out, for the server that holds the run and for the one after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Who asks for the task shows this: asked twice, it is the same task.
    pub token: String,
    /// The task's ARN, once it is known.
    pub arn: Option<String>,
    /// The number of the last event from before the task.
    pub after: i64,
}

/// The task of a run, out of the columns of [`TASK`].
pub(super) fn task(row: &AnyRow) -> Result<Option<Task>, sqlx::Error> {
    let Some(token) = row.try_get("task_token")? else { return Ok(None) };
    let after: Option<i64> = row.try_get("task_after")?;
    Ok(Some(Task { token, arn: row.try_get("task")?, after: after.unwrap_or_default() }))
}

impl Store {
    /// Notes that a task is about to be asked for; `None` if the lease was lost.
    ///
    /// # Errors
    /// If the store can't be asked.
    pub async fn ask_for_task(&self, claim: &Claim, token: &str) -> Result<Option<Task>, Failure> {
        let update = "UPDATE runs SET task_token = $1, task = NULL, \
                      task_after = (SELECT COALESCE(MAX(sequence), 0) FROM events WHERE run = $2) \
                      WHERE id = $2 AND fence = $3 AND state = 'running' RETURNING task_token, task, task_after";
        let update = sqlx::query(update).bind(token.to_owned()).bind(claim.run.id).bind(claim.fence);
        let noted = update.fetch_optional(&self.pool).await.map_err(failed("noting a task"))?;
        noted.as_ref().map_or(Ok(None), task).map_err(failed("noting a task"))
    }

    /// Notes which task carries a run out; false if the lease was lost.
    ///
    /// # Errors
    /// If the store can't be asked.
    pub async fn carried_out_by(&self, claim: &Claim, arn: &str) -> Result<bool, Failure> {
        let update = "UPDATE runs SET task = $1 WHERE id = $2 AND fence = $3 AND state = 'running'";
        let update = sqlx::query(update).bind(arn.to_owned()).bind(claim.run.id).bind(claim.fence);
        let done = update.execute(&self.pool).await.map_err(failed("noting a task"))?;
        Ok(done.rows_affected() == 1)
    }

    /// How many of a task's events are stored.
    ///
    /// # Errors
    /// If the store can't be asked.
    pub async fn stored_of(&self, claim: &Claim, task: &Task) -> Result<usize, Failure> {
        let count = sqlx::query_scalar("SELECT COUNT(*) FROM events WHERE run = $1 AND sequence > $2");
        let count = count.bind(claim.run.id).bind(task.after).fetch_one(&self.pool).await;
        let count: i64 = count.map_err(failed("counting events"))?;
        Ok(usize::try_from(count).unwrap_or_default())
    }

    /// Lets the runs that a holder follows in tasks be taken by the next one who asks: the holder was started anew.
    ///
    /// # Errors
    /// If the store can't be asked.
    pub async fn let_go(&self, holder: &str) -> Result<(), Failure> {
        let update =
            "UPDATE runs SET expires = 0 WHERE state = 'running' AND task_token IS NOT NULL AND holder = $1";
        let update = sqlx::query(update).bind(holder.to_owned()).execute(&self.pool);
        update.await.map(drop).map_err(failed("letting runs go"))
    }
}

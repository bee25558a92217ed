use sqlx::{Any, Transaction};

use super::audit::{self, Act};
use super::connect::count_up;
use super::deliveries::note;
use super::run::{run, select, word};
use super::{By, Cause, Run, State, Store, failed};
use crate::event::{RunResult, short};
use crate::failure::Failure;

/// A wish to have a branch's head deployed to an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `OWNER/NAME`.
    pub repository: String,
    /// The environment's name.
    pub environment: String,
    /// The branch.
    pub branch: String,
    /// The branch's head at this time.
    pub commit: String,
    /// Who asks.
    pub cause: Cause,
    /// The greater goes first.
    pub priority: i64,
}

/// What a request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// A run waits for its turn.
    New(i64),
    /// There is a run already that has deployed, deploys or will deploy this commit.
    Already(i64),
}

impl Enqueued {
    /// The run that takes care of the request.
    #[must_use]
    pub fn run(self) -> i64 {
        match self {
            Self::New(id) | Self::Already(id) => id,
        }
    }
}

/// What is to be done with a request, given the environment's run that waits, for its turn or for approval, and the last one
/// that began and followed the branch. Returns the run that takes care of it already.
///
/// What was tried is not tried again on a mere hint, however it ended: otherwise a commit that can't be deployed would be
/// deployed for ever. So a roll back is not undone by a hint of the head that it was to get rid of. Who asks gets a run.
fn decide(request: &Request, waiting: Option<&Run>, followed: Option<&Run>) -> Option<i64> {
    let is_hint = matches!(request.cause, Cause::Push | Cause::Poll);
    let is_same = |run: &&Run| run.commit == request.commit && run.branch == request.branch;
    let tried = followed.filter(is_same).filter(|_| is_hint).map(|run| run.id);
    match waiting {
        Some(waiting) if waiting.commit == request.commit => Some(waiting.id),
        Some(waiting) if waiting.cause == Cause::Rollback => tried,
        Some(_) => None,
        None => tried,
    }
}

impl Store {
    /// Puts runs into the queue, each in the place of the one that waits for the same environment, and notes that this
    /// followed from deliveries: both or neither.
    ///
    /// # Errors
    /// If that can't be done.
    pub async fn enqueue(
        &self,
        requests: &[Request],
        deliveries: &[String],
    ) -> Result<Vec<Enqueued>, Failure> {
        let enqueue = async {
            let (mut transaction, mut number) = self.begin_change().await?;
            let now = self.now(&mut *transaction).await?;
            let mut enqueued = Vec::with_capacity(requests.len());
            for request in requests {
                enqueued.push(put(&mut transaction, number, now, request, None).await?);
                number = count_up(&mut transaction).await?;
            }
            note(&mut transaction, deliveries, &outcome(&enqueued)).await?;
            transaction.commit().await?;
            Ok(enqueued)
        };
        enqueue.await.map_err(failed("putting runs into the queue"))
    }

    /// Puts a run into the queue that somebody asks for, and notes who.
    ///
    /// # Errors
    /// If that can't be done.
    pub async fn ask(&self, request: &Request, by: &By) -> Result<Enqueued, Failure> {
        let (act, more) = match request.cause {
            Cause::Rollback => (Act::RolledBack, format!(", {}", short(&request.commit))),
            _ => (Act::RunAsked, String::new()),
        };
        let ask = async {
            let (mut transaction, number) = self.begin_change().await?;
            let now = self.now(&mut *transaction).await?;
            let enqueued = put(&mut transaction, number, now, request, None).await?;
            let subject = format!("run {} to {}{more}", enqueued.run(), request.environment);
            audit::note(&mut transaction, by, act, &request.repository, &subject).await?;
            transaction.commit().await?;
            Ok(enqueued)
        };
        ask.await.map_err(failed("putting a run into the queue"))
    }
}

impl Store {
    /// Gives a run that waits, for its turn or for approval, another priority, and notes who did; false if it does not wait.
    ///
    /// # Errors
    /// If that can't be done.
    pub async fn prioritize(&self, id: i64, priority: i64, by: &By) -> Result<bool, Failure> {
        let prioritize = async {
            let (mut transaction, _) = self.begin_change().await?;
            let rest = "WHERE id = $1 AND state IN ('queued', 'waiting')";
            let found = sqlx::query(select(rest)).bind(id).fetch_optional(&mut *transaction).await?;
            let Some(there) = found.as_ref().map(run).transpose()? else { return Ok(false) };
            let update = sqlx::query("UPDATE runs SET priority = $1 WHERE id = $2").bind(priority).bind(id);
            update.execute(&mut *transaction).await?;
            let subject = format!("run {id} to {}: {priority}", there.environment);
            audit::note(&mut transaction, by, Act::Prioritized, &there.repository, &subject).await?;
            transaction.commit().await?;
            Ok(true)
        };
        prioritize.await.map_err(failed("changing a run's priority"))
    }
}

pub(super) fn outcome(enqueued: &[Enqueued]) -> String {
    let runs: Vec<String> = enqueued.iter().map(|enqueued| enqueued.run().to_string()).collect();
    if runs.is_empty() {
        "no environment has this branch".to_owned()
    } else {
        format!("runs {}", runs.join(", "))
    }
}

/// Puts a run into the queue; or if it is known that it can't be carried out, and why, among those that have failed.
pub(super) async fn put(
    transaction: &mut Transaction<'static, Any>,
    number: i64,
    now: i64,
    request: &Request,
    refusal: Option<&str>,
) -> Result<Enqueued, sqlx::Error> {
    let waiting = newest(transaction, request, "state IN ('queued', 'waiting')").await?;
    let followed = newest(transaction, request, "started IS NOT NULL AND cause <> 'rollback'").await?;
    if let Some(there) = decide(request, waiting.as_ref(), followed.as_ref()) {
        return Ok(Enqueued::Already(there));
    }
    // A mistake in the configuration takes no rollback's place: that goes back to before it.
    let gives_way = |waiting: &Run| refusal.is_none() || waiting.cause != Cause::Rollback;
    if let Some(waiting) = waiting.filter(gives_way) {
        sqlx::query("UPDATE runs SET state = $1, superseded_by = $2, ended = $3 WHERE id = $4")
            .bind(word(State::Superseded))
            .bind(number)
            .bind(now)
            .bind(waiting.id)
            .execute(&mut **transaction)
            .await?;
    }
    let insert = "INSERT INTO runs (id, repository, environment, branch, commit_id, cause, priority, created, state, \
                  result, reason, started, ended) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12)";
    sqlx::query(insert)
        .bind(number)
        .bind(&request.repository)
        .bind(&request.environment)
        .bind(&request.branch)
        .bind(&request.commit)
        .bind(word(request.cause))
        .bind(request.priority)
        .bind(now)
        .bind(word(if refusal.is_some() { State::Ended } else { State::Queued }))
        .bind(refusal.map(|_| word(RunResult::Failed)))
        .bind(refusal.map(str::to_owned))
        .bind(refusal.map(|_| now))
        .execute(&mut **transaction)
        .await?;
    Ok(Enqueued::New(number))
}

async fn newest(
    transaction: &mut Transaction<'static, Any>,
    request: &Request,
    such: &str,
) -> Result<Option<Run>, sqlx::Error> {
    let rest = format!("WHERE repository = $1 AND environment = $2 AND {such} ORDER BY id DESC LIMIT 1");
    let row = sqlx::query(select(&rest))
        .bind(&request.repository)
        .bind(&request.environment)
        .fetch_optional(&mut **transaction)
        .await?;
    row.as_ref().map(run).transpose()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn request(commit: &str, cause: Cause) -> Request {
        let word = |word: &str| word.to_owned();
        Request {
            repository: word("octo/shop"),
            environment: word("prod"),
            branch: word("main"),
            commit: word(commit),
            cause,
            priority: 0,
        }
    }

    fn there(commit: &str) -> Run {
        let Request { repository, environment, branch, commit, cause, priority } =
            request(commit, Cause::Push);
        Run {
            id: 7,
            repository,
            environment,
            branch,
            commit,
            cause,
            priority,
            state: State::Ended,
            result: None,
            reason: None,
            superseded_by: None,
            created: Timestamp::UNIX_EPOCH,
            started: None,
            ended: None,
            plan: None,
            approved_by: None,
        }
    }

    #[test]
    fn a_hint_of_what_waits_or_was_begun_last_asks_for_nothing() {
        let new = request("new", Cause::Push);
        assert_eq!(decide(&new, Some(&there("new")), None), Some(7));
        assert_eq!(decide(&new, None, Some(&there("new"))), Some(7));
        let elsewhere = Run { branch: "other".to_owned(), ..there("new") };
        assert_eq!(decide(&new, None, Some(&elsewhere)), None);
        for (waiting, last) in
            [(None, None), (Some("old"), None), (None, Some("old")), (Some("old"), Some("new"))]
        {
            let (waiting, last) = (waiting.map(there), last.map(there));
            assert_eq!(decide(&new, waiting.as_ref(), last.as_ref()), None, "{waiting:?} {last:?}");
        }
    }

    #[test]
    fn a_roll_back_is_not_undone_by_a_hint_of_the_head_that_it_got_rid_of() {
        let old = Run { id: 8, cause: Cause::Rollback, ..there("old") };
        let head = there("head");
        let hint = |commit: &str| request(commit, Cause::Push);
        // While it waits; once it has begun it is not among those that followed the branch.
        assert_eq!(decide(&hint("head"), Some(&old), Some(&head)), Some(7));
        assert_eq!(decide(&hint("newer"), Some(&old), Some(&head)), None);
        assert_eq!(decide(&request("head", Cause::Api), Some(&old), Some(&head)), None);
        // Rolled back to what is the head all the same, somebody asks twice, and back from a head that waits.
        assert_eq!(decide(&request("old", Cause::Rollback), Some(&old), Some(&head)), Some(8));
        assert_eq!(decide(&request("old", Cause::Rollback), Some(&head), Some(&head)), None);
        assert_eq!(decide(&request("old", Cause::Rollback), None, Some(&there("old"))), None);
    }

    #[test]
    fn who_asks_gets_a_run_unless_one_waits() {
        let new = request("new", Cause::Api);
        assert_eq!(decide(&new, None, Some(&there("new"))), None);
        assert_eq!(decide(&new, Some(&there("new")), Some(&there("new"))), Some(7));
    }
}

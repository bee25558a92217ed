use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::child::{self, Child, Followed};
use super::ecs_task;
use super::origin::Origin;
use super::task::{Next, Task};
use super::{Server, approval, trace};
use crate::event::{RunResult, short};
use crate::failure::Failure;
use crate::plan::PlanDigest;
use crate::store::{Claim, Ending};

/// The pause after something failed that may go well the next time.
const AGAIN: Duration = Duration::from_secs(2);

/// How often it is looked whether an earlier run's process has ended.
const LOOK: Duration = Duration::from_millis(200);

/// How a turn ends.
enum Turn {
    /// The run has ended.
    Ended(Ending),
    /// It has a plan that somebody has to approve.
    Planned(PlanDigest),
    /// It did not come to its end, and is to be begun anew by the next server. A task of ECS goes on, and is followed by it.
    Broken,
}

/// Carries a run out and records how it ended.
pub(super) async fn take(server: Arc<Server>, claim: Claim, cut: CancellationToken) {
    let began = Instant::now();
    server.metrics.began(&claim.run);
    let lost = CancellationToken::new();
    let keeping = tokio::spawn(keep(Arc::clone(&server), claim.clone(), lost.clone()));
    let turn = carry_out(&server, &claim, &cut, &lost).await;
    record(&server, &claim, turn, began, &lost).await;
    server.news.tell(claim.run.id);
    keeping.abort();
    if !lost.is_cancelled() {
        trace::send(&server, claim.run.id);
    }
    server.queued.notify_one();
}

/// Renews the lease time and again, until it is lost.
async fn keep(server: Arc<Server>, claim: Claim, lost: CancellationToken) {
    loop {
        tokio::time::sleep(server.options.lease / 4).await;
        match server.store.renew(&claim, server.options.lease).await {
            Ok(true) => {}
            Ok(false) => return lose(&server, &claim, &lost),
            Err(failure) => server.log.say(format!("warning: {failure}; trying again")),
        }
    }
}

/// The run is another server's by now: what still goes on of it here is told to end.
fn lose(server: &Server, claim: &Claim, lost: &CancellationToken) {
    if !lost.is_cancelled() {
        server.log.say(format!("warning: run {} was lost to another server", claim.run.id));
        lost.cancel();
    }
}

async fn carry_out(
    server: &Server,
    claim: &Claim,
    cut: &CancellationToken,
    lost: &CancellationToken,
) -> Turn {
    let failed = |failure: Failure| {
        Turn::Ended(Ending { result: RunResult::Failed, reason: Some(failure.to_string()) })
    };
    let begun = tokio::select! {
        begun = begin(server, claim) => begun,
        () = stopped(server, lost) => return Turn::Broken,
    };
    let (place, mut task) = match begun {
        Ok(Some(begun)) => begun,
        Ok(None) => {
            lose(server, claim, lost);
            return Turn::Broken;
        }
        Err(failure) => return failed(failure),
    };
    // Only the first one may have been begun by another server.
    let mut noted = claim.task.clone();
    loop {
        let arguments = task.arguments(&claim.run.environment, &place.commit);
        let done = match &server.tasks {
            None => process(server, claim, &place.directory, &arguments, cut, lost).await,
            // It needs nobody who follows it: the next server does.
            Some(tasks) => tokio::select! {
                done = ecs_task::carry_out(server, tasks, claim, noted.take(), &place.commit, &arguments) => done.map(Some),
                () = stopped(server, lost) => Ok(None),
            },
        };
        let followed = match done {
            Ok(Some(followed)) => followed,
            Ok(None) => return Turn::Broken,
            Err(failure) => return failed(failure),
        };
        match task.next(followed) {
            Next::Ended(ending) => return Turn::Ended(ending),
            Next::Planned(plan) => return Turn::Planned(plan),
            Next::PlanAgain => {
                // Whoever takes the run next is not to deploy what is not approved any more.
                if !patiently(server, || server.store.disapprove(claim)).await {
                    lose(server, claim, lost);
                    return Turn::Broken;
                }
                task = Task::Plan;
            }
        }
    }
}

/// Has a process do something for a run. `None` if it did not come to its end.
async fn process(
    server: &Server,
    claim: &Claim,
    directory: &Path,
    arguments: &[String],
    cut: &CancellationToken,
    lost: &CancellationToken,
) -> Result<Option<Followed>, Failure> {
    let alone = tokio::select! {
        alone = alone(server, claim, directory) => alone?,
        () = stopped(server, lost) => return Ok(None),
    };
    let child = Child::start(server, claim.run.id, directory, arguments, alone)?;
    let followed = child::follow(child, server, claim, cut, lost).await;
    // It was told to end because the server was: by it, or by whatever told them both.
    let told = server.stop.requested() && followed.ending.result == RunResult::Interrupted;
    Ok((!told).then_some(followed))
}

/// Asks the store until it answers.
pub(super) async fn patiently<T, F: Future<Output = Result<T, Failure>>>(
    server: &Server,
    ask: impl Fn() -> F,
) -> T {
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(failure) => server.log.say(format!("warning: {failure}; trying again")),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// The server is told to end, or the lease is lost.
async fn stopped(server: &Server, lost: &CancellationToken) {
    tokio::select! { () = server.stop.wait() => {}, () = lost.cancelled() => {} }
}

/// Where a run is carried out, and what is deployed.
struct Ready {
    directory: PathBuf,
    commit: String,
}

/// Waits for the place, looks the head up, and finds out what a process is to do. Who has lost the run does nothing.
async fn begin(server: &Server, claim: &Claim) -> Result<Option<(Ready, Task)>, Failure> {
    let run = &claim.run;
    let origin = server.origins.get(&run.repository);
    let origin =
        origin.ok_or_else(|| Failure::new(format!("{} is no longer served here", run.repository)))?;
    let directory = server.state.place(&run.repository, &run.environment);
    match (&server.tasks, &claim.task) {
        (Some(_), _) => {}
        (None, None) => drop(alone(server, claim, &directory).await?),
        (None, Some(_)) => {
            return Err(Failure::new("a task carries it out, and this server follows none")
                .hint("start all servers that share a database with the same --executor"));
        }
    }
    let commit = match head(server, claim, origin).await {
        // What a task has begun with is what it deploys.
        _ if run.is_pinned() || claim.task.is_some() => run.commit.clone(),
        Some(head) => head,
        None => return Err(Failure::new(format!("there is no branch {} any more", run.branch))),
    };
    let committed = origin.committed(&commit).await;
    if server.tasks.is_none() {
        origin.place(directory.clone()).await.map_err(|error| Failure::new(format!("{error:#}")))?;
    }
    let task = Task::first(run, approval::is_required(server, origin, run, &commit).await?);
    if !patiently(server, || server.store.deploys(claim, &commit, committed)).await {
        return Ok(None);
    }
    server.news.tell(run.id);
    let (id, short) = (run.id, short(&commit));
    server.log.say(format!("run {id}: {short} to {} of {}", run.environment, run.repository));
    Ok(Some((Ready { directory, commit }, task)))
}

/// The head of the run's branch, once the remote tells it; `None` if it has no such branch.
async fn head(server: &Server, claim: &Claim, origin: &Origin) -> Option<String> {
    let run = &claim.run;
    loop {
        match origin.head(&run.branch).await {
            Ok(head) => return head,
            Err(error) => {
                server.log.say(format!("warning: run {} waits for its remote: {error:#}", run.id));
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

/// Waits until no process deploys to the environment from here: one that an earlier server began may go on without it.
///
/// The process is handed the lock, and has it until it ends, however that comes.
async fn alone(server: &Server, claim: &Claim, directory: &Path) -> Result<File, Failure> {
    let path = lock_of(directory);
    let failed = |error: std::io::Error| Failure::new(format!("locking {}: {error}", path.display()));
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let file = File::create(&path).map_err(failed)?;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
            Err(TryLockError::WouldBlock) => {}
        }
        if !std::mem::replace(&mut told, true) {
            let id = claim.run.id;
            server.log.say(format!("run {id} waits for the end of a process that an earlier server began"));
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn lock_of(directory: &Path) -> PathBuf {
    directory.with_added_extension("lock")
}

/// Records how a turn ended, for as long as it takes.
async fn record(server: &Server, claim: &Claim, turn: Turn, began: Instant, lost: &CancellationToken) {
    let id = claim.run.id;
    loop {
        if lost.is_cancelled() {
            return;
        }
        let recorded = match &turn {
            Turn::Ended(ending) => server.store.end(claim, ending).await,
            Turn::Planned(plan) => server.store.planned(claim, plan).await,
            Turn::Broken => server.store.give_back(claim).await.map(|()| true),
        };
        match (recorded, &turn) {
            (Ok(false), _) => return lose(server, claim, lost),
            (Ok(true), Turn::Broken) if server.tasks.is_some() => {
                return server.log.say(format!("run {id} is left to the next server"));
            }
            (Ok(true), Turn::Broken) => return server.log.say(format!("run {id} is to be begun anew")),
            (Ok(true), Turn::Planned(_)) => {
                return server.log.say(format!("run {id} has a plan that is to be approved"));
            }
            (Ok(true), Turn::Ended(ending)) => {
                server.metrics.ended(ending.result, began.elapsed());
                return server.log.say(format!("run {id}: {}", ending.result.as_str()));
            }
            (Err(failure), _) => server.log.say(format!("warning: {failure}; trying again")),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

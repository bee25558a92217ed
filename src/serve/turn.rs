use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Server;
use super::child::{self, Child};
use super::origin::Origin;
use super::task::{self, Task};
use super::work::LEASE;
use crate::event::{RunResult, short};
use crate::failure::Failure;
use crate::store::{Claim, Ending};

/// The pause after something failed that may go well the next time.
const AGAIN: Duration = Duration::from_secs(2);

/// How often it is looked whether an earlier run's process has ended.
const LOOK: Duration = Duration::from_millis(200);

/// How a turn ends.
enum Turn {
    /// The run has ended.
    Ended(Ending),
    /// It did not come to its end, and is to be begun anew by the next server. A task goes on, and is followed by it.
    Broken,
}

/// What carries a run out.
enum Work<'a> {
    Child(Child),
    Task(Task<'a>),
}

/// Carries a run out and records how it ended.
pub(super) async fn take(server: Arc<Server>, claim: Claim, cut: CancellationToken) {
    let began = Instant::now();
    let lost = CancellationToken::new();
    let keeping = tokio::spawn(keep(Arc::clone(&server), claim.clone(), lost.clone()));
    let turn = carry_out(&server, &claim, &cut, &lost).await;
    record(&server, &claim, turn, began, &lost).await;
    keeping.abort();
    server.queued.notify_one();
}

/// Renews the lease time and again, until it is lost.
async fn keep(server: Arc<Server>, claim: Claim, lost: CancellationToken) {
    loop {
        tokio::time::sleep(LEASE / 4).await;
        match server.store.renew(&claim, LEASE).await {
            Ok(true) => {}
            Ok(false) => return lost.cancel(),
            Err(failure) => server.log.say(format!("warning: {failure}; trying again")),
        }
    }
}

async fn carry_out(
    server: &Server,
    claim: &Claim,
    cut: &CancellationToken,
    lost: &CancellationToken,
) -> Turn {
    let begun = tokio::select! {
        begun = begin(server, claim) => begun,
        () = stopped(server, lost) => return Turn::Broken,
    };
    let ended = match begun {
        Ok(Work::Child(child)) => child::follow(child, server, claim, cut, lost).await,
        // It needs nobody who follows it: the next server does.
        Ok(Work::Task(task)) => tokio::select! {
            ended = task::follow(task, server, claim) => return Turn::Ended(ended),
            () = stopped(server, lost) => return Turn::Broken,
        },
        Err(failure) => Ending { result: RunResult::Failed, reason: Some(failure.to_string()) },
    };
    // It was told to end because the server was: by it, or by whatever told them both.
    let told = server.stop.requested() && ended.result == RunResult::Interrupted;
    if told { Turn::Broken } else { Turn::Ended(ended) }
}

/// Waits until the server is told to end, or the run is another one's.
async fn stopped(server: &Server, lost: &CancellationToken) {
    tokio::select! { () = server.stop.wait() => {}, () = lost.cancelled() => {} }
}

/// Begins to carry a run out, or takes on the task that does so already.
async fn begin<'a>(server: &'a Server, claim: &Claim) -> Result<Work<'a>, Failure> {
    let run = &claim.run;
    let origin = server.origins.get(&run.repository);
    let origin =
        origin.ok_or_else(|| Failure::new(format!("{} is no longer served here", run.repository)))?;
    if let Some(tasks) = &server.tasks {
        return task::begin(server, tasks, claim, origin).await.map(Work::Task);
    }
    if claim.task.is_some() {
        return Err(Failure::new("a task carries it out, and this server follows none")
            .hint("start all servers that share a database with the same --executor"));
    }
    let directory = server.state.place(&run.repository, &run.environment);
    let alone = alone(server, claim, &directory).await?;
    let commit = head(server, claim, origin).await?;
    origin.place(directory.clone()).await.map_err(|error| Failure::new(format!("{error:#}")))?;
    deploys(server, claim, &commit).await;
    Child::start(server, &directory, &run.environment, &commit, alone).map(Work::Child)
}

/// The head of the run's branch: what is to be deployed.
pub(super) async fn head(server: &Server, claim: &Claim, origin: &Origin) -> Result<String, Failure> {
    let run = &claim.run;
    loop {
        match origin.head(&run.branch).await {
            Ok(Some(commit)) => return Ok(commit),
            Ok(None) => return Err(Failure::new(format!("there is no branch {} any more", run.branch))),
            Err(error) => {
                server.log.say(format!("warning: run {} waits for its remote: {error:#}", run.id));
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

/// Notes which commit a run deploys.
pub(super) async fn deploys(server: &Server, claim: &Claim, commit: &str) {
    patiently(server, || server.store.deploys(claim, commit)).await;
    let (run, short) = (&claim.run, short(commit));
    server.log.say(format!("run {}: {short} to {} of {}", run.id, run.environment, run.repository));
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
        let recorded = match &turn {
            Turn::Ended(ending) => server.store.end(claim, ending).await,
            Turn::Broken => server.store.give_back(claim).await.map(|()| true),
        };
        match (recorded, &turn) {
            (Ok(false), _) => return server.log.say(format!("warning: run {id} was lost to another server")),
            (Ok(true), Turn::Broken) if server.tasks.is_some() => {
                return server.log.say(format!("run {id} is left to the next server"));
            }
            (Ok(true), Turn::Broken) => return server.log.say(format!("run {id} is to be begun anew")),
            (Ok(true), Turn::Ended(ending)) => {
                server.metrics.ended(ending.result, began.elapsed());
                return server.log.say(format!("run {id}: {}", ending.result.as_str()));
            }
            (Err(_), _) if lost.is_cancelled() => return,
            (Err(failure), _) => server.log.say(format!("warning: {failure}; trying again")),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Server;
use super::child::{self, Child};
use super::trace;
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
    /// It did not come to its end, and is to be begun anew by the next server.
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
    let stopped = async {
        tokio::select! { () = server.stop.wait() => {}, () = lost.cancelled() => {} }
    };
    let begun = tokio::select! {
        begun = begin(server, claim) => begun,
        () = stopped => return Turn::Broken,
    };
    let ended = match begun {
        Ok(None) => {
            lose(server, claim, lost);
            return Turn::Broken;
        }
        Ok(Some(child)) => child::follow(child, server, claim, cut, lost).await,
        Err(failure) => Ending { result: RunResult::Failed, reason: Some(failure.to_string()) },
    };
    // It was told to end because the server was: by it, or by whatever told them both.
    let told = server.stop.requested() && ended.result == RunResult::Interrupted;
    if told { Turn::Broken } else { Turn::Ended(ended) }
}

/// Waits for the place, looks the head up, and starts the process. Who has lost the run starts none.
async fn begin(server: &Server, claim: &Claim) -> Result<Option<Child>, Failure> {
    let run = &claim.run;
    let origin = server.origins.get(&run.repository);
    let origin =
        origin.ok_or_else(|| Failure::new(format!("{} is no longer served here", run.repository)))?;
    let directory = server.state.place(&run.repository, &run.environment);
    let alone = alone(server, claim, &directory).await?;
    let commit = loop {
        match origin.head(&run.branch).await {
            Ok(Some(commit)) => break commit,
            Ok(None) => return Err(Failure::new(format!("there is no branch {} any more", run.branch))),
            Err(error) => {
                server.log.say(format!("warning: run {} waits for its remote: {error:#}", run.id));
                tokio::time::sleep(AGAIN).await;
            }
        }
    };
    let committed = origin.committed(&commit).await;
    origin.place(directory.clone()).await.map_err(|error| Failure::new(format!("{error:#}")))?;
    loop {
        match server.store.deploys(claim, &commit, committed).await {
            Ok(true) => break,
            Ok(false) => return Ok(None),
            Err(failure) => server.log.say(format!("warning: {failure}; trying again")),
        }
        tokio::time::sleep(AGAIN).await;
    }
    server.news.tell(run.id);
    let (id, short) = (run.id, short(&commit));
    server.log.say(format!("run {id}: {short} to {} of {}", run.environment, run.repository));
    Child::start(server, &directory, &run.environment, &commit, alone).map(Some)
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
            Turn::Broken => server.store.give_back(claim).await.map(|()| true),
        };
        match (recorded, &turn) {
            (Ok(false), _) => return lose(server, claim, lost),
            (Ok(true), Turn::Broken) => return server.log.say(format!("run {id} is to be begun anew")),
            (Ok(true), Turn::Ended(ending)) => {
                server.metrics.ended(ending.result, began.elapsed());
                return server.log.say(format!("run {id}: {}", ending.result.as_str()));
            }
            (Err(failure), _) => server.log.say(format!("warning: {failure}; trying again")),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

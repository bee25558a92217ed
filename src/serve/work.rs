use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Server;
use super::turn;
use crate::failure::Failure;

/// How often it is looked for runs that another server has put into the queue, or no longer holds.
const LOOK: Duration = Duration::from_secs(5);

/// Puts back into the queue what an earlier server in the same state directory held: it is no more.
pub(super) async fn recover_own(server: &Server) -> Result<(), Failure> {
    server.store.let_go(&server.state.holder).await?;
    let recovered = server.store.recover(Some(&server.state.holder)).await?;
    if recovered > 0 {
        server.log.say(format!("{recovered} runs that did not come to their end are begun anew"));
    }
    Ok(())
}

/// Carries runs out until the server is told to end and the last of them has ended.
pub(super) async fn work(server: &Arc<Server>) {
    let cut = CancellationToken::new();
    let mut runs = JoinSet::new();
    loop {
        if let Err(failure) = begin(server, &mut runs, &cut).await {
            server.log.say(format!("warning: {failure}; trying again"));
        }
        tokio::select! {
            () = server.queued.notified() => {}
            Some(_) = runs.join_next() => {}
            () = tokio::time::sleep(LOOK) => {}
            () = server.stop.wait() => break,
        }
    }
    drain(server, runs, &cut).await;
}

/// Begins the runs whose turn it is, as many as may be carried out at the same time.
async fn begin(server: &Arc<Server>, runs: &mut JoinSet<()>, cut: &CancellationToken) -> Result<(), Failure> {
    server.store.recover(None).await?;
    while runs.len() < server.options.runs {
        let Some(claim) = server.store.claim(&server.state.holder, server.options.lease).await? else {
            break;
        };
        runs.spawn(turn::take(Arc::clone(server), claim, cut.clone()));
    }
    Ok(())
}

/// Waits for the runs that are under way. After a while, or when the server is told once more, they are told to end.
async fn drain(server: &Server, mut runs: JoinSet<()>, cut: &CancellationToken) {
    if !runs.is_empty() {
        server.log.say(format!("ending; waiting for {} runs", runs.len()));
    }
    let deadline = Instant::now() + server.options.drain;
    loop {
        tokio::select! {
            ended = runs.join_next() => if ended.is_none() { return },
            () = tokio::time::sleep_until(deadline), if !cut.is_cancelled() => cut.cancel(),
            () = server.stop.wait_for_the_second(), if !cut.is_cancelled() => cut.cancel(),
        }
    }
}

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Server;
use super::origin::Origin;
use crate::diagnostic::visible_lines;
use crate::failure::Failure;
use crate::redact::redacted;
use crate::store::{Cause, Refusal, Request};

/// The pause after something failed that may go well the next time.
const AGAIN: Duration = Duration::from_secs(5);

/// The pause behind a look: what is delivered meanwhile, in a burst many a second, is settled by one look.
const GATHER: Duration = Duration::from_millis(200);

/// Settles what follows from deliveries, for as long as there are any, and waits for more.
pub(super) async fn dispatch(server: Arc<Server>) {
    loop {
        if let Err(failure) = settle(&server).await {
            server.log.say(format!("warning: {failure}; looking again"));
            tokio::time::sleep(AGAIN).await;
            continue;
        }
        tokio::time::sleep(GATHER).await;
        server.delivered.notified().await;
    }
}

/// Settles all deliveries that wait. Those of one branch are settled by one look at it.
async fn settle(server: &Server) -> Result<(), Failure> {
    let mut failed = None;
    for (repository, branch) in server.store.unsettled().await? {
        // A remote that is gone keeps nobody from another one.
        if let Err(failure) = settle_branch(server, &repository, &branch).await {
            failed = Some(failure);
        }
    }
    failed.map_or(Ok(()), Err)
}

async fn settle_branch(server: &Server, repository: &str, branch: &str) -> Result<(), Failure> {
    // Before the look: what is delivered after it tells of what it may not have seen.
    let deliveries = &server.store.unsettled_of(repository, branch).await?;
    let Some(origin) = server.origins.get(repository) else {
        return server.store.settle(deliveries, "not served here").await;
    };
    match wanted(server, origin, branch, Cause::Push).await.map_err(Failure::new)? {
        Ok(requests) => {
            server.store.enqueue(&requests, deliveries).await?;
            server.queued.notify_one();
            Ok(())
        }
        Err(nothing) => refuse(server, origin, branch, nothing, Cause::Push, deliveries).await,
    }
}

/// Why a branch asks for nothing.
pub(super) enum Nothing {
    /// There is no such branch.
    NoBranch(String),
    /// Its head has no configuration, or one with mistakes.
    Mistake { commit: String, why: String },
}

impl fmt::Display for Nothing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBranch(branch) => write!(f, "there is no branch {branch}"),
            Self::Mistake { why, .. } => f.write_str(why),
        }
    }
}

/// What the head of a branch asks for: a run to each environment that names the branch. Or why it asks for nothing.
///
/// # Errors
/// If the remote can't be asked.
pub(super) async fn wanted(
    server: &Server,
    origin: &Origin,
    branch: &str,
    cause: Cause,
) -> Result<Result<Vec<Request>, Nothing>, String> {
    let name = &origin.served.name;
    let head = origin
        .head(branch)
        .await
        .map_err(|error| format!("looking at branch {branch} of {name}: {error:#}"))?;
    let Some(commit) = head else { return Ok(Err(Nothing::NoBranch(branch.to_owned()))) };
    Ok(wanted_at(server, origin, branch, &commit, cause).await)
}

/// The same for a head that was looked up and fetched just now.
pub(super) async fn wanted_at(
    server: &Server,
    origin: &Origin,
    branch: &str,
    commit: &str,
    cause: Cause,
) -> Result<Vec<Request>, Nothing> {
    let config = origin.config(commit, &server.options.config).await.map_err(|error| Nothing::Mistake {
        commit: commit.to_owned(),
        why: visible_lines(&redacted(&format!("{error:#}"))),
    })?;
    let concerned = config.environments.iter().filter(|(_, it)| it.branch.as_deref() == Some(branch));
    let request = |environment: &String| Request {
        repository: origin.served.name.clone(),
        environment: environment.clone(),
        branch: branch.to_owned(),
        commit: commit.to_owned(),
        cause,
        priority: 0,
    };
    Ok(concerned.map(|(environment, _)| request(environment)).collect())
}

/// Tells why nothing is deployed of a branch, and notes that this followed from deliveries. What was deployed from it
/// before is not any more: that is a run that has failed.
pub(super) async fn refuse(
    server: &Server,
    origin: &Origin,
    branch: &str,
    nothing: Nothing,
    cause: Cause,
    deliveries: &[String],
) -> Result<(), Failure> {
    let repository = origin.served.name.clone();
    server.log.say(format!("warning: nothing is deployed of branch {branch} of {repository}: {nothing}"));
    match nothing {
        Nothing::NoBranch(_) => server.store.settle(deliveries, &nothing.to_string()).await,
        Nothing::Mistake { commit, why: reason } => {
            let refusal = Refusal { repository, branch: branch.to_owned(), commit, cause, reason };
            server.store.refuse(&refusal, deliveries).await.map(drop)
        }
    }
}

//! What somebody who is known can do: the API and the pages do it by these functions alone.

use axum::http::StatusCode;
use serde::Deserialize;

use super::access::Access;
use super::extract::whole;
use super::problem::Problem;
use super::{Server, dispatch};
use crate::event::RunResult;
use crate::failure::Failure;
use crate::source::is_branch_name;
use crate::store::{Cause, Level, Request, Run, Unfit};

/// A wish for a run.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    /// May be left out where only one is served.
    pub(super) repository: Option<String>,
    pub(super) environment: String,
    pub(super) branch: String,
    #[serde(default, deserialize_with = "whole")]
    pub(super) priority: i64,
}

/// Has the head of a branch deployed to an environment.
pub(super) async fn ask(server: &Server, access: &Access, wish: &Wish) -> Result<Run, Problem> {
    let origin = match &wish.repository {
        Some(name) => server.origins.get(name),
        None => server.origins.only(),
    };
    let origin = origin
        .filter(|origin| access.may(&origin.served.name, Level::Read))
        .ok_or_else(|| unprocessable("the repository is not served here, or not named"))?;
    access.require(&origin.served.name, Level::Run)?;
    if !is_branch_name(&wish.branch) {
        return Err(unprocessable(format!("`{}` is no name of a branch", wish.branch)));
    }
    let wanted = dispatch::wanted(server, origin, &wish.branch, Cause::Api)
        .await
        .map_err(|error| Problem::new(StatusCode::BAD_GATEWAY, error))?;
    let requests = wanted.map_err(|nothing| unprocessable(nothing.to_string()))?;
    let request = requests.into_iter().find(|request| request.environment == wish.environment);
    let request = request.ok_or_else(|| {
        let Wish { branch, environment, .. } = wish;
        unprocessable(format!("branch {branch} is not the branch of an environment {environment}"))
    })?;
    enqueue(server, access, Request { priority: wish.priority, ..request }).await
}

/// Has the head of a run's branch deployed to its environment anew.
pub(super) async fn again(server: &Server, access: &Access, id: i64) -> Result<Run, Problem> {
    let Run { repository, environment, branch, priority, .. } = find(server, access, id).await?;
    ask(server, access, &Wish { repository: Some(repository), environment, branch, priority }).await
}

/// Has the commit of a run that went well deployed to its environment again, whatever the branch's head is.
pub(super) async fn roll_back(server: &Server, access: &Access, id: i64) -> Result<Run, Problem> {
    let run = find(server, access, id).await?;
    access.require(&run.repository, Level::Approve)?;
    if !matches!(run.result, Some(RunResult::Changed | RunResult::Unchanged)) {
        let message = format!("run {id} did not deploy its commit well: roll back to one that did");
        return Err(Problem::new(StatusCode::CONFLICT, message));
    }
    let Run { repository, environment, branch, commit, .. } = run;
    let request = Request { repository, environment, branch, commit, cause: Cause::Rollback, priority: 0 };
    enqueue(server, access, request).await
}

async fn enqueue(server: &Server, access: &Access, request: Request) -> Result<Run, Problem> {
    let enqueued = server.store.ask(&request, &access.by()).await.map_err(unavailable(server))?;
    server.queued.notify_one();
    find(server, access, enqueued.run()).await
}

/// Approves the plan of a run, which somebody has seen: it is deployed if it is still the plan.
pub(super) async fn approve(server: &Server, access: &Access, id: i64, digest: &str) -> Result<Run, Problem> {
    let run = find(server, access, id).await?;
    access.require(&run.repository, Level::Approve)?;
    let approved = server.store.approve(id, digest, &access.by()).await;
    settled(server, access, id, approved).await
}

/// Rejects the plan of a run: it has ended with that.
pub(super) async fn reject(
    server: &Server,
    access: &Access,
    id: i64,
    digest: Option<&str>,
) -> Result<Run, Problem> {
    let run = find(server, access, id).await?;
    access.require(&run.repository, Level::Approve)?;
    let rejected = server.store.reject(id, digest, &access.by()).await;
    settled(server, access, id, rejected).await
}

async fn settled(
    server: &Server,
    access: &Access,
    id: i64,
    settled: Result<Result<(), Unfit>, Failure>,
) -> Result<Run, Problem> {
    let settled = settled.map_err(unavailable(server))?;
    settled.map_err(|unfit| Problem::new(StatusCode::CONFLICT, format!("run {id}: {unfit}")))?;
    server.queued.notify_one();
    find(server, access, id).await
}

/// Gives a run that waits another priority: the greater goes first.
pub(super) async fn prioritize(
    server: &Server,
    access: &Access,
    id: i64,
    priority: i64,
) -> Result<Run, Problem> {
    let run = find(server, access, id).await?;
    access.require(&run.repository, Level::Run)?;
    if !server.store.prioritize(id, priority, &access.by()).await.map_err(unavailable(server))? {
        let message = format!("run {id} does not wait any more, and so has no turn");
        return Err(Problem::new(StatusCode::CONFLICT, message));
    }
    server.queued.notify_one();
    find(server, access, id).await
}

/// A run that somebody may see.
pub(super) async fn find(server: &Server, access: &Access, id: i64) -> Result<Run, Problem> {
    let run = server.store.run(id).await.map_err(unavailable(server))?;
    let run = run.filter(|run| access.may(&run.repository, Level::Read));
    run.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, format!("there is no run {id}")))
}

fn unprocessable(message: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, message)
}

fn unavailable(server: &Server) -> impl Fn(Failure) -> Problem {
    |failure| server.unavailable(&failure)
}

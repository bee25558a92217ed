use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::access::Access;
use super::extract::{Path, Query, whole};
use super::filter::Filter;
use super::problem::Problem;
use super::{Server, dispatch};
use crate::source::is_branch_name;
use crate::store::{Audited, Cause, Drift, Environment, Level, Request, Run};

/// The largest request.
const LIMIT: usize = 64 * 1024;

/// How many runs and events one answer has at most.
const RUNS: u16 = 100;
const EVENTS: u16 = 1000;

pub(super) fn router() -> Router<Arc<Server>> {
    Router::new()
        .route("/api/environments", get(environments))
        .route("/api/runs", get(list).post(ask))
        .route("/api/runs/{id}", get(one))
        .route("/api/runs/{id}/events", get(events))
        .route("/api/drift", get(drift))
        .route("/api/audit", get(audit))
        .route("/api/session", get(session))
        .merge(super::description::router())
}

/// A wish for a run.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    /// May be left out where only one is served.
    repository: Option<String>,
    environment: String,
    branch: String,
    #[serde(default, deserialize_with = "whole")]
    priority: i64,
}

async fn ask(
    State(server): State<Arc<Server>>,
    access: Access,
    body: Body,
) -> Result<(StatusCode, Json<Run>), Problem> {
    let body = server.room.read(body, LIMIT).await?;
    let wish: Wish = serde_json::from_slice(&body.bytes).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, format!("the body is no request for a run: {error}"))
    })?;
    let unprocessable = |message: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, message);
    let origin = match &wish.repository {
        Some(name) => server.origins.get(name),
        None => server.origins.only(),
    };
    let origin = origin
        .filter(|origin| access.may(&origin.served.name, Level::Read))
        .ok_or_else(|| unprocessable("the repository is not served here, or not named".into()))?;
    access.require(&origin.served.name, Level::Run)?;
    if !is_branch_name(&wish.branch) {
        return Err(unprocessable(format!("`{}` is no name of a branch", wish.branch)));
    }
    let wanted = dispatch::wanted(&server, origin, &wish.branch, Cause::Api)
        .await
        .map_err(|error| Problem::new(StatusCode::BAD_GATEWAY, error))?;
    let requests = wanted.map_err(|nothing| unprocessable(nothing.to_string()))?;
    let request = requests.into_iter().find(|request| request.environment == wish.environment);
    let request = request.ok_or_else(|| {
        unprocessable(format!(
            "branch {} is not the branch of an environment {}",
            wish.branch, wish.environment
        ))
    })?;
    let request = Request { priority: wish.priority, ..request };
    let enqueued = server.store.ask(&request, &access.by()).await;
    let enqueued = enqueued.map_err(|error| server.unavailable(&error))?;
    server.queued.notify_one();
    Ok((StatusCode::ACCEPTED, Json(find(&server, &access, enqueued.run()).await?)))
}

/// A run that somebody may see.
pub(super) async fn find(server: &Server, access: &Access, id: i64) -> Result<Run, Problem> {
    let run = server.store.run(id).await.map_err(|error| server.unavailable(&error))?;
    let run = run.filter(|run| access.may(&run.repository, Level::Read));
    run.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, format!("there is no run {id}")))
}

async fn list(
    State(server): State<Arc<Server>>,
    access: Access,
    Query(filter): Query<Filter>,
    Query(page): Query<Page>,
) -> Result<Json<Vec<Run>>, Problem> {
    let limit = page.limit.unwrap_or(RUNS).min(RUNS);
    let which = filter.runs(access.repositories(&server, Level::Read), page.before);
    let runs = server.store.runs(which, limit).await;
    runs.map(Json).map_err(|error| server.unavailable(&error))
}

async fn environments(
    State(server): State<Arc<Server>>,
    access: Access,
) -> Result<Json<Vec<Environment>>, Problem> {
    seen(&server, &access).await.map(Json)
}

/// What runs where, as far as somebody may see it.
pub(super) async fn seen(server: &Server, access: &Access) -> Result<Vec<Environment>, Problem> {
    let mut environments = server.store.environments().await.map_err(|error| server.unavailable(&error))?;
    environments.retain(|environment| access.may(&environment.repository, Level::Read));
    Ok(environments)
}

async fn one(
    State(server): State<Arc<Server>>,
    access: Access,
    Path(id): Path<i64>,
) -> Result<Json<Run>, Problem> {
    find(&server, &access, id).await.map(Json)
}

async fn drift(State(server): State<Arc<Server>>, access: Access) -> Result<Json<Vec<Drift>>, Problem> {
    let mut drift = server.store.drift().await.map_err(|error| server.unavailable(&error))?;
    drift.retain(|drift| access.may(&drift.repository, Level::Read));
    Ok(Json(drift))
}

#[derive(Deserialize)]
struct From {
    #[serde(default)]
    from: i64,
}

/// An event and its number.
#[derive(Serialize)]
struct Numbered {
    sequence: i64,
    event: Value,
}

async fn events(
    State(server): State<Arc<Server>>,
    access: Access,
    Path(id): Path<i64>,
    Query(From { from }): Query<From>,
) -> Result<Json<Vec<Numbered>>, Problem> {
    find(&server, &access, id).await?;
    let lines = server.store.events(id, from, EVENTS).await.map_err(|error| server.unavailable(&error))?;
    let numbered = |(sequence, line): (i64, String)| {
        serde_json::from_str(&line).ok().map(|event| Numbered { sequence, event })
    };
    Ok(Json(lines.into_iter().filter_map(numbered).collect()))
}

#[derive(Deserialize)]
struct Page {
    before: Option<i64>,
    limit: Option<u16>,
}

/// The rows about repositories in which one may approve; those about none are for who may everywhere.
async fn audit(
    State(server): State<Arc<Server>>,
    access: Access,
    Query(page): Query<Page>,
) -> Result<Json<Vec<Audited>>, Problem> {
    let repositories = access.repositories(&server, Level::Approve);
    let limit = page.limit.unwrap_or(RUNS).min(RUNS);
    let rows = server.store.audit(repositories, page.before, limit).await;
    rows.map(Json).map_err(|error| server.unavailable(&error))
}

/// Who asks, and what their requests have to show.
#[derive(Serialize)]
struct Who {
    who: String,
    csrf: Option<String>,
}

async fn session(access: Access) -> Json<Who> {
    Json(Who { who: access.who().to_owned(), csrf: access.csrf().map(str::to_owned) })
}

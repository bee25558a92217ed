use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::access::Access;
use super::extract::{Path, Query, whole};
use super::filter::Filter;
use super::problem::Problem;
use super::{Server, act};
use crate::store::{Audited, Drift, Environment, Level, Run};

/// The largest request.
const LIMIT: usize = 64 * 1024;

/// How many runs and events one answer has at most.
const RUNS: u16 = 100;
const EVENTS: u16 = 1000;

pub(super) fn router() -> Router<Arc<Server>> {
    Router::new()
        .route("/api/runs", get(list).post(ask))
        .route("/api/runs/{id}", get(one))
        .route("/api/runs/{id}/events", get(events))
        .route("/api/runs/{id}/again", post(again))
        .route("/api/runs/{id}/rollback", post(roll_back))
        .route("/api/runs/{id}/approve", post(approve))
        .route("/api/runs/{id}/reject", post(reject))
        .route("/api/runs/{id}/priority", post(prioritize))
        .route("/api/environments", get(environments))
        .route("/api/drift", get(drift))
        .route("/api/audit", get(audit))
        .route("/api/session", get(session))
        .merge(super::description::router())
}

async fn ask(
    State(server): State<Arc<Server>>,
    access: Access,
    body: Body,
) -> Result<(StatusCode, Json<Run>), Problem> {
    let wish = read(&server, body).await?;
    act::ask(&server, &access, &wish).await.map(accepted)
}

async fn again(
    State(server): State<Arc<Server>>,
    access: Access,
    Path(id): Path<i64>,
) -> Result<(StatusCode, Json<Run>), Problem> {
    act::again(&server, &access, id).await.map(accepted)
}

async fn roll_back(
    State(server): State<Arc<Server>>,
    access: Access,
    Path(id): Path<i64>,
) -> Result<(StatusCode, Json<Run>), Problem> {
    act::roll_back(&server, &access, id).await.map(accepted)
}

fn accepted(run: Run) -> (StatusCode, Json<Run>) {
    (StatusCode::ACCEPTED, Json(run))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Approving {
    digest: String,
}

async fn approve(
    State(server): State<Arc<Server>>,
    access: Access,
    Path(id): Path<i64>,
    body: Body,
) -> Result<Json<Run>, Problem> {
    let Approving { digest } = read(&server, body).await?;
    act::approve(&server, &access, id, &digest).await.map(Json)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rejecting {
    digest: Option<String>,
}

async fn reject(
    State(server): State<Arc<Server>>,
    access: Access,
    Path(id): Path<i64>,
    body: Body,
) -> Result<Json<Run>, Problem> {
    let Rejecting { digest } = read(&server, body).await?;
    act::reject(&server, &access, id, digest.as_deref()).await.map(Json)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Prioritizing {
    #[serde(deserialize_with = "whole")]
    priority: i64,
}

async fn prioritize(
    State(server): State<Arc<Server>>,
    access: Access,
    Path(id): Path<i64>,
    body: Body,
) -> Result<Json<Run>, Problem> {
    let Prioritizing { priority } = read(&server, body).await?;
    act::prioritize(&server, &access, id, priority).await.map(Json)
}

/// Reads a body in JSON.
async fn read<T: DeserializeOwned>(server: &Server, body: Body) -> Result<T, Problem> {
    let body = server.room.read(body, LIMIT).await?;
    serde_json::from_slice(&body.bytes).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, format!("the body is not what this request takes: {error}"))
    })
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
    let environments = server.store.environments(access.repositories(server, Level::Read)).await;
    environments.map_err(|error| server.unavailable(&error))
}

async fn one(
    State(server): State<Arc<Server>>,
    access: Access,
    Path(id): Path<i64>,
) -> Result<Json<Run>, Problem> {
    act::find(&server, &access, id).await.map(Json)
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
    act::find(&server, &access, id).await?;
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

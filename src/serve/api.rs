use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::problem::Problem;
use super::{Server, dispatch};
use crate::failure::Failure;
use crate::store::{Cause, Environment, Filter, Run};

/// The largest request.
const LIMIT: usize = 64 * 1024;

/// How many runs and events one answer has at most.
const RUNS: u16 = 100;
const EVENTS: u16 = 1000;

/// What the store says is for whoever runs the server, not for whoever asks it.
pub(super) fn unavailable(server: &Server, failure: &Failure) -> Problem {
    server.log.say(format!("warning: a request was not answered: {failure}"));
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the store does not answer; try again later")
}

pub(super) fn router(server: &Arc<Server>) -> Router<Arc<Server>> {
    Router::new()
        .route("/api/environments", get(environments))
        .route("/api/runs", get(list).post(ask))
        .route("/api/runs/{id}", get(one))
        .route("/api/runs/{id}/events", get(events))
        .layer(from_fn_with_state(Arc::clone(server), authorize))
}

pub(super) async fn authorize(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    let shown = request.headers().get(AUTHORIZATION);
    let opens = |token: &super::ApiToken| shown.is_some_and(|shown| token.opens(shown.as_bytes()));
    if server.options.token.as_ref().is_some_and(opens) {
        return next.run(request).await;
    }
    Problem::new(StatusCode::UNAUTHORIZED, "send the API's token: `Authorization: Bearer TOKEN`")
        .into_response()
}

/// A wish for a run.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    /// May be left out where only one is served.
    repository: Option<String>,
    environment: String,
    branch: String,
    #[serde(default)]
    priority: i64,
}

async fn ask(State(server): State<Arc<Server>>, body: Body) -> Result<(StatusCode, Json<Run>), Problem> {
    let body = server.room.read(body, LIMIT).await?;
    let wish: Wish = serde_json::from_slice(&body.bytes).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, format!("the body is no request for a run: {error}"))
    })?;
    let unprocessable = |message: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, message);
    let origin = match &wish.repository {
        Some(name) => server.origins.get(name),
        None => server.origins.only(),
    };
    let origin =
        origin.ok_or_else(|| unprocessable("the repository is not served here, or not named".into()))?;
    let wanted = dispatch::wanted(&server, origin, &wish.branch, Cause::Api)
        .await
        .map_err(|error| Problem::new(StatusCode::BAD_GATEWAY, error))?;
    let mut requests = wanted.map_err(unprocessable)?;
    requests.retain(|request| request.environment == wish.environment);
    if requests.is_empty() {
        return Err(unprocessable(format!(
            "branch {} is not the branch of an environment {}",
            wish.branch, wish.environment
        )));
    }
    for request in &mut requests {
        request.priority = wish.priority;
    }
    let enqueued =
        server.store.enqueue(&requests, &[]).await.map_err(|error| unavailable(&server, &error))?;
    server.queued.notify_one();
    let id = enqueued.first().map_or(0, |enqueued| enqueued.run());
    Ok((StatusCode::ACCEPTED, Json(find(&server, id).await?)))
}

pub(super) async fn find(server: &Server, id: i64) -> Result<Run, Problem> {
    let run = server.store.run(id).await.map_err(|error| unavailable(server, &error))?;
    run.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, format!("there is no run {id}")))
}

#[derive(Deserialize)]
struct Page {
    before: Option<i64>,
    limit: Option<u16>,
}

async fn list(
    State(server): State<Arc<Server>>,
    Query(filter): Query<Filter>,
    Query(page): Query<Page>,
) -> Result<Json<Vec<Run>>, Problem> {
    let limit = page.limit.unwrap_or(RUNS).min(RUNS);
    let runs = server.store.runs(&filter, page.before, limit).await;
    runs.map(Json).map_err(|error| unavailable(&server, &error))
}

async fn environments(State(server): State<Arc<Server>>) -> Result<Json<Vec<Environment>>, Problem> {
    server.store.environments().await.map(Json).map_err(|error| unavailable(&server, &error))
}

async fn one(State(server): State<Arc<Server>>, Path(id): Path<i64>) -> Result<Json<Run>, Problem> {
    find(&server, id).await.map(Json)
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
    Path(id): Path<i64>,
    Query(From { from }): Query<From>,
) -> Result<Json<Vec<Numbered>>, Problem> {
    find(&server, id).await?;
    let lines = server.store.events(id, from, EVENTS).await.map_err(|error| unavailable(&server, &error))?;
    let numbered = |(sequence, line): (i64, String)| {
        serde_json::from_str(&line).ok().map(|event| Numbered { sequence, event })
    };
    Ok(Json(lines.into_iter().filter_map(numbered).collect()))
}

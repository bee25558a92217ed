//! The routes, and what all of them have in common: problems, traces, log lines, metrics.

mod body;
mod events;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::admission::Admission;
use crate::authentication::Authentication;
use crate::cloudevent::Rules;
use crate::health::Health;
use crate::kafka::Producer;
use crate::metrics::Metrics;
use crate::openapi;
use crate::problem::{Kind, Problem};
use crate::settings::Limits;
use crate::trace_context::{TRACEPARENT, TraceContext};

/// What the routes work with.
pub struct Api {
    /// Who may send events.
    pub authentication: Authentication,
    /// What a request may cost.
    pub limits: Limits,
    /// What an event has to be.
    pub rules: Rules,
    /// What there is room for.
    pub admission: Arc<Admission>,
    /// What is known about the brokers.
    pub health: Arc<Health>,
    /// Where events go.
    pub producer: Arc<Producer>,
    /// What is counted.
    pub metrics: Metrics,
}

/// The routes.
pub fn router(api: Arc<Api>) -> Router {
    let document = openapi::document(&api.limits);
    Router::new()
        .route("/events", post(events::publish))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/openapi.json", get(|| async move { ([(CONTENT_TYPE, "application/json")], document) }))
        .method_not_allowed_fallback(|| async {
            Problem::new(Kind::MethodNotAllowed, "see the header Allow")
        })
        .fallback(|| async { Problem::new(Kind::NotFound, "see /openapi.json for what there is") })
        .layer(middleware::from_fn_with_state(Arc::clone(&api), telemetry))
        .with_state(api)
}

async fn healthz(State(api): State<Arc<Api>>) -> Response {
    if api.health.is_healthy() { "ok".into_response() } else { unavailable("no broker was reached yet") }
}

async fn readyz(State(api): State<Arc<Api>>) -> Response {
    if api.health.is_ready() {
        "ready".into_response()
    } else {
        unavailable("no broker is reached, or stopping")
    }
}

fn unavailable(why: &'static str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
}

/// Takes part in the caller's trace, renders problems, and leaves a log line and a count for each request.
async fn telemetry(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let trace = TraceContext::of(request.headers());
    let path = known(request.uri().path());
    let instance = request.uri().path().to_owned();
    request.extensions_mut().insert(trace.clone());
    let mut response = next.run(request).await;
    let problem = response.extensions_mut().remove::<Problem>();
    if let Some(problem) = &problem {
        response = with_headers(problem.render(&instance, &trace.trace_id), response);
        api.metrics.problem(problem.kind.name());
    }
    if let Ok(value) = HeaderValue::from_str(&trace.to_string()) {
        response.headers_mut().insert(TRACEPARENT, value);
    }
    api.metrics.request(path, response.status(), began.elapsed());
    log(path, &trace, &response, problem.as_ref(), began);
    response
}

/// What the router itself has said, such as `Allow`, is kept.
fn with_headers(mut rendered: Response, bare: Response) -> Response {
    for (name, value) in bare.headers() {
        rendered.headers_mut().entry(name).or_insert(value.clone());
    }
    *rendered.extensions_mut() = bare.into_parts().0.extensions;
    rendered
}

/// The path, if there is something at it: anybody can ask for any path.
fn known(path: &str) -> &'static str {
    ["/events", "/healthz", "/readyz", "/openapi.json"].into_iter().find(|it| *it == path).unwrap_or("other")
}

fn log(path: &str, trace: &TraceContext, response: &Response, problem: Option<&Problem>, began: Instant) {
    let status = response.status().as_u16();
    let millis = began.elapsed().as_secs_f64() * 1000.0;
    let (trace_id, span_id) = (&trace.trace_id, &trace.span_id);
    let work = response.extensions().get::<events::Work>().cloned().unwrap_or_default();
    let events::Work { caller, bytes, events } = work;
    let detail = problem.map(|problem| problem.detail.as_ref()).unwrap_or_default();
    macro_rules! failure {
        ($level:ident, $problem:ident, $message:literal) => {
            tracing::$level!(
                trace_id,
                span_id,
                path,
                caller,
                status,
                problem = $problem,
                detail,
                bytes,
                events,
                millis,
                $message
            )
        };
    }
    match problem.map(|problem| problem.kind.name()) {
        // Load balancers and orchestrators ask for health every few seconds.
        None if path != "/events" => {}
        None => tracing::info!(trace_id, span_id, caller, status, bytes, events, millis, "events published"),
        Some(problem) if status >= 500 => failure!(error, problem, "request failed"),
        Some(problem) => failure!(info, problem, "request refused"),
    }
}

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::Server;
use crate::event::RunResult;
use crate::store::State as RunState;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper ends, in seconds, of the classes that durations of runs are counted in.
const DURATIONS: [f64; 10] = [1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0];

/// What is counted.
#[derive(Debug)]
pub(super) struct Metrics {
    deliveries: Family<Answer, Counter>,
    ended: Family<Result, Counter>,
    durations: Histogram,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    answer: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Result {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Now {
    state: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { deliveries: Family::default(), ended: Family::default(), durations: Histogram::new(DURATIONS) }
    }
}

impl Metrics {
    /// Counts a delivery.
    pub(super) fn delivery(&self, answer: &'static str) {
        self.deliveries.get_or_create(&Answer { answer }).inc();
    }

    /// Counts a run that has ended.
    pub(super) fn ended(&self, result: RunResult, took: Duration) {
        self.ended.get_or_create(&Result { result: result.as_str() }).inc();
        self.durations.observe(took.as_secs_f64());
    }
}

/// What is registered, and what is looked up when somebody asks.
#[derive(Debug)]
struct Page {
    registry: Registry,
    runs: Family<Now, Gauge>,
}

pub(super) fn router(server: &Server) -> Router<Arc<Server>> {
    let Metrics { deliveries, ended, durations } = &server.metrics;
    let runs = Family::default();
    let mut registry = Registry::with_prefix("pipeline");
    registry.register("deliveries", "Deliveries, by what was answered", deliveries.clone());
    registry.register(
        "runs",
        "Runs that wait, for their turn (queued) or for approval (waiting), or are carried out",
        Family::clone(&runs),
    );
    registry.register("runs_ended", "Runs that this process carried out, by result", ended.clone());
    let help = "How long these runs took";
    registry.register_with_unit("run_duration", help, Unit::Seconds, durations.clone());
    let page = Arc::new(Page { registry, runs });
    Router::new().route("/metrics", get(move |State(server)| show(server, page)))
}

async fn show(server: Arc<Server>, page: Arc<Page>) -> Response {
    for (name, state) in
        [("queued", RunState::Queued), ("running", RunState::Running), ("waiting", RunState::Waiting)]
    {
        let Ok(count) = server.store.count(state).await else {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        };
        page.runs.get_or_create(&Now { state: name }).set(count);
    }
    let mut text = String::new();
    match encode(&mut text, &page.registry) {
        Ok(()) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

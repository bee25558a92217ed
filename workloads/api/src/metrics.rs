use std::sync::Arc;
use std::time::Duration;

use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Router, http::StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::admission::Admission;
use crate::health::Health;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper ends, in seconds, of the classes that durations are counted in.
const DURATIONS: [f64; 12] = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0];

/// What is counted. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    requests: Family<Request, Counter>,
    durations: Histogram,
    problems: Family<Reason, Counter>,
    /// Events that the brokers have acknowledged.
    pub acknowledged: Counter,
    /// Events that they have not, by the client's error.
    failed: Family<Reason, Counter>,
    /// Connections to the API.
    pub connections: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    path: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: String,
}

impl Metrics {
    /// Counts a request that was answered.
    pub fn request(&self, path: &'static str, status: StatusCode, took: Duration) {
        self.requests.get_or_create(&Request { path, status: status.as_u16() }).inc();
        if path == "/events" {
            self.durations.observe(took.as_secs_f64());
        }
    }

    /// Counts a request that was refused.
    pub fn problem(&self, name: &str) {
        self.problems.get_or_create(&Reason { reason: name.to_owned() }).inc();
    }

    /// Counts an event that was not acknowledged.
    pub fn failed(&self, error: &str) {
        self.failed.get_or_create(&Reason { reason: error.to_owned() }).inc();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            durations: Histogram::new(DURATIONS),
            problems: Family::default(),
            acknowledged: Counter::default(),
            failed: Family::default(),
            connections: Gauge::default(),
        }
    }
}

/// What Prometheus reads: the counters, and what is the case at that moment.
pub fn router(metrics: &Metrics, admission: Arc<Admission>, health: Arc<Health>) -> Router {
    let mut registry = Registry::with_prefix("api");
    registry.register("http_requests", "Requests, by path and status", metrics.requests.clone());
    registry.register_with_unit(
        "events_request_duration",
        "How long requests to /events took",
        Unit::Seconds,
        metrics.durations.clone(),
    );
    registry.register("problems", "Refused requests, by the problem's type", metrics.problems.clone());
    registry.register(
        "events_acknowledged",
        "Events that the brokers have acknowledged",
        metrics.acknowledged.clone(),
    );
    registry.register(
        "events_failed",
        "Events that they have not, by the client's error",
        metrics.failed.clone(),
    );
    registry.register("connections", "Open connections", metrics.connections.clone());
    let now = Now::default();
    registry.register_with_unit(
        "in_flight",
        "Bodies being read or not acknowledged",
        Unit::Bytes,
        now.bytes.clone(),
    );
    registry.register("in_flight_events", "Events not acknowledged", now.events.clone());
    registry.register("kafka_reachable", "1 if a broker was reached at the last look", now.reachable.clone());
    let registry = Arc::new(registry);
    let show = move || {
        let (bytes, events) = admission.taken();
        now.bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        now.events.set(i64::try_from(events).unwrap_or(i64::MAX));
        now.reachable.set(health.is_reachable().into());
        let mut text = String::new();
        let shown = encode(&mut text, &registry);
        async move {
            match shown {
                Ok(()) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
                Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            }
        }
    };
    Router::new().route("/metrics", get(show))
}

/// What is looked up when somebody asks.
#[derive(Debug, Clone, Default)]
struct Now {
    bytes: Gauge,
    events: Gauge,
    reachable: Gauge,
}

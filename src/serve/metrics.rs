use std::sync::Arc;
use std::sync::atomic::AtomicU64;
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
use tokio::sync::Mutex;

use super::Server;
use super::access::Access;
use super::keys::keys;
use crate::event::RunResult;
use crate::store::{End, Level, Run, State as RunState};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper ends, in seconds, of the classes that durations of runs are counted in.
const DURATIONS: [f64; 10] = [1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0];

/// The same for the time that runs wait.
const WAITS: [f64; 9] = [0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0];

/// The four keys are those of this time.
const WINDOW: Duration = Duration::from_hours(24 * 30);

/// What is counted.
#[derive(Debug)]
pub(super) struct Metrics {
    deliveries: Family<Answer, Counter>,
    ended: Family<Result, Counter>,
    durations: Histogram,
    waits: Histogram,
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
struct Environment {
    repository: String,
    environment: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Now {
    state: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            deliveries: Family::default(),
            ended: Family::default(),
            durations: Histogram::new(DURATIONS),
            waits: Histogram::new(WAITS),
        }
    }
}

impl Metrics {
    /// Counts a delivery.
    pub(super) fn delivery(&self, answer: &'static str) {
        self.deliveries.get_or_create(&Answer { answer }).inc();
    }

    /// Counts a run that begins.
    pub(super) fn began(&self, run: &Run) {
        let wait = run.started.map(|started| started.duration_since(run.created).as_secs_f64());
        self.waits.observe(wait.unwrap_or_default().max(0.0));
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
    longest_wait: Seconds,
    keys: FourKeys,
    /// One at a time asks: the numbers are set for each.
    asking: Mutex<()>,
}

/// A number of seconds, or a ratio.
type Seconds = Gauge<f64, AtomicU64>;

/// DORA's four keys by environment.
#[derive(Debug, Default)]
struct FourKeys {
    deployments: Family<Environment, Gauge>,
    lead_time: Family<Environment, Seconds>,
    failure_rate: Family<Environment, Seconds>,
    restore_time: Family<Environment, Seconds>,
}

impl FourKeys {
    fn register(&self, registry: &mut Registry) {
        let Self { deployments, lead_time, failure_rate, restore_time } = self;
        let help = "Runs of the last 30 days that changed what is live";
        registry.register("deployments", help, deployments.clone());
        let help = "From commit to live: the median of the last 30 days";
        registry.register_with_unit("lead_time", help, Unit::Seconds, lead_time.clone());
        let help = "Which part of the runs of the last 30 days that were to change something failed";
        registry.register_with_unit("change_failure", help, Unit::Ratios, failure_rate.clone());
        let help = "From a failure to the next run that went well: the median of the last 30 days";
        registry.register_with_unit("restore_time", help, Unit::Seconds, restore_time.clone());
    }

    fn set(&self, ends: &[End]) {
        // What is no longer to be told is no longer there.
        self.deployments.clear();
        for family in [&self.lead_time, &self.failure_rate, &self.restore_time] {
            family.clear();
        }
        for ((repository, environment), keys) in keys(ends) {
            let of = Environment { repository: repository.to_owned(), environment: environment.to_owned() };
            self.deployments.get_or_create(&of).set(keys.deployments);
            for (family, value) in [
                (&self.lead_time, keys.lead_time),
                (&self.failure_rate, keys.failure_rate),
                (&self.restore_time, keys.restore_time),
            ] {
                if let Some(value) = value {
                    family.get_or_create(&of).set(value);
                }
            }
        }
    }
}

pub(super) fn router(server: &Server) -> Router<Arc<Server>> {
    let Metrics { deliveries, ended, durations, waits } = &server.metrics;
    let (runs, longest_wait, keys) = (Family::default(), Seconds::default(), FourKeys::default());
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
    let help = "How long the runs that this process carried out had waited for their turn";
    registry.register_with_unit("queue_wait", help, Unit::Seconds, waits.clone());
    let help = "How long the run that waits longest has waited";
    registry.register_with_unit("queue_longest_wait", help, Unit::Seconds, longest_wait.clone());
    keys.register(&mut registry);
    let page = Arc::new(Page { registry, runs, longest_wait, keys, asking: Mutex::default() });
    Router::new().route("/metrics", get(move |State(server), access| show(server, access, page)))
}

/// Whoever may read some repositories is told of those alone where repositories are named.
async fn show(server: Arc<Server>, access: Access, page: Arc<Page>) -> Response {
    let _alone = page.asking.lock().await;
    for (name, state) in
        [("queued", RunState::Queued), ("running", RunState::Running), ("waiting", RunState::Waiting)]
    {
        let Ok(count) = server.store.count(state).await else {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        };
        page.runs.get_or_create(&Now { state: name }).set(count);
    }
    let (Ok(wait), Ok(mut ends)) = (server.store.longest_wait().await, server.store.ends(WINDOW).await)
    else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    page.longest_wait.set(wait.as_secs_f64());
    ends.retain(|end| access.may(&end.repository, Level::Read));
    page.keys.set(&ends);
    let mut text = String::new();
    match encode(&mut text, &page.registry) {
        Ok(()) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

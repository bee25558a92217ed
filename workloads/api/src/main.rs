//! Takes CloudEvents over HTTP and answers once Kafka has them. README.md says how it is used.
//!
//! `api` serves; `api healthcheck` asks the one that serves on this machine whether it is healthy.

mod admission;
mod authentication;
mod cloudevent;
mod health;
mod healthcheck;
mod http;
mod kafka;
mod metrics;
mod openapi;
mod problem;
mod server;
mod settings;
mod trace_context;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::admission::Admission;
use crate::cloudevent::Rules;
use crate::health::Health;
use crate::http::Api;
use crate::kafka::Producer;
use crate::metrics::Metrics;
use crate::settings::Settings;

/// What is added to the time that an event may take, for the rest of its request to be read and answered.
const MARGIN: Duration = Duration::from_secs(5);

fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        None => {}
        Some("healthcheck") => {
            return healthcheck::run(&std::env::var("PORT").unwrap_or_else(|_| "8080".to_owned()));
        }
        Some(other) => bail!("there is no command `{other}`: call api without arguments, or api healthcheck"),
    }
    tracing_subscriber::fmt().json().flatten_event(true).with_span_list(false).with_target(false).init();
    let settings = Settings::from_env(|name| std::env::var(name).ok())?;
    let runtime = tokio::runtime::Runtime::new().context("the runtime can't be started")?;
    let result = runtime.block_on(run(settings));
    // A look at the brokers may be under way; nobody needs its result.
    runtime.shutdown_background();
    result
}

async fn run(settings: Settings) -> anyhow::Result<()> {
    let Settings { port, metrics_port, kafka, authentication, ordering_key, limits } = settings;
    let producer = Arc::new(Producer::new(&kafka, &limits).await?);
    let health = Arc::new(Health::default());
    // Who asks for health after this finds it as it is.
    kafka::look(&producer, &health).await;
    let admission = Arc::new(Admission::new(&limits));
    let metrics = Metrics::default();
    let (listener, metrics_listener) = (listen(port).await?, listen(metrics_port).await?);
    let (port, metrics_port) = (listener.local_addr()?.port(), metrics_listener.local_addr()?.port());
    tracing::info!(port, metrics_port, topic = kafka.topic, brokers = kafka.brokers, "listening");
    let scraped = metrics::router(&metrics, Arc::clone(&admission), Arc::clone(&health));
    tokio::spawn(axum::serve(metrics_listener, scraped).into_future());
    let rules = Rules { event: limits.event, batch: limits.batch, ordering_key };
    let api = Api {
        authentication,
        limits: limits.clone(),
        rules,
        admission,
        health: Arc::clone(&health),
        producer: Arc::clone(&producer),
        metrics: metrics.clone(),
    };
    tokio::spawn(kafka::watch(Arc::clone(&producer), Arc::clone(&health)));
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        health.stop();
        tracing::info!("stopping");
    };
    let patience = kafka.delivery_timeout + MARGIN;
    server::serve(listener, http::router(Arc::new(api)), &limits, &metrics, stop, patience).await;
    // What callers that went away have left behind.
    tokio::task::spawn_blocking(move || producer.flush(MARGIN)).await??;
    tracing::info!("stopped");
    Ok(())
}

async fn listen(port: u16) -> anyhow::Result<TcpListener> {
    TcpListener::bind(("0.0.0.0", port)).await.with_context(|| format!("port {port} can't be listened on"))
}

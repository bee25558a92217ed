//! Takes events over HTTP and answers once Kafka has them.
//!
//! `POST /events` with any JSON document answers `202` and the event's id when all in-sync replicas have
//! acknowledged it. `GET /healthz` says that the process is up; it does not ask Kafka, so that a broker's restart
//! does not take every task out of the load balancer.
//!
//! The connection to Kafka is plaintext: this build of the client has no TLS.

mod event;
mod http;
mod producer;
mod settings;

use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::producer::Producer;
use crate::settings::Settings;

/// How long the client may take to hand over what is still queued once no request is left.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().json().flatten_event(true).with_span_list(false).with_target(false).init();
    let settings = Settings::from_env(|name| std::env::var(name).ok())?;
    let producer = Producer::new(&settings)?;
    let listener = TcpListener::bind(("0.0.0.0", settings.port))
        .await
        .with_context(|| format!("port {} can't be listened on", settings.port))?;
    tracing::info!(port = settings.port, topic = settings.topic, brokers = settings.brokers, "listening");
    let mut terminate = signal(SignalKind::terminate())?;
    axum::serve(listener, http::router(producer.clone()))
        .with_graceful_shutdown(async move {
            terminate.recv().await;
            tracing::info!("stopping");
        })
        .await?;
    tokio::task::spawn_blocking(move || producer.flush(FLUSH_TIMEOUT)).await?
}

use anyhow::Context;
use axum::routing::post;
use axum::{Json, Router};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::event::{BatchResponse, KafkaEvent};
use crate::handler::handle;

/// The port and path on which the Runtime Interface Emulator takes invocations.
/// <https://docs.aws.amazon.com/lambda/latest/dg/images-test.html>
const PORT: u16 = 8080;
const PATH: &str = "/2015-03-31/functions/function/invocations";

/// Serves invocations until SIGTERM.
///
/// # Errors
/// If the port is taken.
pub async fn serve() -> anyhow::Result<()> {
    let listener = TcpListener::bind(("0.0.0.0", PORT))
        .await
        .with_context(|| format!("port {PORT} can't be listened on"))?;
    let mut terminate = signal(SignalKind::terminate())?;
    axum::serve(listener, Router::new().route(PATH, post(invoke)))
        .with_graceful_shutdown(async move {
            terminate.recv().await;
        })
        .await
        .context("the HTTP server ended")
}

async fn invoke(Json(event): Json<KafkaEvent>) -> Json<BatchResponse> {
    Json(handle(&event))
}

//! Where there is no Lambda: invocations over HTTP, as the Runtime Interface Emulator in AWS's base images takes them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::handler::{Handler, Invocation};
use crate::kafka::Batch;

/// <https://docs.aws.amazon.com/lambda/latest/dg/images-test.html>
const PORT: u16 = 8080;
const PATH: &str = "/2015-03-31/functions/function/invocations";
/// What Lambda takes: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const MAX_PAYLOAD: usize = 6 * 1024 * 1024 + 256;

/// Serves invocations until SIGTERM.
///
/// # Errors
/// If the port is taken.
pub async fn serve(handler: Arc<Handler>, timeout: Duration) -> anyhow::Result<()> {
    let listener = TcpListener::bind(("0.0.0.0", PORT))
        .await
        .with_context(|| format!("port {PORT} can't be listened on"))?;
    let mut terminate = signal(SignalKind::terminate())?;
    let router = Router::new()
        .route(PATH, post(invoke))
        .layer(DefaultBodyLimit::max(MAX_PAYLOAD))
        .with_state((handler, timeout));
    axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            terminate.recv().await;
        })
        .await
        .context("the HTTP server ended")
}

async fn invoke(
    State((handler, timeout)): State<(Arc<Handler>, Duration)>,
    headers: HeaderMap,
    Json(batch): Json<Batch>,
) -> Response {
    let request_id =
        headers.get("x-amzn-requestid").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    let invocation = Invocation { request_id, deadline: SystemTime::now() + timeout };
    match handler.handle(batch, &invocation).await {
        Ok(response) => Json(response).into_response(),
        Err(error) => {
            let error = json!({ "errorType": "Error", "errorMessage": format!("{error:#}") });
            ([("x-amz-function-error", "Unhandled")], Json(error)).into_response()
        }
    }
}

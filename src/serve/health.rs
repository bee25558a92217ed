use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;

use super::Server;

pub(super) fn router() -> Router<Arc<Server>> {
    Router::new().route("/healthz", get(|| async { "alive\n" })).route("/readyz", get(ready))
}

/// Ready is who can store deliveries, and is not about to end. Anybody may ask, and is told no more.
async fn ready(State(server): State<Arc<Server>>) -> (StatusCode, &'static str) {
    match server.store.ping().await {
        Ok(()) if !server.stop.requested() => (StatusCode::OK, "ready\n"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
    }
}

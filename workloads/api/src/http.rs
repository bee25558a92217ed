use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use uuid::Uuid;

use crate::event::Event;
use crate::producer::Producer;

/// The largest event taken, in bytes.
const MAX_EVENT: usize = 256 * 1024;

/// The routes.
pub fn router(producer: Producer) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/events", post(publish))
        .layer(DefaultBodyLimit::max(MAX_EVENT))
        .with_state(producer)
}

async fn publish(State(producer): State<Producer>, body: Result<Bytes, BytesRejection>) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            return refuse(rejection.status(), &format!("an event has at most {MAX_EVENT} bytes"));
        }
        Err(rejection) => return refuse(rejection.status(), &rejection.body_text()),
    };
    let event = match Event::parse(Uuid::now_v7(), &body) {
        Ok(event) => event,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, &format!("the body is not JSON: {error}")),
    };
    if let Err(error) = producer.publish(&event).await {
        tracing::error!(event_id = %event.id, error = format!("{error:#}"), "event not published");
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "the event could not be stored; post it again");
    }
    tracing::info!(event_id = %event.id, bytes = body.len(), "event published");
    (StatusCode::ACCEPTED, Json(json!({ "id": event.id }))).into_response()
}

fn refuse(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "error": error }))).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt as _;

    use super::*;
    use crate::settings::Settings;

    /// The status and body of the answer of an API whose Kafka is not there.
    async fn answer(method: &str, path: &str, body: impl Into<Body>) -> (u16, String) {
        let nowhere = Settings { port: 0, brokers: "127.0.0.1:1".into(), topic: "events".into() };
        let request = Request::builder().method(method).uri(path).body(body.into()).unwrap();
        let response = router(Producer::new(&nowhere).unwrap()).oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn is_healthy_without_kafka() {
        assert_eq!(answer("GET", "/healthz", "").await, (200, "ok".to_owned()));
    }

    #[tokio::test]
    async fn refuses_what_is_no_event() {
        let (status, body) = answer("POST", "/events", "nonsense").await;
        assert_eq!(status, 400);
        assert!(body.starts_with(r#"{"error":"the body is not JSON: "#), "{body}");
        assert_eq!(answer("GET", "/events", "").await.0, 405);
        assert_eq!(answer("POST", "/elsewhere", "{}").await.0, 404);
    }

    #[tokio::test]
    async fn refuses_an_event_above_the_limit() {
        // One byte more than the limit, of which the quotes are two.
        let body = format!("\"{}\"", "x".repeat(MAX_EVENT - 1));
        let error = r#"{"error":"an event has at most 262144 bytes"}"#;
        assert_eq!(answer("POST", "/events", body).await, (413, error.to_owned()));
    }
}

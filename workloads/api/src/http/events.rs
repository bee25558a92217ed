use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, http::request::Parts};
use rdkafka::error::KafkaError;
use serde::Serialize;
use serde_json::json;
use tokio::task::JoinError;

use super::Api;
use super::body::{self, Received};
use crate::admission::Place;
use crate::cloudevent::{self, Event};
use crate::kafka::{Outcome, Producer, Sent};
use crate::metrics::Metrics;
use crate::problem::{Kind, Problem};
use crate::trace_context::TraceContext;

/// How events are posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// One, in the JSON format.
    Structured,
    /// Several, in the JSON format.
    Batch,
    /// One, its attributes as headers.
    Binary,
}

/// What a request was about, for the log.
#[derive(Debug, Clone, Default)]
pub struct Work {
    /// Who sent it.
    pub caller: String,
    /// How large its body was.
    pub bytes: usize,
    /// How many events it had.
    pub events: usize,
}

/// What became of an event.
#[derive(Debug, Serialize)]
struct Told<'event> {
    id: &'event str,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// `POST /events`: answers 202 when all in-sync replicas have all events.
pub async fn publish(
    State(api): State<Arc<Api>>,
    Extension(trace): Extension<TraceContext>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let mut work = Work::default();
    let mut response = match take(&api, &trace, &parts, body, &mut work).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    };
    response.extensions_mut().insert(work);
    response
}

async fn take(
    api: &Api,
    trace: &TraceContext,
    parts: &Parts,
    body: axum::body::Body,
    work: &mut Work,
) -> Result<Response, Problem> {
    api.authentication.caller(&parts.headers).map_err(unauthorized)?.clone_into(&mut work.caller);
    let mode = mode(&parts.headers)?;
    let Received { bytes, place } = body::read(body, &api.limits, &api.admission).await?;
    work.bytes = bytes.len();
    let events = read(mode, &parts.headers, &bytes, api)?;
    work.events = events.len();
    let places = (place, api.admission.events(events.len())?);
    let sent = api.producer.send(&events, trace);
    // On a task of its own: it goes on when the caller goes away, and the places stay taken until then.
    let outcomes = tokio::spawn(follow(Arc::clone(&api.producer), sent, places, api.metrics.clone()))
        .await
        .map_err(|error| lost(&error))?;
    answer(mode, &events, &outcomes)
}

/// Waits until it is known of each event what became of it.
async fn follow(
    producer: Arc<Producer>,
    sent: Vec<Sent>,
    places: (Option<Place>, Place),
    metrics: Metrics,
) -> Vec<Outcome> {
    let mut outcomes = Vec::with_capacity(sent.len());
    for sent in sent {
        outcomes.push(producer.outcome(sent).await);
    }
    drop(places);
    for outcome in &outcomes {
        match outcome {
            Outcome::Acknowledged { .. } => drop(metrics.acknowledged.inc()),
            Outcome::Failed(error) => metrics.failed(&reason(error)),
        }
    }
    outcomes
}

fn read<'request>(
    mode: Mode,
    headers: &'request HeaderMap,
    body: &'request [u8],
    api: &Api,
) -> Result<Vec<Event<'request>>, Problem> {
    match mode {
        Mode::Structured => {
            cloudevent::from_json(body, &api.rules).map(|event| vec![event]).map_err(Problem::in_json)
        }
        Mode::Batch => cloudevent::from_batch(body, &api.rules).map_err(Problem::in_json),
        Mode::Binary => cloudevent::from_http(headers, body, &api.rules)
            .map(|event| vec![event])
            .map_err(Problem::in_headers),
    }
}

fn answer(mode: Mode, events: &[Event<'_>], outcomes: &[Outcome]) -> Result<Response, Problem> {
    let told: Vec<Told<'_>> =
        events.iter().zip(outcomes).map(|(event, outcome)| tell(event, outcome)).collect();
    let failed = told.iter().filter(|told| told.error.is_some()).count();
    if let Some(error) = told.iter().find_map(|told| told.error.as_deref()) {
        let detail = format!(
            "{failed} of {} events were not acknowledged ({error}); they may be stored all the same. Post them again \
             with the same `id` and `source`",
            events.len()
        );
        return Err(Problem::new(Kind::NotAcknowledged, detail)
            .retry_after(Duration::from_secs(5))
            .with("events", told));
    }
    Ok(match told.as_slice() {
        [told] if mode != Mode::Batch => (StatusCode::ACCEPTED, Json(told)).into_response(),
        all => (StatusCode::ACCEPTED, Json(json!({ "events": all }))).into_response(),
    })
}

fn tell<'event>(event: &'event Event<'_>, outcome: &Outcome) -> Told<'event> {
    let id = event.id.as_ref();
    match outcome {
        Outcome::Acknowledged { partition, offset } => {
            Told { id, partition: Some(*partition), offset: *offset, error: None }
        }
        Outcome::Failed(error) => Told { id, partition: None, offset: None, error: Some(reason(error)) },
    }
}

/// The client's error, in its own words.
fn reason(error: &KafkaError) -> String {
    error.rdkafka_error_code().map_or_else(|| error.to_string(), |code| code.to_string())
}

fn lost(error: &JoinError) -> Problem {
    tracing::error!(error = error.to_string(), "nobody waits for acknowledgements");
    Problem::new(Kind::NotAcknowledged, "it is not known what became of the events; post them again")
}

fn unauthorized(why: &'static str) -> Problem {
    Problem::new(Kind::Unauthorized, why)
        .header(WWW_AUTHENTICATE, HeaderValue::from_static(r#"Bearer realm="events""#))
}

/// What the content type says; other types are those of an event's data, if its attributes are headers.
fn mode(headers: &HeaderMap) -> Result<Mode, Problem> {
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(unsupported("a body is taken as it is, without Content-Encoding"));
    }
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.to_ascii_lowercase();
    let mut parts = media_type.split(';').map(str::trim);
    let mode = match parts.next().unwrap_or_default() {
        "application/cloudevents+json" => Mode::Structured,
        "application/cloudevents-batch+json" => Mode::Batch,
        other if !other.starts_with("application/cloudevents") && cloudevent::is_binary(headers) => {
            return Ok(Mode::Binary);
        }
        _ => {
            return Err(unsupported(
                "set Content-Type to application/cloudevents+json or application/cloudevents-batch+json, or the \
                 attributes as headers that begin with ce-",
            ));
        }
    };
    let charset =
        parts.find_map(|part| part.strip_prefix("charset=")).map(|charset| charset.trim_matches('"'));
    match charset {
        None | Some("utf-8" | "us-ascii") => Ok(mode),
        Some(_) => Err(unsupported("events in JSON are UTF-8")),
    }
}

fn unsupported(detail: &'static str) -> Problem {
    const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");
    let types = "application/cloudevents+json, application/cloudevents-batch+json";
    Problem::new(Kind::UnsupportedMediaType, detail).header(ACCEPT_POST, HeaderValue::from_static(types))
}

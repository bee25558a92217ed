use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::routing::post;
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;

use super::Server;
use super::hint::Hint;
use super::problem::Problem;
use super::secret::Signature;
use crate::store::{Accepted, Ask, Delivery, Full};

/// GitHub sends no larger payloads.
const LIMIT: usize = 25 * 1024 * 1024;

/// What a name in a header may have at most: GitHub's have less than forty characters.
const NAME: usize = 64;

pub(super) fn router() -> Router<Arc<Server>> {
    Router::new().route("/webhooks/github", post(receive))
}

async fn receive(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, &'static str), Problem> {
    let received = take(&server, &headers, body).await;
    let answer = match &received {
        Ok((_, answer)) => answer,
        Err(problem) => problem.name(),
    };
    server.metrics.delivery(answer);
    received
}

async fn take(
    server: &Server,
    headers: &HeaderMap,
    body: Body,
) -> Result<(StatusCode, &'static str), Problem> {
    let header = |name| headers.get(name).map(HeaderValue::as_bytes);
    let signature = header("x-hub-signature-256").and_then(Signature::parse).ok_or_else(unsigned)?;
    let body = server.room.read(body, LIMIT).await?;
    // Before anything in it is looked at.
    if !server.options.secrets.signed(&body.bytes, &signature) {
        return Err(unsigned());
    }
    let name = |header: &str| {
        let name = headers.get(header)?.to_str().ok()?;
        (!name.is_empty() && name.len() <= NAME).then(|| name.to_owned())
    };
    let (Some(id), Some(event)) = (name("x-github-delivery"), name("x-github-event")) else {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "X-GitHub-Delivery or X-GitHub-Event is missing"));
    };
    let hint = Hint::read(&event, &body.bytes).map_err(|_| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "the body is none as GitHub describes it; is the webhook's content type application/json?",
        )
    })?;
    let answer = match &hint {
        // Whoever runs the server has to want plans: nothing else says that the branch is trusted.
        Hint::Ask { ask: Ask::Plan { .. }, .. } if server.options.plans == 0 => "ignored",
        Hint::Push { repository, .. } | Hint::Ask { repository, .. }
            if server.origins.get(repository).is_none() =>
        {
            "not served here"
        }
        Hint::Push { .. } | Hint::Ask { .. } => "accepted",
        Hint::Ping => "pong",
        Hint::Nothing => "ignored",
    };
    let (push, ask) = match hint {
        Hint::Push { repository, branch } if answer == "accepted" => (Some((repository, branch)), None),
        Hint::Ask { repository, branch, ask } if answer == "accepted" => {
            (Some((repository, branch)), Some(ask))
        }
        _ => (None, None),
    };
    let delivery = Delivery { id, digest: hex::encode(Sha256::digest(&*body.bytes)), event, push, ask };
    drop(body);
    let to_wake = match (&delivery.push, &delivery.ask) {
        (Some(_), None) => Some(&server.delivered),
        (_, Some(_)) => Some(&server.asked),
        (None, None) => None,
    };
    match server.inbox.put(delivery).await {
        Ok(Accepted::New) => {
            to_wake.into_iter().for_each(Notify::notify_one);
            Ok((StatusCode::ACCEPTED, answer))
        }
        Ok(Accepted::Duplicate) => Ok((StatusCode::ACCEPTED, "duplicate")),
        Err(Full::Waiting) => Err(Problem::busy()),
        Err(Full::Failed(failure)) => {
            server.log.say(format!("warning: a delivery was not taken: {failure}"));
            Err(Problem::busy())
        }
    }
}

fn unsigned() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "the delivery is not signed with the webhook's secret")
}

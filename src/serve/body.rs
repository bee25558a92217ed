use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::http::StatusCode;
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::buffer::Buffer;
use super::problem::Problem;

/// GitHub waits this long for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much all bodies that are being read may take.
const BYTES: usize = 64 * 1024 * 1024;

/// Room for bodies: who finds none is sent away before it costs memory.
#[derive(Debug)]
pub(super) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(BYTES)))
    }
}

/// A body, and the room it takes until this is dropped.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) bytes: Buffer,
    _place: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// Reads a body of at most this many bytes.
    ///
    /// # Errors
    /// If it is larger, too slow or breaks off, or if there is no room.
    pub(super) async fn read(&self, body: Body, limit: usize) -> Result<Received, Problem> {
        if body.size_hint().lower() > limit as u64 {
            return Err(too_large(limit));
        }
        tokio::time::timeout(PATIENCE, self.collect(body, limit)).await.unwrap_or_else(|_| {
            let seconds = PATIENCE.as_secs();
            Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                format!("the body did not arrive within {seconds} s"),
            ))
        })
    }

    /// Room is taken for what has arrived, so that who sends slowly holds little.
    async fn collect(&self, mut body: Body, limit: usize) -> Result<Received, Problem> {
        let mut bytes = Buffer::default();
        let mut place: Option<OwnedSemaphorePermit> = None;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the body broke off"))?;
            let Ok(data) = frame.into_data() else { continue };
            if bytes.len() + data.len() > limit {
                return Err(too_large(limit));
            }
            let more = self.take(data.len())?;
            match &mut place {
                Some(place) => place.merge(more),
                None => place = Some(more),
            }
            bytes.push(&data, limit).map_err(|_| Problem::busy())?;
        }
        Ok(Received { bytes, _place: place })
    }

    fn take(&self, count: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        Arc::clone(&self.0).try_acquire_many_owned(count).map_err(|_| Problem::busy())
    }
}

fn too_large(limit: usize) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("a body has at most {limit} bytes"))
}

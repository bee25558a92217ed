use axum::body::{Body, HttpBody as _};
use http_body_util::BodyExt as _;

use crate::admission::{Admission, Place};
use crate::problem::{Kind, Problem};
use crate::settings::Limits;

/// A body, and the room it takes.
pub struct Received {
    /// What was sent.
    pub bytes: Vec<u8>,
    /// To be kept as long as the bytes, or copies of them, are needed.
    pub place: Option<Place>,
}

/// How much is reserved for a body before it arrives.
const RESERVED: usize = 16 * 1024;

/// Reads a body, up to the limit and not beyond, for as long as it may take.
///
/// # Errors
/// If it is too large, too slow or breaks off, or if there is no room for it.
pub async fn read(body: Body, limits: &Limits, admission: &Admission) -> Result<Received, Problem> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limits.body {
        return Err(too_large(limits.body));
    }
    let reading = collect(body, announced, limits.body, admission);
    tokio::time::timeout(limits.body_timeout, reading).await.unwrap_or_else(|_| {
        let seconds = limits.body_timeout.as_secs();
        Err(Problem::new(Kind::BodyTimeout, format!("the body did not arrive within {seconds} s")))
    })
}

/// Room is taken for what has arrived, so that who sends slowly holds little.
async fn collect(
    mut body: Body,
    announced: usize,
    limit: usize,
    admission: &Admission,
) -> Result<Received, Problem> {
    let mut bytes = Vec::with_capacity(announced.min(RESERVED));
    let mut place: Option<Place> = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Problem::new(Kind::BodyIncomplete, error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > limit {
            return Err(too_large(limit));
        }
        let more = admission.bytes(data.len())?;
        match &mut place {
            Some(place) => place.merge(more),
            None => place = Some(more),
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Received { bytes, place })
}

fn too_large(limit: usize) -> Problem {
    Problem::new(Kind::BodyTooLarge, format!("a body has at most {limit} bytes; nothing was published"))
        .with("limit", limit)
}

//! A run's events as they come, for who watches it.
//!
//! A stream reads from the store only what its reader has taken, so that a slow one costs little and keeps nobody waiting.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::{StreamExt as _, stream};
use serde::Deserialize;

use crate::serve::Server;
use crate::serve::access::Access;
use crate::serve::act::find;
use crate::serve::extract::{Path, Query};
use crate::serve::news::Listener;
use crate::serve::problem::Problem;
use crate::store::State as RunState;

/// How many events are read at once.
const EVENTS: u16 = 100;

/// After how long a browser comes back that has lost its stream.
const RETRY: Duration = Duration::from_secs(2);

/// How often something is sent, so that nothing in between takes the connection for dead.
const ALIVE: Duration = Duration::from_secs(15);

/// Where to begin.
#[derive(Debug, Deserialize)]
pub(super) struct Begin {
    #[serde(default)]
    from: i64,
}

/// A run's events from a number on. Behind the last event of a run that is over comes `end`.
pub(super) async fn stream(
    State(server): State<Arc<Server>>,
    access: Access,
    Path(id): Path<i64>,
    Query(Begin { from }): Query<Begin>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // The first look comes behind this: what is told in between is not missed.
    let listener = server.news.listen(id).ok_or_else(Problem::busy)?;
    find(&server, &access, id).await?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse::<i64>().ok());
    let next = last.map_or(from, |last| last.saturating_add(1));
    let drained = server.drained.clone();
    let watch = Watch { server, id, next, listener, heard: true };
    let events = stream::unfold(Some(watch), |watch| async { watch?.events().await })
        .flat_map(|events| stream::iter(events).map(Ok::<_, Infallible>));
    let retry = stream::iter([Ok(Event::default().retry(RETRY))]);
    let events = retry.chain(events).take_until(drained.cancelled_owned());
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE)).into_response())
}

/// Somebody's look at a run.
struct Watch {
    server: Arc<Server>,
    id: i64,
    /// The number of the next event.
    next: i64,
    listener: Listener,
    /// Whether there may be something that was not seen.
    heard: bool,
}

impl Watch {
    /// The next events, as soon as there are some; none behind the end.
    async fn events(mut self) -> Option<(Vec<Event>, Option<Self>)> {
        loop {
            if !std::mem::take(&mut self.heard) {
                self.listener.heard().await;
            }
            // The state first: the events of a run that was over before are all there.
            let run = self.server.store.run(self.id).await;
            let lines = self.server.store.events(self.id, self.next, EVENTS).await;
            let (run, lines) = match (run, lines) {
                (Ok(run), Ok(lines)) => (run, lines),
                (Err(failure), _) | (_, Err(failure)) => {
                    drop(self.server.unavailable(&failure));
                    return None;
                }
            };
            let over = run.is_none_or(|run| matches!(run.state, RunState::Ended | RunState::Superseded));
            if let Some((last, _)) = lines.last() {
                self.next = last + 1;
                self.heard = true;
                let event =
                    |(sequence, line): &(i64, String)| Event::default().id(sequence.to_string()).data(line);
                return Some((lines.iter().map(event).collect(), Some(self)));
            }
            if over {
                return Some((vec![Event::default().event("end").data("")], None));
            }
        }
    }
}

use std::fmt::Write as _;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use futures::stream;
use maud::{Markup, html};
use serde::Deserialize;

use super::ansi;
use super::frame::Trouble;
use super::run::View;
use super::story::Log;
use crate::event::Event;
use crate::failure::Failure;
use crate::plan::StepId;
use crate::report::read;
use crate::report::words::clean;
use crate::serve::Server;
use crate::serve::access::Access;
use crate::serve::act::find;
use crate::serve::extract::{Path, Query};

/// How many events are read at once.
const EVENTS: u16 = 500;

/// The last lines that a step wrote.
pub(super) fn log(view: &View<'_>, step: &StepId, log: &Log) -> Markup {
    let shown = log.lines.len();
    let search = &view.story.search;
    html! {
        div.log {
            h3 {
                "Log"
                span.count {
                    @if !search.is_empty() { (log.fitting) " of " (log.written) " lines fit" }
                    @else if shown < log.written { "the last " (shown) " of " (log.written) " lines" }
                }
                a href={ "/runs/" (view.run.id) "/log?step=" (step) } { "whole log" }
            }
            @if shown > 0 {
                pre tabindex="0" role="region" aria-label={ "Log of " (step) } data-follow {
                    @for line in &log.lines { (ansi::line(line, search)) "\n" }
                }
            }
        }
    }
}

/// Whose log is meant.
#[derive(Debug, Deserialize)]
pub(super) struct Of {
    step: String,
}

/// All that a step wrote, as text; sent as it is read.
pub(super) async fn whole(
    State(server): State<Arc<Server>>,
    access: Access,
    Path(id): Path<i64>,
    Query(Of { step }): Query<Of>,
) -> Result<Response, Trouble> {
    find(&server, &access, id).await?;
    let parts = stream::unfold(Some(1), move |from| {
        let (server, step) = (Arc::clone(&server), step.clone());
        async move {
            let (text, next) = match part(&server, id, from?, &step).await {
                Ok((text, next)) => (Ok(text), next),
                Err(failure) => (Err(failure), None),
            };
            Some((text, next))
        }
    });
    let mut response = Response::new(Body::from_stream(parts));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Ok(response)
}

/// The lines of a step among the next events, and where to go on.
async fn part(server: &Server, run: i64, from: i64, of: &str) -> Result<(String, Option<i64>), Failure> {
    let events = server.store.events(run, from, EVENTS).await?;
    let mut text = String::new();
    for (_, line) in &events {
        if let Some((_, Event::Log { step, line })) = read(line)
            && step.to_string() == of
        {
            let _ = writeln!(text, "{}", clean(&line));
        }
    }
    Ok((text, events.last().map(|(last, _)| last + 1)))
}

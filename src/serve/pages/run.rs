use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;

use super::frame::{Frame, Trouble, frame};
use super::mark::Mark;
use super::moment::moment;
use super::runs::{cause, of_environment};
use super::story::Story;
use super::{acts, failures, graph, links, steps};
use crate::diagnostic::visible;
use crate::report::words::{duration, millis_between, verdict, waiting};
use crate::serve::Server;
use crate::serve::access::Access;
use crate::serve::act::find;
use crate::serve::extract::{Path, Query};
use crate::serve::problem::Problem;
use crate::source::web_address;
use crate::store::{Run, State as RunState};

/// How many events are read at once.
const EVENTS: u16 = 1000;

/// After how many seconds the page of a run that is not over is fetched again, though nothing was told: durations grow.
const REFRESH: u32 = 5;

/// What is to be shown of a run.
#[derive(Debug, Deserialize)]
pub(super) struct Wish {
    /// Only lines of logs with this.
    #[serde(default)]
    search: String,
}

/// A run, the steps of it, and what it is known by.
pub(super) struct View<'a> {
    pub(super) run: &'a Run,
    pub(super) story: &'a Story,
    /// Who looks at it.
    pub(super) access: &'a Access,
    /// Where people look at the repository.
    pub(super) web: Option<&'a str>,
    pub(super) now: Timestamp,
}

/// A run.
pub(super) async fn page(
    State(server): State<Arc<Server>>,
    access: Access,
    Path(id): Path<i64>,
    Query(Wish { search }): Query<Wish>,
) -> Result<Response, Trouble> {
    let run = find(&server, &access, id).await?;
    let story = tell(&server, id, search.trim()).await?;
    let web = server.origins.get(&run.repository).and_then(|origin| web_address(&origin.served.url));
    let view = View { run: &run, story: &story, access: &access, web: web.as_deref(), now: Timestamp::now() };
    let (mark, word) = Mark::of_run(&run);
    let under_way = matches!(run.state, RunState::Queued | RunState::Running | RunState::Waiting);
    let about = Frame {
        title: format!("{word} · {} · run {id}", visible(&run.environment)),
        mark,
        part: "/runs",
        access: Some(&access),
        refresh: under_way.then_some(REFRESH),
        stream: under_way.then(|| format!("/runs/{id}/stream?from={}", story.next)),
    };
    Ok(frame(&about, &view.content()))
}

/// Reads a run's events to their end.
async fn tell(server: &Server, run: i64, search: &str) -> Result<Story, Problem> {
    let mut story = Story::new(search);
    loop {
        let events = server.store.events(run, story.next, EVENTS).await;
        let events = events.map_err(|error| server.unavailable(&error))?;
        story.take(&events);
        if events.len() < usize::from(EVENTS) {
            return Ok(story);
        }
    }
}

impl View<'_> {
    fn content(&self) -> Markup {
        html! {
            (self.head())
            (failures::failures(self))
            @if !self.story.board.steps.is_empty() {
                section.picture aria-labelledby="picture-title" {
                    h2 #picture-title { "Steps" }
                    (graph::graph(&self.story.board, self.now))
                }
                (steps::steps(self))
            }
        }
    }

    fn head(&self) -> Markup {
        let Run { id, repository, environment, branch, commit, .. } = self.run;
        let (mark, word) = Mark::of_run(self.run);
        let header = self.story.board.header.as_ref();
        let subject = header.map_or_else(|| format!("Run {id}"), |header| header.revision.subject.clone());
        html! {
            div.head {
                p.crumbs {
                    a href={ "/runs?" (of_environment(repository, environment)) } {
                        (visible(repository)) " › " (visible(environment))
                    }
                    " › run " (id)
                }
                h1 { (mark.icon()) span { (subject) } }
                p.about {
                    span class={ "word " (mark.class()) } { (word) } " · "
                    (links::commit(self.web, commit)) " of " (visible(branch)) " · " (cause(self.run)) " · asked for "
                    (moment(self.run.created, self.now))
                    @if let Some(took) = self.took() { " · " (took) }
                }
                @if let Some(verdict) = self.verdict() { p.verdict { (verdict) } }
                (acts::forms(self))
                @if let Some(url) = &self.story.board.url { p { "Live at " (links::outside(url)) } }
            }
        }
    }

    fn took(&self) -> Option<String> {
        let started = self.run.started?;
        let millis = duration(millis_between(started, self.run.ended.unwrap_or(self.now)));
        Some(if self.run.ended.is_some() { format!("took {millis}") } else { format!("for {millis}") })
    }

    /// How it stands in a sentence.
    fn verdict(&self) -> Option<String> {
        match (self.run.state, self.story.finished, &self.story.waiting) {
            (RunState::Queued, ..) => Some("It waits for its turn.".to_owned()),
            (RunState::Waiting, ..) => {
                Some("Its plan waits for approval; nothing is changed before.".to_owned())
            }
            (RunState::Running, _, Some(reason)) => Some(waiting(reason)),
            (RunState::Ended, Some((result, millis)), _) => {
                Some(verdict(result, millis, &self.story.board.tally()))
            }
            _ => None,
        }
    }
}

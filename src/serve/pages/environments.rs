use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use maud::{Markup, html};

use super::frame::{Frame, Trouble, frame};
use super::links;
use super::mark::Mark;
use super::moment::moment;
use super::runs::of_environment;
use super::subjects::subjects;
use crate::diagnostic::visible;
use crate::drift::State as DriftState;
use crate::event::{RunResult, short};
use crate::report::words::several;
use crate::serve::Server;
use crate::serve::access::Access;
use crate::serve::api::seen;
use crate::source::web_address;
use crate::store::{Drift, Environment, Run};

/// How many seconds the page is good for.
const REFRESH: u32 = 5;

/// What runs where.
pub(super) async fn page(State(server): State<Arc<Server>>, access: Access) -> Result<Response, Trouble> {
    let environments = seen(&server, &access).await?;
    let ids: Vec<i64> = environments.iter().flat_map(runs).map(|run| run.id).collect();
    let drift = server.store.drift().await.map_err(|error| server.unavailable(&error))?;
    let view =
        View { subjects: subjects(&server, &ids).await?, drift, now: Timestamp::now(), server: &server };
    let about = Frame {
        title: "Environments".to_owned(),
        mark: overall(&environments),
        part: "/",
        access: Some(&access),
        refresh: Some(REFRESH),
        stream: None,
    };
    let mut by_repository: BTreeMap<&str, Vec<&Environment>> = BTreeMap::new();
    for environment in &environments {
        by_repository.entry(&environment.repository).or_default().push(environment);
    }
    let content = html! {
        h1 { "Environments" }
        @if environments.is_empty() {
            p.empty {
                "Nothing has run yet. A run begins when a branch is pushed that an environment in "
                code { "pipeline.yaml" } " names."
            }
        }
        @for (repository, environments) in &by_repository {
            section aria-labelledby={ "repository-" (repository) } {
                h2 id={ "repository-" (repository) } { (visible(repository)) }
                div.cards { @for environment in environments { (view.card(environment)) } }
            }
        }
    };
    Ok(frame(&about, &content))
}

fn runs(environment: &Environment) -> impl Iterator<Item = &Run> {
    let Environment { live, last, running, waiting, queued, .. } = environment;
    [live, last, running, waiting, queued].into_iter().flatten()
}

/// What stands first for all of them together: what is under way, then what failed.
fn overall(environments: &[Environment]) -> Mark {
    let last = |environment: &Environment| environment.last.as_ref().map(|run| Mark::of_run(run).0);
    if environments.iter().any(|environment| environment.running.is_some()) {
        Mark::Busy
    } else if environments.iter().any(|environment| environment.waiting.is_some()) {
        Mark::Asks
    } else if environments.iter().any(|environment| last(environment) == Some(Mark::Bad)) {
        Mark::Bad
    } else if environments.iter().any(|environment| environment.live.is_some()) {
        Mark::Good
    } else {
        Mark::Waiting
    }
}

struct View<'a> {
    subjects: BTreeMap<i64, String>,
    drift: Vec<Drift>,
    now: Timestamp,
    server: &'a Server,
}

impl View<'_> {
    fn card(&self, environment: &Environment) -> Markup {
        let Environment {
            repository, environment: name, live, since, last, running, waiting, queued, ..
        } = environment;
        let mark = overall(std::slice::from_ref(environment));
        let query = of_environment(repository, name);
        html! {
            article class={ "card " (mark.class()) } {
                h3 { (mark.icon()) a href={ "/runs?" (query) } { (visible(name)) } }
                @match live {
                    Some(live) => (self.live(live, *since)),
                    None => p.nothing { "No run has ended well yet." }
                }
                dl.facts {
                    @if let Some(run) = running { (self.fact("Under way", run, run.started)) }
                    @if let Some(run) = waiting { (self.fact("Approval", run, Some(run.created))) }
                    @if let Some(run) = queued { (self.fact("Next in line", run, Some(run.created))) }
                    @if let Some(run) = last { (self.fact("Last run", run, run.ended)) }
                    @if let Some(drift) = self.drift_of(environment) { (self.drift(drift)) }
                }
                @if environment.held_back {
                    p.note { "Rolled back, and stays so until something newer is pushed or asked for." }
                }
                @if let (Some(last), true) = (last, half_way(live.as_ref(), last.as_ref())) {
                    p.note { "A part of " code { (visible(short(&last.commit))) } " may be live." }
                }
            }
        }
    }

    fn drift_of(&self, environment: &Environment) -> Option<&Drift> {
        let fits = |drift: &&Drift| {
            drift.repository == environment.repository && drift.environment == environment.environment
        };
        self.drift.iter().find(fits)
    }

    fn drift(&self, drift: &Drift) -> Markup {
        let (mark, word) = match drift.state {
            DriftState::InSync => (Mark::Same, "in sync"),
            DriftState::Drifted => (Mark::Asks, "drifted"),
            DriftState::NotDeployed => (Mark::Waiting, "not deployed"),
            DriftState::Failed => (Mark::Stopped, "not known"),
        };
        let stacks = drift.report.iter().flat_map(|report| &report.stacks);
        let drifted = stacks.filter(|stack| stack.state == DriftState::Drifted);
        let names: Vec<String> = drifted.map(|stack| format!("stack/{}", visible(&stack.stack))).collect();
        html! {
            div {
                dt { "Drift" }
                dd {
                    (mark.icon()) span { (word) @if !names.is_empty() { ": " (several(&names)) } }
                    span.when { (moment(drift.looked, self.now)) }
                }
            }
        }
    }

    fn live(&self, run: &Run, since: Option<Timestamp>) -> Markup {
        let web = self.server.origins.get(&run.repository).and_then(|origin| web_address(&origin.served.url));
        html! {
            p.subject { (self.subjects.get(&run.id).map_or("", String::as_str)) }
            p.what {
                (links::commit(web.as_deref(), &run.commit)) " of " (visible(&run.branch))
                @if let Some(since) = since { ", live since " (moment(since, self.now)) }
            }
        }
    }

    fn fact(&self, name: &str, run: &Run, at: Option<Timestamp>) -> Markup {
        let (mark, word) = Mark::of_run(run);
        html! {
            div {
                dt { (name) }
                dd {
                    (mark.icon()) a href={ "/runs/" (run.id) } { "run " (run.id) " " (word) }
                    @if let Some(at) = at { span.when { (moment(at, self.now)) } }
                }
            }
        }
    }
}

/// Whether a later run than the one whose commit runs ended in the middle.
fn half_way(live: Option<&Run>, last: Option<&Run>) -> bool {
    last.is_some_and(|last| {
        let bad = !last.result.is_some_and(RunResult::is_good) && last.started.is_some();
        bad && live.is_none_or(|live| live.id < last.id)
    })
}

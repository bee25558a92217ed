use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;
use url::form_urlencoded::Serializer;

use super::frame::{Frame, Trouble, frame};
use super::links;
use super::mark::Mark;
use super::moment::moment;
use super::subjects::subjects;
use crate::diagnostic::visible;
use crate::report::words::{duration, millis_between};
use crate::serve::Server;
use crate::serve::access::Access;
use crate::serve::api::seen;
use crate::serve::extract::Query;
use crate::serve::filter::Filter;
use crate::source::web_address;
use crate::store::{Level, Run};

/// How many runs a page has.
const RUNS: u16 = 50;

/// How many seconds the newest page is good for.
const REFRESH: u32 = 5;

const STATES: [&str; 5] = ["queued", "running", "waiting", "ended", "superseded"];
const RESULTS: [&str; 6] = ["changed", "unchanged", "failed", "interrupted", "superseded", "refused"];
const CAUSES: [&str; 5] = ["push", "poll", "api", "rerun", "rollback"];

/// Which page is meant.
#[derive(Debug, Deserialize)]
pub(super) struct Which {
    before: Option<i64>,
}

/// The runs that fit a filter, the newest first.
pub(super) async fn page(
    State(server): State<Arc<Server>>,
    access: Access,
    Query(filter): Query<Filter>,
    Query(Which { before }): Query<Which>,
) -> Result<Response, Trouble> {
    let which = filter.runs(access.repositories(&server, Level::Read), before);
    let mut runs = server.store.runs(which, RUNS + 1).await.map_err(|error| server.unavailable(&error))?;
    let environments = seen(&server, &access).await?;
    let more = runs.len() > usize::from(RUNS);
    runs.truncate(usize::from(RUNS));
    let ids: Vec<i64> = runs.iter().map(|run| run.id).collect();
    let subjects = subjects(&server, &ids).await?;
    let given = given(&filter);
    let about = Frame {
        title: "Runs".to_owned(),
        mark: runs.first().map_or(Mark::Waiting, |run| Mark::of_run(run).0),
        part: "/runs",
        access: Some(&access),
        refresh: before.is_none().then_some(REFRESH),
        stream: None,
    };
    let repositories: BTreeSet<&str> = environments.iter().map(|it| it.repository.as_str()).collect();
    let names: BTreeSet<&str> = environments.iter().map(|it| it.environment.as_str()).collect();
    let chosen = |name: &str| given.get(name).map_or("", String::as_str);
    let content = html! {
        h1 { "Runs" }
        form.filters method="get" action="/runs" role="search" aria-label="Filter runs" {
            (choice("repository", "Repository", repositories, chosen("repository")))
            (choice("environment", "Environment", names, chosen("environment")))
            (choice("state", "State", STATES, chosen("state")))
            (choice("result", "Result", RESULTS, chosen("result")))
            (choice("cause", "Cause", CAUSES, chosen("cause")))
            label { span { "Branch" } input type="search" name="branch" value=(chosen("branch")) autocomplete="off"; }
            button { "Filter" }
            @if !given.is_empty() { a.clear href="/runs" { "Clear" } }
        }
        @if runs.is_empty() { p.empty { "No runs fit." } }
        @else {
            ol.runs { @for run in &runs { (row(&server, run, subjects.get(&run.id))) } }
        }
        nav.pages aria-label="Pages" {
            @if before.is_some() { a href={ "/runs?" (query(&given, None)) } { "Newest" } }
            @if let (Some(last), true) = (runs.last(), more) {
                a rel="next" href={ "/runs?" (query(&given, Some(last.id))) } { "Older" }
            }
        }
    };
    Ok(frame(&about, &content))
}

/// What of a filter is given, as it stands in an address.
fn given(filter: &Filter) -> BTreeMap<String, String> {
    let Ok(Value::Object(fields)) = serde_json::to_value(filter) else { return BTreeMap::new() };
    fields.into_iter().filter_map(|(name, value)| Some((name, value.as_str()?.to_owned()))).collect()
}

fn query(given: &BTreeMap<String, String>, before: Option<i64>) -> String {
    let mut query = Serializer::new(String::new());
    query.extend_pairs(given);
    if let Some(before) = before {
        query.append_pair("before", &before.to_string());
    }
    query.finish()
}

/// What in an address stands for the runs of an environment.
pub(super) fn of_environment(repository: &str, environment: &str) -> String {
    let pairs = [("repository", repository), ("environment", environment)];
    Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn choice<'a>(name: &str, label: &str, options: impl IntoIterator<Item = &'a str>, chosen: &str) -> Markup {
    let mut options: Vec<&str> = options.into_iter().collect();
    // What was asked for stays to be seen, though there is no such thing.
    if !chosen.is_empty() && !options.contains(&chosen) {
        options.push(chosen);
    }
    html! {
        label {
            span { (label) }
            select name=(name) {
                option value="" { "any" }
                @for option in &options { option value=(visible(option)) selected[*option == chosen] { (visible(option)) } }
            }
        }
    }
}

fn row(server: &Server, run: &Run, subject: Option<&String>) -> Markup {
    let (mark, word) = Mark::of_run(run);
    let now = Timestamp::now();
    let web = server.origins.get(&run.repository).and_then(|origin| web_address(&origin.served.url));
    let took = run.started.map(|started| duration(millis_between(started, run.ended.unwrap_or(now))));
    html! {
        li.run {
            (mark.icon())
            div.told {
                a.title href={ "/runs/" (run.id) } {
                    (subject.map_or_else(|| format!("Run {}", run.id), Clone::clone))
                }
                p.about {
                    span class={ "word " (mark.class()) } { (word) }
                    " · " (visible(&run.environment)) " of " (visible(&run.repository)) " · run " (run.id) " · "
                    (links::commit(web.as_deref(), &run.commit)) " of " (visible(&run.branch)) " · " (cause(run))
                }
            }
            div.when {
                (moment(run.ended.or(run.started).unwrap_or(run.created), now))
                @if let Some(took) = took { span.took { (took) } }
            }
        }
    }
}

/// Who asked for a run, in words.
pub(super) fn cause(run: &Run) -> String {
    crate::store::word(run.cause)
}

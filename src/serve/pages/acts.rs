use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Redirect;
use maud::{Markup, html};
use url::form_urlencoded::parse;

use super::frame::Trouble;
use super::run::View;
use crate::diagnostic::visible;
use crate::event::{RunResult, short};
use crate::serve::access::Access;
use crate::serve::extract::Path;
use crate::serve::problem::Problem;
use crate::serve::{Server, act};
use crate::store::{Level, Run, State as RunState};

/// The largest form.
const FORM: usize = 64 * 1024;

/// What who looks at a run can do about it.
pub(super) fn forms(view: &View<'_>) -> Markup {
    let Run { repository, environment, branch, commit, state, result, plan, .. } = view.run;
    let may = |level| view.access.may(repository, level);
    let over = matches!(state, RunState::Ended | RunState::Superseded);
    let (environment, branch, commit) = (visible(environment), visible(branch), visible(short(commit)));
    html! {
        @if may(Level::Run) {
            div.acts {
                @if let (RunState::Waiting, Some(plan), true) = (state, plan, may(Level::Approve)) {
                    (form(view, "approve", Some(plan), &html! { button.primary { "Approve this plan" } }))
                    details.act {
                        summary { "Reject…" }
                        (form(view, "reject", Some(plan), &html! { button.danger { "Reject this plan" } }))
                    }
                }
                @if over {
                    details.act {
                        summary { "Run again…" }
                        (form(view, "again", None, &html! {
                            button.primary { "Deploy the head of " (branch) " to " (environment) }
                        }))
                    }
                }
                @if over && may(Level::Approve) && result.is_some_and(RunResult::is_good) {
                    details.act {
                        summary { "Roll back to this…" }
                        (form(view, "rollback", None, &html! {
                            button.danger { "Roll " (environment) " back to " (commit) }
                        }))
                    }
                }
            }
        }
    }
}

fn form(view: &View<'_>, what: &str, digest: Option<&String>, button: &Markup) -> Markup {
    html! {
        form method="post" action={ "/runs/" (view.run.id) "/" (what) } {
            @if let Some(csrf) = view.access.csrf() { input type="hidden" name="csrf" value=(csrf); }
            @if let Some(digest) = digest { input type="hidden" name="digest" value=(digest); }
            (button)
        }
    }
}

pub(super) async fn approve(
    State(server): State<Arc<Server>>,
    access: Access,
    Path(id): Path<i64>,
    body: Body,
) -> Result<Redirect, Trouble> {
    let digest = digest(&server, body).await?;
    Ok(to(&act::approve(&server, &access, id, &digest.unwrap_or_default()).await?))
}

pub(super) async fn reject(
    State(server): State<Arc<Server>>,
    access: Access,
    Path(id): Path<i64>,
    body: Body,
) -> Result<Redirect, Trouble> {
    let digest = digest(&server, body).await?;
    Ok(to(&act::reject(&server, &access, id, digest.as_deref()).await?))
}

pub(super) async fn again(
    State(server): State<Arc<Server>>,
    access: Access,
    Path(id): Path<i64>,
) -> Result<Redirect, Trouble> {
    Ok(to(&act::again(&server, &access, id).await?))
}

pub(super) async fn roll_back(
    State(server): State<Arc<Server>>,
    access: Access,
    Path(id): Path<i64>,
) -> Result<Redirect, Trouble> {
    Ok(to(&act::roll_back(&server, &access, id).await?))
}

/// The digest of the plan that somebody has looked at.
async fn digest(server: &Server, body: Body) -> Result<Option<String>, Problem> {
    let body = server.room.read(body, FORM).await?;
    let found = parse(&body.bytes).find(|(name, _)| name == "digest").map(|(_, digest)| digest.into_owned());
    Ok(found)
}

fn to(run: &Run) -> Redirect {
    Redirect::to(&format!("/runs/{}", run.id))
}

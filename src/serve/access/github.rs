//! Signing in with GitHub: somebody is sent there and comes back with a code, with which GitHub says who they are and what
//! they may do. Their token is used for that and dropped.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use url::Url;

use super::local::local;
use super::sign_in::{Wish, begin};
use super::{cookie, peer};
use crate::failure::Failure;
use crate::github::{Exchange, Permissions, Person, WebFlow};
use crate::serve::Server;
use crate::serve::problem::Problem;
use crate::store::{Level, Rights, Secret, Session, SignedIn};

/// How long counts what GitHub has said; then the browser is sent there again.
const LIFETIME: Duration = Duration::from_hours(1);

/// The cookie that a browser has while it is at GitHub.
const AWAY: &str = "pipeline-github";

const BEGIN: &str = "/sign-in/github";
const CALLBACK: &str = "/sign-in/github/callback";

/// How people sign in with GitHub, and what they may do then.
#[derive(Debug, Clone)]
pub struct GitHubSignIn {
    /// The way there and back.
    pub flow: WebFlow,
    /// Where people reach this server.
    pub url: Url,
    /// Teams whose members have a level everywhere. If there are any, permissions on repositories count for nothing.
    pub teams: Vec<Team>,
}

/// The members of a team have a level: `LEVEL=ORGANIZATION/TEAM`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    level: Level,
    organization: String,
    name: String,
}

impl FromStr for Team {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let word = |text: &str| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        let wrong = || format!("`{text}` is no level of a team: write approve=ORGANIZATION/TEAM");
        let (level, team) = text.split_once('=').ok_or_else(wrong)?;
        let (organization, name) = team.split_once('/').ok_or_else(wrong)?;
        if !word(organization) || !word(name) {
            return Err(wrong());
        }
        Ok(Self { level: level.parse()?, organization: organization.to_owned(), name: name.to_owned() })
    }
}

/// What somebody takes along to GitHub and has to bring back, in a cookie of three words.
#[derive(Debug, PartialEq, Eq)]
struct Away {
    state: String,
    verifier: String,
    to: String,
}

impl Away {
    fn written(&self) -> String {
        format!("{}.{}.{}", self.state, self.verifier, hex::encode(&self.to))
    }

    fn read(text: &str) -> Option<Self> {
        let mut words = text.split('.').map(str::to_owned);
        let (state, verifier, to) = (words.next()?, words.next()?, words.next()?);
        Some(Self { state, verifier, to: String::from_utf8(hex::decode(to).ok()?).ok()? })
    }

    /// What GitHub is told, so that whoever has seen the code alone can do nothing with it (PKCE).
    fn challenge(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&self.verifier))
    }
}

pub(super) fn router() -> Router<Arc<Server>> {
    Router::new().route(BEGIN, get(send)).route(CALLBACK, get(receive))
}

/// Where signing in with GitHub begins, to go to a path behind it.
pub(super) fn begins_at(to: &str) -> String {
    format!("{BEGIN}?to={}", url::form_urlencoded::byte_serialize(to.as_bytes()).collect::<String>())
}

fn configured(server: &Server) -> Result<&GitHubSignIn, Problem> {
    let none =
        || Problem::new(StatusCode::NOT_FOUND, "nobody signs in with GitHub here: sign in at /sign-in");
    server.options.github.as_ref().ok_or_else(none)
}

async fn send(State(server): State<Arc<Server>>, Query(wish): Query<Wish>) -> Result<Response, Problem> {
    let github = configured(&server)?;
    let random = || {
        let secret = Secret::random().map_err(|failure| server.unavailable(&failure))?;
        Ok::<_, Problem>(secret.expose().to_owned())
    };
    let away = Away { state: random()?, verifier: random()?, to: local(wish.to.as_deref()).to_owned() };
    // A GitHub App has the permissions that it was installed with, and ignores this.
    let scope = if github.teams.is_empty() { "repo" } else { "read:org" };
    let there = github.flow.authorize(&callback(github), &away.state, &away.challenge(), scope);
    let cookie = cookie::set(&server.options, AWAY, &away.written());
    Ok((AppendHeaders([(SET_COOKIE, cookie)]), Redirect::to(there.as_str())).into_response())
}

fn callback(github: &GitHubSignIn) -> Url {
    let mut url = github.url.clone();
    url.set_path(CALLBACK);
    url
}

#[derive(Deserialize)]
struct Back {
    code: Option<String>,
    state: Option<String>,
    error_description: Option<String>,
}

async fn receive(
    State(server): State<Arc<Server>>,
    Query(back): Query<Back>,
    request: Request,
) -> Result<Response, Problem> {
    let github = configured(&server)?;
    let from = peer::from(request.extensions(), request.headers());
    let headers = request.into_parts().0.headers;
    let away = cookie::read(&server.options, &headers, AWAY).and_then(Away::read);
    let (Some(away), Some(state)) = (away, &back.state) else { return refuse(&server, STRAY).await };
    if !bool::from(away.state.as_bytes().ct_eq(state.as_bytes())) {
        return refuse(&server, STRAY).await;
    }
    let Some(code) = &back.code else {
        let why = back.error_description.unwrap_or_default();
        return refuse(&server, &format!("GitHub did not say who you are: {why}")).await;
    };
    let exchange = Exchange { code, callback: &callback(github), verifier: &away.verifier };
    let found = async {
        let person = github.flow.person(exchange).await?;
        let rights = rights(&server, github, &person).await?;
        Ok::<_, Failure>((person.login, rights))
    };
    let (login, rights) = match found.await {
        Ok(found) => found,
        Err(failure) => {
            server.log.say(format!("warning: somebody could not sign in with GitHub: {failure}"));
            return refuse(&server, "GitHub did not say who you are; sign in once more at /sign-in").await;
        }
    };
    if rights.are_none() {
        let why = format!("{login} may not see any of the repositories that are deployed here");
        return Err(Problem::new(StatusCode::FORBIDDEN, why));
    }
    let session = Session { who: format!("@{login}"), by: SignedIn::Rights(rights) };
    let response = begin(&server, &headers, &from, &session, LIFETIME, local(Some(&away.to))).await?;
    Ok((AppendHeaders([(SET_COOKIE, cookie::remove(&server.options, AWAY))]), response).into_response())
}

const STRAY: &str = "this browser has not begun to sign in, or too long ago; begin at /sign-in";

async fn refuse(server: &Server, why: &str) -> Result<Response, Problem> {
    Err(server.patience.answer(Problem::new(StatusCode::FORBIDDEN, why)).await.unwrap_or_else(|busy| busy))
}

/// What somebody may do, as GitHub says now.
async fn rights(server: &Server, github: &GitHubSignIn, person: &Person) -> Result<Rights, Failure> {
    let names = server.origins.iter().map(|origin| origin.served.name.clone());
    if github.teams.is_empty() {
        let mut found = Vec::new();
        for name in names {
            let (owner, repository) = name.split_once('/').unwrap_or_default();
            let level = level(person.permissions(owner, repository).await?);
            found.extend(level.map(|level| (name, level)));
        }
        return Ok(Rights::of(found));
    }
    let mut highest = None;
    for Team { level, organization, name } in &github.teams {
        if highest < Some(*level) && person.is_member(organization, name).await? {
            highest = Some(*level);
        }
    }
    Ok(Rights::of(names.filter_map(|name| Some((name, highest?)))))
}

/// The level that permissions on a repository come to.
fn level(permissions: Permissions) -> Option<Level> {
    match permissions {
        Permissions { admin: true, .. } | Permissions { maintain: true, .. } => Some(Level::Approve),
        Permissions { push: true, .. } => Some(Level::Run),
        Permissions { pull: true, .. } => Some(Level::Read),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn permissions_come_to_levels() {
        let none = Permissions::default();
        let read = Permissions { pull: true, ..none };
        let write = Permissions { push: true, ..read };
        assert_eq!([none, read, write].map(level), [None, Some(Level::Read), Some(Level::Run)]);
        for highest in [Permissions { maintain: true, ..write }, Permissions { admin: true, ..write }] {
            assert_eq!(level(highest), Some(Level::Approve));
        }
    }

    #[test]
    fn a_team_has_a_level() {
        let team = "approve=acme/ops".parse::<Team>().unwrap();
        assert_eq!(
            (team.level, team.organization.as_str(), team.name.as_str()),
            (Level::Approve, "acme", "ops")
        );
        for wrong in ["acme/ops", "admin=acme/ops", "run=acme", "run=acme/", "run=acme/../ops", "run=a b/c"] {
            assert!(wrong.parse::<Team>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_challenge_is_that_of_the_standard() {
        // RFC 7636, appendix B.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned();
        let away = Away { state: String::new(), verifier, to: String::new() };
        assert_eq!(away.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    proptest! {
        #[test]
        fn what_is_taken_along_comes_back(to in ".*", state in "[0-9a-f]{64}", verifier in "[0-9a-f]{64}") {
            let away = Away { state, verifier, to };
            let written = away.written();
            prop_assert!(written.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'.'));
            prop_assert_eq!(Away::read(&written), Some(away));
        }
    }
}

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::header::SET_COOKIE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::csrf::{FORM, field};
use super::local::local;
use super::same_origin::is_same_origin;
use super::{Access, LIFETIME, cookie, github, guarded, holder, peer};
use crate::serve::problem::Problem;
use crate::serve::{Server, pages};
use crate::store::{Secret, SecretHash, Session, SignedIn};

/// The cookie that has a session's identity.
pub(super) const SESSION: &str = "pipeline";

/// What the identity of a session begins with that was begun by way of GitHub.
pub(super) const BY_GITHUB: &str = "github.";

/// Signing in and out.
pub(in crate::serve) fn router(server: &Arc<Server>) -> Router<Arc<Server>> {
    let out = Router::new().route("/sign-out", post(sign_out));
    Router::new()
        .route("/sign-in", get(show).post(sign_in))
        .merge(github::router())
        .merge(guarded(server, out))
}

async fn show(State(server): State<Arc<Server>>, Query(wish): Query<Wish>) -> Response {
    page(&server, &wish, StatusCode::OK)
}

fn page(server: &Server, wish: &Wish, status: StatusCode) -> Response {
    let github = server.options.github.is_some().then(|| github::begins_at(local(wish.to.as_deref())));
    pages::sign_in(status, github.as_deref())
}

#[derive(Deserialize)]
pub(super) struct Wish {
    pub(super) to: Option<String>,
}

async fn sign_in(
    State(server): State<Arc<Server>>,
    Query(wish): Query<Wish>,
    request: Request,
) -> Result<Response, Problem> {
    let from = peer::from(request.extensions(), request.headers());
    let (Parts { headers, .. }, body) = request.into_parts();
    // Else another page could sign somebody in as somebody else.
    if !is_same_origin(&headers, server.options.url.as_ref()) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "sign in on the page /sign-in of this server"));
    }
    let body = server.room.read(body, FORM).await?;
    let token = SecretHash::of(field(&body.bytes, "token").unwrap_or_default().trim());
    let holder = holder(&server, &token).await.map_err(|failure| server.unavailable(&failure))?;
    let Some((who, _)) = holder else {
        return server.patience.answer(page(&server, &wish, StatusCode::UNAUTHORIZED)).await;
    };
    let session = Session { who, by: SignedIn::Token(token) };
    begin(&server, &headers, &from, &session, LIFETIME, local(wish.to.as_deref())).await
}

/// Begins a session in place of the one that the browser may have, and leads to where it was to go.
pub(super) async fn begin(
    server: &Server,
    headers: &HeaderMap,
    from: &str,
    session: &Session,
    lifetime: Duration,
    to: &str,
) -> Result<Response, Problem> {
    end(server, headers, from).await?;
    let id = Secret::random().map_err(|failure| server.unavailable(&failure))?;
    // It tells by itself how somebody signed in, so that they can be sent there again when it has ended.
    let by = match session.by {
        SignedIn::Token(_) => "token.",
        SignedIn::Rights(_) => BY_GITHUB,
    };
    let id = format!("{by}{}", id.expose());
    let begun = server.store.begin_session(&SecretHash::of(&id), session, lifetime, from).await;
    begun.map_err(|failure| server.unavailable(&failure))?;
    let cookie = cookie::set(&server.options, SESSION, &id);
    Ok((AppendHeaders([(SET_COOKIE, cookie)]), Redirect::to(to)).into_response())
}

async fn end(server: &Server, headers: &HeaderMap, from: &str) -> Result<(), Problem> {
    let Some(id) = cookie::read(&server.options, headers, SESSION) else { return Ok(()) };
    server.store.end_session(&SecretHash::of(id), from).await.map_err(|failure| server.unavailable(&failure))
}

async fn sign_out(
    State(server): State<Arc<Server>>,
    access: Access,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    end(&server, &headers, &access.by().from).await?;
    let cookie = cookie::remove(&server.options, SESSION);
    Ok((AppendHeaders([(SET_COOKIE, cookie)]), Redirect::to("/sign-in")).into_response())
}

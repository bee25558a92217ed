use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};

use super::sign_in::{BY_GITHUB, SESSION};
use super::{Access, IDLE, cookie, csrf, github, holder, peer, unknown};
use crate::serve::Server;
use crate::serve::problem::Problem;
use crate::store::{SecretHash, SignedIn};

/// The same routes, for those who are known.
pub(in crate::serve) fn guarded(server: &Arc<Server>, routes: Router<Arc<Server>>) -> Router<Arc<Server>> {
    routes.route_layer(from_fn_with_state(Arc::clone(server), guard))
}

async fn guard(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    match admit(&server, request).await {
        Ok(request) => {
            let mut response = next.run(request).await;
            // It was for who asked, and not for who sits at the same browser later.
            response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
            response
        }
        Err(refused) => refused,
    }
}

/// The request of somebody who is known, with their [`Access`]; or what to answer instead.
async fn admit(server: &Server, request: Request) -> Result<Request, Response> {
    let from = peer::from(request.extensions(), request.headers());
    let known = match bearer(request.headers()) {
        Some(token) => by_token(server, token).await,
        None => by_session(server, request.headers()).await,
    };
    let Some((who, rights, csrf)) = known.map_err(IntoResponse::into_response)? else {
        return Err(unadmitted(server, &request));
    };
    let mut request = match &csrf {
        Some(token) => csrf::check(server, request, token).await.map_err(IntoResponse::into_response)?,
        None => request,
    };
    request.extensions_mut().insert(Access { who, rights, csrf, from });
    Ok(request)
}

type Known = (String, crate::store::Rights, Option<String>);

async fn by_token(server: &Server, token: &str) -> Result<Option<Known>, Problem> {
    match holder(server, &SecretHash::of(token)).await {
        Ok(Some((who, rights))) => Ok(Some((who, rights, None))),
        Ok(None) => Err(server.patience.answer(unknown()).await.unwrap_or_else(|busy| busy)),
        Err(failure) => Err(server.unavailable(&failure)),
    }
}

async fn by_session(server: &Server, headers: &HeaderMap) -> Result<Option<Known>, Problem> {
    let Some(id) = cookie::read(&server.options, headers, SESSION) else { return Ok(None) };
    let session = server.store.session(&SecretHash::of(id), IDLE).await;
    let Some(session) = session.map_err(|failure| server.unavailable(&failure))? else { return Ok(None) };
    let rights = match session.by {
        SignedIn::Rights(rights) => Some(rights),
        SignedIn::Token(token) => {
            let holder = holder(server, &token).await.map_err(|failure| server.unavailable(&failure))?;
            holder.map(|(_, rights)| rights)
        }
    };
    Ok(rights.map(|rights| (session.who, rights, Some(csrf::token(id)))))
}

/// The token in `Authorization`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
}

/// Who looks at a page is sent to sign in, and from there to that page; programs are told what is missing. Whose session by
/// way of GitHub has ended is sent there at once, and comes back without being asked.
fn unadmitted(server: &Server, request: &Request) -> Response {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let is_page = request.method().is_safe() && accept.contains("text/html");
    if !is_page || request.headers().contains_key(AUTHORIZATION) {
        return unknown().into_response();
    }
    let to = request.uri().path_and_query().map_or("/", |it| it.as_str());
    let session = cookie::read(&server.options, request.headers(), SESSION).unwrap_or_default();
    if session.starts_with(BY_GITHUB) && server.options.github.is_some() {
        return Redirect::to(&github::begins_at(to)).into_response();
    }
    let query: String = url::form_urlencoded::byte_serialize(to.as_bytes()).collect();
    Redirect::to(&format!("/sign-in?to={query}")).into_response()
}

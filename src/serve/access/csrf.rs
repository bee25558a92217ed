use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::same_origin::is_same_origin;
use crate::serve::Server;
use crate::serve::problem::Problem;

/// The largest form.
pub(super) const FORM: usize = 64 * 1024;

/// The token that belongs to a session: who does not know the session's identity does not know it.
pub(super) fn token(session: &str) -> String {
    hex::encode(Sha256::digest(format!("csrf of {session}")))
}

/// Passes a request that a page of this server makes with what it was given: as the header `X-CSRF-Token`, or as the field
/// `csrf` of a form.
///
/// # Errors
/// If another page makes it.
pub(super) async fn check(server: &Server, request: Request, token: &str) -> Result<Request, Problem> {
    if request.method().is_safe() {
        return Ok(request);
    }
    if !is_same_origin(request.headers(), server.options.url.as_ref()) {
        return Err(foreign("it does not come from a page of this server"));
    }
    let (shown, request) = shown(server, request).await?;
    let shown = shown.ok_or_else(|| foreign("it has neither X-CSRF-Token nor a field csrf"))?;
    if bool::from(shown.as_bytes().ct_eq(token.as_bytes())) {
        Ok(request)
    } else {
        Err(foreign("its CSRF token is not that of the session; load the page again"))
    }
}

fn foreign(why: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, format!("the request is refused: {why}"))
}

/// What a request shows, and the request as it was.
async fn shown(server: &Server, request: Request) -> Result<(Option<String>, Request), Problem> {
    let (head, body) = request.into_parts();
    let header = |name: &str| head.headers.get(name)?.to_str().ok();
    if let Some(shown) = header("x-csrf-token").map(str::to_owned) {
        return Ok((Some(shown), Request::from_parts(head, body)));
    }
    let kind = header(CONTENT_TYPE.as_str()).unwrap_or_default();
    if !kind.starts_with("application/x-www-form-urlencoded") {
        return Ok((None, Request::from_parts(head, body)));
    }
    let body = server.room.read(body, FORM).await?;
    let shown = field(&body.bytes, "csrf");
    Ok((shown, Request::from_parts(head, Body::from(body.bytes.to_vec()))))
}

/// A field of a form.
pub(super) fn field(form: &[u8], name: &str) -> Option<String> {
    url::form_urlencoded::parse(form).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

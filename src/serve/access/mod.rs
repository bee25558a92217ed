//! Who asks, and what they may do.
//!
//! Whatever is [guarded] is reached by nobody who is not known: by a token in `Authorization`, or by a session that a
//! cookie names. The handlers get an [`Access`] and ask it what may be done with a repository.

mod cookie;
mod csrf;
mod github;
mod guard;
mod local;
mod peer;
mod same_origin;
mod sign_in;
mod wrong;

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;

pub use github::{GitHubSignIn, Team};
pub(super) use guard::guarded;
pub(super) use peer::Peer;
pub(super) use sign_in::router;
pub(super) use wrong::Patience;

use super::Server;
use super::problem::Problem;
use crate::failure::Failure;
use crate::store::{By, Level, Rights, SecretHash};

/// A session that is not used for so long has ended.
pub(super) const IDLE: Duration = Duration::from_hours(1);

/// How long a session lasts that was begun with a token.
const LIFETIME: Duration = Duration::from_hours(12);

/// What the token from the environment is called.
const API: &str = "api";

/// Somebody who is known, and asks for something.
#[derive(Debug, Clone)]
pub(super) struct Access {
    who: String,
    rights: Rights,
    csrf: Option<String>,
    from: String,
}

impl Access {
    /// The name of their token, or `@LOGIN` on GitHub.
    pub(super) fn who(&self) -> &str {
        &self.who
    }

    /// Who they are, and from where they ask: for the audit log.
    pub(super) fn by(&self) -> By {
        By { who: self.who.clone(), from: self.from.clone() }
    }

    /// What every form has to send as `csrf`, and every other unsafe request as `X-CSRF-Token`; a token needs none.
    pub(super) fn csrf(&self) -> Option<&str> {
        self.csrf.as_deref()
    }

    /// Whether they may do as much with a repository.
    pub(super) fn may(&self, repository: &str, level: Level) -> bool {
        self.rights.allow(repository, level)
    }

    /// Passes who may do as much with a repository.
    ///
    /// # Errors
    /// If they may not.
    pub(super) fn require(&self, repository: &str, level: Level) -> Result<(), Problem> {
        if self.may(repository, level) {
            return Ok(());
        }
        let message = format!("{} may not do this with {repository}: it takes the level {level}", self.who);
        Err(Problem::new(StatusCode::FORBIDDEN, message))
    }

    /// The repositories with which they may do as much; `None` if that is all, also those that are no longer served.
    pub(super) fn repositories(&self, server: &Server, level: Level) -> Option<Vec<String>> {
        if self.rights.allow_everywhere(level) {
            return None;
        }
        let names = server.origins.iter().map(|origin| &origin.served.name);
        Some(names.filter(|name| self.may(name, level)).cloned().collect())
    }
}

/// What the guard has found out.
impl<S: Sync> FromRequestParts<S> for Access {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get().cloned().ok_or_else(unknown)
    }
}

fn unknown() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "send a token, `Authorization: Bearer TOKEN`, or sign in at /sign-in; `pipeline token create` makes tokens",
    )
}

/// Whose token it is and what it allows now; nobody's if it is wrong, expired or revoked.
///
/// # Errors
/// If the store can't be asked.
async fn holder(server: &Server, token: &SecretHash) -> Result<Option<(String, Rights)>, Failure> {
    if server.options.token.as_ref().is_some_and(|api| api.is(token)) {
        return Ok(Some((API.to_owned(), Rights::everywhere(Level::Approve))));
    }
    let token = server.store.token(token).await?;
    Ok(token.map(|token| (token.name, token.rights)))
}

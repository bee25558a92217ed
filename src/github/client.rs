//! Requests to GitHub about one repository.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Method, Response};
use octocrab::secrecy::ExposeSecret as _;
use octocrab::{Error, Octocrab};
use serde_json::Value;
use tokio::sync::{Mutex, OnceCell};
use tokio::time::Instant;

use super::Target;
use super::credentials::Credentials;
use super::refusal::Refusal;
use crate::failure::root_cause;
use crate::report::words;

/// GitHub takes 80 requests a minute that write: so many at once, and then one a second.
/// <https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits>
const BURST: Duration = Duration::from_secs(20);

/// Time between two writes after those.
const INTERVAL: Duration = Duration::from_secs(1);

/// Entries of one page of a list; GitHub gives no more.
pub const PAGE: usize = 100;

/// The repository on GitHub, as whoever the credentials say.
#[derive(Debug)]
pub struct Client {
    octocrab: Octocrab,
    /// The same as an App's installation, once that is known.
    installed: OnceCell<Octocrab>,
    is_app: bool,
    /// `/repos/owner/name`.
    repository: String,
    timeout: Duration,
    /// When the writes that were made would be through at one each interval.
    written: Mutex<Instant>,
    /// How many requests were answered with success.
    answered: AtomicUsize,
}

impl Client {
    /// A client; nothing is asked yet.
    ///
    /// octocrab repeats failed posts at once if it is built with its feature `retry`; this project builds it without.
    ///
    /// # Errors
    /// If the API's address is malformed.
    pub fn new(target: &Target, credentials: &Credentials) -> Result<Self, Refusal> {
        let refusal = |error: Error| Refusal::lasting(error.to_string(), "check the GitHub API's address");
        let builder = match credentials {
            Credentials::Token(token) => Octocrab::builder().personal_token(token.clone()),
            Credentials::App(app) => Octocrab::builder().app(app.app_id, app.key.clone()),
        };
        let builder = match &target.api_url {
            Some(url) => builder.base_uri(url.as_str()).map_err(refusal)?,
            None => builder,
        };
        Ok(Self {
            octocrab: builder.build().map_err(refusal)?,
            installed: OnceCell::new(),
            is_app: matches!(credentials, Credentials::App(_)),
            repository: format!("/repos/{}/{}", target.owner, target.repository),
            timeout: target.timeout,
            written: Mutex::new(Instant::now()),
            answered: AtomicUsize::new(0),
        })
    }

    /// Reads something of the repository: `/pulls/7`.
    ///
    /// # Errors
    /// If there is no answer, or one that is no success.
    pub async fn get(&self, path: &str) -> Result<Value, Refusal> {
        self.request(Method::GET, &format!("{}{path}", self.repository), None).await
    }

    /// Reads a list page by page until `found` finds in it what is looked for.
    ///
    /// # Errors
    /// If there is no answer, or one that is no success.
    pub async fn find<T>(
        &self,
        path: &str,
        entries: impl Fn(&Value) -> Option<&Vec<Value>>,
        found: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        let separator = if path.contains('?') { '&' } else { '?' };
        for page in 1.. {
            let listed = self.get(&format!("{path}{separator}per_page={PAGE}&page={page}")).await?;
            let Some(entries) = entries(&listed) else { break };
            if let Some(found) = entries.iter().find_map(&found) {
                return Ok(Some(found));
            }
            if entries.len() < PAGE {
                break;
            }
        }
        Ok(None)
    }

    /// Makes something new in the repository.
    ///
    /// # Errors
    /// If there is no answer, or one that is no success.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Refusal> {
        self.turn().await;
        self.request(Method::POST, &format!("{}{path}", self.repository), Some(body)).await
    }

    /// Changes something in the repository.
    ///
    /// # Errors
    /// If there is no answer, or one that is no success.
    pub async fn patch(&self, path: &str, body: &Value) -> Result<Value, Refusal> {
        self.turn().await;
        self.request(Method::PATCH, &format!("{}{path}", self.repository), Some(body)).await
    }

    /// The login of whom the token belongs to; `None` if it belongs to a job or an App.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn login(&self) -> Result<Option<String>, Refusal> {
        if self.is_app {
            return Ok(None);
        }
        match self.request(Method::GET, "/user", None).await {
            Ok(user) => Ok(user["login"].as_str().map(ToOwned::to_owned)),
            Err(refusal) if refusal.is_forbidden() => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// Whether somebody is in a team.
    ///
    /// # Errors
    /// If there is no answer, or they are not.
    pub async fn membership(&self, organization: &str, team: &str, login: &str) -> Result<Value, Refusal> {
        let path = format!("/orgs/{organization}/teams/{team}/memberships/{login}");
        self.request(Method::GET, &path, None).await
    }

    /// A token of the App's installation that is good for half a minute at least.
    ///
    /// # Errors
    /// If there is no App, it is not installed on the repository, or GitHub does not answer.
    pub async fn installation_token(&self) -> Result<String, Refusal> {
        let asked = async {
            let installed = self.signed_in().await?;
            let token = installed.installation_token().await;
            token.map(|token| token.expose_secret().to_owned()).map_err(|error| unanswered(&error))
        };
        let answer = tokio::time::timeout(self.timeout, asked).await;
        answer.unwrap_or_else(|_| Err(self.no_answer()))
    }

    fn no_answer(&self) -> Refusal {
        let time = words::duration(u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX));
        Refusal::unanswered(format!("no answer within {time}"))
    }

    /// Waits until one more write is within the limit.
    async fn turn(&self) {
        let due = {
            let mut written = self.written.lock().await;
            *written = (*written).max(Instant::now()) + INTERVAL;
            *written - BURST.min(written.duration_since(Instant::now()))
        };
        tokio::time::sleep_until(due).await;
    }

    /// How many requests were answered with success so far.
    pub fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    async fn request(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Refusal> {
        let Ok(answer) = tokio::time::timeout(self.timeout, self.send(method, path, body)).await else {
            return Err(self.no_answer());
        };
        self.answered.fetch_add(usize::from(answer.is_ok()), Ordering::Relaxed);
        answer
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Refusal> {
        let octocrab = self.signed_in().await?;
        send(octocrab, method, path, body).await
    }

    async fn signed_in(&self) -> Result<&Octocrab, Refusal> {
        if !self.is_app {
            return Ok(&self.octocrab);
        }
        self.installed
            .get_or_try_init(|| async {
                let path = format!("{}/installation", self.repository);
                let installation =
                    send(&self.octocrab, Method::GET, &path, None).await.map_err(|refusal| {
                        if !refusal.is_forbidden() {
                            return refusal;
                        }
                        Refusal::lasting(refusal.answer, "install the App on the repository")
                    })?;
                let id = installation["id"].as_u64().unwrap_or_default();
                self.octocrab.installation(id.into()).map_err(|error| unanswered(&error))
            })
            .await
    }
}

pub(super) async fn send(
    octocrab: &Octocrab,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, Refusal> {
    let answer = match method {
        Method::POST => octocrab._post(path, body).await,
        Method::PATCH => octocrab._patch(path, body).await,
        _ => octocrab._get(path).await,
    };
    let (head, body) = answer.map_err(|error| unanswered(&error))?.into_parts();
    let text = octocrab.body_to_string(Response::new(body)).await.map_err(|error| unanswered(&error))?;
    if !head.status.is_success() {
        return Err(Refusal::of(head.status, &head.headers, &text, jiff::Timestamp::now()));
    }
    serde_json::from_str(&text).map_err(|_| Refusal::unanswered(format!("{} without JSON", head.status)))
}

fn unanswered(error: &Error) -> Refusal {
    if let Error::GitHub { source, .. } = error {
        let body = serde_json::json!({ "message": source.message }).to_string();
        return Refusal::of(source.status_code, &http::HeaderMap::new(), &body, jiff::Timestamp::now());
    }
    Refusal::unanswered(root_cause(error))
}

//! Who somebody is on GitHub, and what they may do there: asked with a token that they give for that alone.

use std::fmt;
use std::time::Duration;

use http::Method;
use http::header::ACCEPT;
use octocrab::Octocrab;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::client::{Client, send};
use super::refusal::Refusal;
use super::{Credentials, TIMEOUT, Target};
use crate::failure::Failure;
use crate::redact::keep_secret;

/// The variables that hold the identity and the secret of an OAuth App, or of a GitHub App as its users sign in with it.
const CLIENT_ID: &str = "PIPELINE_GITHUB_CLIENT_ID";
const CLIENT_SECRET: &str = "PIPELINE_GITHUB_CLIENT_SECRET";

/// How people sign in with GitHub.
/// <https://docs.github.com/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps#web-application-flow>
#[derive(Clone)]
pub struct WebFlow {
    client_id: String,
    client_secret: String,
    /// Where people are sent: `https://github.com`.
    server: Url,
    api_url: Option<String>,
}

impl fmt::Debug for WebFlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebFlow").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// What ties a sign-in together: the server's own address that GitHub leads back to, and PKCE's verifier.
#[derive(Debug)]
pub struct Exchange<'a> {
    /// What GitHub has led back with.
    pub code: &'a str,
    /// Where it has led back to.
    pub callback: &'a Url,
    /// What the challenge was made of.
    pub verifier: &'a str,
}

/// What somebody may do with a repository, as GitHub tells it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "GitHub's own words")]
pub struct Permissions {
    /// Read it.
    pub pull: bool,
    /// Write to it.
    pub push: bool,
    /// Change its settings but for the dangerous ones.
    pub maintain: bool,
    /// Everything.
    pub admin: bool,
}

/// Somebody, for as long as their token is needed.
#[derive(Debug)]
pub struct Person {
    /// What they are called.
    pub login: String,
    token: Credentials,
    api_url: Option<String>,
}

impl WebFlow {
    /// As the environment says; GitHub is where `GITHUB_SERVER_URL` and `GITHUB_API_URL` say, or else github.com.
    ///
    /// # Errors
    /// If one of the two variables is missing, or an address is none.
    pub fn from_environment() -> Result<Option<Self>, Failure> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let (client_id, client_secret) = match (variable(CLIENT_ID), variable(CLIENT_SECRET)) {
            (Some(id), Some(secret)) => (id, secret),
            (None, None) => return Ok(None),
            _ => {
                return Err(Failure::new(format!("only one of {CLIENT_ID} and {CLIENT_SECRET} is set"))
                    .hint("the page of the App on GitHub shows the one and makes the other"));
            }
        };
        keep_secret(&client_secret);
        let server = variable("GITHUB_SERVER_URL").unwrap_or_else(|| "https://github.com".to_owned());
        let server =
            server.parse().map_err(|error| Failure::new(format!("GITHUB_SERVER_URL, {server}: {error}")))?;
        Ok(Some(Self { client_id, client_secret, server, api_url: variable("GITHUB_API_URL") }))
    }

    /// Where somebody is sent to say that they are who they are.
    #[must_use]
    pub fn authorize(&self, callback: &Url, state: &str, challenge: &str, scope: &str) -> Url {
        let mut url = self.server.clone();
        url.set_path("/login/oauth/authorize");
        url.query_pairs_mut()
            .append_pair("client_id", &self.client_id)
            .append_pair("redirect_uri", callback.as_str())
            .append_pair("state", state)
            .append_pair("scope", scope)
            .append_pair("code_challenge", challenge)
            .append_pair("code_challenge_method", "S256");
        url
    }

    /// Who came back.
    ///
    /// # Errors
    /// If GitHub does not know the code, or does not answer.
    pub async fn person(&self, exchange: Exchange<'_>) -> Result<Person, Failure> {
        let token = self.token(exchange).await.map_err(failed("asking GitHub for a token"))?;
        let mut person =
            Person { login: String::new(), token: Credentials::Token(token), api_url: self.api_url.clone() };
        let login = async { person.client("", "")?.login().await };
        let login = login.await.map_err(failed("asking GitHub who it is"))?;
        person.login = login.ok_or_else(|| Failure::new("GitHub does not say who it is"))?;
        Ok(person)
    }

    async fn token(&self, Exchange { code, callback, verifier }: Exchange<'_>) -> Result<String, Refusal> {
        let malformed =
            |error: octocrab::Error| Refusal::lasting(error.to_string(), "check GITHUB_SERVER_URL");
        let server = self.server.as_str().trim_end_matches('/');
        let builder = Octocrab::builder().add_header(ACCEPT, "application/json".to_owned());
        let octocrab = builder.base_uri(server).map_err(malformed)?.build().map_err(malformed)?;
        let body = json!({
            "client_id": self.client_id, "client_secret": self.client_secret, "code": code,
            "redirect_uri": callback, "code_verifier": verifier,
        });
        let answer = within(TIMEOUT, send(&octocrab, Method::POST, "/login/oauth/access_token", Some(&body)));
        let answer = answer.await?;
        match answer["access_token"].as_str() {
            Some(token) => Ok(token.to_owned()),
            None => Err(Refusal::lasting(
                answer["error_description"].as_str().unwrap_or("an answer without a token").to_owned(),
                "sign in once more",
            )),
        }
    }
}

impl Person {
    /// What they may do with a repository; nothing if they may not see it.
    ///
    /// # Errors
    /// If GitHub does not answer.
    pub async fn permissions(&self, owner: &str, repository: &str) -> Result<Permissions, Failure> {
        let asking = format!("asking GitHub what {} may do with {owner}/{repository}", self.login);
        let asked = async {
            match self.client(owner, repository)?.get("").await {
                Ok(found) => Ok(Permissions::deserialize(&found["permissions"]).unwrap_or_default()),
                Err(refusal) if refusal.is_forbidden() => Ok(Permissions::default()),
                Err(refusal) => Err(refusal),
            }
        };
        asked.await.map_err(failed(&asking))
    }

    /// Whether they are a member of an organization's team.
    ///
    /// # Errors
    /// If GitHub does not answer.
    pub async fn is_member(&self, organization: &str, team: &str) -> Result<bool, Failure> {
        let asking = format!("asking GitHub whether {} is in {organization}/{team}", self.login);
        let asked = async {
            match self.client("", "")?.membership(organization, team, &self.login).await {
                Ok(membership) => Ok(membership["state"].as_str() == Some("active")),
                Err(refusal) if refusal.is_forbidden() => Ok(false),
                Err(refusal) => Err(refusal),
            }
        };
        asked.await.map_err(failed(&asking))
    }

    fn client(&self, owner: &str, repository: &str) -> Result<Client, Refusal> {
        let target = Target {
            api_url: self.api_url.clone(),
            owner: owner.to_owned(),
            repository: repository.to_owned(),
            timeout: TIMEOUT,
        };
        Client::new(&target, &self.token)
    }
}

async fn within<T>(time: Duration, asked: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
    let late = || Refusal::unanswered(format!("no answer within {} s", time.as_secs()));
    tokio::time::timeout(time, asked).await.unwrap_or_else(|_| Err(late()))
}

fn failed(what: &str) -> impl Fn(Refusal) -> Failure {
    move |refusal| Failure::new(format!("{what}: {}", refusal.answer)).hint(refusal.hint)
}

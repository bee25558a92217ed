use std::time::Duration;

use octocrab::Octocrab;
use serde::Deserialize;
use url::Url;

use super::id_token::IdToken;
use crate::failure::{Failure, root_cause};
use crate::redact::keep_secret;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a token is asked for before it is given up.
const ATTEMPTS: u32 = 3;

/// The pause after the first failed attempt; it doubles with each further one.
const BACKOFF: Duration = Duration::from_millis(500);

/// Sessions of a role have names of at most so many characters.
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>
const SESSION_NAME: usize = 64;

/// The job on GitHub Actions that this process is part of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    repository: String,
    run: String,
    identity: Option<Endpoint>,
}

/// Where a job gets tokens that tell who it is, if its workflow lets it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    url: String,
    token: String,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Job {
    /// The job, if the environment variables tell of one.
    pub(super) fn from_environment() -> Option<Self> {
        Self::of(|name| std::env::var(name).ok())
    }

    /// <https://docs.github.com/en/actions/reference/workflows-and-actions/variables>
    pub(super) fn of(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let told = |name| variable(name).filter(|value| !value.is_empty());
        let endpoint = || {
            Some(Endpoint {
                url: told("ACTIONS_ID_TOKEN_REQUEST_URL")?,
                token: told("ACTIONS_ID_TOKEN_REQUEST_TOKEN")?,
            })
        };
        let identity = endpoint();
        (identity.is_some() || told("GITHUB_ACTIONS").is_some_and(|value| value == "true")).then(|| Self {
            repository: told("GITHUB_REPOSITORY").unwrap_or_default(),
            run: told("GITHUB_RUN_ID").unwrap_or_default(),
            identity,
        })
    }

    /// Where it gets tokens that tell who it is, if its workflow lets it.
    pub(super) fn identity(&self) -> Option<&Endpoint> {
        self.identity.as_ref()
    }

    /// What the session of a role is called: `acme.shop@7211`, which tells repository and run.
    pub(super) fn session_name(&self) -> String {
        let allowed = |c: char| if c.is_ascii_alphanumeric() || "_+=,.@-".contains(c) { c } else { '.' };
        let name = |text: &str, most: usize| text.chars().map(allowed).take(most).collect::<String>();
        let run = name(&self.run, 20);
        let repository = name(&self.repository, SESSION_NAME - 1 - run.len());
        let named: Vec<String> = [repository, run].into_iter().filter(|part| !part.is_empty()).collect();
        // It has at least two characters.
        if named.is_empty() { "pipeline".to_owned() } else { format!("{:.<2}", named.join("@")) }
    }
}

/// What the endpoint answers.
#[derive(Deserialize)]
struct Answer {
    value: String,
}

/// Why there is no token.
#[derive(Debug)]
struct Refusal {
    answer: String,
    /// Whether the same request may well succeed later.
    passing: bool,
}

impl Endpoint {
    /// A new token for an audience: only who is asked for it takes it.
    ///
    /// # Errors
    /// If GitHub gives none.
    pub(super) async fn id_token(&self, audience: &str) -> Result<IdToken, Failure> {
        keep_secret(&self.token);
        let mut attempt = 1;
        loop {
            let refusal = match self.ask(audience).await {
                Ok(token) => return Ok(IdToken::new(token)),
                Err(refusal) => refusal,
            };
            if !refusal.passing || attempt == ATTEMPTS {
                return Err(self.refused(&refusal, attempt));
            }
            tokio::time::sleep(BACKOFF * 2_u32.pow(attempt - 1)).await;
            attempt += 1;
        }
    }

    async fn ask(&self, audience: &str) -> Result<String, Refusal> {
        let unusable = |answer: String| Refusal { answer, passing: false };
        let url = address(&self.url, audience).map_err(unusable)?;
        let client = self.client(&url).map_err(|error| unusable(error.to_string()))?;
        let asked = async {
            let response = client._get(url.as_str()).await?;
            let status = response.status();
            client.body_to_string(response).await.map(|body| (status, body))
        };
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok((status, body))) if status.is_success() => serde_json::from_str::<Answer>(&body)
                .map(|answer| answer.value)
                .map_err(|_| unusable("an answer without a token".to_owned())),
            Ok(Ok((status, _))) => Err(Refusal {
                answer: format!("HTTP {status}"),
                passing: status.is_server_error() || status.as_u16() == 429,
            }),
            Ok(Err(error)) => Err(Refusal { answer: root_cause(&error), passing: true }),
            Err(_) => {
                Err(Refusal { answer: format!("no answer within {} s", PATIENCE.as_secs()), passing: true })
            }
        }
    }

    /// The client that speaks to GitHub elsewhere, too; it shows the token to no other host.
    fn client(&self, url: &Url) -> octocrab::Result<Octocrab> {
        let origin = url.origin().ascii_serialization();
        Octocrab::builder().base_uri(origin)?.personal_token(self.token.clone()).build()
    }

    fn refused(&self, refusal: &Refusal, attempts: u32) -> Failure {
        let host = Url::parse(&self.url).ok().and_then(|url| url.host_str().map(str::to_owned));
        let attempts = if attempts > 1 { format!(" ({attempts} attempts)") } else { String::new() };
        let failure = Failure::new(format!(
            "asking {} for the job's identity: {}{attempts}",
            host.as_deref().unwrap_or("GitHub"),
            refusal.answer
        ));
        failure.hint(if refusal.passing {
            "see whether GitHub is up (https://www.githubstatus.com), then run the job again"
        } else {
            "the job has to be one of GitHub Actions that is still running, with `permissions: id-token: write`"
        })
    }
}

/// Where a token for an audience is to be had.
fn address(endpoint: &str, audience: &str) -> Result<Url, String> {
    let mut url = Url::parse(endpoint)
        .map_err(|error| format!("ACTIONS_ID_TOKEN_REQUEST_URL is no address: {error}"))?;
    url.query_pairs_mut().append_pair("audience", audience);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn job(variables: &[(&str, &str)]) -> Option<Job> {
        Job::of(|wanted| {
            variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_job_may_have_an_identity_or_not() {
        let url = ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://x/?v=2");
        let token = ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "secret");
        assert_eq!(job(&[]), None);
        assert_eq!(job(&[url]), None);
        assert_eq!(job(&[("GITHUB_ACTIONS", "false")]), None);
        assert!(job(&[("GITHUB_ACTIONS", "true"), url]).unwrap().identity().is_none());
        assert!(job(&[("GITHUB_ACTIONS", "true"), url, token]).unwrap().identity().is_some());
        assert!(!format!("{:?}", job(&[url, token])).contains("secret"));
    }

    #[test]
    fn the_audience_joins_what_the_address_asks_for_already() {
        let asked = |endpoint| address(endpoint, "http://127.0.0.1:1/?&").map(|url| url.to_string());
        let audience = "audience=http%3A%2F%2F127.0.0.1%3A1%2F%3F%26";
        assert_eq!(asked("https://x/t?v=2.0"), Ok(format!("https://x/t?v=2.0&{audience}")));
        assert_eq!(asked("https://x/t"), Ok(format!("https://x/t?{audience}")));
        assert!(asked("x/t").is_err());
    }

    #[test]
    fn a_session_is_named_after_repository_and_run() {
        let named = |repository, run| {
            let variables =
                [("GITHUB_ACTIONS", "true"), ("GITHUB_REPOSITORY", repository), ("GITHUB_RUN_ID", run)];
            job(&variables).unwrap().session_name()
        };
        assert_eq!(named("acme/shop", "7211"), "acme.shop@7211");
        assert_eq!(named("", ""), "pipeline");
        assert_eq!(named("", "7"), "7.");
    }

    proptest! {
        #[test]
        fn sts_takes_every_session_name(repository in "\\PC{0,90}", run in "([0-9]{1,20}|\\PC{0,90})") {
            let job = Job { repository, run: run.clone(), identity: None };
            let name = job.session_name();
            prop_assert!((2..=64).contains(&name.len()), "{name}");
            prop_assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)), "{name}");
            if !run.is_empty() && run.len() <= 20 && run.chars().all(|c| c.is_ascii_digit()) {
                prop_assert!(name.trim_end_matches('.').ends_with(&run), "{name}");
            }
        }
    }
}

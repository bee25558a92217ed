//! Who the pipeline is on GitHub: the bearer of a token, or an App.

use std::fmt;

use octocrab::EncodingKey;
use octocrab::auth::AppAuth;
use octocrab::models::AppId;

use crate::failure::Failure;
use crate::redact::keep_secret;

/// The variable that holds an App's id.
pub const APP_ID: &str = "PIPELINE_GITHUB_APP_ID";

/// The variable that holds an App's private key, in PEM.
pub const APP_KEY: &str = "PIPELINE_GITHUB_APP_KEY";

/// Who the pipeline is on GitHub.
#[derive(Clone)]
pub enum Credentials {
    /// The bearer of a token: a job's own, or a person's.
    Token(String),
    /// An App, which has to be installed on the repository. It is given a token there, and a new one in time.
    App(AppAuth),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token",
            Self::App(_) => "App",
        })
    }
}

impl Credentials {
    /// What the environment variables say: an App if there is one, else `GITHUB_TOKEN`, else nothing.
    ///
    /// # Errors
    /// If an App's id or key is missing or malformed.
    pub fn from_environment() -> Result<Option<Self>, Failure> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        match (variable(APP_ID), variable(APP_KEY)) {
            (Some(id), Some(key)) => Self::app(&id, &key).map(Some),
            (Some(_), None) => Err(missing(APP_KEY, APP_ID)),
            (None, Some(_)) => Err(missing(APP_ID, APP_KEY)),
            (None, None) => Ok(variable("GITHUB_TOKEN").map(Self::Token)),
        }
    }

    /// An App by its id and its private key in PEM.
    ///
    /// # Errors
    /// If one of them is malformed.
    pub fn app(id: &str, key: &str) -> Result<Self, Failure> {
        keep_secret(key);
        let app_id = id.trim().parse().map(AppId).map_err(|_| {
            Failure::new(format!("{APP_ID} is no number"))
                .hint("set it to the App ID that the App's page on GitHub shows")
        })?;
        let key = EncodingKey::from_rsa_pem(key.trim().as_bytes()).map_err(|error| {
            Failure::new(format!("{APP_KEY} is no RSA key in PEM: {error}"))
                .hint("set it to the whole file that GitHub made, from its BEGIN to its END line")
        })?;
        Ok(Self::App(AppAuth { app_id, key }))
    }
}

fn missing(absent: &str, present: &str) -> Failure {
    Failure::new(format!("{present} is set and {absent} is not"))
        .hint("an App needs both; without both, GITHUB_TOKEN is used")
}

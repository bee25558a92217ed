//! What an App fetches a repository with.

use crate::failure::Failure;
use crate::redact::keep_secret;
use crate::source::{Token, github_repository};

use super::client::Client;
use super::{Credentials, TIMEOUT, Target};

/// Tokens of an App's installation on a repository, for git. Each is good for an hour, and one that is still good is
/// given again.
#[derive(Debug)]
pub struct AppTokens {
    client: Client,
    repository: String,
}

impl AppTokens {
    /// For a repository that is fetched from GitHub by `https://`, and the App that the environment names, if it names one.
    /// GitHub is asked at `GITHUB_API_URL`, if that is set.
    ///
    /// # Errors
    /// If what the environment says is malformed.
    pub fn of(url: &str) -> Result<Option<Self>, Failure> {
        let named = github_repository(url).filter(|_| url.starts_with("https://"));
        let Some((owner, repository)) = named else { return Ok(None) };
        let Some(credentials @ Credentials::App(_)) = Credentials::from_environment()? else {
            return Ok(None);
        };
        let target = Target {
            api_url: std::env::var("GITHUB_API_URL").ok(),
            owner: owner.clone(),
            repository: repository.clone(),
            timeout: TIMEOUT,
        };
        let client = Client::new(&target, &credentials)
            .map_err(|refusal| Failure::new(refusal.answer).hint(refusal.hint))?;
        Ok(Some(Self { client, repository: format!("{owner}/{repository}") }))
    }

    /// A token.
    ///
    /// # Errors
    /// If GitHub gives none.
    pub async fn get(&self) -> Result<Token, Failure> {
        let token = self.client.installation_token().await.map_err(|refusal| {
            let what = format!("GitHub gives the App no token for {}: {}", self.repository, refusal.answer);
            Failure::new(what).hint(refusal.hint)
        })?;
        keep_secret(&token);
        Ok(Token::for_github(token))
    }
}

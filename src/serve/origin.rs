use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use tokio::sync::Mutex;

use super::state::StateDirectory;
use crate::config;
use crate::failure::Failure;
use crate::github::AppTokens;
use crate::source::{Repository, Token, github_repository};

/// How long a remote may take to answer and to send a commit.
const PATIENCE: Duration = Duration::from_mins(5);

/// A repository that is served: `[OWNER/NAME=]URL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// `OWNER/NAME`, as GitHub calls it in its deliveries.
    pub name: String,
    /// Where it is fetched from.
    pub url: String,
}

impl FromStr for Served {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, url) = match text.split_once('=') {
            Some((name, url)) if is_name(name) => (Some(name.to_owned()), url),
            _ => (None, text),
        };
        let name = name.or_else(|| github_repository(url).map(|(owner, name)| format!("{owner}/{name}")));
        let name = name.ok_or("it is not known what GitHub calls it: write OWNER/NAME=URL")?;
        // A path is good from every directory.
        let local = Path::new(url).canonicalize().ok().map(|path| path.display().to_string());
        Ok(Self { name, url: local.unwrap_or_else(|| url.to_owned()) })
    }
}

fn is_name(text: &str) -> bool {
    let part = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    text.split_once('/').is_some_and(|(owner, name)| part(owner) && part(name))
}

/// The repositories that are served, by name.
#[derive(Debug)]
pub(super) struct Origins(BTreeMap<String, Origin>);

/// A repository that is served, and what was fetched of it.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) served: Served,
    repository: Arc<Repository>,
    /// With what it is fetched if not with what the environment has.
    app: Option<AppTokens>,
    /// One at a time fetches.
    fetching: Mutex<()>,
}

impl Origins {
    pub(super) fn open(served: &[Served], state: &StateDirectory) -> Result<Self, Failure> {
        let origin = |served: &Served| {
            let repository = Repository::standby(&state.fetched(&served.name), &served.url, None)
                .map_err(|error| Failure::new(format!("{error:#}")))?
                .with_token(Token::from_environment());
            let origin = Origin {
                app: AppTokens::of(&served.url)?,
                served: served.clone(),
                repository: Arc::new(repository),
                fetching: Mutex::default(),
            };
            Ok((served.name.to_ascii_lowercase(), origin))
        };
        served.iter().map(origin).collect::<Result<_, _>>().map(Self)
    }

    /// The repository that GitHub calls so; its names know no case.
    pub(super) fn get(&self, name: &str) -> Option<&Origin> {
        self.0.get(&name.to_ascii_lowercase())
    }

    /// The repository, if there is one alone.
    pub(super) fn only(&self) -> Option<&Origin> {
        self.0.values().next().filter(|_| self.0.len() == 1)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Origin> {
        self.0.values()
    }
}

impl Origin {
    /// The commit that a branch is at, fetched; `None` if the remote has no such branch.
    pub(super) async fn head(&self, branch: &str) -> Result<Option<String>> {
        let branch = branch.to_owned();
        self.ask(move |repository| repository.fetch_if_there(&branch)).await
    }

    /// The branch that the remote calls its default.
    pub(super) async fn default_branch(&self) -> Result<Option<String>> {
        self.ask(Repository::default_branch).await
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Repository) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let _alone = self.fetching.lock().await;
        let repository = match &self.app {
            Some(app) => Repository::clone(&self.repository).with_token(Some(app.get().await?)),
            None => Repository::clone(&self.repository),
        };
        let asked = tokio::task::spawn_blocking(move || question(&repository));
        let answer = tokio::time::timeout(PATIENCE, asked).await;
        answer.context("the remote does not answer")?.context("asking the remote broke off")?
    }

    /// The configuration as a commit has it, which was fetched.
    ///
    /// # Errors
    /// If the commit has none, or it has mistakes.
    pub(super) async fn config(&self, commit: &str, path: &str) -> Result<config::Config> {
        let (repository, commit, path) = (Arc::clone(&self.repository), commit.to_owned(), path.to_owned());
        let read = tokio::task::spawn_blocking(move || {
            let Some(bytes) = repository.snapshot(Some(&commit))?.read(&path)? else {
                bail!("commit {commit} has no {path}");
            };
            let text = String::from_utf8(bytes).with_context(|| format!("{path} is no text"))?;
            config::load(&path, &text).map_err(|mistakes| anyhow::anyhow!("{}", mistakes.render(false)))
        });
        read.await.context("reading the configuration broke off")?
    }

    /// When a commit that was fetched was made; `None` if it can't be told.
    pub(super) async fn committed(&self, commit: &str) -> Option<Timestamp> {
        let (repository, commit) = (Arc::clone(&self.repository), commit.to_owned());
        tokio::task::spawn_blocking(move || repository.committed_at(&commit)).await.ok().flatten()
    }

    /// The repository in which runs to an environment are carried out, with all that was fetched.
    pub(super) async fn place(&self, directory: std::path::PathBuf) -> Result<()> {
        let (repository, url) = (Arc::clone(&self.repository), self.served.url.clone());
        let made = tokio::task::spawn_blocking(move || {
            Repository::standby(&directory, &url, Some(&repository)).map(drop)
        });
        made.await.context("making the repository of the environment broke off")?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_given_or_follows_from_the_address() {
        let served = |text: &str| text.parse::<Served>().map(|served| (served.name, served.url));
        let pair = |name: &str, url: &str| Ok((name.to_owned(), url.to_owned()));
        assert_eq!(served("git@github.com:octo/shop.git"), pair("octo/shop", "git@github.com:octo/shop.git"));
        assert_eq!(served("octo/shop=https://host/x?a=b"), pair("octo/shop", "https://host/x?a=b"));
        assert_eq!(served("octo/shop=/"), pair("octo/shop", "/"));
        for wrong in ["/", "../x=/", "a/..=/", "octo=/"] {
            assert!(served(wrong).is_err(), "{wrong}");
        }
    }
}

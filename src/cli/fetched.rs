use std::sync::Arc;

use clap::Args;

use super::options::{Exit, Place};
use crate::github::AppTokens;
use crate::source::{Repository, Token};

/// A repository that is fetched before anything is done.
#[derive(Debug, Args)]
pub struct Fetched {
    /// Fetch the repository from here before, to the directory that `--repository` names: it need not be there
    #[arg(long, value_name = "URL", requires = "branch", requires = "commit")]
    from: Option<String>,
    /// The branch of that repository which has the commit
    #[arg(long, requires = "from")]
    branch: Option<String>,
}

impl Fetched {
    /// The repository: the one that was fetched, or else the one that is there.
    pub async fn repository(&self, place: &Place) -> Result<Arc<Repository>, Exit> {
        match (&self.from, &self.branch) {
            (Some(url), Some(branch)) => fetch(place, url.clone(), branch.clone()).await,
            _ => place.repository(),
        }
    }
}

/// A repository with what a branch of a remote holds, and none of its files.
async fn fetch(place: &Place, url: String, branch: String) -> Result<Arc<Repository>, Exit> {
    let directory = place.directory().to_owned();
    let token = match AppTokens::of(&url).map_err(Exit::usage)? {
        Some(app) => Some(app.get().await.map_err(Exit::failed)?),
        None => Token::from_environment(),
    };
    let fetching = tokio::task::spawn_blocking(move || {
        let repository = Repository::standby(&directory, &url, None)?.with_token(token);
        repository.fetch(&branch)?;
        anyhow::Ok(repository)
    });
    let repository = fetching.await.map_err(Exit::failed)?.map_err(Exit::failed)?;
    Ok(Arc::new(repository))
}

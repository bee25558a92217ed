use std::sync::Arc;

use clap::Args;

use super::deploy::{Asked, Deploy, listen_for_interrupts};
use super::options::{Exit, ExitCode, Place, snapshot};
use crate::event::Command;
use crate::plan::PlanDigest;
use crate::source::{Repository, Token};

/// Deploy: build, push, apply and roll what differs from the commit
#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    deploy: Deploy,
    /// The revision to deploy; without it what is there, with changes that are not committed
    #[arg(long, value_name = "REV")]
    commit: Option<String>,
    /// Fetch the repository from here before, to the directory that `--repository` names: it need not be there
    #[arg(long, value_name = "URL", requires = "branch", requires = "commit")]
    from: Option<String>,
    /// The branch of that repository which has the commit
    #[arg(long, requires = "from")]
    branch: Option<String>,
    /// Wait while another run deploys to the environment; a run of an older commit is asked to give way
    #[arg(long)]
    wait: bool,
    /// Deploy only if the plan is still the one with this digest, which `pipeline plan` printed
    #[arg(long, value_name = "DIGEST")]
    plan_digest: Option<PlanDigest>,
}

impl Run {
    pub async fn main(&self, place: &Place) -> Result<ExitCode, Exit> {
        let repository = match (&self.from, &self.branch) {
            (Some(url), Some(branch)) => fetched(place, url.clone(), branch.clone()).await?,
            _ => place.repository()?,
        };
        let snapshot = snapshot(&repository, self.commit.as_deref())?;
        let required = self.plan_digest.clone();
        let asked = Asked { wait: self.wait, required, ..Asked::to(Command::Run) };
        let interrupt = listen_for_interrupts();
        Ok(self.deploy.execute(place, &repository, snapshot, asked, interrupt).await?.into())
    }
}

/// A repository with what a branch of a remote holds, and none of its files.
async fn fetched(place: &Place, url: String, branch: String) -> Result<Arc<Repository>, Exit> {
    let directory = place.directory().to_owned();
    let fetching = tokio::task::spawn_blocking(move || {
        let repository = Repository::standby(&directory, &url, None)?.with_token(Token::from_environment());
        repository.fetch(&branch)?;
        anyhow::Ok(repository)
    });
    let repository = fetching.await.map_err(Exit::failed)?.map_err(Exit::failed)?;
    Ok(Arc::new(repository))
}

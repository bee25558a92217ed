use clap::Args;

use super::deploy::{Asked, Deploy, listen_for_interrupts};
use super::fetched::Fetched;
use super::options::{Exit, ExitCode, Place, snapshot};
use crate::event::Command;
use crate::plan::PlanDigest;

/// Deploy: build, push, apply and roll what differs from the commit
#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    deploy: Deploy,
    /// The revision to deploy; without it what is there, with changes that are not committed
    #[arg(long, value_name = "REV")]
    commit: Option<String>,
    #[command(flatten)]
    fetched: Fetched,
    /// Wait while another run deploys to the environment; a run of an older commit is asked to give way
    #[arg(long)]
    wait: bool,
    /// Deploy only if the plan is still the one with this digest, which `pipeline plan` printed
    #[arg(long, value_name = "DIGEST")]
    plan_digest: Option<PlanDigest>,
}

impl Run {
    pub async fn main(&self, place: &Place) -> Result<ExitCode, Exit> {
        let repository = self.fetched.repository(place).await?;
        let snapshot = snapshot(&repository, self.commit.as_deref())?;
        let required = self.plan_digest.clone();
        let asked = Asked { wait: self.wait, required, ..Asked::to(Command::Run) };
        let interrupt = listen_for_interrupts();
        Ok(self.deploy.execute(place, &repository, snapshot, asked, interrupt).await?.into())
    }
}

use clap::Args;

use super::deploy::{Asked, Deploy, listen_for_interrupts};
use super::fetched::Fetched;
use super::options::{Exit, ExitCode, Place, snapshot};
use crate::event::{Command, RunResult};

/// Show what `run` would do, without doing it
#[derive(Debug, Args)]
pub struct Plan {
    #[command(flatten)]
    deploy: Deploy,
    /// The revision to plan; without it what is there, with changes that are not committed
    #[arg(long, value_name = "REV")]
    commit: Option<String>,
    #[command(flatten)]
    fetched: Fetched,
    /// Show the plan on this pull request as well: in one comment, which is kept up to date, and a check
    #[arg(long, value_name = "NUMBER")]
    pull_request: Option<u64>,
    /// End with 3 if there is something to do
    #[arg(long)]
    exit_code: bool,
}

impl Plan {
    pub async fn main(&self, place: &Place) -> Result<ExitCode, Exit> {
        let repository = self.fetched.repository(place).await?;
        let snapshot = snapshot(&repository, self.commit.as_deref())?;
        let asked = Asked { pull_request: self.pull_request, ..Asked::to(Command::Plan) };
        let interrupt = listen_for_interrupts();
        let result = self.deploy.execute(place, &repository, snapshot, asked, interrupt).await?;
        Ok(match result {
            RunResult::Changed if self.exit_code => ExitCode::Changes,
            result => result.into(),
        })
    }
}

use std::sync::Arc;

use clap::Args;

use super::deploy::{Asked, Deploy, listen_for_interrupts};
use super::options::{EnvironmentChoice, Exit, ExitCode, Format, Place, note, print, snapshot};
use crate::aws::Purpose;
use crate::drift::{self, Report, State};
use crate::event::{Command, RunResult};
use crate::report::{self, Output};
use crate::source::Repository;
use crate::stack::AllowReplace;

/// Show what was changed by hand: what differs between AWS and what was deployed
#[derive(Debug, Args)]
pub struct Drift {
    #[command(flatten)]
    environment: EnvironmentChoice,
    /// Only these steps: a step (`stack/ecs`) or a name, which stands for all its steps
    #[arg(long, value_name = "STEP", num_args = 1..)]
    only: Vec<String>,
    /// The revision that was deployed; without it the working tree
    #[arg(long, value_name = "REV")]
    commit: Option<String>,
    /// Put it back: stacks through a change set, services and functions by a rollout
    #[arg(long)]
    revert: bool,
    /// With --revert: lets this resource be replaced or deleted although it holds data
    #[arg(long, value_name = "STACK/RESOURCE", requires = "revert")]
    allow_replace: Vec<AllowReplace>,
    /// How it is shown
    #[arg(long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

impl Drift {
    pub async fn main(&self, place: &Place) -> Result<ExitCode, Exit> {
        let repository = place.repository()?;
        let found = self.read(place, &repository).await?;
        if !self.revert {
            self.show(&found)?;
            return Ok(code(&found));
        }
        if self.output == Format::Text {
            self.show(&found)?;
        }
        if let Some(refusal) = found.refusal() {
            return Err(refusal.into());
        }
        if found.drifted().is_empty() {
            return Ok(ExitCode::Done);
        }
        if self.output == Format::Text {
            print("\n")?;
        }
        let result = self.put_back(place, &repository, found.drifted()).await?;
        match ExitCode::from(result) {
            ExitCode::Done => self.confirm(place, &repository).await,
            code => Ok(code),
        }
    }

    async fn read(&self, place: &Place, repository: &Arc<Repository>) -> Result<Report, Exit> {
        let snapshot = snapshot(repository, self.commit.as_deref())?;
        let (deployment, session) =
            self.deploy(self.only.clone()).deployment(place, repository, snapshot, Purpose::Look).await?;
        Ok(Box::pin(drift::read(deployment, session)).await?)
    }

    /// The options of a run that puts these steps back.
    fn deploy(&self, only: Vec<String>) -> Deploy {
        Deploy {
            environment: self.environment.clone(),
            only,
            allow_replace: self.allow_replace.clone(),
            skip_rollback: Vec::new(),
            concurrency: 4,
            output: if self.output == Format::Json { Output::Json } else { Output::Auto },
        }
    }

    fn show(&self, report: &Report) -> Result<(), Exit> {
        self.output.print(report, || report::drift_text(report, report::color_by_default()))
    }

    /// The same walk as a run's, of the steps that have drifted.
    async fn put_back(
        &self,
        place: &Place,
        repository: &Arc<Repository>,
        only: Vec<String>,
    ) -> Result<RunResult, Exit> {
        let snapshot = snapshot(repository, self.commit.as_deref())?;
        self.deploy(only)
            .execute(place, repository, snapshot, Asked::to(Command::Revert), listen_for_interrupts())
            .await
    }

    /// Whether it is back is not believed but looked at.
    async fn confirm(&self, place: &Place, repository: &Arc<Repository>) -> Result<ExitCode, Exit> {
        let left = self.read(place, repository).await?;
        if code(&left) != ExitCode::Done {
            note(&format!("after it was put back, this is left:\n\n{}", report::drift_text(&left, false)));
        }
        Ok(code(&left))
    }
}

fn code(report: &Report) -> ExitCode {
    match report.state() {
        State::Failed => ExitCode::Failed,
        State::Drifted => ExitCode::Changes,
        State::InSync | State::NotDeployed => ExitCode::Done,
    }
}

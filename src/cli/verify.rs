use clap::Args;

use super::options::{EnvironmentChoice, Exit, ExitCode, Format, Place, snapshot};
use crate::verify::{Subject, verify};

/// Check that everything a run needs is there, and what in the templates is slow or risky
#[derive(Debug, Args)]
pub struct Verify {
    #[command(flatten)]
    environment: EnvironmentChoice,
    /// How it is shown
    #[arg(long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

impl Verify {
    pub async fn main(&self, place: &Place) -> Result<ExitCode, Exit> {
        let repository = place.repository()?;
        let snapshot = snapshot(&repository, None)?;
        let project = place.project(&snapshot)?;
        let environment = self.environment.choose(&project)?;
        let directory = repository.root();
        let subject = Subject { project: &project, environment: &environment, files: &snapshot, directory };
        let report = verify(&subject).await;
        self.output.print(&report, || report.to_string())?;
        Ok(if report.has_failed() { ExitCode::Failed } else { ExitCode::Done })
    }
}

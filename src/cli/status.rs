use clap::Args;

use super::options::{EnvironmentChoice, Exit, ExitCode, Format, Opened, Place};
use crate::aws::Purpose;
use crate::diagnostic::visible_lines;
use crate::status;

/// Show what runs in an environment, and from which commit
#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    environment: EnvironmentChoice,
    /// How it is shown
    #[arg(long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

impl Status {
    pub async fn main(&self, place: &Place) -> Result<ExitCode, Exit> {
        let Opened { project, environment, session } = self.environment.open(place, Purpose::Look).await?;
        let status = status::read(&project, &environment, &session).await?;
        self.output.print(&status, || visible_lines(&status.to_string()))?;
        Ok(ExitCode::Done)
    }
}

use clap::{Args, ValueEnum};

use super::options::{EnvironmentChoice, Exit, ExitCode, Opened, Place, print};
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

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

impl Status {
    pub async fn main(&self, place: &Place) -> Result<ExitCode, Exit> {
        let Opened { project, environment, session } = self.environment.open(place).await?;
        let status = status::read(&project, &environment, &session).await?;
        print(&match self.output {
            Format::Text => visible_lines(&status.to_string()),
            Format::Json => format!("{}\n", serde_json::to_string_pretty(&status).map_err(Exit::failed)?),
        })?;
        Ok(ExitCode::Done)
    }
}

use clap::Args;

use super::options::{Exit, ExitCode, Place, print, snapshot};

/// Check pipeline.yaml, templates, values and Dockerfiles, without AWS
#[derive(Debug, Args)]
pub struct Validate {
    /// The revision to check; without it what is there, with changes that are not committed
    #[arg(long, value_name = "REV")]
    commit: Option<String>,
}

impl Validate {
    pub fn main(&self, place: &Place) -> Result<ExitCode, Exit> {
        let repository = place.repository()?;
        let snapshot = snapshot(&repository, self.commit.as_deref())?;
        let config = place.project(&snapshot)?.config;
        print(&format!(
            "{} is valid: {} environments, {} stacks, {} workloads\n",
            place.config(),
            config.environments.len(),
            config.stacks.len(),
            config.workloads.len()
        ))?;
        Ok(ExitCode::Done)
    }
}

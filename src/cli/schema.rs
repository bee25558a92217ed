use clap::Args;

use super::options::{Exit, ExitCode, print};

/// Print the JSON Schema of pipeline.yaml
#[derive(Debug, Args)]
pub struct Schema {}

impl Schema {
    #[expect(clippy::unused_self, reason = "every verb is called the same way")]
    pub fn main(&self) -> Result<ExitCode, Exit> {
        print(&format!("{:#}\n", crate::config::schema()))?;
        Ok(ExitCode::Done)
    }
}

use clap::{Args, CommandFactory};

use super::options::{Exit, ExitCode, print};

/// Print completions for a shell
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    shell: clap_complete::Shell,
}

impl Completions {
    pub fn main(&self) -> Result<ExitCode, Exit> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::Cli::command(), "pipeline", &mut script);
        print(&String::from_utf8_lossy(&script))?;
        Ok(ExitCode::Done)
    }
}

use clap::{Args, ValueEnum};

use super::options::{EnvironmentChoice, Exit, ExitCode, Place, print, snapshot};

/// Print the steps and what they wait for
#[derive(Debug, Args)]
pub struct Graph {
    #[command(flatten)]
    environment: EnvironmentChoice,
    /// The notation
    #[arg(long, value_enum, default_value_t = Format::Mermaid)]
    format: Format,
    /// Only these steps: a step (`stack/ecs`) or a name, which stands for all its steps
    #[arg(long, value_name = "STEP", num_args = 1..)]
    only: Vec<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// As GitHub renders it in Markdown
    Mermaid,
    /// As Graphviz reads it
    Dot,
}

impl Graph {
    pub fn main(&self, place: &Place) -> Result<ExitCode, Exit> {
        let repository = place.repository()?;
        let project = place.project(&snapshot(&repository, None)?)?;
        let environment = self.environment.choose(&project)?;
        let graph = project.graph(&environment).select(&self.only).map_err(Exit::usage)?;
        print(&match self.format {
            Format::Mermaid => graph.mermaid(),
            Format::Dot => graph.dot(),
        })?;
        Ok(ExitCode::Done)
    }
}

use std::fs::OpenOptions;
use std::io::Write;

use anyhow::Context as _;
use clap::Args;

use super::options::{Exit, ExitCode, Place, note, print, snapshot};
use crate::init;
use crate::source::Repository;

/// Write a pipeline.yaml for the templates and Dockerfiles of this repository
#[derive(Debug, Args)]
pub struct Init {
    /// Print it instead of writing it
    #[arg(long)]
    print: bool,
}

impl Init {
    pub fn main(&self, place: &Place) -> Result<ExitCode, Exit> {
        let repository = place.repository()?;
        let snapshot = snapshot(&repository, None)?;
        let text = init::pipeline_yaml(&name(&repository), &snapshot).map_err(Exit::usage)?;
        if self.print {
            print(&text)?;
            return Ok(ExitCode::Done);
        }
        write(&repository, place.config(), &text).map_err(Exit::failed)?;
        note(&format!("wrote {}; look through it, then `pipeline validate`", place.config()));
        Ok(ExitCode::Done)
    }
}

/// The directory's name, which is mostly the repository's.
fn name(repository: &Repository) -> String {
    repository.root().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Writes a new file; one that is there is never overwritten.
fn write(repository: &Repository, path: &str, text: &str) -> anyhow::Result<()> {
    let path = repository.root().join(path);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .with_context(|| format!("writing {}", path.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("writing {}", path.display()))
}

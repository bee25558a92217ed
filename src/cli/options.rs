use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::aws::{Purpose, Session};
use crate::diagnostic::{Mistakes, visible_lines};
use crate::event::RunResult;
use crate::failure::Failure;
use crate::project::{Configured, LoadError, Project};
use crate::redact::redacted;
use crate::source::{Repository, Snapshot, Token};

/// Where the repository and its configuration are.
#[derive(Debug, Args)]
pub struct Place {
    /// The repository, or a directory in it
    #[arg(short = 'C', long, value_name = "DIR", global = true, default_value = ".")]
    repository: PathBuf,
    /// The configuration, relative to the repository's root
    #[arg(long, value_name = "FILE", global = true, default_value = "pipeline.yaml")]
    config: String,
    /// The revision whose configuration and environments' values are used, whatever the files are that they are about
    #[arg(long, value_name = "REV", global = true)]
    config_from: Option<String>,
}

impl Place {
    /// The repository.
    pub fn repository(&self) -> Result<Arc<Repository>, Exit> {
        let repository = Repository::discover(&self.repository).map_err(Exit::usage)?;
        Ok(Arc::new(repository.with_token(Token::from_environment())))
    }

    /// The directory that was named.
    pub fn directory(&self) -> &Path {
        &self.repository
    }

    /// The configuration's path from the repository's root.
    pub fn config(&self) -> &str {
        &self.config
    }

    /// The configuration and all that belongs to it, as a snapshot has it, or for `--config-from` with another one's
    /// configuration.
    pub fn project(&self, files: &Snapshot) -> Result<Project, Exit> {
        let config = self.config.as_str();
        let loaded = match &self.config_from {
            None => Project::load(config, files),
            Some(revision) => {
                let repository = self.repository()?;
                let from = &snapshot(&repository, Some(revision))?;
                Project::load(config, &Configured { config, from, files })
            }
        };
        loaded.map_err(|error| match error {
            LoadError::Mistakes(mistakes) => Exit::mistakes(&mistakes),
            LoadError::Read(error) => Exit::usage(format!("{error:#}")),
        })
    }
}

/// The environment to work on.
#[derive(Debug, Clone, Args)]
pub struct EnvironmentChoice {
    /// The environment; may be left out where there is only one
    #[arg(short, long, value_name = "NAME", env = "PIPELINE_ENV")]
    env: Option<String>,
}

/// An environment as the working tree has it, and a way to its account.
pub struct Opened {
    /// The project.
    pub project: Project,
    /// The environment's name.
    pub environment: String,
    /// The way to its account.
    pub session: Session,
}

impl EnvironmentChoice {
    /// Reads the project in the working tree and connects to the environment's account.
    pub async fn open(&self, place: &Place, purpose: Purpose) -> Result<Opened, Exit> {
        let repository = place.repository()?;
        let project = place.project(&snapshot(&repository, None)?)?;
        let environment = self.choose(&project)?;
        let session = Session::open(&project.config.environments[&environment], purpose).await?;
        Ok(Opened { project, environment, session })
    }

    /// The environment's name, which the project knows.
    pub fn choose(&self, project: &Project) -> Result<String, Exit> {
        let names: Vec<&str> = project.config.environments.keys().map(String::as_str).collect();
        match (&self.env, names.as_slice()) {
            (Some(name), _) if names.contains(&name.as_str()) => Ok(name.clone()),
            (Some(name), _) => Err(Exit::usage(format!(
                "there is no environment `{name}`; choose --env from: {}",
                names.join(", ")
            ))),
            (None, [only]) => Ok((*only).to_owned()),
            (None, _) => {
                Err(Exit::usage(format!("which environment? choose --env from: {}", names.join(", "))))
            }
        }
    }
}

/// What the process ends with. Documented in `pipeline --help`; never changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCode {
    /// Done, or nothing to do.
    Done = 0,
    /// A step failed.
    Failed = 1,
    /// Usage or configuration.
    Usage = 2,
    /// `plan --exit-code` found changes, or `drift` drift.
    Changes = 3,
    /// The run gave way to a newer commit.
    Superseded = 4,
    /// The plan is not the one that is required.
    Refused = 5,
    /// Interrupted.
    Interrupted = 130,
}

impl From<RunResult> for ExitCode {
    fn from(result: RunResult) -> Self {
        match result {
            RunResult::Unchanged | RunResult::Changed => Self::Done,
            RunResult::Failed => Self::Failed,
            RunResult::Interrupted => Self::Interrupted,
            RunResult::Superseded => Self::Superseded,
            RunResult::Refused => Self::Refused,
        }
    }
}

/// An error with the exit code that it asks for.
#[derive(Debug)]
pub struct Exit {
    /// The code.
    pub code: ExitCode,
    /// What to tell the user, as it is printed.
    pub message: String,
}

impl Exit {
    /// The user has to change something: arguments, configuration, repository.
    pub fn usage(message: impl Display) -> Self {
        Self { code: ExitCode::Usage, message: visible_lines(&format!("error: {message:#}")) }
    }

    /// The configuration has mistakes.
    #[must_use]
    pub fn mistakes(mistakes: &Mistakes) -> Self {
        let color = console::colors_enabled_stderr();
        Self { code: ExitCode::Usage, message: mistakes.render(color) }
    }

    /// Something did not work.
    pub fn failed(message: impl Display) -> Self {
        Self { code: ExitCode::Failed, message: visible_lines(&format!("error: {message:#}")) }
    }
}

impl From<Failure> for Exit {
    fn from(failure: Failure) -> Self {
        Self::failed(failure)
    }
}

/// How a command's result is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

impl Format {
    /// Prints a result as JSON, or as its text.
    pub fn print(self, result: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Exit> {
        match self {
            Self::Text => print(&text()),
            Self::Json => {
                let json = serde_json::to_string_pretty(result).map_err(Exit::failed)?;
                print(&format!("{json}\n"))
            }
        }
    }
}

/// Writes a command's result to standard output. A reader that went away is no error.
pub fn print(text: &str) -> Result<(), Exit> {
    match std::io::stdout().lock().write_all(redacted(text).as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Exit::failed(anyhow::Error::from(error).context("writing to standard output")))
        }
        _ => Ok(()),
    }
}

/// Reads a snapshot: the revision that was asked for, or what is there.
pub fn snapshot(repository: &Repository, revision: Option<&str>) -> Result<Snapshot, Exit> {
    repository
        .snapshot(revision)
        .with_context(|| format!("reading {}", revision.unwrap_or("the working tree")))
        .map_err(Exit::usage)
}

/// Tells the user of something beside the command's result, on standard error.
pub fn note(text: &str) {
    // Nobody is left to tell if standard error is closed.
    let _ = writeln!(std::io::stderr().lock(), "{}", redacted(text));
}

/// Warns the user of something that does not fail the command.
pub fn warn(text: &str) {
    note(&format!("warning: {text}"));
}

/// Where `pipeline serve` remembers what happened.
#[derive(Debug, Args)]
pub struct Remembered {
    /// The directory in which the server keeps what it needs
    #[arg(long, value_name = "DIR")]
    pub state: PathBuf,
    /// A database of Postgres, instead of a file of SQLite in that directory: `postgres://USER:PASSWORD@HOST/DATABASE`
    #[arg(long, value_name = "URL", env = "PIPELINE_DATABASE_URL", hide_env_values = true)]
    database: Option<String>,
}

impl Remembered {
    /// The store.
    pub fn place(&self) -> Result<crate::store::Place, Exit> {
        crate::store::Place::of(self.database.as_deref(), &self.state).map_err(Exit::usage)
    }
}

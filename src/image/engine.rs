use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use tokio::sync::OnceCell;

use crate::failure::{Failure, root_cause};

/// How long an engine may take to say its version.
const PROBE: Duration = Duration::from_secs(10);

/// How long a request may wait for the beginning of its answer. A build is answered when its whole context has
/// arrived, which takes its time on a slow line.
const PATIENCE: Duration = Duration::from_hours(1);

/// Docker Engine, reached when it is first needed: a run that builds nothing needs none. Cheap to clone.
///
/// It is looked for where `DOCKER_HOST` says, otherwise at the default socket; contexts of the `docker` command are
/// not read.
#[derive(Debug, Clone, Default)]
pub struct Engine {
    docker: Arc<OnceCell<Docker>>,
}

impl Engine {
    /// The connection to the engine, which is known to answer.
    ///
    /// # Errors
    /// If no engine answers. The next call tries again.
    pub async fn docker(&self) -> Result<&Docker, Failure> {
        self.docker.get_or_try_init(connect).await
    }
}

async fn connect() -> Result<Docker, Failure> {
    let docker = Docker::connect_with_defaults().map_err(|error| unreachable_engine(&error))?;
    match tokio::time::timeout(PROBE, docker.version()).await {
        Ok(Ok(_)) => Ok(docker.with_timeout(PATIENCE)),
        Ok(Err(error)) => Err(unreachable_engine(&error)),
        Err(_) => Err(unreachable_engine(&Error::RequestTimeoutError)),
    }
}

fn unreachable_engine(error: &Error) -> Failure {
    let place = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
    let cause = cause(error);
    let hint = if cause.to_ascii_lowercase().contains("permission denied") {
        "let this user use Docker: `sudo usermod -aG docker $USER`, then sign in again"
    } else {
        "start Docker, or set DOCKER_HOST to where it listens; contexts of the `docker` command are not read, \
         `docker context inspect` shows their address"
    };
    Failure::new(format!("Docker Engine at {place} does not answer: {cause}")).hint(hint)
}

/// What the engine says, or what lies behind an error of the client.
pub(crate) fn cause(error: &Error) -> String {
    match error {
        Error::DockerResponseServerError { message, .. } => message.clone(),
        Error::DockerStreamError { error } => error.clone(),
        _ => root_cause(error),
    }
}

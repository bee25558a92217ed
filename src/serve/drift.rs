use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use super::Server;
use super::child;
use crate::diagnostic::visible_lines;
use crate::drift::Report;
use crate::failure::Failure;
use crate::redact::redacted;
use crate::store::DriftLook;

/// How often it is asked whether a look is due.
const LOOK: Duration = Duration::from_mins(1);

/// How long a look may take.
const PATIENCE: Duration = Duration::from_mins(30);

/// Looks time and again whether somebody has changed by hand what was deployed. One environment at a time.
pub(super) async fn look(server: Arc<Server>) {
    let Some(interval) = server.options.drift else { return };
    loop {
        if let Err(failure) = look_once(&server, interval).await {
            server.log.say(format!("warning: {failure}; trying again"));
        }
        tokio::time::sleep(LOOK.min(interval)).await;
    }
}

async fn look_once(server: &Server, interval: Duration) -> Result<(), Failure> {
    while let Some(look) = server.store.take_drift_look(interval).await? {
        let found = compare(server, &look).await;
        if let Err(why) = &found {
            let DriftLook { repository, environment, .. } = &look;
            server.log.say(format!("warning: looking for drift in {environment} of {repository}: {why}"));
        }
        server.store.note_drift(&look, &found).await?;
    }
    Ok(())
}

/// Compares what is live with what was deployed last.
async fn compare(server: &Server, look: &DriftLook) -> Result<Report, String> {
    let repository = fetch(server, look).await?;
    let mut command = child::command(server, &repository);
    command
        .args(["drift", "--env", &look.environment, "--commit", &look.commit, "--output", "json"])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output())
        .await
        .map_err(|_| format!("it took more than {} minutes", PATIENCE.as_secs() / 60))?
        .map_err(|error| format!("starting {}: {error}", server.options.program.display()))?;
    serde_json::from_slice(&output.stdout)
        .map_err(|_| visible_lines(&redacted(String::from_utf8_lossy(&output.stderr).trim())))
}

/// The repository, which has the commit: it may be that another server deployed it.
async fn fetch(server: &Server, look: &DriftLook) -> Result<PathBuf, String> {
    let origin = server.origins.get(&look.repository).ok_or("the repository is no longer served here")?;
    origin.head(&look.branch).await.map_err(|error| format!("{error:#}"))?;
    Ok(server.state.fetched(&origin.served.name))
}

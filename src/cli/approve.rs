use std::io::{BufRead as _, IsTerminal as _};

use clap::Args;
use serde_json::{Value, json};

use super::options::{Exit, ExitCode, note, print};
use super::remote::Remote;
use crate::report;
use crate::store::{Run, State};

/// Approve or reject a plan that waits on a server
///
/// Who asks is known by the token in `PIPELINE_TOKEN`, which needs the level `approve`. Without `--digest` the plan is shown
/// and it asks.
#[derive(Debug, Args)]
pub struct Approve {
    /// The run's number
    #[arg(value_name = "RUN")]
    run: i64,
    /// The server's address: `https://deploy.example.com`
    #[arg(long, value_name = "URL", env = "PIPELINE_SERVER")]
    server: url::Url,
    /// The digest of the plan, which was looked at before
    #[arg(long, value_name = "DIGEST")]
    digest: Option<String>,
    /// Reject it
    #[arg(long)]
    reject: bool,
}

impl Approve {
    pub async fn main(&self) -> Result<ExitCode, Exit> {
        let remote = Remote::of(&self.server)?;
        let digest = match &self.digest {
            Some(digest) => digest.clone(),
            None => self.ask(&remote).await?,
        };
        let verb = if self.reject { "reject" } else { "approve" };
        let path = format!("/api/runs/{}/{verb}", self.run);
        remote.post(&path, &json!({ "digest": digest })).await?;
        let done = if self.reject { "rejected" } else { "approved" };
        print(&format!("run {}: {done}\n", self.run))?;
        Ok(ExitCode::Done)
    }

    /// Shows the plan that waits, and gives its digest if that is agreed to.
    async fn ask(&self, remote: &Remote) -> Result<String, Exit> {
        if !std::io::stdin().is_terminal() {
            return Err(Exit::usage("there is nobody to ask: say with `--digest` which plan is meant"));
        }
        let id = self.run;
        let run: Run = remote.get(&format!("/api/runs/{id}")).await?;
        let Some(digest) = run.plan.filter(|_| run.state == State::Waiting) else {
            return Err(Exit::failed(format!("run {id} does not wait for approval: see `/api/runs/{id}`")));
        };
        report::replay(&self.events(remote).await?);
        let question = if self.reject { "Reject" } else { "Approve" };
        note(&format!(
            "{question} this plan of run {id} to {} of {}? [y/N]",
            run.environment, run.repository
        ));
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer);
        read.map_err(|error| Exit::failed(format!("reading the answer: {error}")))?;
        if matches!(answer.trim(), "y" | "Y" | "yes") {
            Ok(digest)
        } else {
            Err(Exit::failed(format!("run {id} still waits")))
        }
    }

    /// The lines of the run's events. The plan that waits was made last.
    async fn events(&self, remote: &Remote) -> Result<Vec<String>, Exit> {
        let mut lines = Vec::new();
        let mut from = 1;
        loop {
            let more: Vec<Value> = remote.get(&format!("/api/runs/{}/events?from={from}", self.run)).await?;
            let Some(last) = more.last().and_then(|numbered| numbered["sequence"].as_i64()) else {
                return Ok(lines);
            };
            from = last + 1;
            lines.extend(more.iter().map(|numbered| numbered["event"].to_string()));
        }
    }
}

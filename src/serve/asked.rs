//! What somebody asks for on GitHub beside pushing: a run once more, or what a pull request would change.

use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::origin::Origin;
use super::{Server, child, dispatch};
use crate::diagnostic::visible_lines;
use crate::failure::Failure;
use crate::redact::redacted;
use crate::store::{Ask, Asked, Cause};

/// The pause after something failed that may go well the next time.
const AGAIN: Duration = Duration::from_secs(5);

/// How long a plan may take.
const PATIENCE: Duration = Duration::from_mins(15);

/// How many of its last lines tell why a plan failed.
const LINES: usize = 5;

/// Settles what is asked for, for as long as the server runs.
pub(super) async fn asked(server: Arc<Server>) {
    let (mut plans, mut under_way) = (JoinSet::new(), BTreeSet::new());
    loop {
        if let Err(failure) = begin(&server, &mut plans, &mut under_way).await {
            server.log.say(format!("warning: {failure}; looking again"));
            tokio::time::sleep(AGAIN).await;
            continue;
        }
        tokio::select! {
            () = server.asked.notified() => {}
            Some(ended) = plans.join_next() => {
                if let Ok(delivery) = ended {
                    under_way.remove(&delivery);
                }
            }
        }
    }
}

/// Settles what is settled at once, and begins as many plans as may be made at the same time.
async fn begin(
    server: &Arc<Server>,
    plans: &mut JoinSet<String>,
    under_way: &mut BTreeSet<String>,
) -> Result<(), Failure> {
    for asked in server.store.asked().await? {
        let begins = match &asked.ask {
            Ask::Again { environment } => {
                again(server, &asked, environment).await?;
                false
            }
            Ask::Plan { .. } => {
                plans.len() < server.options.plans.max(1) && !under_way.contains(&asked.delivery)
            }
        };
        if begins {
            under_way.insert(asked.delivery.clone());
            let server = Arc::clone(server);
            plans.spawn(async move {
                let outcome = plan(&server, &asked).await;
                settle(&server, &asked, &outcome).await;
                asked.delivery
            });
        }
    }
    Ok(())
}

/// Deploys the branch's head to an environment once more.
async fn again(server: &Server, asked: &Asked, environment: &str) -> Result<(), Failure> {
    let deliveries = std::slice::from_ref(&asked.delivery);
    let Some(origin) = server.origins.get(&asked.repository) else {
        return server.store.settle(deliveries, "not served here").await;
    };
    let wanted = dispatch::wanted(server, origin, &asked.branch, Cause::Rerun).await.map_err(Failure::new)?;
    let mut requests = match wanted {
        Ok(requests) => requests,
        Err(nothing) => {
            return dispatch::refuse(server, origin, &asked.branch, nothing, Cause::Rerun, deliveries).await;
        }
    };
    requests.retain(|request| request.environment == environment);
    server.store.enqueue(&requests, deliveries).await?;
    server.queued.notify_one();
    Ok(())
}

/// Plans the head of a pull request's branch for each environment that its base is deployed to. Returns what came of it.
async fn plan(server: &Server, asked: &Asked) -> String {
    let Ask::Plan { number, base } = &asked.ask else { return String::new() };
    let Some(origin) = server.origins.get(&asked.repository) else { return "not served here".to_owned() };
    match plan_all(server, origin, &asked.branch, *number, base).await {
        Ok(planned) => planned,
        Err(why) => {
            let name = &asked.repository;
            server.log.say(format!("warning: pull request {number} of {name} was not planned: {why}"));
            why
        }
    }
}

async fn plan_all(
    server: &Server,
    origin: &Origin,
    branch: &str,
    number: u64,
    base: &str,
) -> Result<String, String> {
    let head = origin.head(branch).await.map_err(|error| format!("{error:#}"))?;
    let Some(commit) = head else { return Err(format!("there is no branch {branch}")) };
    let config = origin.config(&commit, &server.options.config).await;
    let config = config.map_err(|error| visible_lines(&redacted(&format!("{error:#}"))))?;
    let environments = config.environments.iter().filter(|(_, it)| it.branch.as_deref() == Some(base));
    let environments: Vec<&String> = environments.map(|(name, _)| name).collect();
    let directory = server.state.plans(&origin.served.name, number);
    origin.place(directory.clone()).await.map_err(|error| format!("{error:#}"))?;
    for environment in &environments {
        let mut command = child::command(server, &directory);
        command.args([
            "plan",
            "--env",
            environment,
            "--commit",
            &commit,
            "--pull-request",
            &number.to_string(),
        ]);
        command.args(["--output", "json"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        // Ctrl-C on the server's terminal is for the server; a plan that it no longer waits for ends with it.
        command.process_group(0).kill_on_drop(true);
        let ended = tokio::time::timeout(PATIENCE, command.output()).await;
        let ended = ended.map_err(|_| format!("it took more than {} minutes", PATIENCE.as_secs() / 60))?;
        let ended = ended.map_err(|error| format!("starting its plan: {error}"))?;
        if !ended.status.success() {
            return Err(format!("{environment}: {}; {}", ended.status, last_lines(&ended.stderr)));
        }
    }
    // It can be had again.
    let _ = fs::remove_dir_all(&directory);
    let short = crate::event::short(&commit);
    server.log.say(format!("pull request {number} of {}: {short} was planned", origin.served.name));
    Ok(format!("{short} was planned for {} environments", environments.len()))
}

fn last_lines(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text.lines().collect();
    visible_lines(&redacted(&lines[lines.len().saturating_sub(LINES)..].join("\n")))
}

/// Notes what came of it, for as long as it takes.
async fn settle(server: &Server, asked: &Asked, outcome: &str) {
    while let Err(failure) = server.store.settle(std::slice::from_ref(&asked.delivery), outcome).await {
        server.log.say(format!("warning: {failure}; trying again"));
        tokio::time::sleep(AGAIN).await;
    }
}

//! The commit status on GitHub: `pipeline/<environment>`, pending while a run is under way, then how it ended.
//!
//! What GitHub should show is kept as one value that is replaced as the run goes on, and a task of its own
//! posts whatever is current. So a GitHub that is slow or down never holds up a deployment, and an old state
//! is never posted after a newer one.

use std::time::Duration;

use octocrab::Octocrab;
use octocrab::models::StatusState;
use serde::Serialize;
use tokio::sync::{mpsc::UnboundedReceiver, watch};
use tokio::task::JoinHandle;

use crate::event::{Event, RunResult};

use crate::report::Board;
use crate::report::{paint, words};

/// How long a request may take if nothing else is asked for.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// GitHub refuses longer descriptions.
const MAX_DESCRIPTION: usize = 140;

/// How often a state is tried before it is given up.
const ATTEMPTS: u32 = 3;

/// The pause after the first failed attempt; it doubles with each further one.
const BACKOFF: Duration = Duration::from_millis(500);

const DOWN: &str = "see whether GitHub is up and can be reached from here; the next run posts again";

/// Where to post a commit's status.
#[derive(Clone)]
pub struct Status {
    /// The API's base, for GitHub Enterprise Server: `https://github.example.com/api/v3`.
    pub api_url: Option<String>,
    /// A token that may write commit statuses.
    pub token: String,
    /// The repository's owner.
    pub owner: String,
    /// The repository's name.
    pub repository: String,
    /// The commit.
    pub sha: String,
    /// The environment that is deployed to; part of the status's name, so that each has its own.
    pub environment: String,
    /// What the status links to: the page of the run. Without one it links to what is deployed, once that is known.
    pub target_url: Option<String>,
    /// How long a request may take; [`TIMEOUT`] does for most.
    pub timeout: Duration,
}

/// A running status, posted beside the deployment.
#[derive(Debug)]
pub struct Reporter {
    task: JoinHandle<Option<String>>,
}

impl Reporter {
    /// Returns when the last state is posted or given up, with what should be known about it.
    pub async fn finish(self) -> Vec<String> {
        match self.task.await {
            Ok(warning) => warning.into_iter().collect(),
            Err(error) => vec![format!("posting the commit status to GitHub stopped: {error}")],
        }
    }
}

/// What GitHub should show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Wanted {
    state: StatusState,
    context: String,
    description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_url: Option<String>,
}

/// Starts to post; has to be called within a Tokio runtime. Ends with [`Event::Finished`] or with the last sender.
#[must_use]
pub fn start(events: UnboundedReceiver<Event>, status: Status) -> Reporter {
    let (sender, receiver) = watch::channel(None);
    tokio::spawn(follow(events, status.environment.clone(), status.target_url.clone(), sender));
    Reporter { task: tokio::spawn(post_all(receiver, status)) }
}

/// Keeps what GitHub should show up to date.
async fn follow(
    mut events: UnboundedReceiver<Event>,
    environment: String,
    target_url: Option<String>,
    wanted: watch::Sender<Option<Wanted>>,
) {
    let mut board = Board::default();
    let context = format!("pipeline/{environment}");
    let want = |(state, description): (StatusState, String), url: Option<String>| {
        let description = paint::cut(&description, MAX_DESCRIPTION);
        wanted.send_replace(Some(Wanted {
            state,
            context: context.clone(),
            description,
            target_url: target_url.clone().or(url),
        }));
    };
    while let Some(event) = events.recv().await {
        board.apply(jiff::Timestamp::now(), &event);
        match event {
            Event::Started { .. } => {
                want((StatusState::Pending, format!("deploying to {environment}")), None);
            }
            Event::Finished { result, millis, url, .. } => return want(verdict(&board, result, millis), url),
            _ => {}
        }
    }
    want((StatusState::Error, "the run ended without a result".to_owned()), None);
}

/// The state and the description for how a run ended.
fn verdict(board: &Board, result: RunResult, millis: u64) -> (StatusState, String) {
    let time = words::duration(millis);
    let steps = words::tally(&board.tally());
    match result {
        RunResult::Unchanged => (StatusState::Success, format!("nothing to do: {steps} in {time}")),
        RunResult::Changed => (StatusState::Success, format!("{steps} in {time}")),
        RunResult::Failed => (StatusState::Failure, failure(board).unwrap_or(steps)),
        RunResult::Interrupted => (StatusState::Error, format!("interrupted after {time}: {steps}")),
        RunResult::Refused => {
            (StatusState::Failure, "refused: the plan is not the one that is required".to_owned())
        }
        RunResult::Superseded => {
            (StatusState::Error, format!("gave way to a newer commit after {time}: {steps}"))
        }
    }
}

/// `stack/ecs failed: …`, and how many others did.
fn failure(board: &Board) -> Option<String> {
    let mut failures = board.failures();
    let (step, failure) = failures.next()?;
    let others = failures.count();
    let others = if others == 0 { String::new() } else { format!(" (and {others} more)") };
    Some(format!("{} failed{others}: {}", step.id, words::clean(&failure.message)))
}

/// Why a post failed.
#[derive(Debug)]
struct Refusal {
    /// What came back.
    answer: String,
    /// Whether the same request may well succeed later.
    passing: bool,
    /// What to do about it.
    hint: &'static str,
}

/// Posts each state that is wanted, but of several at once only the newest. Returns what became of the last.
async fn post_all(mut wanted: watch::Receiver<Option<Wanted>>, status: Status) -> Option<String> {
    let client = client(&status).map_err(|refusal| warning(&status, &refusal, 0));
    let mut last = None;
    while wanted.changed().await.is_ok() {
        last = match &client {
            Ok(client) => post_newest(&mut wanted, client, &status).await,
            Err(warning) => Some(warning.clone()),
        };
    }
    last
}

/// octocrab repeats failed posts at once if it is built with its feature `retry`; this project builds it without.
fn client(status: &Status) -> Result<Octocrab, Refusal> {
    let refusal = |error: octocrab::Error| Refusal {
        answer: error.to_string(),
        passing: false,
        hint: "check the GitHub API's address and the token",
    };
    let builder = Octocrab::builder().personal_token(status.token.clone());
    let builder = match &status.api_url {
        Some(url) => builder.base_uri(url.as_str()).map_err(refusal)?,
        None => builder,
    };
    builder.build().map_err(refusal)
}

/// Posts the newest state, again after a failure that may pass. Returns a warning if it had to be given up.
async fn post_newest(
    wanted: &mut watch::Receiver<Option<Wanted>>,
    client: &Octocrab,
    status: &Status,
) -> Option<String> {
    let mut attempt = 1;
    loop {
        let newest = wanted.borrow_and_update().clone()?;
        let refusal = post(client, status, &newest).await.err()?;
        if !refusal.passing || attempt == ATTEMPTS {
            return Some(warning(status, &refusal, attempt));
        }
        // A newer state ends the pause, as there is no use in repeating an older one.
        let pause = BACKOFF * 2_u32.pow(attempt - 1);
        attempt = match tokio::time::timeout(pause, wanted.changed()).await {
            Ok(Ok(())) => 1,
            _ => attempt + 1,
        };
    }
}

async fn post(client: &Octocrab, status: &Status, wanted: &Wanted) -> Result<(), Refusal> {
    let route = format!("/repos/{}/{}/statuses/{}", status.owner, status.repository, status.sha);
    let request = async {
        let response = client._post(route, Some(wanted)).await?;
        octocrab::map_github_error(response).await
    };
    match tokio::time::timeout(status.timeout, request).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(refusal(&error)),
        Err(_) => {
            let time = words::duration(u64::try_from(status.timeout.as_millis()).unwrap_or(u64::MAX));
            Err(Refusal { answer: format!("no answer within {time}"), passing: true, hint: DOWN })
        }
    }
}

/// Sorts an error into those that may pass and those that need a person.
fn refusal(error: &octocrab::Error) -> Refusal {
    let octocrab::Error::GitHub { source, .. } = error else {
        let cause = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
        return Refusal { answer: cause, passing: true, hint: DOWN };
    };
    let code = source.status_code.as_u16();
    let hint = match code {
        401 => "the token is wrong or has expired; give a new one",
        // GitHub answers 404, not 403, where a token may not even see the repository.
        403 | 404 => "check owner and repository, and that the token may write commit statuses",
        422 => "check that the commit is pushed to that repository",
        _ => DOWN,
    };
    Refusal { answer: format!("{code} {}", source.message), passing: code == 429 || code >= 500, hint }
}

fn warning(status: &Status, refusal: &Refusal, attempts: u32) -> String {
    let Status { owner, repository, sha, environment, .. } = status;
    let commit: String = sha.chars().take(7).collect();
    let attempts = if attempts > 1 { format!(" ({attempts} attempts)") } else { String::new() };
    format!(
        "the commit status pipeline/{environment} of {owner}/{repository}@{commit} could not be posted to GitHub: \
         {}{attempts}; the deployment is not affected; next: {}",
        words::clean(&refusal.answer),
        refusal.hint
    )
}

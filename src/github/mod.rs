//! What GitHub shows of plans and runs: commit status, deployment, checks, and the comment on a pull request.
//!
//! What it should show is kept as one value a thing, which is replaced as the run goes on, and a task of its own
//! posts whatever is current. So a GitHub that is slow or down never holds up a deployment, and an old state is never
//! posted after a newer one. What could not be posted when a run ends is kept in the account, and the next run posts it.

mod app;
mod client;
mod credentials;
mod deliver;
mod leftovers;
mod outbox;
mod person;
mod post;
mod refusal;
mod wanted;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::event::Event;
use crate::report::words;

pub use app::AppTokens;
use client::Client;
pub use credentials::{APP_ID, APP_KEY, Credentials};
use deliver::deliver;
use leftovers::Kept;
pub use leftovers::Leftovers;
use outbox::{Left, Next, Outbox};
pub use person::{Exchange, Permissions, Person, WebFlow};
use post::Post;
use refusal::Refusal;
use wanted::Follower;
pub use wanted::Subject;

/// How long a request may take if nothing else is asked for.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// Where to post.
#[derive(Debug, Clone)]
pub struct Target {
    /// The API's base, for GitHub Enterprise Server: `https://github.example.com/api/v3`.
    pub api_url: Option<String>,
    /// The repository's owner.
    pub owner: String,
    /// The repository's name.
    pub repository: String,
    /// How long a request may take; [`TIMEOUT`] does for most.
    pub timeout: Duration,
}

/// What to post of, and as whom.
#[derive(Debug, Clone)]
pub struct Posting {
    /// Where to post.
    pub target: Target,
    /// As whom.
    pub credentials: Credentials,
    /// What is posted of.
    pub subject: Subject,
    /// The environment; part of the names of what is posted, so that each has its own.
    pub environment: String,
    /// The page of the run, which everything links to. Without one that is what is deployed, once that is known.
    pub page: Option<String>,
    /// Whether this is part of a GitHub Actions job, of which GitHub shows a deployment by itself if the job names an
    /// environment.
    pub job: bool,
    /// Where what can't be posted is kept; nowhere if not given.
    pub leftovers: Option<Leftovers>,
}

/// What is posted beside a plan or run.
#[derive(Debug)]
pub struct Reporter {
    task: JoinHandle<Vec<String>>,
}

impl Reporter {
    /// Returns when everything is posted or given up, with what should be known about it.
    pub async fn finish(self) -> Vec<String> {
        match self.task.await {
            Ok(warnings) => warnings,
            Err(error) => vec![format!("posting to GitHub stopped: {error}")],
        }
    }
}

/// Starts to post; has to be called within a Tokio runtime. Ends with [`Event::Finished`] or with the last sender.
#[must_use]
pub fn start(events: UnboundedReceiver<Event>, posting: Posting) -> Reporter {
    let (sender, receiver) = unbounded_channel();
    let follower = Follower::new(posting.subject.clone(), posting.environment.clone(), posting.page.clone());
    tokio::spawn(follow(events, follower, sender));
    Reporter { task: tokio::spawn(post_all(receiver, posting)) }
}

/// Tells what GitHub should show, as the run goes on.
async fn follow(mut events: UnboundedReceiver<Event>, mut follower: Follower, posts: UnboundedSender<Post>) {
    while let Some(event) = events.recv().await {
        let wanted = follower.posts(jiff::Timestamp::now(), &event);
        send(wanted, &posts);
        if matches!(event, Event::Finished { .. }) {
            return;
        }
    }
    send(follower.end(jiff::Timestamp::now()), &posts);
}

/// The other end is there until this one is gone.
fn send(wanted: Vec<Post>, posts: &UnboundedSender<Post>) {
    for post in wanted {
        let _ = posts.send(post);
    }
}

/// Posts all that is wanted, also what earlier runs have left. Returns what should be known about the rest.
async fn post_all(posts: UnboundedReceiver<Post>, posting: Posting) -> Vec<String> {
    let mut outbox = Outbox::default();
    let (kept, mut warnings) = read(posting.leftovers.as_ref()).await;
    outbox.take_over(kept.posts.clone());
    match Client::new(&posting.target, &posting.credentials) {
        Ok(client) => work(&mut outbox, posts, &client, &posting).await,
        Err(refusal) => refuse(&mut outbox, posts, &refusal).await,
    }
    let left: Vec<Left> = outbox.left().collect();
    let keeping = keep(posting.leftovers.as_ref(), kept, &left).await;
    warnings.extend(told(&left, &posting, keeping.as_ref().is_ok_and(|kept| *kept)));
    warnings.extend(keeping.err());
    warnings
}

/// Works through the outbox until the run is over and nothing more can be done.
async fn work(outbox: &mut Outbox, mut posts: UnboundedReceiver<Post>, client: &Client, posting: &Posting) {
    let began = Instant::now();
    let job = posting.page.as_deref().filter(|_| posting.job);
    loop {
        while let Ok(post) = posts.try_recv() {
            outbox.want(post);
        }
        if posts.is_closed() && posts.is_empty() {
            outbox.close(began.elapsed());
        }
        match outbox.next(began.elapsed()) {
            Next::Deliver(post, mut known) => {
                let before = client.answered();
                let result = deliver(client, &post, &mut known, job).await;
                if client.answered() > before {
                    outbox.answered();
                }
                match result {
                    Ok(()) => outbox.delivered(&post, known.thing),
                    Err(refusal) => outbox.refused(&post, known.thing, refusal, began.elapsed()),
                }
            }
            Next::Wait(until) => {
                tokio::select! {
                    () = tokio::time::sleep_until(began + until) => {}
                    Some(post) = posts.recv() => outbox.want(post),
                }
            }
            Next::Nothing => match posts.recv().await {
                Some(post) => outbox.want(post),
                None => return,
            },
        }
    }
}

/// Takes in what is wanted and posts nothing.
async fn refuse(outbox: &mut Outbox, mut posts: UnboundedReceiver<Post>, refusal: &Refusal) {
    while let Some(post) = posts.recv().await {
        outbox.want(post.clone());
        outbox.refused(&post, None, refusal.clone(), Duration::ZERO);
    }
}

async fn read(leftovers: Option<&Leftovers>) -> (Kept, Vec<String>) {
    let Some(leftovers) = leftovers else { return (Kept::default(), Vec::new()) };
    match leftovers.read().await {
        Ok(kept) => (kept, Vec::new()),
        Err(failure) => {
            let warning =
                format!("what earlier runs could not post to GitHub can't be read: {}", failure.message);
            (Kept::default(), vec![warning])
        }
    }
}

/// Keeps what may pass another time, and forgets what is through. Returns whether there is something that keeps it.
async fn keep(leftovers: Option<&Leftovers>, kept: Kept, left: &[Left]) -> Result<bool, String> {
    let Some(leftovers) = leftovers else { return Ok(false) };
    let posts: Vec<Post> = left.iter().filter(|left| left.may_pass).map(|left| left.post.clone()).collect();
    let done = if posts.is_empty() {
        leftovers.remove(kept).await.map(|()| true)
    } else {
        leftovers.keep(&posts).await
    };
    done.map_err(|failure| format!("what could not be posted to GitHub can't be kept: {}", failure.message))
}

/// What was not posted, one warning for each reason.
fn told(left: &[Left], posting: &Posting, kept: bool) -> Vec<String> {
    let mut reasons: BTreeMap<(&str, &str, bool), Vec<String>> = BTreeMap::new();
    for Left { post, refusal, may_pass } in left {
        reasons.entry((&refusal.answer, refusal.hint, *may_pass)).or_default().push(post.name());
    }
    let Target { owner, repository, .. } = &posting.target;
    reasons
        .into_iter()
        .map(|((answer, hint, may_pass), names)| {
            let next = match (may_pass, kept) {
                (true, true) => format!("the next run to {} posts it; if it can't either, {hint}", posting.environment),
                (true, false) if matches!(posting.subject, Subject::Run { .. }) => format!(
                    "{hint}; nothing keeps it for the next run: `pipeline bootstrap --env {}` makes what would",
                    posting.environment
                ),
                _ => hint.to_owned(),
            };
            format!(
                "not posted to GitHub ({owner}/{repository}): {}: {}; the deployment is not affected; next: {next}",
                words::several(&names),
                words::clean(answer),
            )
        })
        .collect()
}

//! `pipeline serve`: a webhook comes in, a deployment goes out, and what happened is remembered.
//!
//! A delivery is a hint and no more: it is stored, and then the branch's head is looked up. What is deployed is the head
//! at the time when the run begins. Each run is a process of its own, `pipeline run`.

mod access;
mod act;
mod api;
mod approval;
mod asked;
mod body;
mod buffer;
mod child;
mod description;
mod dispatch;
mod drift;
mod ecs;
mod ecs_task;
mod extract;
mod filter;
mod health;
mod hint;
mod http;
mod keys;
mod log;
mod metrics;
mod news;
mod notify;
mod origin;
mod pages;
mod poll;
mod post;
mod problem;
mod secret;
mod state;
mod task;
mod thin;
mod trace;
mod turn;
mod webhook;
mod work;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use access::{GitHubSignIn, Team};
pub use ecs::Cluster;
pub use log::{Log, LogFormat};
pub use notify::{Receiver, Receivers};
pub use origin::Served;
pub use secret::{ApiToken, SigningSecret, WebhookSecrets};
pub use trace::Exporter;

use crate::failure::Failure;
use crate::run::Interrupt;
use crate::store::{Inbox, Place, Store};
use access::{Patience, guarded};
use body::Room;
use ecs::Tasks;
use metrics::Metrics;
use news::News;
use origin::Origins;
use problem::Problem;
use state::StateDirectory;

/// How a server is to be.
#[derive(Debug)]
pub struct Options {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where it keeps what it needs: repositories, and the store if that is SQLite.
    pub state: PathBuf,
    /// The store.
    pub store: Place,
    /// The repositories that it deploys.
    pub repositories: Vec<Served>,
    /// The configuration's path in a repository.
    pub config: String,
    /// Time between two looks at the remotes, for what no delivery told.
    pub poll: Duration,
    /// Time after a deployment or a look for drift until the next look for drift; never if not given.
    pub drift: Option<Duration>,
    /// How many runs are carried out at the same time.
    pub runs: usize,
    /// How many pull requests are planned at the same time; 0 if none are.
    pub plans: usize,
    /// How long a run is this server's; it is renewed three times in that time.
    pub lease: Duration,
    /// How long runs may go on once the server is told to end, before they are told too.
    pub drain: Duration,
    /// How long ended runs are remembered.
    pub keep: Duration,
    /// What deliveries are signed with.
    pub secrets: WebhookSecrets,
    /// A token that allows everything.
    pub token: Option<ApiToken>,
    /// Who is told of what is worth telling.
    pub receivers: Receivers,
    /// Where traces go, if anywhere.
    pub exporter: Option<Exporter>,
    /// Where people reach the server, if that is known.
    pub url: Option<url::Url>,
    /// How people sign in with GitHub, if they can.
    pub github: Option<GitHubSignIn>,
    /// The program that carries a run out: this one.
    pub program: PathBuf,
    /// Where runs are carried out as tasks; without it they are processes beside the server.
    pub cluster: Option<Cluster>,
}

/// What the parts of a server share.
#[derive(Debug)]
struct Server {
    options: Options,
    state: StateDirectory,
    store: Store,
    inbox: Inbox,
    origins: Origins,
    room: Room,
    patience: Patience,
    metrics: Metrics,
    news: News,
    tasks: Option<Tasks>,
    log: Log,
    stop: Interrupt,
    /// There are deliveries of which it is not settled what follows.
    delivered: Notify,
    /// There may be something that somebody asks for.
    asked: Notify,
    /// There may be runs whose turn it is.
    queued: Notify,
    /// Traces that are being sent.
    exports: TaskTracker,
    /// The last run has ended, and requests are to be as well.
    drained: CancellationToken,
}

impl Server {
    /// What the store says is for whoever runs the server, not for whoever asks it.
    fn unavailable(&self, failure: &Failure) -> Problem {
        self.log.say(format!("warning: a request was not answered: {failure}"));
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the store does not answer; try again later")
    }

    /// The address of a run's page, if it is known where people reach the server.
    fn page(&self, run: i64) -> Option<String> {
        let url = self.options.url.as_ref()?.join(&format!("/runs/{run}")).ok()?;
        Some(url.into())
    }
}

/// Serves until it is interrupted and the runs that were under way have ended.
///
/// # Errors
/// If it can't begin: the store, the state directory or the address is not to be had.
pub async fn serve(options: Options, stop: Interrupt, log: Log) -> Result<(), Failure> {
    let state = StateDirectory::open(&options.state)?;
    let tasks = match &options.cluster {
        Some(cluster) => Some(Tasks::open(cluster, &options.repositories).await?),
        None => None,
    };
    let store = Store::open(&options.store).await?;
    let listener = TcpListener::bind(options.listen)
        .await
        .map_err(|error| Failure::new(format!("listening on {}: {error}", options.listen)))?;
    let address = listener.local_addr().unwrap_or(options.listen);
    let server = Arc::new(Server {
        origins: Origins::open(&options.repositories, &state)?,
        inbox: Inbox::of(store.clone()),
        room: Room::default(),
        patience: Patience::default(),
        metrics: Metrics::default(),
        news: News::default(),
        delivered: Notify::new(),
        asked: Notify::new(),
        queued: Notify::new(),
        drained: CancellationToken::new(),
        exports: TaskTracker::new(),
        tasks,
        state,
        store,
        log,
        stop,
        options,
    });
    work::recover_own(&server).await?;
    server.log.say(format!("listening on {address}"));
    let answering = tokio::spawn(http::serve(listener, router(&server), Arc::clone(&server)));
    let looking = [
        tokio::spawn(dispatch::dispatch(Arc::clone(&server))),
        tokio::spawn(poll::poll(Arc::clone(&server))),
        tokio::spawn(poll::forget(Arc::clone(&server))),
        tokio::spawn(notify::notify(Arc::clone(&server))),
        tokio::spawn(asked::asked(Arc::clone(&server))),
        tokio::spawn(drift::look(Arc::clone(&server))),
    ];
    // Deliveries are taken until the last run has ended: what is stored now is deployed by the next server.
    work::work(&server).await;
    looking.iter().for_each(tokio::task::JoinHandle::abort);
    server.drained.cancel();
    let _ = answering.await;
    server.exports.close();
    server.exports.wait().await;
    server.store.close().await;
    Ok(())
}

fn router(server: &Arc<Server>) -> Router {
    Router::new()
        .merge(webhook::router())
        .merge(pages::router(server))
        .merge(health::router())
        .merge(access::router(server))
        .merge(guarded(server, api::router().merge(metrics::router(server))))
        .with_state(Arc::clone(server))
}

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many pieces of news wait for a listener; who has missed some looks at the store.
const WAITING: usize = 256;

/// How many listeners there are at the same time: each takes a connection, and deliveries need some too.
const LISTENERS: usize = 128;

/// How often a listener looks without news: another server may carry the run out.
const LOOK: Duration = Duration::from_secs(2);

/// Tells those who watch a run that there is something new in the store.
#[derive(Debug)]
pub(super) struct News {
    sender: Sender<i64>,
    places: Arc<Semaphore>,
}

impl Default for News {
    fn default() -> Self {
        Self { sender: channel(WAITING).0, places: Arc::new(Semaphore::new(LISTENERS)) }
    }
}

impl News {
    /// There is something new of a run. Whoever listens is not waited for.
    pub(super) fn tell(&self, run: i64) {
        // Nobody may listen.
        let _ = self.sender.send(run);
    }

    /// Listens for what is new of a run from now on, if there are not too many who listen.
    pub(super) fn listen(&self, run: i64) -> Option<Listener> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Listener { run, receiver: self.sender.subscribe(), _place: place })
    }
}

/// Somebody who watches a run.
#[derive(Debug)]
pub(super) struct Listener {
    run: i64,
    receiver: Receiver<i64>,
    _place: OwnedSemaphorePermit,
}

impl Listener {
    /// Returns when there may be something new.
    pub(super) async fn heard(&mut self) {
        let own = async {
            loop {
                match self.receiver.recv().await {
                    Ok(run) if run != self.run => {}
                    Ok(_) | Err(RecvError::Lagged(_)) => return,
                    Err(RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        let _ = tokio::time::timeout(LOOK, own).await;
    }
}

use tokio::sync::{mpsc, oneshot};

use super::{Accepted, Delivery, Store};
use crate::failure::Failure;

/// How many deliveries may wait to be stored, and how many are stored in one transaction.
const WAITING: usize = 1024;
const AT_ONCE: usize = 256;

type Answer = oneshot::Sender<Result<Accepted, Failure>>;

/// Stores deliveries that come in side by side in common: whatever comes while one transaction is written to the disk
/// goes into the next one. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Inbox(mpsc::Sender<(Delivery, Answer)>);

/// Why a delivery was not stored.
#[derive(Debug)]
pub enum Full {
    /// Too many wait already.
    Waiting,
    /// The store failed.
    Failed(Failure),
}

impl Inbox {
    /// An inbox for a store. Has to be called within a Tokio runtime.
    #[must_use]
    pub fn of(store: Store) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::spawn(write(store, receiver));
        Self(sender)
    }

    /// Stores a delivery; when this returns, it is on the disk.
    ///
    /// # Errors
    /// If too many wait, or it can't be stored.
    pub async fn put(&self, delivery: Delivery) -> Result<Accepted, Full> {
        let (answer, answered) = oneshot::channel();
        self.0.try_send((delivery, answer)).map_err(|_| Full::Waiting)?;
        let stopped = || Full::Failed(Failure::new("the store is closed"));
        answered.await.map_err(|_| stopped())?.map_err(Full::Failed)
    }
}

async fn write(store: Store, mut receiver: mpsc::Receiver<(Delivery, Answer)>) {
    let mut waiting = Vec::new();
    while receiver.recv_many(&mut waiting, AT_ONCE).await > 0 {
        let (deliveries, answers): (Vec<_>, Vec<_>) = waiting.drain(..).unzip();
        let results: Vec<_> = match store.accept(&deliveries).await {
            Ok(accepted) => accepted.into_iter().map(Ok).collect(),
            Err(failure) => vec![Err(failure); deliveries.len()],
        };
        // Who asked may have gone: GitHub waits for ten seconds, and delivers again.
        answers.into_iter().zip(results).for_each(|(answer, result)| drop(answer.send(result)));
    }
}

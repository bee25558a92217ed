use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// How often things in flight are looked at: one look at a time, spaced out, shared by all that wait.
///
/// CloudFormation limits its read calls per account and region, so every follower takes its turn here.
#[derive(Debug, Clone)]
pub struct Pace {
    interval: Duration,
    next: Arc<Mutex<Instant>>,
}

impl Pace {
    /// At most one turn in `interval`.
    #[must_use]
    pub fn new(interval: Duration) -> Self {
        Self { interval, next: Arc::new(Mutex::new(Instant::now())) }
    }

    /// Time between two turns.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// Waits for the next turn. Turns are given in the order in which they are asked for.
    pub async fn turn(&self) {
        let mut next = self.next.lock().await;
        tokio::time::sleep_until(*next).await;
        *next = Instant::now() + self.interval;
    }
}

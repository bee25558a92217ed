use std::time::Duration;

use axum::http::StatusCode;
use tokio::sync::Semaphore;

use crate::serve::problem::Problem;

/// How long who shows a wrong token waits for the answer.
const PAUSE: Duration = Duration::from_millis(500);

/// How many wait at the same time; what is more is sent away at once, so that waiting costs little.
const WAITING: usize = 64;

/// Patience with wrong tokens. Who shows a right one never waits: whoever guesses would otherwise lock everybody out
/// who comes through the same proxy, and a token of 256 bits is not guessed.
#[derive(Debug)]
pub(in crate::serve) struct Patience(Semaphore);

impl Default for Patience {
    fn default() -> Self {
        Self(Semaphore::new(WAITING))
    }
}

impl Patience {
    /// Waits, and gives what to answer instead of `problem` if too many wait already.
    pub(super) async fn answer<T>(&self, problem: T) -> Result<T, Problem> {
        let Ok(_place) = self.0.try_acquire() else {
            let message = "too many wrong tokens at the same time; try again later";
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, message));
        };
        tokio::time::sleep(PAUSE).await;
        Ok(problem)
    }
}

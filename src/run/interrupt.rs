use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

/// Asks a walk to end. What CloudFormation and the services are already doing is followed to its end after the
/// first request; after the second nothing is waited for.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    pub(super) gently: CancellationToken,
    pub(super) at_once: CancellationToken,
    newer: Arc<OnceLock<String>>,
}

impl Interrupt {
    /// Asks once more.
    pub fn request(&self) {
        if self.gently.is_cancelled() {
            self.at_once.cancel();
        }
        self.gently.cancel();
    }

    /// Asks gently, because a newer commit is to be deployed instead.
    pub fn give_way(&self, newer: &str) {
        if !self.gently.is_cancelled() {
            let _ = self.newer.set(newer.to_owned());
            self.gently.cancel();
        }
    }

    /// Asks gently, if nobody has asked yet.
    pub fn request_gently(&self) {
        self.gently.cancel();
    }

    /// The newer commit that the walk was asked to give way to.
    #[must_use]
    pub fn newer(&self) -> Option<String> {
        self.newer.get().cloned()
    }

    /// An interrupt for one walk of several: it is asked whenever this one is, but not the other way round.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { gently: self.gently.child_token(), at_once: self.at_once.child_token(), newer: Arc::default() }
    }

    /// Whether it was asked.
    #[must_use]
    pub fn requested(&self) -> bool {
        self.gently.is_cancelled()
    }

    /// Waits until it is asked.
    pub async fn wait(&self) {
        self.gently.cancelled().await;
    }

    /// Waits until it is asked for the second time.
    pub async fn wait_for_the_second(&self) {
        self.at_once.cancelled().await;
    }
}

use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::Interrupt;
use crate::lease::{Holding, Lease, Refused, Seen, Standing};

/// What a run must have before it acts: the environment's lease, taken when the first step wants to act. A run that
/// has nothing to do never takes it.
#[derive(Debug)]
pub struct Leave {
    /// What to take; `None` if there is nothing to take.
    lease: Option<(Lease, Seen)>,
    taken: OnceCell<Result<Holding, Refused>>,
    interrupt: Interrupt,
    /// Ends the walk: because it was interrupted, or because leave was refused.
    stop: CancellationToken,
}

impl Leave {
    /// Leave that needs the lease as it was seen.
    pub fn of(lease: Option<(Lease, Seen)>, interrupt: Interrupt) -> Self {
        let stop = interrupt.gently.child_token();
        Self { lease, taken: OnceCell::new(), interrupt, stop }
    }

    /// Whether the run may act. The first who asks takes the lease, and the others wait for that.
    pub async fn granted(&self) -> bool {
        let Some((lease, seen)) = &self.lease else { return true };
        let taken = self.taken.get_or_init(|| self.take(lease, seen)).await;
        taken.is_ok()
    }

    /// What ends the walk.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Whether leave was refused: then nothing has been done, and nothing will be.
    pub fn is_refused(&self) -> bool {
        matches!(self.taken.get(), Some(Err(_)))
    }

    /// Whether the lease was taken and then lost: then others may have changed what this run goes by.
    pub fn is_lost(&self) -> bool {
        matches!(self.taken.get(), Some(Ok(holding)) if *holding.standing().borrow() == Standing::Lost)
    }

    /// Gives the lease back; tells why it was refused, if it was.
    pub async fn end(&self) -> Option<Refused> {
        match self.taken.get()? {
            Ok(holding) => {
                holding.release().await;
                None
            }
            Err(refused) => Some(refused.clone()),
        }
    }

    async fn take(&self, lease: &Lease, seen: &Seen) -> Result<Holding, Refused> {
        let taken = lease.take(seen).await;
        match &taken {
            Ok(holding) => watch(holding, self.interrupt.clone()),
            Err(_) => self.stop.cancel(),
        }
        taken
    }
}

/// Ends the run gently when the lease is lost, or when a newer commit wants it.
fn watch(holding: &Holding, interrupt: Interrupt) {
    let mut standing = holding.standing();
    tokio::spawn(async move {
        let changed = standing.wait_for(|standing| *standing != Standing::Ours).await;
        match changed.map(|standing| standing.clone()) {
            Ok(Standing::Wanted(commit)) => interrupt.give_way(&commit),
            Ok(Standing::Lost) => interrupt.request_gently(),
            Ok(Standing::Ours) | Err(_) => {}
        }
    });
}

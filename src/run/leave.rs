use tokio::sync::OnceCell;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Interrupt;
use crate::lease::{Holding, Lease, Refused, Seen, Standing};

/// A lease to take before anything is changed.
#[derive(Debug)]
pub struct ToTake {
    pub lease: Lease,
    /// When what the run goes by began to be read: nobody else may have changed anything since.
    pub since: Since,
}

/// From when on nobody else may have held a lease.
#[derive(Debug)]
pub enum Since {
    /// From a time of this machine's.
    Began(Instant),
    /// From when the lease was seen like this.
    Seen(Seen),
}

/// What a run must have before it acts: the environment's lease, taken when the first step wants to act. A run that
/// has nothing to do never takes it.
#[derive(Debug)]
pub struct Leave {
    /// `None` if nothing is changed anyway.
    to_take: Option<ToTake>,
    /// The lease that is held; `None` if there is no table to keep leases in.
    taken: OnceCell<Result<Option<Holding>, Refused>>,
    interrupt: Interrupt,
    /// Ends the walk: because it was interrupted, or because leave was refused.
    stop: CancellationToken,
}

impl Leave {
    /// Leave that needs this lease.
    pub fn of(to_take: Option<ToTake>, interrupt: Interrupt) -> Self {
        let stop = interrupt.gently.child_token();
        Self { to_take, taken: OnceCell::new(), interrupt, stop }
    }

    /// Whether the run may act. The first who asks takes the lease, and the others wait for that.
    pub async fn granted(&self) -> bool {
        let Some(to_take) = &self.to_take else { return true };
        self.taken.get_or_init(|| self.take(to_take)).await.is_ok()
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
        matches!(self.taken.get(), Some(Ok(Some(holding))) if *holding.standing().borrow() == Standing::Lost)
    }

    /// Whether the run acts although nothing keeps others from it: there are no leases.
    pub fn is_alone(&self) -> bool {
        matches!(self.taken.get(), Some(Ok(None)))
    }

    /// Gives the lease back; tells why it was refused, if it was.
    pub async fn end(&self) -> Option<Refused> {
        match self.taken.get()? {
            Ok(holding) => {
                if let Some(holding) = holding {
                    holding.release().await;
                }
                None
            }
            Err(refused) => Some(refused.clone()),
        }
    }

    async fn take(&self, ToTake { lease, since }: &ToTake) -> Result<Option<Holding>, Refused> {
        let taken = match since {
            Since::Began(began) => lease.take_since(*began).await,
            Since::Seen(seen) => lease.take(seen).await.map(Some),
        };
        match &taken {
            Ok(Some(holding)) => watch(holding, self.interrupt.clone()),
            Ok(None) => {}
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

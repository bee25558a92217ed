use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Claim, Holder, Record, Seen, Table, Unwritten};
use crate::aws::{Fence, Session};
use crate::failure::Failure;

/// How long a lease lasts.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// From one renewal to its end.
    pub lease: Duration,
    /// Time between two renewals.
    pub renew: Duration,
    /// Before its end nothing is sent any more, so that nothing arrives behind it.
    pub spare: Duration,
}

impl Times {
    /// For AWS.
    const AWS: Self = Self {
        lease: Duration::from_mins(1),
        renew: Duration::from_secs(15),
        spare: Duration::from_secs(10),
    };
    /// For an emulator, where people do not like to wait either.
    const EMULATED: Self =
        Self { lease: Duration::from_secs(8), renew: Duration::from_secs(2), spare: Duration::from_secs(2) };

    /// Times for a session's endpoint.
    #[must_use]
    pub fn of(session: &Session) -> Self {
        if session.emulated { Self::EMULATED } else { Self::AWS }
    }
}

/// Whole seconds, as the table's clock tells them.
fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// One environment's lease, as one run deals with it.
#[derive(Debug, Clone)]
pub struct Lease {
    table: Table,
    fence: Fence,
    times: Times,
    holder: Holder,
}

/// What a look at the lease finds.
#[derive(Debug, Clone)]
pub enum Looked {
    /// There is no table: nobody has run `pipeline bootstrap` in this account and region.
    Nowhere,
    /// The lease as it was read.
    Seen(Seen),
}

/// Why a lease could not be taken.
#[derive(Debug, Clone)]
pub enum Refused {
    /// Another run holds it.
    Held(Record),
    /// Somebody wrote it since it was read, so what was read since then may be out of date.
    Changed,
    /// It could not be written.
    Failed(Failure),
}

/// How a lease that was taken stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is ours.
    Ours,
    /// It is ours, and a run of this newer commit wants it.
    Wanted(String),
    /// It is another's.
    Lost,
}

impl Lease {
    /// The lease of an environment, for a run that may want to hold it. Until it does, nothing that changes something
    /// passes the session's fence.
    #[must_use]
    pub fn new(session: &Session, project: &str, environment: &str, holder: Holder) -> Self {
        session.fence.close("the run does not hold the environment's lease");
        Self {
            table: Table::of(session.dynamodb.clone(), project, environment),
            fence: session.fence.clone(),
            times: Times::of(session),
            holder,
        }
    }

    /// Reads the lease. Without a table there is nothing to hold, and the fence is opened.
    ///
    /// # Errors
    /// If it can't be read.
    pub async fn look(&self) -> Result<Looked, Failure> {
        if let Some(seen) = self.table.read().await? {
            return Ok(Looked::Seen(seen));
        }
        self.fence.open();
        Ok(Looked::Nowhere)
    }

    /// Reads the lease and takes it, if nobody holds it nor has held it since `began`. `None` if there is no table.
    ///
    /// # Errors
    /// Why it could not be taken.
    pub async fn take_since(&self, began: Instant) -> Result<Option<Holding>, Refused> {
        let Looked::Seen(seen) = self.look().await.map_err(Refused::Failed)? else { return Ok(None) };
        if seen.claim() == Claim::Free && seen.held_within(seconds(began.elapsed())) {
            return Err(Refused::Changed);
        }
        self.take(&seen).await.map(Some)
    }

    /// Takes the lease if nobody holds it and nobody has written it since it was seen.
    ///
    /// # Errors
    /// Why it could not be taken.
    pub async fn take(&self, seen: &Seen) -> Result<Holding, Refused> {
        if let Claim::Held(record) = seen.claim() {
            return Err(Refused::Held(record.clone()));
        }
        let record = seen.taken_by(self.holder.clone(), seconds(self.times.lease));
        let sent = Instant::now();
        let now = match self.table.write(&record).await {
            Ok(now) => now,
            Err(Unwritten::Changed) => self.written_after_all(&record).await?,
            Err(Unwritten::Failed(failure)) => return Err(Refused::Failed(failure)),
        };
        self.fence.open_until(sent + self.times.lease - self.times.spare);
        Ok(Holding::start(self.clone(), record, now))
    }

    /// A write whose answer was lost is refused when it is repeated, because it has changed the lease itself.
    async fn written_after_all(&self, record: &Record) -> Result<i64, Refused> {
        match self.table.read().await {
            Ok(Some(seen)) if seen.record.as_ref() == Some(record) => Ok(seen.now),
            Ok(_) => Err(Refused::Changed),
            Err(failure) => Err(Refused::Failed(failure)),
        }
    }

    /// Asks the run that holds the lease to give way to a newer commit.
    ///
    /// # Errors
    /// If the lease was written meanwhile, or can't be written.
    pub async fn ask_for(&self, record: &Record, commit: &str) -> Result<(), Unwritten> {
        let wanted_for = Some(commit.to_owned());
        let asked = Record { version: record.version + 1, wanted_for, ..record.clone() };
        self.table.write(&asked).await.map(drop)
    }

    /// Ends the lease, whoever holds it, at this time by the table's clock. A run that still goes on can't change
    /// anything any more.
    ///
    /// # Errors
    /// If the lease was written meanwhile, or can't be written.
    pub async fn end(&self, record: &Record, now: i64) -> Result<(), Unwritten> {
        let holder = Holder { run: self.holder.run.clone(), ..record.holder.clone() };
        let ended = Record { holder, wanted_for: None, ..record.given_back(now) };
        self.table.write(&ended).await.map(drop)
    }
}

/// A lease that is held, and renewed until it is given back or lost.
#[derive(Debug)]
pub struct Holding {
    standing: watch::Receiver<Standing>,
    stop: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Holding {
    fn start(lease: Lease, record: Record, now: i64) -> Self {
        let (standing, seen) = watch::channel(Standing::Ours);
        let stop = CancellationToken::new();
        let keeper = Keeper { lease, record, now, read: Instant::now(), standing };
        let task = Mutex::new(Some(tokio::spawn(keeper.keep(stop.clone()))));
        Self { standing: seen, stop, task }
    }

    /// How the lease stands, now and whenever that changes.
    #[must_use]
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }

    /// Gives the lease back. If that fails it ends by itself.
    pub async fn release(&self) {
        self.stop.cancel();
        if let Some(task) = self.task.lock().await.take() {
            let _ = task.await;
        }
    }
}

/// Renews a lease.
struct Keeper {
    lease: Lease,
    record: Record,
    /// The table's time when it last answered, and when that was here.
    now: i64,
    read: Instant,
    standing: watch::Sender<Standing>,
}

impl Keeper {
    async fn keep(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return self.give_back().await,
                () = sleep(self.lease.times.renew) => {}
            }
            if !self.renew().await {
                return;
            }
        }
    }

    /// Renews once; false if the lease is another's. What fails is tried again the next time: the fence closes by itself.
    async fn renew(&mut self) -> bool {
        let next =
            Record { version: self.record.version + 1, expires: self.expires(), ..self.record.clone() };
        let sent = Instant::now();
        let written = timeout(self.lease.times.renew, self.lease.table.write(&next)).await;
        match written {
            Ok(Ok(now)) => {
                let Times { lease, spare, .. } = self.lease.times;
                self.lease.fence.open_until(sent + lease - spare);
                (self.record, self.now, self.read) = (next, now, Instant::now());
                true
            }
            Ok(Err(Unwritten::Changed)) => self.look_who_wrote().await,
            Ok(Err(Unwritten::Failed(_))) | Err(_) => true,
        }
    }

    /// When a lease that is written now ends, by the table's clock.
    fn expires(&self) -> i64 {
        self.time().saturating_add(seconds(self.lease.times.lease))
    }

    /// The time by the table's clock.
    fn time(&self) -> i64 {
        self.now.saturating_add(seconds(self.read.elapsed()))
    }

    /// A run of a newer commit leaves a wish; any other writer has taken the lease.
    async fn look_who_wrote(&mut self) -> bool {
        let Ok(Some(seen)) = self.lease.table.read().await else { return true };
        match seen.record {
            Some(record) if record.holder.run == self.lease.holder.run => {
                if let Some(commit) = &record.wanted_for {
                    self.standing.send_replace(Standing::Wanted(commit.clone()));
                }
                (self.record, self.now, self.read) = (record, seen.now, Instant::now());
                Box::pin(self.renew()).await
            }
            _ => {
                self.lease.fence.close("the environment's lease was lost to somebody else");
                self.standing.send_replace(Standing::Lost);
                false
            }
        }
    }

    async fn give_back(self) {
        self.lease.fence.close("the run is over");
        let over = self.record.given_back(self.time());
        let Err(Unwritten::Changed) = self.lease.table.write(&over).await else { return };
        let Ok(Some(Seen { record: Some(record), now })) = self.lease.table.read().await else { return };
        if record.holder.run == self.lease.holder.run {
            let _ = self.lease.table.write(&record.given_back(now)).await;
        } else {
            self.standing.send_replace(Standing::Lost);
        }
    }
}

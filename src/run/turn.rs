use std::sync::Arc;

use tokio::time::Instant;

use super::context::Context;
use super::leave::{Leave, Since, ToTake};
use super::walk::{Ending, walk};
use super::{Deployment, Interrupt, Options};
use crate::aws::Session;
use crate::event::{Command, Event, Events, RunResult};
use crate::failure::Failure;
use crate::lease::{Claim, Lease, Looked, Record, Refused};

/// So often in a row somebody else may write the lease between a look at it and taking it.
const FORESTALLED: u32 = 5;

/// A deployment that waits for its turn, as one run at a time may change an environment.
pub struct Turn {
    pub deployment: Arc<Deployment>,
    pub options: Options,
    pub session: Session,
    pub events: Events,
    pub interrupt: Interrupt,
}

impl Turn {
    /// Plans or runs. A run whose leave to act is refused has done nothing, and begins anew when it may.
    pub async fn run(&self) -> Result<Ending, Failure> {
        if self.options.command == Command::Plan {
            return Ok(self.walk(None).await?.0);
        }
        let lease = self.lease();
        let mut forestalled = 0;
        let mut since = Since::Began(Instant::now());
        loop {
            let walked = if let Some(record) = self.held_by_another(&lease).await? {
                (Ending::of(RunResult::Interrupted), Some(Refused::Held(record)))
            } else if let Some(ending) = self.ends_before_it_begins().await? {
                return Ok(ending);
            } else {
                self.walk(Some(ToTake { lease: lease.clone(), since })).await?
            };
            match walked {
                (ending, None) => return Ok(ending),
                (_, Some(Refused::Changed)) if forestalled < FORESTALLED => forestalled += 1,
                (_, Some(Refused::Changed)) => return Err(self.unwritable()),
                (_, Some(Refused::Failed(failure))) => return Err(failure),
                (_, Some(Refused::Held(record))) if self.options.wait => {
                    if let Some(ending) = self.wait(&lease, record).await? {
                        return Ok(ending);
                    }
                }
                (_, Some(Refused::Held(record))) => return Err(self.held(&record)),
            }
            since = match lease.look().await? {
                Looked::Seen(seen) => Since::Seen(seen),
                Looked::Nowhere => Since::Began(Instant::now()),
            };
        }
    }

    fn lease(&self) -> Lease {
        let Deployment { project, environment, revision, .. } = self.deployment.as_ref();
        let holder = crate::lease::Holder::here(&revision.commit);
        Lease::new(&self.session, &project.config.project, environment, holder)
    }

    pub(super) async fn walk(&self, to_take: Option<ToTake>) -> Result<(Ending, Option<Refused>), Failure> {
        let leave = Leave::of(to_take, self.interrupt.clone());
        let (deployment, options, session) =
            (Arc::clone(&self.deployment), self.options.clone(), self.session.clone());
        let context = Context::observe(deployment, options, session, self.events.clone(), leave).await?;
        let context = Arc::new(context);
        let ending = walk(Arc::clone(&context), &self.interrupt).await;
        let refused = context.leave.end().await;
        if context.leave.is_lost() {
            return Err(self.lost());
        }
        if context.leave.is_alone() && !self.session.emulated {
            self.mention_leases();
        }
        Ok((ending?, refused))
    }

    /// Waits until nobody holds the lease. Of two commits the newer one wins: an older run is asked to give way, and to
    /// a newer one this run gives way itself.
    async fn wait(&self, lease: &Lease, mut record: Record) -> Result<Option<Ending>, Failure> {
        self.events.send(Event::Waiting { reason: record.holder.to_string() });
        loop {
            if self.is_newer(&record.holder.commit) {
                return Ok(Some(Ending::superseded(record.holder.commit)));
            }
            if record.wanted_for.is_none() && self.is_older(&record.holder.commit) {
                // If it was written meanwhile, the next look tells what to do.
                let _ = lease.ask_for(&record, &self.deployment.revision.commit).await;
            }
            tokio::select! {
                () = tokio::time::sleep(self.session.rollout_poll) => {}
                () = self.interrupt.wait() => return Ok(Some(Ending::of(RunResult::Interrupted))),
            }
            match lease.look().await? {
                Looked::Seen(seen) => match seen.claim() {
                    Claim::Held(held) => record = held.clone(),
                    Claim::Free => return Ok(None),
                },
                Looked::Nowhere => return Ok(None),
            }
        }
    }

    /// Whether another commit is older than the one that is deployed here.
    fn is_older(&self, commit: &str) -> bool {
        let Deployment { repository, revision, .. } = self.deployment.as_ref();
        !revision.dirty && repository.is_ancestor(commit, &revision.commit)
    }

    fn is_newer(&self, commit: &str) -> bool {
        let Deployment { repository, revision, .. } = self.deployment.as_ref();
        !revision.dirty && repository.is_ancestor(&revision.commit, commit)
    }

    fn held(&self, record: &Record) -> Failure {
        let environment = &self.deployment.environment;
        Failure::new(format!("environment {environment} is being deployed to: {}", record.holder)).hint(
            format!(
                "`--wait` waits for its end; if that run is dead, its lease ends by itself within a minute, \
             or at once by `pipeline unlock --env {environment}`"
            ),
        )
    }

    fn unwritable(&self) -> Failure {
        Failure::new(format!("the lease of environment {} can't be taken", self.deployment.environment))
            .detail("it is always another one than the one that was read: perhaps a newer version of the pipeline wrote it")
            .hint("use the newest version; or delete the environment's item from the table pipeline-leases")
    }

    fn lost(&self) -> Failure {
        let environment = &self.deployment.environment;
        Failure::new(format!(
            "the lease of environment {environment} was lost to another run, or ended by somebody"
        ))
        .detail("nothing was changed since; what CloudFormation and the services had begun goes on")
        .hint("see what runs (`pipeline status`), then run again")
    }

    /// On AWS it should be known that nothing keeps two runs apart.
    fn mention_leases(&self) {
        let message = format!(
            "nothing keeps two runs from deploying to {0} at the same time: `pipeline bootstrap --env {0}` does",
            self.deployment.environment
        );
        self.events.send(Event::Warning { step: None, message });
    }
}

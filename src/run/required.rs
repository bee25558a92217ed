use tokio::sync::mpsc::UnboundedReceiver;

use super::Options;
use super::turn::Turn;
use super::walk::Ending;
use crate::event::{Command, Event, Events, RunResult};
use crate::failure::Failure;
use crate::lease::{Claim, Lease, Looked, Record};
use crate::redact::redacted;

impl Turn {
    /// Who deploys to the environment, if a certain plan is required: to compare it while things change tells nothing.
    pub(super) async fn held_by_another(&self, lease: &Lease) -> Result<Option<Record>, Failure> {
        if self.options.required.is_none() {
            return Ok(None);
        }
        let Looked::Seen(seen) = lease.look().await? else { return Ok(None) };
        Ok(match seen.claim() {
            Claim::Held(record) => Some(record.clone()),
            Claim::Free => None,
        })
    }

    /// How a run ends that has to have a certain plan, and has not; `None` if it may begin. Nothing was changed to
    /// learn it.
    ///
    /// Where there is nothing to do, nothing is refused either: what was reviewed may have been done already.
    pub(super) async fn ends_before_it_begins(&self) -> Result<Option<Ending>, Failure> {
        let Some(required) = &self.options.required else { return Ok(None) };
        let (ending, told) = self.plan().await?;
        let Some(plan) = &ending.plan else {
            forward(told, &self.events);
            return Ok(Some(ending));
        };
        let digest = plan.digest(redacted);
        if digest == *required {
            return Ok(None);
        }
        self.events.send(Event::PlanDiffers {
            required: required.clone(),
            steps: plan.unlike(required, &digest),
            gone_or_new: required.steps().abs_diff(digest.steps()),
        });
        Ok(Some(Ending { result: RunResult::Refused, ..ending }))
    }

    /// The plan of the run, and what there is to tell of it.
    async fn plan(&self) -> Result<(Ending, UnboundedReceiver<Event>), Failure> {
        let (events, told) = Events::channel();
        let plan = Self {
            options: Options { command: Command::Plan, ..self.options.clone() },
            deployment: self.deployment.clone(),
            session: self.session.clone(),
            interrupt: self.interrupt.clone(),
            events,
        };
        // As always, a plan makes change sets and deletes them again, and holds no lease for that.
        self.session.fence.open();
        let walked = plan.walk(None).await;
        self.session.fence.close("the run does not hold the environment's lease");
        Ok((walked?.0, told))
    }
}

fn forward(mut told: UnboundedReceiver<Event>, events: &Events) {
    while let Ok(event) = told.try_recv() {
        events.send(event);
    }
}

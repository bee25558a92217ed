use std::collections::HashSet;
use std::time::Duration;

use aws_sdk_ecs::Client;
use tokio_util::sync::CancellationToken;

use super::definition::{self, Definition};
use super::follow::{End, Rollout, Seen};
use super::observe::observe_named;
use super::watch::Watch;
use super::{RolloutState, Service, Target, Witnesses};
use crate::event::StepEvents;
use crate::rollout::{Alarms, Timing};

/// How long a look may still take once all is over.
const GRACE: Duration = Duration::from_secs(3);

/// A watch over the tasks of a service that somebody else deploys, and waits for.
#[derive(Debug, Clone)]
pub struct Vigil {
    /// Container services.
    pub client: Client,
    /// Services that know why tasks fail.
    pub witnesses: Witnesses,
    /// None: what a stack waits for is not a release.
    pub alarms: Alarms,
    /// The cluster's name.
    pub cluster: String,
    /// The service's name.
    pub service: String,
    /// The time between two looks; the vigil lasts until it is told to end.
    pub timing: Timing,
    /// Where it is told what happens.
    pub events: StepEvents,
}

/// What came of a vigil.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Why it is no use to wait longer, if it is not.
    pub hopeless: Option<String>,
    /// Why tasks failed, as far as that is known.
    pub causes: Vec<String>,
}

impl Vigil {
    /// Watches the service's next deployment, with the eyes of a rollout, until it succeeds, fails or is hopeless, or
    /// until `ended`. A look that fails is made again; one that hangs when all is over is left.
    pub async fn keep(&self, ended: &CancellationToken) -> Found {
        let Some((service, definition)) =
            unless_over(ended, Box::pin(self.until_it_is_deployed(ended))).await.flatten()
        else {
            return Found::default();
        };
        let target = Target {
            cluster: self.cluster.clone(),
            service: self.service.clone(),
            task_definition: service.primary.task_definition.clone(),
        };
        let mut seen = Seen::new(watch(&service), definition.logs, said_before(&service));
        let rollout = Rollout {
            client: &self.client,
            witnesses: &self.witnesses,
            alarms: &self.alarms,
            watch: Duration::ZERO,
            target: &target,
            timing: self.timing,
            events: &self.events,
        };
        loop {
            let look = unless_over(ended, Box::pin(rollout.look(&mut seen))).await;
            let end = look.and_then(Result::ok).flatten();
            if end.is_none() && self.pause(ended).await {
                continue;
            }
            let hopeless = match end {
                Some(End::Steady(_)) => return Found::default(),
                Some(End::Hopeless(why)) => Some(why),
                Some(End::Over(_)) | None => None,
            };
            return Found { hopeless, causes: seen.causes() };
        }
    }

    /// Waits until the service has a deployment under way; `None` if there is none before `ended`.
    async fn until_it_is_deployed(&self, ended: &CancellationToken) -> Option<(Service, Definition)> {
        let mut told = false;
        loop {
            match observe_named(&self.client, &self.cluster, &self.service).await {
                Ok(service) if service.primary.state != RolloutState::Completed => {
                    let definition = definition::read(&self.client, &service.primary.task_definition).await;
                    return Some((service, definition.unwrap_or_default()));
                }
                Err(failure) if !told => {
                    self.events.warning(format!("{}; looking again", failure.message));
                    told = true;
                }
                _ => {}
            }
            if !self.pause(ended).await {
                return None;
            }
        }
    }

    /// Tells whether it is time for the next look; if not, the vigil is over.
    async fn pause(&self, ended: &CancellationToken) -> bool {
        tokio::time::timeout(self.timing.poll, ended.cancelled()).await.is_err()
    }
}

/// What comes of a look; `None` if it hangs although all is over.
async fn unless_over<T>(ended: &CancellationToken, look: impl Future<Output = T>) -> Option<T> {
    let over = async {
        ended.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        found = look => Some(found),
        () = over => None,
    }
}

fn watch(service: &Service) -> Watch {
    let primary = &service.primary;
    Watch {
        wanted: primary.task_definition.clone(),
        deployment: primary.id.clone(),
        began: primary.created_at,
        before: primary.id.clone(),
        seen: true,
    }
}

/// Events that are older than the deployment.
fn said_before(service: &Service) -> HashSet<String> {
    let began = service.primary.created_at;
    service.events.iter().filter(|event| event.created_at < began).map(|event| event.id.clone()).collect()
}

//! CloudFormation waits for services for hours, also for one whose tasks can't start. So their tasks are watched while it
//! waits, and what is hopeless is cancelled.

use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::CancellationToken;

use super::context::Context;
use crate::failure::Failure;
use crate::rollout::ecs::{Found, Vigil};
use crate::rollout::{Alarms, Timing};
use crate::stack::{self, Applied, Live, Spec, Step, Waiting};

/// Applies a stack. Services that it waits for are watched: when one is hopeless, the operation is cancelled and followed
/// to its end. A failure says why tasks failed.
pub async fn apply_with_an_eye_on_them(
    context: &Context,
    step: &Step<'_>,
    spec: &Spec,
    live: Option<Live>,
) -> Result<Applied, Failure> {
    let (waits, waiting) = unbounded_channel();
    let ended = CancellationToken::new();
    let step = Step { waits: Some(waits), ..step.clone() };
    let applying = async {
        let applied = step.apply(spec, live).await;
        ended.cancel();
        applied
    };
    let (applied, seen) = futures::join!(applying, watch(context, &step, waiting, &ended));
    applied.map_err(|failure| seen.explain(failure))
}

/// What was seen while CloudFormation waited.
#[derive(Debug, Default)]
struct Seen {
    /// Why the operation was cancelled.
    cancelled: Option<String>,
    /// Why tasks failed.
    causes: Vec<String>,
}

impl Seen {
    /// The causes come before what CloudFormation says if that is no more than that it was told to stop.
    fn explain(self, mut failure: Failure) -> Failure {
        let told = self.cancelled.as_ref().map_or(failure.details.len(), |_| 0);
        let seen = self.cancelled.into_iter().chain(self.causes);
        failure.details.splice(told..told, seen);
        failure
    }
}

async fn watch(
    context: &Context,
    step: &Step<'_>,
    mut waiting: UnboundedReceiver<Waiting>,
    ended: &CancellationToken,
) -> Seen {
    let mut known = Vec::new();
    let mut vigils = FuturesUnordered::new();
    let mut seen = Seen::default();
    loop {
        tokio::select! {
            Some(resource) = waiting.recv(), if !ended.is_cancelled() => {
                if let Some(vigil) = vigil(context, step, &resource) && !known.contains(&resource) {
                    known.push(resource.clone());
                    vigils.push(async move { (resource, vigil.keep(ended).await) });
                }
            }
            Some((resource, found)) = vigils.next() => {
                let Found { hopeless, causes } = found;
                if let Some(why) = hopeless && seen.cancelled.is_none() {
                    seen.cancelled = cancel(context, step, &resource, &why).await;
                }
                seen.causes.extend(causes);
            }
            () = ended.cancelled(), if vigils.is_empty() => return seen,
        }
    }
}

fn vigil(context: &Context, step: &Step<'_>, resource: &Waiting) -> Option<Vigil> {
    let (cluster, service) = ecs_service(resource)?;
    Some(Vigil {
        client: context.session.ecs.clone(),
        witnesses: context.witnesses(),
        alarms: Alarms::new(context.session.cloudwatch.clone(), Vec::new()),
        cluster: cluster.to_owned(),
        service: service.to_owned(),
        timing: Timing::every(context.session.rollout_poll),
        events: step.events.clone(),
    })
}

/// The cluster and the name in `arn:aws:ecs:eu-west-1:111111111111:service/main/api`.
fn ecs_service(resource: &Waiting) -> Option<(&str, &str)> {
    let (_, path) = resource.physical_id.split_once(":service/")?;
    (resource.resource_type == "AWS::ECS::Service").then_some(())?;
    path.split_once('/')
}

/// Ends the operation; gives what was found and done, if anything was. One that can't be ended ends by itself.
async fn cancel(context: &Context, step: &Step<'_>, resource: &Waiting, why: &str) -> Option<String> {
    let (_, service) = ecs_service(resource)?;
    step.events.activity(format!("giving up: service {service}, {why}"));
    match stack::cancel(&context.session.cloudformation, &resource.stack_id).await {
        Ok(cancelled) => {
            cancelled.then(|| format!("service {service}: {why}, so it was not waited for any longer"))
        }
        Err(failure) => {
            step.events.warning(failure.message);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure() -> Failure {
        Failure::new("x-prod-ecs could not be updated")
            .detail("Service (AWS::ECS::Service) UPDATE_FAILED: Resource update cancelled")
            .hint("mend the cause and run again")
    }

    #[test]
    fn what_was_found_comes_before_that_it_was_cancelled() {
        let seen = Seen {
            cancelled: Some("service api: 3 tasks stopped and none stayed up".to_owned()),
            causes: vec!["3 tasks stopped: Essential container exited".to_owned()],
        };
        insta::assert_snapshot!(seen.explain(failure()), @"
        x-prod-ecs could not be updated
          service api: 3 tasks stopped and none stayed up
          3 tasks stopped: Essential container exited
          Service (AWS::ECS::Service) UPDATE_FAILED: Resource update cancelled
          next: mend the cause and run again
        ");
    }

    #[test]
    fn what_cloudformation_found_itself_comes_first() {
        let causes = vec!["3 tasks stopped: Essential container exited".to_owned()];
        let explained = Seen { cancelled: None, causes }.explain(failure());
        assert_eq!(explained.details[1], "3 tasks stopped: Essential container exited");
    }

    #[test]
    fn an_arn_names_cluster_and_service() {
        let waiting = |resource_type: &str, physical_id: &str| Waiting {
            stack_id: "arn:aws:cloudformation:eu-west-1:1:stack/x/1".to_owned(),
            resource_type: resource_type.to_owned(),
            physical_id: physical_id.to_owned(),
        };
        let arn = "arn:aws:ecs:eu-west-1:1:service/main/api";
        assert_eq!(ecs_service(&waiting("AWS::ECS::Service", arn)), Some(("main", "api")));
        // An ARN of the old form does not name the cluster.
        let old = waiting("AWS::ECS::Service", "arn:aws:ecs:eu-west-1:1:service/api");
        assert_eq!(ecs_service(&old), None);
        assert_eq!(ecs_service(&waiting("AWS::ECS::Cluster", arn)), None);
    }
}

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::DesiredStatus;

use super::definition::{self, Definition, Log};
use super::follow::{Rollout, Setback};
use super::proof::{Finding, prove};
use super::retreat::retreat;
use super::watch::Watch;
use super::{Deployment, RolloutState, Service, Target, TaskDefinition, Witnesses, observe, tasks};
use crate::aws::failure;
use crate::event::StepEvents;
use crate::failure::Failure;
use crate::rollout::alarms::Alarms;
use crate::rollout::patience::{Overdue, Patience, Timing};
use crate::rollout::{Proof, Running};

/// Moves the service to the wanted revision, follows the deployment to its end, and proves what runs.
///
/// `alarms` are watched meanwhile, and for `watch` after the service is steady.
///
/// A deployment to that revision that is under way is followed, not started twice.
///
/// # Errors
/// If the service does not become steady on the revision, or an alarm goes off. It is then brought back to what it
/// ran before, and the failure says what it runs. A failed observation is no failure: it is repeated until the time is over.
pub async fn roll(
    client: &Client,
    witnesses: &Witnesses,
    target: &Target,
    alarms: &Alarms,
    watch: Duration,
    timing: Timing,
    events: &StepEvents,
) -> Result<Running, Failure> {
    let (definition, before) =
        tokio::try_join!(definition::read(client, &target.task_definition), observe(client, target))?;
    let rollout = Rollout { client, witnesses, target, alarms, watch, timing, events };
    let deployment = start(&rollout, &before).await?;
    match rollout.follow(deployment, &before, definition.logs.clone()).await {
        Ok(service) => confirm(&rollout, &service, &definition).await,
        Err(Setback::Blind(failure)) => Err(out_of_sight(target, failure)),
        Err(Setback::Failed { why, causes }) => {
            let outcome = retreat(&rollout, previous(&before, &target.task_definition)).await;
            Err(not_moved(target, &why, causes, outcome, &definition))
        }
    }
}

/// Starts the deployment, or finds the one that is under way.
async fn start(rollout: &Rollout<'_>, before: &Service) -> Result<Watch, Failure> {
    let Rollout { client, target, events, .. } = rollout;
    let wanted = &target.task_definition;
    let primary = &before.primary;
    let watch = |deployment: &Deployment| Watch {
        wanted: wanted.clone(),
        deployment: deployment.id.clone(),
        began: deployment.created_at,
        before: primary.id.clone(),
        seen: false,
    };
    let untouched = |failure: Failure| {
        failure.detail(format!("service {} still runs {}", before.name, primary.task_definition))
    };
    let same = primary.task_definition == *wanted;
    if same && primary.state != RolloutState::Failed {
        rollout.alarms.admit(false).await.map_err(untouched)?;
        events.activity(format!("following the deployment of {wanted}"));
        return Ok(watch(primary));
    }
    rollout.alarms.admit(true).await.map_err(untouched)?;
    events.activity(format!("{} → {wanted}", primary.task_definition));
    let answer = client
        .update_service()
        .cluster(&target.cluster)
        .service(target.service_name())
        .task_definition(wanted.to_string())
        // Naming the revision it has already would change nothing: only a new deployment tries again.
        .set_force_new_deployment(same.then_some(true))
        .send()
        .await
        .map_err(|error| failure(format!("UpdateService of {} to {wanted}", target.service_name()), error))?;
    let Some(service) = answer.service() else {
        return Err(Failure::new(format!("UpdateService of {}: an empty answer", target.service_name()))
            .hint("run again: a deployment that has begun is followed"));
    };
    Ok(watch(&Service::parse(service)?.primary))
}

/// What the service ran before: its primary deployment, or the steady one that this deployment is replacing.
fn previous<'a>(before: &'a Service, wanted: &TaskDefinition) -> Option<&'a TaskDefinition> {
    let others = || before.deployments().filter(|deployment| deployment.task_definition != *wanted);
    let steady =
        others().find(|other| matches!(other.state, RolloutState::Completed | RolloutState::Unknown));
    steady.or_else(|| others().next()).map(|deployment| &deployment.task_definition)
}

/// Reads what the tasks run. The last tasks of the old revision may take a moment to go.
async fn confirm(
    rollout: &Rollout<'_>,
    service: &Service,
    definition: &Definition,
) -> Result<Running, Failure> {
    let target = rollout.target;
    rollout.events.activity("comparing digests");
    match compare(rollout, service.tasks.desired, definition).await {
        Ok(Ok((proof, reported))) => {
            let pinned = || definition.digests.values().cloned().collect();
            Ok(Running {
                version: target.task_definition.to_string(),
                digests: if proof == Proof::Digest { pinned() } else { reported },
                tasks: Some(service.primary.tasks),
                proof,
            })
        }
        Ok(Err(how)) => Err(another_image(target, how)),
        Err(Overdue::Blind(failure)) => Err(out_of_sight(target, failure)),
        Err(Overdue::Waiting) => Err(still_others(target)),
    }
}

/// What the tasks turn out to run: the proof and their digests, or how they differ.
async fn compare(
    rollout: &Rollout<'_>,
    desired: u32,
    definition: &Definition,
) -> Result<Result<(Proof, BTreeSet<String>), String>, Overdue> {
    let wanted = &rollout.target.task_definition;
    let mut patience = Patience::new(rollout.timing, rollout.events);
    loop {
        let tasks = tasks::read(rollout.client, rollout.target, DesiredStatus::Running, &[]).await;
        let look = tasks.map(|tasks| match prove(&tasks, desired, wanted, definition) {
            Finding::NotYet => None,
            Finding::Differs(how) => Some(Err(how)),
            Finding::Proven(proof) => Some(Ok((proof, tasks::digests(&tasks)))),
        });
        if let Some(found) = patience.after(look).await? {
            return Ok(found);
        }
    }
}

fn not_moved(
    target: &Target,
    why: &str,
    causes: Vec<String>,
    outcome: String,
    definition: &Definition,
) -> Failure {
    let (service, wanted) = (target.service_name(), &target.task_definition);
    let mut failure = Failure::new(format!("service {service} could not be moved to {wanted}: {why}"));
    failure.details = causes;
    let next = "fix it, commit, and run again";
    failure.detail(outcome).hint(match definition.logs.first() {
        Some(Log { group, .. }) => {
            format!("`aws logs tail {group} --since 15m` shows what its tasks wrote; {next}")
        }
        None => next.to_owned(),
    })
}

fn out_of_sight(target: &Target, last: Failure) -> Failure {
    let (service, wanted) = (target.service_name(), &target.task_definition);
    Failure::new(format!("service {service} was moved to {wanted}, but could not be observed"))
        .detail(last.message)
        .hint("the deployment goes on by itself: run again to follow it to its end")
}

fn another_image(target: &Target, how: String) -> Failure {
    let (service, wanted) = (target.service_name(), &target.task_definition);
    Failure::new(format!("service {service} runs {wanted}, but not the image that it names"))
        .detail(how)
        .hint("pin the image by the digest of its manifest, not of an index of images; if it is, find out who changed the registry")
}

fn still_others(target: &Target) -> Failure {
    let (service, wanted) = (target.service_name(), &target.task_definition);
    Failure::new(format!("service {service} was moved to {wanted}, but not all of its tasks run it"))
        .hint(format!(
            "`aws ecs list-tasks --cluster {} --service-name {service}` lists them; run again once the old ones are gone",
            target.cluster
        ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target::new("main", "api", "api:5").expect("a target")
    }

    #[test]
    fn a_failure_says_why_what_runs_and_what_to_do() {
        let log = Log { container: "app".to_owned(), group: "/ecs/api".to_owned(), prefix: None };
        let definition = Definition { logs: vec![log], ..Definition::default() };
        let causes =
            vec!["3 tasks stopped: Essential container exited; container app: exit code 3".to_owned()];
        let outcome = "the service runs api:4 again, 2 of 2 tasks".to_owned();
        insta::assert_snapshot!(
            not_moved(&target(), "3 tasks stopped and none stayed up", causes, outcome, &definition),
            @"
        service api could not be moved to api:5: 3 tasks stopped and none stayed up
          3 tasks stopped: Essential container exited; container app: exit code 3
          the service runs api:4 again, 2 of 2 tasks
          next: `aws logs tail /ecs/api --since 15m` shows what its tasks wrote; fix it, commit, and run again
        "
        );
    }

    #[test]
    fn nobody_goes_back_blindly() {
        insta::assert_snapshot!(out_of_sight(&target(), Failure::new("DescribeServices of api: throttled")), @"
        service api was moved to api:5, but could not be observed
          DescribeServices of api: throttled
          next: the deployment goes on by itself: run again to follow it to its end
        ");
    }
}

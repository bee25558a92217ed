use aws_sdk_ecs::Client;
use aws_sdk_ecs::primitives::DateTime;
use aws_sdk_ecs::types::{CreatedAt, ServiceDeploymentBrief, ServiceDeploymentStatus as Status};

use super::Target;
use super::target::last_segment;
use super::watch::Watch;
use crate::aws::failure;
use crate::failure::Failure;

/// A record may be a little older or younger than the deployment that it is about.
const MARGIN: i64 = 2;

/// What ECS has on record of a deployment that it took back, if it did; not every endpoint keeps records.
///
/// A service that was sent back is steady, and so looks like success: `ROLLBACK_SUCCESSFUL` is a failed deployment.
pub(super) async fn taken_back(
    client: &Client,
    target: &Target,
    watch: &Watch,
) -> Result<Option<String>, Failure> {
    let since = CreatedAt::builder().after(DateTime::from_secs(watch.began - MARGIN)).build();
    let answer = client
        .list_service_deployments()
        .cluster(&target.cluster)
        .service(target.service_name())
        .created_at(since)
        .send()
        .await
        .map_err(|error| failure(format!("ListServiceDeployments of {}", target.service_name()), error))?;
    Ok(verdict(answer.service_deployments(), watch))
}

fn verdict(records: &[ServiceDeploymentBrief], watch: &Watch) -> Option<String> {
    let record = records.iter().find(|record| is_of(record, watch))?;
    let status = record.status()?;
    let back = matches!(
        status,
        Status::RollbackRequested
            | Status::RollbackInProgress
            | Status::RollbackSuccessful
            | Status::RollbackFailed
    );
    let reason = record.status_reason().map(|reason| format!(": {reason}")).unwrap_or_default();
    back.then(|| format!("ECS took the deployment back ({}){reason}", status.as_str()))
}

/// A deployment and the revision of the service that it leads to have one number; a record that names no revision is
/// told by its time.
fn is_of(record: &ServiceDeploymentBrief, watch: &Watch) -> bool {
    match record.target_service_revision_arn() {
        Some(revision) => last_segment(revision) == last_segment(&watch.deployment),
        None => record.created_at().is_some_and(|time| (time.secs() - watch.began).abs() <= MARGIN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::ecs::TaskDefinition;

    fn record(number: &str, status: Status) -> ServiceDeploymentBrief {
        ServiceDeploymentBrief::builder()
            .target_service_revision_arn(format!(
                "arn:aws:ecs:eu-west-1:1:service-revision/main/api/{number}"
            ))
            .status(status)
            .status_reason(
                "Service deployment rolled back because the circuit breaker threshold was exceeded.",
            )
            .build()
    }

    fn watch() -> Watch {
        Watch {
            wanted: TaskDefinition::parse("api:5").expect("a revision"),
            deployment: "ecs-svc/17".to_owned(),
            began: 100,
            before: "ecs-svc/16".to_owned(),
            seen: true,
        }
    }

    #[test]
    fn a_successful_rollback_is_a_failed_deployment() {
        let records = [record("18", Status::InProgress), record("17", Status::RollbackSuccessful)];
        insta::assert_snapshot!(
            verdict(&records, &watch()).expect("a verdict"),
            @"ECS took the deployment back (ROLLBACK_SUCCESSFUL): Service deployment rolled back because the circuit breaker threshold was exceeded."
        );
    }

    #[test]
    fn what_happened_to_another_deployment_says_nothing() {
        assert_eq!(verdict(&[record("18", Status::RollbackSuccessful)], &watch()), None);
        assert_eq!(verdict(&[record("17", Status::Successful)], &watch()), None);
        assert_eq!(verdict(&[], &watch()), None);
    }
}

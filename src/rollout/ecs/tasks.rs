use std::collections::BTreeSet;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types as sdk;

use super::target::last_segment;
use super::{Target, TaskDefinition};
use crate::aws::failure;
use crate::failure::Failure;

/// `DescribeTasks` takes no more at once.
const TASKS_PER_CALL: usize = 100;

/// One task of a service. Times are in seconds since 1970, by the clock of ECS.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Task {
    pub(super) arn: String,
    pub(super) revision: Option<TaskDefinition>,
    pub(super) running: bool,
    /// A health check of its own says so.
    pub(super) healthy: bool,
    pub(super) created_at: f64,
    pub(super) started_at: Option<f64>,
    pub(super) stopped_at: Option<f64>,
    pub(super) stop_code: Option<sdk::TaskStopCode>,
    pub(super) stopped_reason: Option<String>,
    pub(super) containers: Vec<Container>,
    /// Its own addresses; none where it shares its host's.
    pub(super) addresses: Vec<String>,
}

/// One container of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) digest: Option<String>,
    pub(super) exit_code: Option<i32>,
    pub(super) reason: Option<String>,
}

/// Reads the service's tasks, without those that are known already (their ARNs).
pub(super) async fn read(
    client: &Client,
    target: &Target,
    desired: sdk::DesiredStatus,
    known: &[String],
) -> Result<Vec<Task>, Failure> {
    let mut arns = list(client, target, desired).await?;
    arns.retain(|arn| !known.contains(arn));
    let mut tasks = Vec::with_capacity(arns.len());
    for chunk in arns.chunks(TASKS_PER_CALL) {
        let answer = client
            .describe_tasks()
            .cluster(&target.cluster)
            .set_tasks(Some(chunk.to_vec()))
            .send()
            .await
            .map_err(|error| failure(format!("DescribeTasks of service {}", target.service_name()), error))?;
        tasks.extend(answer.tasks().iter().map(Task::parse));
    }
    Ok(tasks)
}

async fn list(client: &Client, target: &Target, desired: sdk::DesiredStatus) -> Result<Vec<String>, Failure> {
    client
        .list_tasks()
        .cluster(&target.cluster)
        .service_name(target.service_name())
        .desired_status(desired)
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await
        .map_err(|error| failure(format!("ListTasks of service {}", target.service_name()), error))
}

/// The image digests that running tasks report.
pub(super) fn digests(tasks: &[Task]) -> BTreeSet<String> {
    let running = tasks.iter().filter(|task| task.running);
    running.flat_map(|task| &task.containers).filter_map(|container| container.digest.clone()).collect()
}

impl Task {
    /// The end of its ARN, enough to find it.
    pub(super) fn id(&self) -> &str {
        last_segment(&self.arn)
    }

    fn parse(task: &sdk::Task) -> Self {
        let seconds = |time: Option<&aws_sdk_ecs::primitives::DateTime>| {
            time.map(aws_sdk_ecs::primitives::DateTime::as_secs_f64)
        };
        Self {
            arn: task.task_arn().unwrap_or_default().to_owned(),
            revision: task.task_definition_arn().and_then(TaskDefinition::parse),
            running: task.last_status() == Some("RUNNING"),
            healthy: task.health_status() == Some(&sdk::HealthStatus::Healthy),
            created_at: seconds(task.created_at()).unwrap_or_default(),
            started_at: seconds(task.started_at()),
            stopped_at: seconds(task.stopped_at()),
            stop_code: task.stop_code().cloned(),
            stopped_reason: task.stopped_reason().map(str::to_owned),
            containers: task.containers().iter().map(Container::parse).collect(),
            addresses: task
                .attachments()
                .iter()
                .flat_map(sdk::Attachment::details)
                .filter(|detail| detail.name() == Some("privateIPv4Address"))
                .filter_map(|detail| detail.value().map(str::to_owned))
                .collect(),
        }
    }
}

impl Container {
    fn parse(container: &sdk::Container) -> Self {
        Self {
            name: container.name().unwrap_or_default().to_owned(),
            digest: container.image_digest().filter(|digest| !digest.is_empty()).map(str::to_owned),
            exit_code: container.exit_code(),
            reason: container.reason().filter(|reason| !reason.is_empty()).map(str::to_owned),
        }
    }
}

use std::collections::BTreeMap;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::{ContainerDefinition, TaskDefinitionStatus};

use super::TaskDefinition;
use crate::aws::failure;
use crate::failure::Failure;
use crate::rollout::live::pinned_digest;

/// What a rollout has to know of the revision it rolls to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Definition {
    /// The digest of each container's image, where the image is pinned by one.
    pub(super) digests: BTreeMap<String, String>,
    /// Where the containers write, those that use the log driver `awslogs`.
    pub(super) logs: Vec<Log>,
}

/// Where a container writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Log {
    /// The container's name.
    pub(super) container: String,
    /// The log group.
    pub(super) group: String,
    /// What the names of its streams begin with. Without one they are named after the container's ID in Docker.
    pub(super) prefix: Option<String>,
}

/// Reads the revision, before anything is changed.
pub(super) async fn read(client: &Client, task_definition: &TaskDefinition) -> Result<Definition, Failure> {
    let answer = client
        .describe_task_definition()
        .task_definition(task_definition.to_string())
        .send()
        .await
        .map_err(|error| failure(format!("DescribeTaskDefinition of {task_definition}"), error))?;
    let Some(found) = answer.task_definition() else {
        return Err(Failure::new(format!("DescribeTaskDefinition of {task_definition}: an empty answer"))
            .hint("nothing was changed: run again"));
    };
    if matches!(found.status(), Some(TaskDefinitionStatus::Inactive | TaskDefinitionStatus::DeleteInProgress))
    {
        return Err(Failure::new(format!("{task_definition} was deregistered, no service can be moved to it"))
            .hint("change the task definition in the stack's template, so that a new revision is registered, and run again"));
    }
    Ok(parse(found.container_definitions()))
}

fn parse(containers: &[ContainerDefinition]) -> Definition {
    let digest = |container: &ContainerDefinition| {
        let digest = pinned_digest(container.image()?)?;
        Some((container.name()?.to_owned(), digest.to_owned()))
    };
    let log = |container: &ContainerDefinition| {
        let options = container.log_configuration()?.options()?;
        Some(Log {
            container: container.name()?.to_owned(),
            group: options.get("awslogs-group")?.clone(),
            prefix: options.get("awslogs-stream-prefix").cloned(),
        })
    };
    Definition {
        digests: containers.iter().filter_map(digest).collect(),
        logs: containers.iter().filter_map(log).collect(),
    }
}

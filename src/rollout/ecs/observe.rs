use std::collections::BTreeMap;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::DesiredStatus;
use futures::future::join_all;

use super::target::last_segment;
use super::{Service, Target, tasks};
use crate::aws::failure;
use crate::failure::Failure;
use crate::rollout::Live;

/// `DescribeServices` takes no more at once.
const SERVICES_PER_CALL: usize = 10;

/// Reads what the service runs.
///
/// # Errors
/// If the service can't be read, does not exist, or is not deployed by rolling updates.
pub async fn observe(client: &Client, target: &Target) -> Result<Service, Failure> {
    observe_named(client, &target.cluster, target.service_name()).await
}

/// Like [`observe`], for a service of which it is not known what it should run.
pub(super) async fn observe_named(client: &Client, cluster: &str, service: &str) -> Result<Service, Failure> {
    observe_chunk(client, cluster, &[service]).await.remove(0)
}

/// Reads what many services run, with as few calls as there can be; the answers are in the targets' order.
pub async fn observe_all(client: &Client, targets: &[Target]) -> Vec<Result<Service, Failure>> {
    let mut by_cluster: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, target) in targets.iter().enumerate() {
        by_cluster.entry(&target.cluster).or_default().push(index);
    }
    let chunks = by_cluster.into_iter().flat_map(|(cluster, indices)| {
        indices.chunks(SERVICES_PER_CALL).map(|chunk| (cluster, chunk.to_vec())).collect::<Vec<_>>()
    });
    let answers = join_all(chunks.map(|(cluster, indices)| async move {
        let asked: Vec<&str> = indices.iter().map(|index| targets[*index].service_name()).collect();
        let services = observe_chunk(client, cluster, &asked).await;
        indices.into_iter().zip(services).collect::<Vec<_>>()
    }))
    .await;
    let ordered: BTreeMap<usize, _> = answers.into_iter().flatten().collect();
    ordered.into_values().collect()
}

/// One call for some services of one cluster; as many answers as names.
async fn observe_chunk(client: &Client, cluster: &str, names: &[&str]) -> Vec<Result<Service, Failure>> {
    let tried = format!("DescribeServices of {} in cluster {}", names.join(", "), last_segment(cluster));
    let call = client
        .describe_services()
        .cluster(cluster)
        .set_services(Some(names.iter().map(ToString::to_string).collect()));
    match call.send().await {
        Ok(answer) => names
            .iter()
            .map(|name| {
                let found = answer.services().iter().find(|service| service.service_name() == Some(name));
                found.map_or_else(|| Err(missing(name, cluster)), Service::parse)
            })
            .collect(),
        Err(error) => {
            let failure = failure(tried, error);
            names.iter().map(|_| Err(failure.clone())).collect()
        }
    }
}

fn missing(service: &str, cluster: &str) -> Failure {
    Failure::new(format!("there is no service {service} in cluster {}", last_segment(cluster))).hint(
        "check rollout.ecs.cluster and rollout.ecs.service in pipeline.yaml against the stack's outputs",
    )
}

/// What an observed service runs, down to the digests of its running tasks.
///
/// # Errors
/// If its tasks can't be read.
pub async fn live(client: &Client, target: &Target, service: &Service) -> Result<Live, Failure> {
    let tasks = tasks::read(client, target, DesiredStatus::Running, &[]).await?;
    Ok(Live {
        name: service.name.clone(),
        version: service.primary.task_definition.to_string(),
        weights: BTreeMap::new(),
        digests: tasks::digests(&tasks),
        tasks: Some(service.tasks),
        description: None,
    })
}

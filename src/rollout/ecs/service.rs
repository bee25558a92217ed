use aws_sdk_ecs::types as sdk;

use super::TaskDefinition;
use crate::failure::Failure;
use crate::rollout::Tasks;

/// What a service runs and what it is being moved to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The service's name.
    pub name: String,
    /// Tasks of all deployments together.
    pub tasks: Tasks,
    /// The deployment that the service moves to, or has moved to.
    pub primary: Deployment,
    /// Deployments that are being replaced, or have failed.
    pub others: Vec<Deployment>,
    /// Whether ECS itself gives up a deployment whose tasks keep failing.
    pub breaker: bool,
    /// What the scheduler says, oldest first.
    pub events: Vec<ServiceEvent>,
    /// ARNs of the target groups that its tasks belong to.
    pub target_groups: Vec<String>,
}

/// One move of a service to a task definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// `ecs-svc/…`.
    pub id: String,
    /// What its tasks run.
    pub task_definition: TaskDefinition,
    /// How far it is.
    pub state: RolloutState,
    /// What ECS says about the state.
    pub reason: Option<String>,
    /// Its tasks.
    pub tasks: Tasks,
    /// When it began, in whole seconds since 1970 by the clock of ECS.
    pub created_at: i64,
}

/// How far a deployment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutState {
    /// Tasks are being started and stopped.
    InProgress,
    /// The service reached a steady state with it.
    Completed,
    /// The circuit breaker gave it up.
    Failed,
    /// Not reported: behind a Classic Load Balancer.
    Unknown,
}

/// A line of the service's own log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceEvent {
    /// Identifies it among the service's events.
    pub id: String,
    /// `(service api) has started 1 tasks: …`.
    pub message: String,
    /// When it was said, in whole seconds since 1970 by the clock of ECS.
    pub created_at: i64,
}

impl Service {
    /// Every deployment, the primary first.
    pub fn deployments(&self) -> impl Iterator<Item = &Deployment> {
        std::iter::once(&self.primary).chain(&self.others)
    }

    /// Reads the API's answer.
    ///
    /// # Errors
    /// If the service is gone, or is not deployed by rolling updates.
    pub(super) fn parse(service: &sdk::Service) -> Result<Self, Failure> {
        let name = service.service_name().unwrap_or_default().to_owned();
        if service.status() != Some("ACTIVE") {
            let status = service.status().unwrap_or("in an unknown status");
            return Err(Failure::new(format!("service {name} is {status}"))
                .hint("it was deleted: bring it back with its stack, then run again"));
        }
        let (primary, others): (Vec<_>, Vec<_>) =
            service.deployments().iter().partition(|deployment| deployment.status() == Some("PRIMARY"));
        let primary =
            primary.first().and_then(|deployment| Deployment::parse(deployment)).ok_or_else(|| {
                Failure::new(format!("service {name} has no rolling deployment")).hint(
                    "the pipeline rolls services whose deployment controller is ECS; check the service's DeploymentController in its template",
                )
            })?;
        Ok(Self {
            tasks: tasks(service.running_count(), service.desired_count()),
            primary,
            others: others.into_iter().filter_map(Deployment::parse).collect(),
            breaker: service
                .deployment_configuration()
                .and_then(sdk::DeploymentConfiguration::deployment_circuit_breaker)
                .is_some_and(sdk::DeploymentCircuitBreaker::enable),
            events: service.events().iter().rev().map(ServiceEvent::parse).collect(),
            target_groups: service
                .load_balancers()
                .iter()
                .filter_map(|balancer| balancer.target_group_arn().map(str::to_owned))
                .collect(),
            name,
        })
    }
}

impl Deployment {
    fn parse(deployment: &sdk::Deployment) -> Option<Self> {
        Some(Self {
            id: deployment.id()?.to_owned(),
            task_definition: TaskDefinition::parse(deployment.task_definition()?)?,
            state: match deployment.rollout_state() {
                Some(sdk::DeploymentRolloutState::InProgress) => RolloutState::InProgress,
                Some(sdk::DeploymentRolloutState::Completed) => RolloutState::Completed,
                Some(sdk::DeploymentRolloutState::Failed) => RolloutState::Failed,
                _ => RolloutState::Unknown,
            },
            reason: deployment.rollout_state_reason().filter(|reason| !reason.is_empty()).map(str::to_owned),
            tasks: tasks(deployment.running_count(), deployment.desired_count()),
            created_at: deployment.created_at().map_or(0, aws_sdk_ecs::primitives::DateTime::secs),
        })
    }
}

impl ServiceEvent {
    /// Whether the scheduler says that it can't do what it should: `(service api) was unable to place a task …`.
    pub(super) fn is_complaint(&self) -> bool {
        ["unable", "unhealthy", "failed"].iter().any(|word| self.message.contains(word))
    }

    fn parse(event: &sdk::ServiceEvent) -> Self {
        Self {
            id: event.id().unwrap_or_default().to_owned(),
            message: event.message().unwrap_or_default().to_owned(),
            created_at: event.created_at().map_or(0, aws_sdk_ecs::primitives::DateTime::secs),
        }
    }
}

fn tasks(running: i32, desired: i32) -> Tasks {
    Tasks { running: running.try_into().unwrap_or(0), desired: desired.try_into().unwrap_or(0) }
}

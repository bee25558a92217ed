use tokio::sync::mpsc::UnboundedSender;

use super::ResourceEvent;

/// A resource that CloudFormation is making or changing, and waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The ARN of its stack.
    pub stack_id: String,
    /// `AWS::ECS::Service`.
    pub resource_type: String,
    /// Its identity.
    pub physical_id: String,
}

/// Where it is told what CloudFormation waits for, each resource as soon as its identity is known.
pub type Waits = UnboundedSender<Waiting>;

impl Waiting {
    /// What an event of a stack tells that CloudFormation waits for.
    pub(super) fn of(stack_id: &str, event: &ResourceEvent) -> Option<Self> {
        let waits = matches!(event.status.as_str(), "CREATE_IN_PROGRESS" | "UPDATE_IN_PROGRESS");
        (waits && !event.physical_id.is_empty() && !event.about_stack(stack_id)).then(|| Self {
            stack_id: stack_id.to_owned(),
            resource_type: event.resource_type.clone(),
            physical_id: event.physical_id.clone(),
        })
    }
}

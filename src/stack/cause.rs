use std::fmt;

use aws_sdk_cloudformation::types::StackEvent;

/// One entry of a stack's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceEvent {
    /// Unique.
    pub id: String,
    /// The resource's name in the template; for the stack itself the stack's name.
    pub logical_id: String,
    /// The resource's identity; for the stack itself its ARN.
    pub physical_id: String,
    /// `AWS::ECS::Service`.
    pub resource_type: String,
    /// `CREATE_FAILED`.
    pub status: String,
    /// What the service says about it.
    pub reason: Option<String>,
}

impl ResourceEvent {
    /// Whether it is about the stack itself and not about one of its resources.
    #[must_use]
    pub fn about_stack(&self, stack_id: &str) -> bool {
        self.physical_id == stack_id
    }

    /// Whether it says that the stack's operation, or one part of it, is over.
    #[must_use]
    pub(super) fn ends(&self, stack_id: &str) -> bool {
        self.about_stack(stack_id) && !self.status.ends_with("_IN_PROGRESS")
    }
}

/// `Cluster (AWS::MSK::Cluster) UPDATE_FAILED: the brokers are being rebooted`.
impl fmt::Display for ResourceEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = self.reason.as_deref().unwrap_or("no reason given");
        write!(f, "{} ({}) {}: {reason}", self.logical_id, self.resource_type, self.status)
    }
}

impl From<StackEvent> for ResourceEvent {
    fn from(event: StackEvent) -> Self {
        Self {
            id: event.event_id.unwrap_or_default(),
            logical_id: event.logical_resource_id.unwrap_or_default(),
            physical_id: event.physical_resource_id.unwrap_or_default(),
            resource_type: event.resource_type.unwrap_or_default(),
            status: event.resource_status.map(|status| status.as_str().to_owned()).unwrap_or_default(),
            reason: event.resource_status_reason.filter(|reason| !reason.is_empty()),
        }
    }
}

/// Why an operation failed: its oldest failure that is neither the stack itself nor a resource that was only
/// cancelled because another one had failed. `events` are the operation's, oldest first.
#[must_use]
pub fn root_cause<'a>(stack_id: &str, events: &'a [ResourceEvent]) -> Option<&'a ResourceEvent> {
    let failed = |event: &&ResourceEvent| event.status.ends_with("_FAILED") && !event.about_stack(stack_id);
    let cancelled = |event: &&ResourceEvent| {
        event.reason.as_deref().is_some_and(|reason| reason.to_ascii_lowercase().contains("cancelled"))
    };
    events.iter().filter(failed).find(|event| !cancelled(event)).or_else(|| events.iter().find(failed))
}

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::types::{TargetHealthDescription, TargetHealthStateEnum};

use super::tasks::Task;
use crate::aws::failure;
use crate::failure::Failure;

/// A target that a load balancer sends nothing to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unhealthy {
    /// An address, or an instance's ID.
    pub(super) id: String,
    /// `target 10.0.0.5:8080 is unhealthy (Target.FailedHealthChecks): Health checks failed`.
    pub(super) sentence: String,
}

/// The targets of a group whose health checks fail.
pub(super) async fn unhealthy(client: &Client, target_group: &str) -> Result<Vec<Unhealthy>, Failure> {
    let answer = client
        .describe_target_health()
        .target_group_arn(target_group)
        .send()
        .await
        .map_err(|error| failure(format!("DescribeTargetHealth of {target_group}"), error))?;
    Ok(answer.target_health_descriptions().iter().filter_map(Unhealthy::parse).collect())
}

impl Unhealthy {
    /// Whether it is one of these tasks, as far as that can be told: an instance stands for all tasks on it.
    pub(super) fn belongs_to(&self, tasks: &[Task]) -> bool {
        self.id.starts_with("i-") || tasks.iter().any(|task| task.addresses.contains(&self.id))
    }

    /// Those that are new or leave are no finding: ECS registers and deregisters them itself.
    fn parse(target: &TargetHealthDescription) -> Option<Self> {
        let health = target.target_health()?;
        let state = health.state()?;
        if !matches!(
            state,
            TargetHealthStateEnum::Unhealthy
                | TargetHealthStateEnum::UnhealthyDraining
                | TargetHealthStateEnum::Unavailable
        ) {
            return None;
        }
        let id = target.target()?.id()?;
        let port = target.target()?.port().map(|port| format!(":{port}")).unwrap_or_default();
        let reason = health.reason().map(|reason| format!(" ({})", reason.as_str())).unwrap_or_default();
        let description = health.description().map(|text| format!(": {text}")).unwrap_or_default();
        let state = state.as_str();
        Some(Self {
            id: id.to_owned(),
            sentence: format!("target {id}{port} is {state}{reason}{description}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_elasticloadbalancingv2::types::{
        TargetDescription, TargetHealth, TargetHealthReasonEnum as Reason,
    };

    fn target(state: TargetHealthStateEnum, reason: Reason, description: &str) -> Option<Unhealthy> {
        let health = TargetHealth::builder().state(state).reason(reason).description(description).build();
        let target = TargetDescription::builder().id("10.0.0.5").port(8080).build();
        let described = TargetHealthDescription::builder().target(target).target_health(health);
        Unhealthy::parse(&described.build())
    }

    #[test]
    fn a_target_says_what_its_health_checks_got() {
        let text = "Health checks failed with these codes: [502]";
        let found = target(TargetHealthStateEnum::Unhealthy, Reason::ResponseCodeMismatch, text);
        insta::assert_snapshot!(
            found.expect("a finding").sentence,
            @"target 10.0.0.5:8080 is unhealthy (Target.ResponseCodeMismatch): Health checks failed with these codes: [502]"
        );
    }

    #[test]
    fn targets_that_come_and_go_are_no_finding() {
        for (state, reason) in [
            (TargetHealthStateEnum::Initial, Reason::RegistrationInProgress),
            (TargetHealthStateEnum::Draining, Reason::DeregistrationInProgress),
        ] {
            assert_eq!(target(state, reason, "…"), None);
        }
    }
}

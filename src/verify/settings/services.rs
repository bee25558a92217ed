//! ECS: what a failed rollout does, and who writes what. See `docs/rollouts.md`.

use super::{Risk, Rule, View};

const SERVICE: &str = "AWS::ECS::Service";

pub const RULES: &[Rule] = &[
    Rule {
        resource_type: SERVICE,
        look: no_circuit_breaker,
        advice: "without it a stack whose tasks don't start waits for hours: \
                 DeploymentConfiguration.DeploymentCircuitBreaker: { Enable: true, Rollback: true }",
    },
    Rule {
        resource_type: SERVICE,
        look: two_counts,
        advice: "remove DesiredCount: every update of the stack would take the autoscaling's number of tasks back",
    },
    Rule {
        resource_type: SERVICE,
        look: revision_by_reference,
        advice: "name the family alone, and DependsOn the task definition: as it is, an update of the stack rolls the \
                 service past the pipeline",
    },
    Rule {
        resource_type: "AWS::ECS::TaskDefinition",
        look: revision_is_lost,
        advice: "set DeletionPolicy and UpdateReplacePolicy to Retain, so that the revision to go back to stays",
    },
];

fn no_circuit_breaker(service: &View<'_>) -> Option<Risk> {
    const BREAKER: &[&str] = &["DeploymentConfiguration", "DeploymentCircuitBreaker"];
    // Whoever else deploys it watches it, too.
    if service.text(&["DeploymentController", "Type"], "ECS")? != "ECS" {
        return None;
    }
    let enabled =
        service.text(&["DeploymentConfiguration", "DeploymentCircuitBreaker", "Enable"], "false")?;
    (enabled != "true").then(|| Risk::new(BREAKER, "the service has no deployment circuit breaker"))
}

fn two_counts(service: &View<'_>) -> Option<Risk> {
    const COUNT: &[&str] = &["DesiredCount"];
    let scaled = service
        .others("AWS::ApplicationAutoScaling::ScalableTarget")
        .iter()
        .any(|target| target.text(&["ServiceNamespace"], "").is_none_or(|namespace| namespace == "ecs"));
    (scaled && !service.lacks(COUNT))
        .then(|| Risk::new(COUNT, "both the template and autoscaling say how many tasks there are"))
}

fn revision_by_reference(service: &View<'_>) -> Option<Risk> {
    const REVISION: &[&str] = &["TaskDefinition"];
    let referred = service.referred(REVISION)?;
    let definitions = service.others("AWS::ECS::TaskDefinition");
    let is_definition = definitions.iter().any(|definition| definition.name() == referred);
    is_definition.then(|| Risk::new(REVISION, format!("the service follows every revision of {referred}")))
}

fn revision_is_lost(definition: &View<'_>) -> Option<Risk> {
    let retains = |policy: &Option<String>| policy.as_deref() == Some("Retain");
    let resource = definition.resource;
    let kept = retains(&resource.deletion_policy) && retains(&resource.update_replace_policy);
    (!kept).then(|| Risk::new(&[], "a new revision takes the old one away"))
}

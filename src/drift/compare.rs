//! What counts as drift. Pure.

use std::collections::BTreeSet;

use super::report::{State, Workload};
use crate::plan::Action;
use crate::rollout::ecs::{self, Service};
use crate::rollout::lambda::{self, Code, Function};
use crate::run::Target;
use crate::stack::ResourceDrift;

/// The resource without what is not CloudFormation's to say: what a rollout moves, and how many tasks run where
/// autoscaling says so. `None` if nothing is left.
///
/// `members` are the identities of every resource of the environment's stacks.
#[must_use]
pub fn own(
    mut resource: ResourceDrift,
    targets: &[Target],
    members: &BTreeSet<String>,
) -> Option<ResourceDrift> {
    if resource.deleted {
        return Some(resource);
    }
    let others = written_by_others(&resource, targets, members);
    resource.properties.retain(|property| {
        let root = property.path.split('.').next().unwrap_or_default();
        !others.contains(&root)
    });
    (!resource.properties.is_empty()).then_some(resource)
}

fn written_by_others(
    resource: &ResourceDrift,
    targets: &[Target],
    members: &BTreeSet<String>,
) -> Vec<&'static str> {
    let id = &resource.physical_id;
    let mut properties = Vec::new();
    match resource.resource_type.as_str() {
        "AWS::ECS::Service" => {
            let service = last(id);
            let rolls = |target: &Target| matches!(target, Target::Ecs(ecs) if ecs.service_name() == service);
            if targets.iter().any(rolls) {
                properties.push("TaskDefinition");
            }
            // A scalable target is known by `service/CLUSTER/SERVICE|ecs:service:DesiredCount|ecs`.
            let scales = format!("/{service}|ecs:service:DesiredCount");
            if members.iter().any(|member| member.contains(&scales)) {
                properties.push("DesiredCount");
            }
        }
        "AWS::Lambda::Alias" => {
            let moves = |target: &Target| match target {
                Target::Lambda { target, .. } => {
                    id.ends_with(&format!("{}:{}", target.function_name(), target.alias))
                }
                Target::Ecs(_) => false,
            };
            if targets.iter().any(moves) {
                properties.extend(["FunctionVersion", "RoutingConfig"]);
            }
        }
        _ => {}
    }
    properties
}

fn last(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// What a service runs against what its stack defines. How many tasks run, and how far a deployment is, is no drift.
#[must_use]
pub fn service(workload: &str, service: &Service, target: &ecs::Target) -> Workload {
    let decision = ecs::decide(service, &target.task_definition);
    let differs = service.primary.task_definition != target.task_definition;
    let (differences, note) = match decision.action {
        Action::Nothing => (Vec::new(), None),
        _ if differs => (vec![decision.reason], None),
        _ => (Vec::new(), Some(decision.reason)),
    };
    Workload {
        workload: workload.to_owned(),
        state: State::of(differs, false),
        differences,
        note,
        ..Workload::default()
    }
}

/// Where an alias points against `$LATEST`, which is what its stack defines, and `$LATEST` against the image that its
/// stack was given.
#[must_use]
pub fn function(workload: &str, found: &Function, image: Option<&(String, String)>) -> Workload {
    let replaced = image.and_then(|(parameter, image)| replaced(&found.latest.code, parameter, image));
    let canary = !found.alias.weights.is_empty();
    let mut differences: Vec<String> = replaced.into_iter().collect();
    let by_hand = (!differences.is_empty()).then(|| {
        "put the code back by hand (`aws lambda update-function-code`): CloudFormation does not compare code".to_owned()
    });
    differences.extend(elsewhere(found));
    differences.extend(found.alias.weights.iter().map(|(version, weight)| {
        let alias = &found.alias.name;
        format!("alias {alias} sends {weight} of the calls to version {version}")
    }));
    Workload {
        workload: workload.to_owned(),
        state: State::of(!differences.is_empty(), false),
        differences,
        canary,
        by_hand,
        ..Workload::default()
    }
}

/// Whether the alias points at something else than the stack defines, whatever its weights.
fn elsewhere(found: &Function) -> Option<String> {
    let mut whole = found.clone();
    whole.alias.weights.clear();
    let decision = lambda::decide(&whole);
    match decision.action {
        Action::Nothing => None,
        _ if whole.alias.version == "$LATEST" => Some(decision.reason),
        _ => Some(format!(
            "alias {} points at version {}, the stack defines another: {}",
            whole.alias.name, whole.alias.version, decision.reason
        )),
    }
}

/// The code of `$LATEST` is not the image that the stack was given; only a digest can tell.
fn replaced(code: &Code, parameter: &str, image: &str) -> Option<String> {
    let (_, wanted) = image.split_once('@')?;
    let found = code.digest()?;
    (found != wanted).then(|| {
        format!("the function runs {code}, the stack's {parameter} says {}", Code::Digest(wanted.to_owned()))
    })
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;

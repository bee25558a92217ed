use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudcontrol::error::ProvideErrorMetadata as _;
use futures::future::join_all;

use super::Finding;
use super::dynamic::{Target, targets};
use super::subject::Stack;
use crate::aws::{Session, failure};
use crate::failure::Failure;

const CHECK: &str = "secrets";

/// Whether the parameters and secrets that templates refer to exist. Their values are nobody's concern.
pub async fn check(stacks: &[Stack<'_>], session: &Session) -> Vec<Finding> {
    let mut places: BTreeMap<Target, Vec<String>> = BTreeMap::new();
    for (place, target) in stacks.iter().flat_map(targets) {
        places.entry(target).or_default().push(place);
    }
    let made = made(stacks);
    let count = places.len();
    let asked = places.iter().filter(|(target, _)| !made.contains(target));
    let found: Vec<Finding> = join_all(asked.map(|(target, places)| look(session, target, places)))
        .await
        .into_iter()
        .flatten()
        .collect();
    match (count, found.is_empty()) {
        (0, _) => vec![Finding::good(CHECK, "no template refers to a parameter or secret")],
        (1, true) => vec![Finding::good(CHECK, "the one parameter or secret that templates refer to exists")],
        (_, true) => vec![Finding::good(
            CHECK,
            format!("all {count} parameters and secrets that templates refer to exist"),
        )],
        _ => found,
    }
}

/// What the stacks make themselves, under names that are known.
fn made(stacks: &[Stack<'_>]) -> BTreeSet<Target> {
    let mut made = BTreeSet::new();
    for stack in stacks {
        let named = |resource_type| {
            let resources = stack.resources(resource_type);
            resources.filter_map(|(name, _)| stack.scope().text(stack.scope().property(name, &["Name"])))
        };
        made.extend(named("AWS::SSM::Parameter").map(Target::Parameter));
        made.extend(named("AWS::SecretsManager::Secret").map(Target::Secret));
    }
    made
}

/// What is wrong with a target, if anything is.
async fn look(session: &Session, target: &Target, places: &[String]) -> Option<Finding> {
    let (resource_type, id, command) = match target {
        // AWS's own, which no account can list.
        Target::Parameter(name) if name.starts_with("/aws/service/") => return None,
        Target::Parameter(name) => ("AWS::SSM::Parameter", name, "aws ssm put-parameter --name"),
        Target::Secret(id) => ("AWS::SecretsManager::Secret", id, "aws secretsmanager create-secret --name"),
        Target::Unknown(written) => {
            let failure = Failure::new(format!("{}: {written} is not known before a run", places.join(", ")))
                .hint("make sure that what it refers to exists");
            return Some(Finding::warning(CHECK, failure));
        }
    };
    // The answer can hold a parameter's value: it is dropped unseen.
    let asked =
        session.cloudcontrol.get_resource().type_name(resource_type).identifier(id).send().await.map(drop);
    let error = asked.err()?;
    Some(if error.code() == Some("ResourceNotFoundException") {
        let failure = Failure::new(format!("{} refers to {target}, which does not exist", places.join(", ")))
            .hint(format!("create it before the run: {command} {id} …"));
        Finding::failed(CHECK, failure)
    } else {
        let told = failure(format_args!("whether {target} exists: GetResource {resource_type}"), error);
        Finding::warning(CHECK, told.detail(format!("referred to at {}", places.join(", "))))
    })
}

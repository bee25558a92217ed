use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_lambda::types::AliasRoutingConfiguration;

use super::{Snapshot, Target};
use crate::aws::failure;
use crate::config::Weight;
use crate::failure::Failure;
use crate::rollout::Live;

/// A function as its stack left it, and what its callers get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// `$LATEST`: what the stack defines.
    pub latest: Snapshot,
    /// The version that the alias points at.
    pub live: Snapshot,
    /// The alias.
    pub alias: Alias,
}

/// Where an alias points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// Its name.
    pub name: String,
    /// The version that gets the calls.
    pub version: String,
    /// Other versions that get a share of the calls.
    pub weights: BTreeMap<String, Weight>,
    /// Changes with every change to the alias.
    pub revision_id: Option<String>,
}

/// Where the calls go: `version 6, 10 % version 8`.
impl fmt::Display for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version {}", self.version)?;
        self.weights.iter().try_for_each(|(version, weight)| write!(f, ", {weight} version {version}"))
    }
}

/// Reads the function and its alias, in two calls unless the function has very many versions.
///
/// The list of versions tells everything but their states.
///
/// # Errors
/// If one of them can't be read, or does not exist.
pub async fn observe(client: &Client, target: &Target) -> Result<Function, Failure> {
    let (versions, alias) = tokio::join!(first_versions(client, target), read_alias(client, target));
    let (versions, alias) = (versions?, alias?);
    let listed = |version: &str| versions.iter().find(|listed| listed.version == version).cloned();
    let read = async |version: &str| match listed(version) {
        Some(snapshot) => Ok(snapshot),
        None => snapshot(client, target, Some(version)).await,
    };
    Ok(Function { latest: read("$LATEST").await?, live: read(&alias.version).await?, alias })
}

/// `$LATEST` and the oldest versions.
async fn first_versions(client: &Client, target: &Target) -> Result<Vec<Snapshot>, Failure> {
    let name = target.function_name();
    let call = client.list_versions_by_function().function_name(name).send().await;
    let answer = call.map_err(|error| unless_there(format!("ListVersionsByFunction of {name}"), error))?;
    Ok(answer.versions().iter().map(|version| Snapshot::parse(version, None)).collect())
}

/// Like [`observe`], with the states of `$LATEST` and the live version.
///
/// # Errors
/// If something can't be read, or does not exist.
pub(super) async fn observe_states(client: &Client, target: &Target) -> Result<Function, Failure> {
    let (latest, alias, live) = tokio::join!(
        snapshot(client, target, None),
        read_alias(client, target),
        snapshot(client, target, Some(&target.alias)),
    );
    Ok(Function { latest: latest?, alias: alias?, live: live? })
}

/// Reads `$LATEST`, or what a version's number or an alias's name stands for.
pub(super) async fn snapshot(
    client: &Client,
    target: &Target,
    qualifier: Option<&str>,
) -> Result<Snapshot, Failure> {
    let name = target.function_name();
    let tried = qualifier.map_or_else(
        || format!("GetFunction of {name}"),
        |qualifier| format!("GetFunction of {name}:{qualifier}"),
    );
    let call =
        client.get_function().function_name(name).set_qualifier(qualifier.map(str::to_owned)).send().await;
    let answer = call.map_err(|error| unless_there(tried.clone(), error))?;
    answer
        .configuration()
        .map(|configuration| Snapshot::parse(configuration, answer.code()))
        .ok_or_else(|| Failure::new(format!("{tried}: an empty answer")))
}

/// A call about the function failed: perhaps because there is no such function.
fn unless_there<E>(tried: String, error: SdkError<E>) -> Failure
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    match error.code() {
        Some("ResourceNotFoundException") => failure(tried, error)
            .hint("check rollout.lambda.function in pipeline.yaml against the stack's outputs"),
        _ => failure(tried, error),
    }
}

pub(super) async fn read_alias(client: &Client, target: &Target) -> Result<Alias, Failure> {
    let call = client.get_alias().function_name(target.function_name()).name(&target.alias).send().await;
    let answer = call.map_err(|error| match error.code() {
        Some("ResourceNotFoundException") => failure(format!("GetAlias of {target}"), error).hint(
            "declare it in the stack (AWS::Lambda::Alias), or correct rollout.lambda.alias in pipeline.yaml",
        ),
        _ => failure(format!("GetAlias of {target}"), error),
    })?;
    Ok(Alias {
        name: target.alias.clone(),
        version: answer.function_version().unwrap_or_default().to_owned(),
        weights: parse_weights(answer.routing_config()),
        revision_id: answer.revision_id().map(str::to_owned),
    })
}

pub(super) fn parse_weights(routing: Option<&AliasRoutingConfiguration>) -> BTreeMap<String, Weight> {
    let weights = routing.and_then(AliasRoutingConfiguration::additional_version_weights);
    weights.into_iter().flatten().map(|(version, weight)| (version.clone(), Weight::of(*weight))).collect()
}

/// What an observed function's callers get.
#[must_use]
pub fn live(target: &Target, function: &Function) -> Live {
    let live = &function.live;
    Live {
        name: format!("{}:{}", target.function_name(), function.alias.name),
        version: format!("version {}", live.version),
        weights: function.alias.weights.clone(),
        digests: BTreeSet::from_iter(live.code.digest().map(str::to_owned)),
        tasks: None,
        description: live.description.clone(),
    }
}

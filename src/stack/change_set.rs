use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::error::ProvideErrorMetadata;
use aws_sdk_cloudformation::operation::describe_change_set::DescribeChangeSetOutput;
use aws_sdk_cloudformation::types::{
    Capability, ChangeAction, ChangeSetStatus, ChangeSetType, DeploymentMode, ExecutionStatus,
    OnStackFailure, Parameter, PolicyAction, RequiresRecreation, ResourceAttribute, ResourceChange,
    ResourceChangeDetail, Tag,
};
use sha2::{Digest, Sha256};

use super::validation::{self, Validated};
use super::{Live, ParameterValue, Spec, live};
use crate::aws::failure;
use crate::failure::Failure;
use crate::plan::{Change, ChangeKind, PropertyChange, Replacement};
use crate::template::Template;

/// A change set that is ready: CloudFormation's own word on what would happen.
#[derive(Debug, Clone)]
pub struct ChangeSet {
    /// Its ARN.
    pub id: String,
    /// The ARN of the stack that it belongs to.
    pub stack_id: String,
    /// Whether executing it creates the stack.
    pub creates: bool,
    /// What would happen to each resource.
    pub changes: Vec<Change>,
    /// Resources that stay in the account when they leave the stack.
    pub retained: BTreeSet<String>,
}

/// What a change set is made for. It is part of its name, so that a plan never meets a run's change set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To be shown and deleted again.
    Preview,
    /// To be executed.
    Apply,
}

/// The name of the change set that puts a stack back.
const REVERT: &str = "pipeline-revert";

/// Makes a change set and waits until CloudFormation has worked it out. `None` if there is nothing to change.
///
/// Parameters that are not known yet keep the value that they have.
///
/// # Errors
/// If CloudFormation refuses the template or the parameters.
pub async fn prepare(
    client: &Client,
    spec: &Spec,
    creates: bool,
    purpose: Purpose,
) -> Result<Option<ChangeSet>, Failure> {
    let name = name(spec, purpose);
    let described = match create(client, spec, creates, &name, &name).await? {
        Some(id) => wait(client, &spec.stack_name, &id).await?,
        None => meet(client, spec, creates, &name).await?,
    };
    judge(client, spec, creates, described).await
}

/// Like [`prepare`], for a change set that brings the stack's resources back to what the stack says already: its
/// template and parameters stay, and what is live is compared with them.
///
/// # Errors
/// If CloudFormation refuses it.
pub async fn prepare_revert(client: &Client, spec: &Spec, live: &Live) -> Result<Option<ChangeSet>, Failure> {
    let stack_name = &spec.stack_name;
    let tried = |what: &str| format!("{what} on {stack_name}, to put it back (REVERT_DRIFT)");
    // One that an earlier attempt left knows nothing of what has happened since; there mostly is none.
    let left = client.delete_change_set().stack_name(&live.id).change_set_name(REVERT).send();
    left.await.map_err(|error| failure(tried("DeleteChangeSet"), error))?;
    let previous = |name: &String| Parameter::builder().parameter_key(name).use_previous_value(true).build();
    let answer = client
        .create_change_set()
        .stack_name(&live.id)
        .change_set_name(REVERT)
        .change_set_type(ChangeSetType::Update)
        .deployment_mode(DeploymentMode::RevertDrift)
        .use_previous_template(true)
        .set_parameters(Some(live.parameters.keys().map(previous).collect()))
        .set_capabilities(Some(
            spec.capabilities.iter().map(|known| Capability::from(known.as_str())).collect(),
        ))
        .send()
        .await
        .map_err(|error| failure(tried("CreateChangeSet"), error))?;
    let described = wait(client, stack_name, answer.id().unwrap_or(REVERT)).await?;
    judge(client, spec, false, described).await
}

/// The change set that was described; `None` if there is nothing to change.
async fn judge(
    client: &Client,
    spec: &Spec,
    creates: bool,
    described: DescribeChangeSetOutput,
) -> Result<Option<ChangeSet>, Failure> {
    let change_set = ChangeSet {
        id: described.change_set_id().unwrap_or_default().to_owned(),
        stack_id: described.stack_id().unwrap_or_default().to_owned(),
        creates,
        changes: described
            .changes()
            .iter()
            .filter_map(|change| change.resource_change())
            .map(|resource| change(resource, &spec.template))
            .collect(),
        retained: described
            .changes()
            .iter()
            .filter_map(|change| retained(change.resource_change()?))
            .collect(),
    };
    if described.status() == Some(&ChangeSetStatus::CreateComplete) {
        return Ok(Some(change_set));
    }
    let refusal = refusal(client, spec, &change_set, &described).await;
    discard(client, &change_set).await?;
    refusal.map_or(Ok(None), Err)
}

/// The name follows from what the change set holds: the same content meets its own change set again.
fn name(spec: &Spec, purpose: Purpose) -> String {
    let mut digest = Sha256::new();
    digest.update(&spec.template.text);
    for (name, value) in &spec.parameters {
        digest.update(format!("\0{name}={value:?}"));
    }
    digest.update(format!("{:?}{:?}", spec.tags, spec.capabilities));
    let digest = hex::encode(&digest.finalize()[..10]);
    match purpose {
        Purpose::Preview => format!("pipeline-plan-{digest}"),
        Purpose::Apply => format!("pipeline-run-{digest}"),
    }
}

/// Gives the new change set's ARN, or `None` if there is one of that name.
async fn create(
    client: &Client,
    spec: &Spec,
    creates: bool,
    name: &str,
    token: &str,
) -> Result<Option<String>, Failure> {
    let (kind, on_failure) = if creates {
        (ChangeSetType::Create, Some(OnStackFailure::Delete))
    } else {
        (ChangeSetType::Update, None)
    };
    let answer = client
        .create_change_set()
        .stack_name(&spec.stack_name)
        .change_set_name(name)
        .client_token(token)
        .change_set_type(kind)
        .set_on_stack_failure(on_failure)
        .template_body(&spec.template.text)
        .set_parameters(Some(spec.parameters.iter().map(|(name, value)| parameter(name, value)).collect()))
        .set_capabilities(Some(
            spec.capabilities.iter().map(|capability| Capability::from(capability.as_str())).collect(),
        ))
        .set_tags(Some(
            spec.tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect(),
        ))
        .send()
        .await;
    match answer {
        Ok(answer) => Ok(answer.id),
        Err(error)
            if error.as_service_error().and_then(ProvideErrorMetadata::code)
                == Some("AlreadyExistsException") =>
        {
            Ok(None)
        }
        Err(error) => Err(failure(format!("CreateChangeSet on {}", spec.stack_name), error)),
    }
}

/// There is a change set of that name already. One that was not executed was left by a run that ended before it could
/// do so, and holds the same, as its name says. Any other is used up, for instance because its execution failed, or
/// because the stack has moved on: it makes way for a new one.
async fn meet(
    client: &Client,
    spec: &Spec,
    creates: bool,
    name: &str,
) -> Result<DescribeChangeSetOutput, Failure> {
    let met = wait(client, &spec.stack_name, name).await?;
    let usable = [ExecutionStatus::Available, ExecutionStatus::ExecuteInProgress];
    if met.execution_status().is_some_and(|status| usable.contains(status)) {
        return Ok(met);
    }
    let tried = || format!("DeleteChangeSet {name} on {}", spec.stack_name);
    client
        .delete_change_set()
        .stack_name(&spec.stack_name)
        .change_set_name(name)
        .send()
        .await
        .map_err(|error| failure(tried(), error))?;
    // The token of the one that is gone might be taken for a repetition of the call that made it.
    let used_up = met.change_set_id().and_then(|id| id.rsplit('/').next()).unwrap_or_default();
    let id = create(client, spec, creates, name, &format!("{name}-{used_up}")).await?;
    wait(client, &spec.stack_name, id.as_deref().unwrap_or(name)).await
}

fn parameter(name: &str, value: &ParameterValue) -> Parameter {
    let parameter = Parameter::builder().parameter_key(name);
    match value {
        ParameterValue::Known(value) => parameter.parameter_value(value).build(),
        ParameterValue::Pending(_) => parameter.use_previous_value(true).build(),
    }
}

/// CloudFormation works a change set out in seconds, at most in a few minutes.
async fn wait(client: &Client, stack_name: &str, id: &str) -> Result<DescribeChangeSetOutput, Failure> {
    let mut pause = Duration::from_millis(200);
    loop {
        let described = describe(client, stack_name, id).await?;
        let working = matches!(
            described.status(),
            Some(ChangeSetStatus::CreatePending | ChangeSetStatus::CreateInProgress)
        );
        if !working {
            return Ok(described);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(3));
    }
}

/// Every page, with property values.
async fn describe(client: &Client, stack_name: &str, id: &str) -> Result<DescribeChangeSetOutput, Failure> {
    let page = async |token: Option<String>| {
        client
            .describe_change_set()
            .stack_name(stack_name)
            .change_set_name(id)
            .include_property_values(true)
            .set_next_token(token)
            .send()
            .await
            .map_err(|error| failure(format!("DescribeChangeSet on {stack_name}"), error))
    };
    let mut whole = page(None).await?;
    while let Some(token) = whole.next_token.take() {
        let next = page(Some(token)).await?;
        whole.changes.get_or_insert_default().extend(next.changes.unwrap_or_default());
        whole.next_token = next.next_token;
    }
    Ok(whole)
}

/// Why a change set failed; `None` if only because there is nothing to change.
async fn refusal(
    client: &Client,
    spec: &Spec,
    change_set: &ChangeSet,
    described: &DescribeChangeSetOutput,
) -> Option<Failure> {
    let reason = described.status_reason().unwrap_or("no reason given");
    let nothing = ["didn't contain changes", "No updates are to be performed"];
    if nothing.iter().any(|text| reason.contains(text)) {
        return None;
    }
    let failure =
        Failure::new(format!("CloudFormation refused the change set for {}: {reason}", spec.stack_name))
            .hint("nothing was changed; mend the template or its parameters and run again");
    let invalid = validation::findings(client, Validated::ChangeSet(&change_set.id), &spec.template).await;
    Some(invalid.into_iter().fold(failure, Failure::detail_at))
}

/// Deletes a change set that is not executed, and the empty stack that a first one leaves behind.
///
/// # Errors
/// If it can't be deleted.
pub async fn discard(client: &Client, change_set: &ChangeSet) -> Result<(), Failure> {
    client
        .delete_change_set()
        .change_set_name(&change_set.id)
        .stack_name(&change_set.stack_id)
        .send()
        .await
        .map_err(|error| failure(format!("DeleteChangeSet {}", change_set.id), error))?;
    if change_set.creates {
        client
            .delete_stack()
            .stack_name(&change_set.stack_id)
            .send()
            .await
            .map_err(|error| failure(format!("DeleteStack {}", change_set.stack_id), error))?;
    }
    Ok(())
}

/// Starts to carry out a change set, or finds that it is under way: an earlier run may have ended right behind this, or
/// an answer was lost.
///
/// # Errors
/// If CloudFormation does not take it.
pub async fn execute(client: &Client, change_set: &ChangeSet) -> Result<(), Failure> {
    let token = change_set.id.rsplit('/').next().unwrap_or_default();
    let sent = client
        .execute_change_set()
        .change_set_name(&change_set.id)
        .stack_name(&change_set.stack_id)
        .client_request_token(token)
        // Not to be given together with the change set's own choice of what a failed creation leaves.
        .set_disable_rollback((!change_set.creates).then_some(false))
        .send()
        .await;
    match sent {
        Ok(_) => Ok(()),
        Err(_) if is_executed(client, change_set).await => Ok(()),
        Err(error) => Err(failure(format!("ExecuteChangeSet {}", change_set.id), error)),
    }
}

/// Whether the change set's execution has begun. One that is through may be gone, and is then the stack's last one.
async fn is_executed(client: &Client, change_set: &ChangeSet) -> bool {
    let begun = [ExecutionStatus::ExecuteInProgress, ExecutionStatus::ExecuteComplete];
    match describe(client, &change_set.stack_id, &change_set.id).await {
        Ok(described) => described.execution_status().is_some_and(|status| begun.contains(status)),
        Err(_) => match live::observe(client, &change_set.stack_id).await {
            Ok(Some(live)) => live.change_set.as_ref() == Some(&change_set.id),
            _ => false,
        },
    }
}

fn change(change: &ResourceChange, template: &Template) -> Change {
    Change {
        kind: match change.action() {
            Some(ChangeAction::Add) => ChangeKind::Add,
            Some(ChangeAction::Remove) => ChangeKind::Remove,
            Some(ChangeAction::Import) => ChangeKind::Import,
            Some(ChangeAction::Dynamic) => ChangeKind::Dynamic,
            _ => ChangeKind::Modify,
        },
        logical_id: change.logical_resource_id().unwrap_or_default().to_owned(),
        resource_type: change.resource_type().unwrap_or_default().to_owned(),
        physical_id: change.physical_resource_id().filter(|id| !id.is_empty()).map(str::to_owned),
        replacement: match change.replacement() {
            Some(aws_sdk_cloudformation::types::Replacement::True) => Replacement::Always,
            Some(aws_sdk_cloudformation::types::Replacement::Conditional) => Replacement::Conditional,
            _ => Replacement::Never,
        },
        properties: properties(change.details()),
        location: change.logical_resource_id().and_then(|id| template.location(id)),
    }
}

/// One entry a property: CloudFormation lists a property once for each reason why it changes.
fn properties(details: &[ResourceChangeDetail]) -> Vec<PropertyChange> {
    let mut properties: Vec<PropertyChange> = Vec::new();
    for detail in details {
        let Some(property) = property(detail) else { continue };
        match properties.iter_mut().find(|known| known.path == property.path) {
            Some(known) => {
                known.before = known.before.take().or(property.before);
                known.after = known.after.take().or(property.after);
            }
            None => properties.push(property),
        }
    }
    properties
}

fn property(detail: &ResourceChangeDetail) -> Option<PropertyChange> {
    let target = detail.target()?;
    let path = target
        .path()
        .map(|path| path.trim_start_matches("/Properties/").replace('/', "."))
        .or_else(|| target.name().map(str::to_owned))
        .or_else(|| match target.attribute() {
            None | Some(ResourceAttribute::Properties) => None,
            Some(attribute) => Some(attribute.as_str().to_owned()),
        })?;
    Some(PropertyChange {
        path,
        before: target.before_value().map(str::to_owned),
        after: target.after_value().map(str::to_owned),
        replacement: match target.requires_recreation() {
            Some(RequiresRecreation::Always) => Replacement::Always,
            Some(RequiresRecreation::Conditionally) => Replacement::Conditional,
            _ => Replacement::Never,
        },
    })
}

fn retained(change: &ResourceChange) -> Option<String> {
    let retains =
        matches!(change.policy_action(), Some(PolicyAction::Retain | PolicyAction::ReplaceAndRetain));
    retains.then(|| change.logical_resource_id().map(str::to_owned))?
}

use std::collections::BTreeMap;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{
    PropertyDifference, StackDriftDetectionStatus, StackResourceDrift, StackResourceDriftStatus,
};
use serde::{Deserialize, Serialize};

use super::Live;
use crate::aws::{Pace, failure};
use crate::failure::Failure;

/// What CloudFormation finds when it compares a stack's resources with the template that the stack was applied with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drift {
    /// Resources that differ.
    pub resources: Vec<ResourceDrift>,
    /// Every resource of the stack: its name in the template, and its identity.
    pub members: BTreeMap<String, String>,
    /// How many resources CloudFormation can't compare.
    pub unchecked: usize,
    /// What it should have compared and could not, and why.
    pub failed: Vec<String>,
}

/// A resource that is not what the template says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceDrift {
    /// The resource's name in the template.
    pub logical_id: String,
    /// `AWS::SQS::Queue`.
    pub resource_type: String,
    /// The resource's identity.
    pub physical_id: String,
    /// It does not exist any more.
    pub deleted: bool,
    /// What differs, of a resource that exists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<PropertyDrift>,
}

/// A property that is not what the template says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PropertyDrift {
    /// Path from the resource's properties: `RedrivePolicy.maxReceiveCount`.
    pub path: String,
    /// What the template says; `None` if it says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What is live; `None` if it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual: Option<String>,
}

/// Lets CloudFormation compare a stack with its resources, and waits for what it finds.
///
/// # Errors
/// If it can't be asked: it compares only stacks on which nothing is under way and whose creation succeeded.
pub async fn detect(client: &Client, pace: &Pace, live: &Live) -> Result<Drift, Failure> {
    let id = start(client, &live.id).await?;
    let broken_off = wait(client, pace, &id, &live.id).await?;
    let (drifts, (members, unchecked)) =
        tokio::try_join!(drifts(client, &live.id), members(client, &live.id))?;
    let (failed, resources): (Vec<_>, Vec<_>) = drifts.into_iter().partition(is_unknown);
    let mut failed: Vec<String> = failed.iter().map(not_compared).collect();
    // The reason for the whole is only told where it is not told of a resource.
    failed.extend(broken_off.filter(|_| failed.is_empty()));
    Ok(Drift { resources: resources.into_iter().map(resource).collect(), members, unchecked, failed })
}

async fn start(client: &Client, stack_id: &str) -> Result<String, Failure> {
    let answer = client
        .detect_stack_drift()
        .stack_name(stack_id)
        .send()
        .await
        .map_err(|error| failure(format!("DetectStackDrift on {}", name(stack_id)), error))?;
    Ok(answer.stack_drift_detection_id.unwrap_or_default())
}

/// Why the comparison is not complete, once it has ended; `None` if it is.
async fn wait(client: &Client, pace: &Pace, id: &str, stack_id: &str) -> Result<Option<String>, Failure> {
    loop {
        pace.turn().await;
        let answer = client
            .describe_stack_drift_detection_status()
            .stack_drift_detection_id(id)
            .send()
            .await
            .map_err(|error| {
                failure(format!("DescribeStackDriftDetectionStatus of {}", name(stack_id)), error)
            })?;
        match answer.detection_status() {
            Some(StackDriftDetectionStatus::DetectionInProgress) => {}
            Some(StackDriftDetectionStatus::DetectionComplete) => return Ok(None),
            _ => return Ok(Some(answer.detection_status_reason().unwrap_or("no reason given").to_owned())),
        }
    }
}

/// Every page of what is not as it should be, or could not be compared.
async fn drifts(client: &Client, stack_id: &str) -> Result<Vec<StackResourceDrift>, Failure> {
    let mut pages = client
        .describe_stack_resource_drifts()
        .stack_name(stack_id)
        .stack_resource_drift_status_filters(StackResourceDriftStatus::Modified)
        .stack_resource_drift_status_filters(StackResourceDriftStatus::Deleted)
        .stack_resource_drift_status_filters(StackResourceDriftStatus::UnknownValue)
        .into_paginator()
        .send();
    let mut drifts = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page
            .map_err(|error| failure(format!("DescribeStackResourceDrifts on {}", name(stack_id)), error))?;
        drifts.extend(page.stack_resource_drifts.unwrap_or_default());
    }
    Ok(drifts)
}

/// Every resource, and how many of them were not compared.
async fn members(client: &Client, stack_id: &str) -> Result<(BTreeMap<String, String>, usize), Failure> {
    let mut pages = client.list_stack_resources().stack_name(stack_id).into_paginator().send();
    let (mut members, mut unchecked) = (BTreeMap::new(), 0);
    while let Some(page) = pages.next().await {
        let page =
            page.map_err(|error| failure(format!("ListStackResources on {}", name(stack_id)), error))?;
        for resource in page.stack_resource_summaries() {
            let logical_id = resource.logical_resource_id().unwrap_or_default().to_owned();
            members.insert(logical_id, resource.physical_resource_id().unwrap_or_default().to_owned());
            let checked = resource.drift_information().and_then(|drift| drift.stack_resource_drift_status());
            unchecked += usize::from(matches!(
                checked,
                None | Some(StackResourceDriftStatus::NotChecked | StackResourceDriftStatus::Unsupported)
            ));
        }
    }
    Ok((members, unchecked))
}

fn is_unknown(drift: &StackResourceDrift) -> bool {
    drift.stack_resource_drift_status() == Some(&StackResourceDriftStatus::UnknownValue)
}

fn not_compared(drift: &StackResourceDrift) -> String {
    format!(
        "{} ({}): {}",
        drift.logical_resource_id().unwrap_or_default(),
        drift.resource_type().unwrap_or_default(),
        drift.drift_status_reason().unwrap_or("no reason given")
    )
}

fn resource(drift: StackResourceDrift) -> ResourceDrift {
    ResourceDrift {
        deleted: drift.stack_resource_drift_status() == Some(&StackResourceDriftStatus::Deleted),
        properties: drift.property_differences().iter().map(property).collect(),
        logical_id: drift.logical_resource_id.unwrap_or_default(),
        resource_type: drift.resource_type.unwrap_or_default(),
        physical_id: drift.physical_resource_id.unwrap_or_default(),
    }
}

/// CloudFormation writes `/RedrivePolicy/maxReceiveCount`, and `null` for a value that is not there.
fn property(difference: &PropertyDifference) -> PropertyDrift {
    let value = |text: Option<&str>| text.filter(|text| *text != "null").map(str::to_owned);
    PropertyDrift {
        path: difference.property_path().unwrap_or_default().trim_start_matches('/').replace('/', "."),
        expected: value(difference.expected_value()),
        actual: value(difference.actual_value()),
    }
}

/// The stack's name out of its ARN.
fn name(stack_id: &str) -> &str {
    stack_id.split('/').nth(1).unwrap_or(stack_id)
}

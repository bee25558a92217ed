use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::failure::Failure;
use crate::plan::{Change, ChangeKind, Replacement};

/// Types whose resources hold what can't be made again from the template.
const HOLDING_DATA: &[&str] = &[
    "AWS::Backup::BackupVault",
    "AWS::CloudFormation::Stack",
    "AWS::Cognito::UserPool",
    "AWS::DocDB::DBCluster",
    "AWS::DynamoDB::GlobalTable",
    "AWS::DynamoDB::Table",
    "AWS::EC2::Volume",
    "AWS::ECR::Repository",
    "AWS::EFS::FileSystem",
    "AWS::ElastiCache::CacheCluster",
    "AWS::ElastiCache::ReplicationGroup",
    "AWS::ElastiCache::ServerlessCache",
    "AWS::FSx::FileSystem",
    "AWS::KMS::Key",
    "AWS::Kinesis::Stream",
    "AWS::Logs::LogGroup",
    "AWS::MSK::Cluster",
    "AWS::MSK::ServerlessCluster",
    "AWS::MSK::Topic",
    "AWS::Neptune::DBCluster",
    "AWS::OpenSearchService::Domain",
    "AWS::RDS::DBCluster",
    "AWS::RDS::DBInstance",
    "AWS::Redshift::Cluster",
    "AWS::Route53::HostedZone",
    "AWS::S3::Bucket",
    "AWS::SQS::Queue",
    "AWS::SecretsManager::Secret",
    "AWS::Timestream::Table",
];

/// Whether resources of this type hold data that a new resource would not have.
#[must_use]
pub fn holds_data(resource_type: &str) -> bool {
    HOLDING_DATA.contains(&resource_type)
}

/// A resource that a person allowed to be replaced or deleted: `msk/Cluster`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AllowReplace {
    /// The stack's name in `pipeline.yaml`.
    pub stack: String,
    /// The resource's name in the template.
    pub logical_id: String,
}

impl FromStr for AllowReplace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((stack, logical_id)) if !stack.is_empty() && !logical_id.is_empty() => {
                Ok(Self { stack: stack.to_owned(), logical_id: logical_id.to_owned() })
            }
            _ => Err(format!("`{text}` is not STACK/RESOURCE, for instance msk/Cluster")),
        }
    }
}

impl fmt::Display for AllowReplace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.stack, self.logical_id)
    }
}

/// A change that would lose data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// What would have to be allowed.
    pub resource: AllowReplace,
    /// `AWS::MSK::Cluster`.
    pub resource_type: String,
    /// What would happen to it.
    pub fate: &'static str,
}

/// Finds changes that would lose data and that nobody allowed.
///
/// `retained` names resources that stay in the account when they leave the stack (`DeletionPolicy: Retain`): taking
/// them out of the stack loses nothing, replacing them does, since the new one is empty.
#[must_use]
pub fn guard(
    stack: &str,
    changes: &[Change],
    retained: &BTreeSet<String>,
    allowed: &[AllowReplace],
) -> Vec<Violation> {
    let violation = |change: &Change| {
        let resource = AllowReplace { stack: stack.to_owned(), logical_id: change.logical_id.clone() };
        let fate = fate(change, retained.contains(&change.logical_id))?;
        (holds_data(&change.resource_type) && !allowed.contains(&resource)).then(|| Violation {
            resource,
            resource_type: change.resource_type.clone(),
            fate,
        })
    };
    changes.iter().filter_map(violation).collect()
}

fn fate(change: &Change, retained: bool) -> Option<&'static str> {
    match (change.kind, change.replacement) {
        (ChangeKind::Remove, _) if !retained => Some("would be deleted"),
        (ChangeKind::Modify, Replacement::Always) => Some("would be replaced by a new, empty one"),
        (ChangeKind::Modify, Replacement::Conditional) => Some("may be replaced by a new, empty one"),
        (ChangeKind::Dynamic, _) => Some("may be deleted or replaced"),
        _ => None,
    }
}

impl Violation {
    /// The failure for violations, which must not be empty to make sense.
    #[must_use]
    pub fn refuse(violations: &[Self]) -> Failure {
        let flags: Vec<String> =
            violations.iter().map(|violation| format!("--allow-replace {}", violation.resource)).collect();
        let failure = Failure::new("refused: the change would lose data; nothing was changed");
        violations.iter().fold(failure, |failure, violation| failure.detail(violation.to_string())).hint(
            format!(
                "take the change back; if losing it is what you want, run again with {}",
                flags.join(" ")
            ),
        )
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}) {}", self.resource, self.resource_type, self.fate)
    }
}

use serde::{Deserialize, Serialize};

use crate::location::Location;

/// What happens to one resource of a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Added, modified, removed…
    pub kind: ChangeKind,
    /// The resource's name in the template.
    pub logical_id: String,
    /// `AWS::ECS::Service`.
    pub resource_type: String,
    /// The live resource's identity, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub physical_id: Option<String>,
    /// Whether the change makes a new resource and deletes the old one.
    pub replacement: Replacement,
    /// The properties that change, where CloudFormation names them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<PropertyChange>,
    /// Where the template declares the resource; not where it is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
}

/// What happens to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// The resource does not exist and is made.
    Add,
    /// The resource is changed, in place or by replacement.
    Modify,
    /// The resource is deleted.
    Remove,
    /// An existing resource comes under the stack's control.
    Import,
    /// CloudFormation can't tell yet.
    Dynamic,
}

/// Whether a modification replaces the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Replacement {
    /// The resource stays.
    Never,
    /// Depends on a value that is only known when the change is made.
    Conditional,
    /// A new resource is made and the old one deleted.
    Always,
}

/// One property of a resource, before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PropertyChange {
    /// Path from the resource's properties: `LoadBalancers.0.ContainerPort`.
    pub path: String,
    /// The live value, where CloudFormation tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The new value, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Whether changing this property replaces the resource.
    pub replacement: Replacement,
}

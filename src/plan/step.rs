use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Change;

/// What a step does, and so which of the three step kinds it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StepKind {
    /// Builds a workload's image and pushes it.
    Image,
    /// Applies one module's template through CloudFormation.
    Stack,
    /// Brings an ECS service or a Lambda alias to what the stack defines.
    Rollout,
}

impl StepKind {
    /// Every kind, in the order in which they read best.
    pub const ALL: [Self; 3] = [Self::Image, Self::Stack, Self::Rollout];

    /// The word used in a step's identity.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Stack => "stack",
            Self::Rollout => "rollout",
        }
    }
}

/// A step's identity: its kind and the workload or stack it belongs to, written `image/api`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId {
    /// What the step does.
    pub kind: StepKind,
    /// The stack's or workload's name in `pipeline.yaml`.
    pub name: String,
}

impl StepId {
    /// The step that builds and pushes a workload's image.
    pub fn image(workload: impl Into<String>) -> Self {
        Self { kind: StepKind::Image, name: workload.into() }
    }

    /// The step that applies a stack.
    pub fn stack(stack: impl Into<String>) -> Self {
        Self { kind: StepKind::Stack, name: stack.into() }
    }

    /// The step that rolls a workload out.
    pub fn rollout(workload: impl Into<String>) -> Self {
        Self { kind: StepKind::Rollout, name: workload.into() }
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}", self.kind.as_str(), self.name))
    }
}

impl FromStr for StepId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_once('/')
            .and_then(|(kind, name)| {
                let kind = StepKind::ALL.into_iter().find(|known| known.as_str() == kind)?;
                (!name.is_empty()).then(|| Self { kind, name: name.to_owned() })
            })
            .ok_or_else(|| format!("`{text}` is not a step; write image/NAME, stack/NAME or rollout/NAME"))
    }
}

impl Serialize for StepId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StepId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A step and what it waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The step.
    pub id: StepId,
    /// The selected steps whose results it needs.
    pub needs: Vec<StepId>,
}

/// What is to be done in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// What is wanted is live already.
    Nothing,
    /// The image is built and pushed.
    Build,
    /// The stack does not exist and is created.
    Create,
    /// The stack is updated through a change set.
    Update,
    /// What is left of a failed creation is deleted and the stack created anew.
    Recreate,
    /// The service or alias is moved to what the stack defines.
    Roll,
    /// Can't be told before other steps have run.
    Unknown,
}

/// What a step has to do and why; the same value is shown by `plan` and carried out by `run`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What is to be done.
    pub action: Action,
    /// Why, in a few words that go behind the action: `template changed`.
    pub reason: String,
    /// Changes to the stack's resources, where the step is a stack and the change set is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// Values that are not known yet and that the rest of the decision waits for: `stacks.vpc.SubnetIds`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting_for: Vec<String>,
    /// How a rollout goes about it, where there is something to roll: `canary: 10 % for 5m, then all`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
}

/// A step and its decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// The step.
    pub step: StepId,
    /// What it does.
    pub decision: Decision,
}

impl Decision {
    /// A decision without resource changes.
    pub fn new(action: Action, reason: impl Into<String>) -> Self {
        Self { action, reason: reason.into(), changes: Vec::new(), waiting_for: Vec::new(), strategy: None }
    }

    /// The same decision, with what it still waits for.
    #[must_use]
    pub fn waiting_for(mut self, values: Vec<String>) -> Self {
        self.waiting_for = values;
        self
    }

    /// The same decision, with how the rollout goes about it; a decision to do nothing needs none.
    #[must_use]
    pub fn with_strategy(mut self, strategy: String) -> Self {
        self.strategy = (self.action != Action::Nothing).then_some(strategy);
        self
    }

    /// The same decision, with the resource changes it brings.
    #[must_use]
    pub fn with_changes(mut self, changes: Vec<Change>) -> Self {
        self.changes = changes;
        self
    }
}

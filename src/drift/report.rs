use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::plan::StepId;
use crate::stack::ResourceDrift;

/// What was found in an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The project's name.
    pub project: String,
    /// The environment's name.
    pub environment: String,
    /// The commit, whose changes that are not deployed are named.
    pub commit: String,
    /// The stacks, in the order of their names.
    pub stacks: Vec<Stack>,
    /// Workloads that are rolled out, in the order of their names.
    pub workloads: Vec<Workload>,
}

/// What was found of a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stack {
    /// Its name in `pipeline.yaml`.
    pub stack: String,
    /// CloudFormation's name for it.
    pub name: String,
    /// What came of it.
    pub state: State,
    /// In what the commit differs from what is deployed: `template changed`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<String>,
    /// Resources that differ from the deployed template.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<ResourceDrift>,
    /// How many resources CloudFormation can't check.
    pub unchecked: usize,
    /// Why it is not known, or not wholly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// What was found of a service or a function.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workload {
    /// Its name in `pipeline.yaml`.
    pub workload: String,
    /// What came of it.
    pub state: State,
    /// How what runs differs from what the deployed stack defines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<String>,
    /// What is under way, and is no drift: `deployment of revision 5 is under way`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// A canary is under way: the alias sends a share of the calls to another version.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub canary: bool,
    /// Why it can't be put back by a rollout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_hand: Option<String>,
    /// Why it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// What came of a comparison.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is not there, so nothing can differ.
    #[default]
    NotDeployed,
    /// It is what it should be, as far as can be told.
    InSync,
    /// It differs.
    Drifted,
    /// It, or a part of it, could not be read.
    Failed,
}

impl State {
    /// The state that follows from what was found.
    #[must_use]
    pub fn of(differs: bool, failed: bool) -> Self {
        match (failed, differs) {
            (true, _) => Self::Failed,
            (false, true) => Self::Drifted,
            (false, false) => Self::InSync,
        }
    }
}

impl Report {
    /// Every step with its state.
    pub fn states(&self) -> impl Iterator<Item = (StepId, State)> {
        let stacks = self.stacks.iter().map(|stack| (StepId::stack(&stack.stack), stack.state));
        let workloads =
            self.workloads.iter().map(|workload| (StepId::rollout(&workload.workload), workload.state));
        stacks.chain(workloads)
    }

    /// What the whole is: not known if a part is not known, else drifted if a part has drifted.
    #[must_use]
    pub fn state(&self) -> State {
        self.states().map(|(_, state)| state).max().unwrap_or_default()
    }

    /// The steps that have drifted, as `--only` takes them.
    #[must_use]
    pub fn drifted(&self) -> Vec<String> {
        let drifted = self.states().filter(|(_, state)| *state == State::Drifted);
        drifted.map(|(step, _)| step.to_string()).collect()
    }

    /// Why nothing may be put back, if so: something is not known, a canary is under way, or a rollout would
    /// release what nobody deployed.
    #[must_use]
    pub fn refusal(&self) -> Option<Failure> {
        let unknown = self.states().find(|(_, state)| *state == State::Failed);
        if let Some((step, _)) = unknown {
            return Some(
                Failure::new(format!("nothing was put back: {step} could not be read"))
                    .hint("mend that first, or leave it out with --only"),
            );
        }
        let canary = self.workloads.iter().find(|workload| workload.canary);
        if let Some(canary) = canary {
            let refused =
                Failure::new(format!("nothing was put back: a canary of {} is under way", canary.workload));
            return Some(canary.differences.iter().fold(refused, Failure::detail).hint(
                "wait until the run that moves it has ended; if none does, `pipeline run` ends the canary",
            ));
        }
        let (workload, why) =
            self.workloads.iter().find_map(|workload| Some((workload, workload.by_hand.as_ref()?)))?;
        let refused = Failure::new(format!(
            "nothing was put back: a rollout of {} would release code that was not deployed",
            workload.workload
        ));
        Some(workload.differences.iter().fold(refused, Failure::detail).hint(why))
    }
}

use std::collections::BTreeMap;

use super::board::Ended;
use super::context::Context;
use super::{Stop, image};
use crate::config::{Reference, Text};
use crate::failure::Failure;
use crate::plan::{StepId, source_of};

/// The output under which an image step hands on its image.
pub const IMAGE: &str = "image";

/// A text with everything known put in, or the references that only a run can tell.
pub type Resolved = Result<String, Vec<Reference>>;

impl Context {
    /// Waits for what the text refers to. In a run everything is known then; a plan may find values that are not.
    pub async fn resolve(&self, text: &Text) -> Result<Resolved, Stop> {
        let mut values = BTreeMap::new();
        for reference in text.references() {
            if let Some(value) = self.value(reference).await? {
                values.insert(reference.clone(), value);
            }
        }
        Ok(text.resolve(|reference| values.get(reference).cloned()))
    }

    /// The text, which has to be known.
    pub async fn known(&self, text: &Text) -> Result<String, Stop> {
        self.resolve(text).await?.map_err(|references| unknown(&references))
    }

    /// The text with all that is known put in; as it is written, if not all of it is.
    pub async fn shown(&self, text: &Text) -> Result<String, Stop> {
        Ok(self.resolve(text).await?.unwrap_or_else(|_| text.to_string()))
    }

    /// The text as it was before the walk began, if everything in it was live then.
    pub fn peek(&self, text: &Text) -> Option<String> {
        text.resolve(|reference| self.live_value(reference)).ok()
    }

    /// What a reference stood for before the walk began; which image is live is not known without a look.
    pub fn live_value(&self, reference: &Reference) -> Option<String> {
        match reference {
            Reference::StackOutput { stack, output } => self.live_output(stack, output),
            Reference::WorkloadImage { .. } => None,
            Reference::Project | Reference::Environment => self.constant(reference),
        }
    }

    /// Where people find what is deployed, once every step has ended; `None` in a plan, and if it is not known.
    pub async fn url(&self) -> Option<String> {
        let url = self.environment().url.as_ref().filter(|_| !self.planning())?;
        self.resolve(url).await.ok()?.ok()
    }

    /// Whether a step behind the text changed something; in a plan: would.
    pub async fn changed_by(&self, text: &Text) -> Result<bool, Stop> {
        for step in text.references().filter_map(source_of) {
            if self.would_change(&step).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a step changed something; in a plan: would.
    pub async fn would_change(&self, step: &StepId) -> Result<bool, Stop> {
        Ok(self.ended(step).await?.is_some_and(|ended| ended.changed))
    }

    /// The digest of the workload's image as its step left it in the repository, if that step was selected.
    pub async fn pushed_digest(&self, rollout: &StepId) -> Option<String> {
        let ended = self.ended(&StepId::image(&rollout.name)).await.ok()??;
        let image = ended.outputs.get(IMAGE)?.as_deref()?;
        image.split_once('@').map(|(_, digest)| digest.to_owned())
    }

    async fn value(&self, reference: &Reference) -> Result<Option<String>, Stop> {
        let Some(step) = source_of(reference) else { return Ok(self.constant(reference)) };
        match self.ended(&step).await? {
            Some(ended) => match ended.outputs.get(output_of(reference)) {
                Some(value) => Ok(value.clone()),
                None if self.planning() => Ok(None),
                None => Err(Failure::new(format!("{step} has no output for {}", reference.path())).into()),
            },
            None => self.value_outside(reference, &step).await.map(Some),
        }
    }

    /// What a step handed on, once it has ended; `None` if it is not among the selected.
    async fn ended(&self, step: &StepId) -> Result<Option<Ended>, Stop> {
        match self.unless_interrupted(self.board.wait(step)).await? {
            None => Ok(None),
            Some(Ok(ended)) => Ok(Some(ended)),
            Some(Err(true)) => Err(Stop::Interrupted),
            Some(Err(false)) => Err(Stop::Blocked(step.clone())),
        }
    }

    /// A value of a step that was not selected: what is live counts.
    async fn value_outside(&self, reference: &Reference, step: &StepId) -> Result<String, Stop> {
        let found = match reference {
            Reference::StackOutput { stack, output } => self.live_output(stack, output),
            Reference::WorkloadImage { .. } => Box::pin(image::live(self, step)).await?,
            Reference::Project | Reference::Environment => None,
        };
        found.ok_or_else(|| {
            Failure::new(format!(
                "{} is not live, and {step} is not among the selected steps",
                reference.path()
            ))
            .hint(format!("add `--only {step}`, or run without --only"))
            .into()
        })
    }

    fn live_output(&self, stack: &str, output: &str) -> Option<String> {
        self.live.get(stack)?.outputs.get(output).cloned()
    }

    fn constant(&self, reference: &Reference) -> Option<String> {
        match reference {
            Reference::Project => Some(self.deployment.project.config.project.clone()),
            Reference::Environment => Some(self.deployment.environment.clone()),
            Reference::StackOutput { .. } | Reference::WorkloadImage { .. } => None,
        }
    }
}

fn output_of(reference: &Reference) -> &str {
    match reference {
        Reference::StackOutput { output, .. } => output,
        _ => IMAGE,
    }
}

/// Only a plan meets values that are not known, and asks for them with [`Context::resolve`].
fn unknown(references: &[Reference]) -> Stop {
    let paths: Vec<String> = references.iter().map(Reference::path).collect();
    Failure::new(format!("{} has no value", paths.join(", "))).into()
}

use std::collections::BTreeMap;

use tokio::sync::watch;

use crate::plan::StepId;

/// What a step hands on to those that need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Whether anything was changed; in a plan: would be.
    pub changed: bool,
    /// What is live now, in a few words.
    pub summary: String,
    /// A stack's outputs by name, an image's reference under `image`. `None`: only known after a run.
    pub outputs: BTreeMap<String, Option<String>>,
}

impl Ended {
    /// A step that found everything as it should be.
    pub fn unchanged(outputs: BTreeMap<String, Option<String>>) -> Self {
        Self { changed: false, summary: String::new(), outputs }
    }

    /// A step that changed something.
    pub fn changed(summary: impl Into<String>, outputs: BTreeMap<String, Option<String>>) -> Self {
        Self { changed: true, summary: summary.into(), outputs }
    }
}

/// Where each step's end is told to those that wait for it.
#[derive(Debug)]
pub struct Board {
    slots: BTreeMap<StepId, watch::Sender<Option<Result<Ended, bool>>>>,
}

impl Board {
    /// A board for these steps, none of which has ended.
    pub fn new(steps: impl IntoIterator<Item = StepId>) -> Self {
        Self { slots: steps.into_iter().map(|step| (step, watch::Sender::new(None))).collect() }
    }

    /// Tells how a step ended; an error tells whether by interruption.
    pub fn set(&self, step: &StepId, ended: Result<Ended, bool>) {
        if let Some(slot) = self.slots.get(step) {
            slot.send_replace(Some(ended));
        }
    }

    /// Waits until a step has ended. `None` if it is not on the board.
    pub async fn wait(&self, step: &StepId) -> Option<Result<Ended, bool>> {
        let mut slot = self.slots.get(step)?.subscribe();
        let ended = slot.wait_for(Option::is_some).await.ok()?;
        ended.clone()
    }
}

use std::collections::BTreeMap;

use super::apply::Step;
use super::follow::{Operation, history};
use super::{AllowReplace, Live, ResourceEvent, Spec, holds_data, live};
use crate::aws::failure;
use crate::failure::Failure;

/// A resource that a person allowed to be left as it is when a rollback goes on: `msk/Cluster`.
pub type SkipRollback = AllowReplace;

impl Step<'_> {
    /// Takes back whole what a failed update left half done. Gives the stack as it is then, and how many resources that
    /// took.
    ///
    /// # Errors
    /// If something still blocks the rollback; the failure names it, and how to leave it as it is.
    pub(super) async fn recover(&self, spec: &Spec, found: &Live) -> Result<(Option<Live>, usize), Failure> {
        self.events.activity(format!("finishing the rollback ({})", found.status.0));
        let mut operation = Operation::about_to_start(self.client, &found.id, 0).await?;
        let skipped = self.skipped();
        self.roll_back(found, &skipped).await?;
        let ended = operation.follow(self.client, self.lookout, self.events).await;
        let Some(after) = ended.filter(|live| live.status.updatable()) else {
            return Err(self.blocked(&spec.stack_name, &operation));
        };
        for name in &skipped {
            self.events.warning(format!(
                "the rollback left {name} as it was ({}): it may not be what the template says",
                after.status.0
            ));
        }
        Ok((live::observe_whole(self.client, &spec.stack_name).await?, operation.touched().max(1)))
    }

    /// A rollback that failed goes on; a failed update that was not to be rolled back is rolled back now, since a stack
    /// in that state takes no update that may be rolled back itself.
    async fn roll_back(&self, found: &Live, skipped: &[String]) -> Result<(), Failure> {
        if found.status.0 == "UPDATE_FAILED" {
            let call = self.client.rollback_stack().stack_name(&found.id).send().await;
            return call.map(drop).map_err(|error| failure(format!("RollbackStack on {}", found.id), error));
        }
        let call = self
            .client
            .continue_update_rollback()
            .stack_name(&found.id)
            .set_resources_to_skip((!skipped.is_empty()).then(|| skipped.to_vec()))
            .send()
            .await;
        call.map(drop).map_err(|error| failure(format!("ContinueUpdateRollback on {}", found.id), error))
    }

    /// The resources of this stack that a person allowed to be left as they are.
    fn skipped(&self) -> Vec<String> {
        let own = self.skip_rollback.iter().filter(|named| named.stack == self.stack);
        own.map(|named| named.logical_id.clone()).collect()
    }

    fn blocked(&self, stack_name: &str, operation: &Operation) -> Failure {
        let failed = operation.failed();
        let flags: Vec<String> = failed
            .iter()
            .map(|event| format!("--skip-rollback {}/{}", self.stack, event.logical_id))
            .collect();
        let failure = Failure::new(format!("the rollback of {stack_name} failed again"));
        let failure = failed.iter().map(ToString::to_string).fold(failure, Failure::detail);
        failure.hint(format!(
            "mend what blocks it and run again; if it may stay as it is, run again with {}",
            if flags.is_empty() { "--skip-rollback STACK/RESOURCE".to_owned() } else { flags.join(" ") }
        ))
    }

    /// What is left of a failed creation may be deleted only if it holds no data, or somebody allowed it.
    ///
    /// # Errors
    /// If something holds data; the failure names it.
    pub(super) async fn may_be_deleted(&self, left: &Live) -> Result<(), Failure> {
        let remains = remains(self.client, &left.id).await?;
        let (losses, others): (Vec<_>, Vec<_>) =
            remains.into_iter().partition(|event| holds_data(&event.resource_type));
        let named = |event: &ResourceEvent| AllowReplace {
            stack: self.stack.to_owned(),
            logical_id: event.logical_id.clone(),
        };
        let losses: Vec<_> =
            losses.into_iter().filter(|event| !self.allowed.contains(&named(event))).collect();
        if losses.is_empty() {
            for event in others.iter().filter(|event| event.status == "DELETE_SKIPPED") {
                self.events.warning(format!(
                    "{} ({}, {}) stays in the account, and in no stack",
                    named(event),
                    event.resource_type,
                    event.physical_id
                ));
            }
            return Ok(());
        }
        let flags: Vec<String> =
            losses.iter().map(|event| format!("--allow-replace {}", named(event))).collect();
        let refused =
            Failure::new("refused: what a failed creation left holds data; nothing was changed".to_owned());
        let detail = |event: &ResourceEvent| {
            format!("{} ({}) exists: {}", named(event), event.resource_type, event.physical_id)
        };
        Err(losses.iter().map(detail).fold(refused, Failure::detail).hint(format!(
            "save what is needed of it; if it may be deleted or left behind, run again with {}",
            flags.join(" ")
        )))
    }

    /// The failure of a stack that needs a person, with what it is that failed.
    pub(super) async fn named(&self, failure: &Failure, stuck: &Live) -> Failure {
        match latest(self.client, &stuck.id).await {
            Ok(events) => {
                let failed = events.iter().filter(|event| event.status.ends_with("_FAILED"));
                failed.map(ToString::to_string).fold(failure.clone(), Failure::detail)
            }
            Err(unread) => failure.clone().detail(unread.message),
        }
    }

    /// Whether a stack that was there when the run began was deleted by somebody else since.
    pub(super) async fn is_gone(&self, spec: &Spec) -> bool {
        let found = live::observe(self.client, &spec.stack_name).await;
        found.is_ok_and(|found| found.is_none_or(|live| live.status.gone()))
    }
}

/// What exists of a stack whose creation failed.
async fn remains(
    client: &aws_sdk_cloudformation::Client,
    stack_id: &str,
) -> Result<Vec<ResourceEvent>, Failure> {
    let mut events = latest(client, stack_id).await?;
    events.retain(|event| {
        let exists = ["CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_FAILED", "DELETE_SKIPPED"];
        exists.contains(&event.status.as_str()) && !event.physical_id.is_empty()
    });
    Ok(events)
}

/// The newest entry of each resource, in the order of their names.
async fn latest(
    client: &aws_sdk_cloudformation::Client,
    stack_id: &str,
) -> Result<Vec<ResourceEvent>, Failure> {
    let events = history(client, stack_id).await?.into_iter();
    let own = events.filter(|event| !event.about_stack(stack_id));
    let newest: BTreeMap<String, ResourceEvent> =
        own.map(|event| (event.logical_id.clone(), event)).collect();
    Ok(newest.into_values().collect())
}

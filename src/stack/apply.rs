use std::collections::BTreeMap;

use aws_sdk_cloudformation::Client;

use super::change_set::{self, ChangeSet, Purpose};
use super::follow::Operation;
use super::live::{self, Live};
use super::lookout::Lookout;
use super::{AllowReplace, Difference, SkipRollback, Spec, Verdict, Violation, Waits, decide, guard, values};
use crate::aws::failure;
use crate::event::StepEvents;
use crate::failure::Failure;
use crate::plan::{Change, ChangeKind, Decision, Replacement};

/// What a stack step works with.
#[derive(Debug, Clone)]
pub struct Step<'a> {
    /// The API.
    pub client: &'a Client,
    /// Where operations under way are watched.
    pub lookout: &'a Lookout,
    /// The stack's name in `pipeline.yaml`.
    pub stack: &'a str,
    /// What may be replaced or deleted although it holds data.
    pub allowed: &'a [AllowReplace],
    /// What a rollback that goes on may leave as it is.
    pub skip_rollback: &'a [SkipRollback],
    /// Where the step's events go.
    pub events: &'a StepEvents,
    /// Where it is told which resources CloudFormation waits for, if somebody wants to know.
    pub waits: Option<Waits>,
}

/// What a stack is after its step.
#[derive(Debug, Clone)]
pub struct Applied {
    /// Its outputs.
    pub outputs: BTreeMap<String, String>,
    /// How many resources were changed; 0 if there was nothing to do.
    pub changed: usize,
}

impl Step<'_> {
    /// Waits for an operation that is under way, and gives the stack as it is then.
    ///
    /// # Errors
    /// If the stack can't be read.
    pub async fn settle(&self, stack_name: &str, live: Option<Live>) -> Result<Option<Live>, Failure> {
        let Some(found) = live else { return Ok(None) };
        if !found.status.busy() {
            return Ok(Some(found));
        }
        self.events.activity(format!("waiting for the operation under way ({})", found.status.0));
        loop {
            self.lookout.pace().turn().await;
            match live::observe_whole(self.client, stack_name).await? {
                Some(live) if live.status.busy() => {}
                live => return Ok(live),
            }
        }
    }

    /// What would be done, property by property, without doing it.
    ///
    /// A stack that does not exist is shown from its template: a change set would leave an empty stack behind if the
    /// plan were cut off.
    ///
    /// # Errors
    /// If CloudFormation refuses the template or the parameters.
    pub async fn preview(&self, spec: &Spec, live: Option<&Live>) -> Result<Decision, Failure> {
        let verdict = decide(spec, live);
        let waiting_for =
            spec.pending().flat_map(|(_, references)| references).map(crate::config::Reference::path);
        let decision = verdict.decision().waiting_for(waiting_for.collect());
        match (&verdict, live) {
            (Verdict::Stuck(failure), Some(live)) => Err(self.named(failure, live).await),
            (Verdict::Recreate { .. }, Some(left)) => {
                if let Err(refused) = self.may_be_deleted(left).await {
                    self.events.warning(format!("a run refuses this: {refused}"));
                }
                Ok(decision.with_changes(from_template(spec)))
            }
            (Verdict::Create, _) => Ok(decision.with_changes(from_template(spec))),
            (Verdict::Update { differences }, Some(live)) if can_be_asked(differences, live) => {
                let Some(change_set) =
                    change_set::prepare(self.client, spec, false, Purpose::Preview).await?
                else {
                    return Ok(nothing_after_all(&decision));
                };
                change_set::discard(self.client, &change_set).await?;
                let changes = values::filled(change_set.changes.clone(), spec, live);
                for violation in self.violations(&change_set) {
                    self.events.warning(format!(
                        "{violation}; a run refuses this without --allow-replace {}",
                        violation.resource
                    ));
                }
                Ok(decision.with_changes(changes))
            }
            _ => Ok(decision),
        }
    }

    /// Makes the stack what it should be.
    ///
    /// # Errors
    /// If CloudFormation refuses, if data would be lost, or if the operation fails; the failure tells the cause.
    pub async fn apply(&self, spec: &Spec, live: Option<Live>) -> Result<Applied, Failure> {
        let verdict = decide(spec, live.as_ref());
        match (&verdict, live) {
            (Verdict::Stuck(failure), Some(live)) => Err(self.named(failure, &live).await),
            (Verdict::Recover { .. }, Some(half)) => {
                self.events.decided(verdict.decision());
                let (live, taken_back) = self.recover(spec, &half).await?;
                let applied = Box::pin(self.apply(spec, live)).await?;
                Ok(Applied { changed: applied.changed.max(taken_back), ..applied })
            }
            (Verdict::Recreate { .. }, Some(left)) => {
                self.events.decided(verdict.decision());
                self.may_be_deleted(&left).await?;
                self.delete(&spec.stack_name, &left).await?;
                self.change(spec, None, &verdict).await
            }
            (Verdict::Unchanged, Some(live)) => {
                self.events.decided(verdict.decision());
                Ok(Applied { outputs: live.outputs, changed: 0 })
            }
            (Verdict::Update { .. }, Some(live)) => match self.change(spec, Some(live), &verdict).await {
                Err(_) if self.is_gone(spec).await => {
                    self.events.warning(format!("{} was deleted meanwhile: creating it", spec.stack_name));
                    Box::pin(self.apply(spec, None)).await
                }
                changed => changed,
            },
            _ => self.change(spec, None, &verdict).await,
        }
    }

    async fn change(&self, spec: &Spec, live: Option<Live>, verdict: &Verdict) -> Result<Applied, Failure> {
        self.events.activity("making the change set");
        let prepared = change_set::prepare(self.client, spec, live.is_none(), Purpose::Apply).await?;
        let Some(change_set) = prepared else {
            self.events.decided(nothing_after_all(&verdict.decision()));
            return Ok(Applied { outputs: live.map(|live| live.outputs).unwrap_or_default(), changed: 0 });
        };
        let changes = match &live {
            Some(live) => values::filled(change_set.changes.clone(), spec, live),
            None => change_set.changes.clone(),
        };
        self.events.decided(verdict.decision().with_changes(changes));
        let violations = self.violations(&change_set);
        if !violations.is_empty() {
            change_set::discard(self.client, &change_set).await?;
            return Err(Violation::refuse(&violations));
        }
        self.execute(spec, &change_set).await
    }

    pub(super) async fn execute(&self, spec: &Spec, change_set: &ChangeSet) -> Result<Applied, Failure> {
        let changed = change_set.changes.len();
        let operation = Operation::about_to_start(self.client, &change_set.stack_id, changed as u64).await?;
        let mut operation = operation.of_change_set(&change_set.id).telling(self.waits.clone());
        self.events.activity(if change_set.creates { "creating" } else { "updating" });
        change_set::execute(self.client, change_set).await?;
        match operation.follow(self.client, self.lookout, self.events).await {
            Some(live) if live.status.good() => Ok(Applied { outputs: live.outputs, changed }),
            ended => {
                let status = ended.map_or_else(|| "DELETE_COMPLETE".to_owned(), |live| live.status.0);
                let causes = operation.causes(self.client, &spec.template).await;
                let failure = Failure::new(what_happened(&spec.stack_name, &status));
                Err(explain(causes.into_iter().fold(failure, Failure::detail_at), &status))
            }
        }
    }

    async fn delete(&self, stack_name: &str, left: &Live) -> Result<(), Failure> {
        self.events.activity("deleting what a failed creation left");
        let mut operation = Operation::about_to_start(self.client, &left.id, 0).await?;
        let tried = || format!("DeleteStack {stack_name}");
        self.client
            .delete_stack()
            .stack_name(&left.id)
            .send()
            .await
            .map_err(|error| failure(tried(), error))?;
        match operation.follow(self.client, self.lookout, self.events).await {
            Some(live) if !live.status.gone() => {
                let failure = Failure::new(format!("{stack_name} could not be deleted: {}", live.status.0));
                let failed = operation.failed().into_iter().map(ToString::to_string);
                Err(failed.fold(failure, Failure::detail).hint("mend what blocks it and run again"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn violations(&self, change_set: &ChangeSet) -> Vec<Violation> {
        guard(self.stack, &change_set.changes, &change_set.retained, self.allowed)
    }
}

/// A parameter that is not known yet keeps its live value in a preview; one without a live value makes it impossible.
/// And where nothing differs but what is not known, there is nothing to ask CloudFormation about.
fn can_be_asked(differences: &[Difference], live: &Live) -> bool {
    let pending = |difference: &Difference| matches!(difference, Difference::Pending { .. });
    let known = |difference: &Difference| match difference {
        Difference::Pending { name } => live.parameters.contains_key(name),
        _ => true,
    };
    differences.iter().all(known) && !differences.iter().all(pending)
}

fn nothing_after_all(decision: &Decision) -> Decision {
    let reason = format!("{}, but CloudFormation finds nothing to change", decision.reason);
    Decision { action: crate::plan::Action::Nothing, reason, ..decision.clone() }
}

fn from_template(spec: &Spec) -> Vec<Change> {
    let add = |(logical_id, resource): (&String, &crate::template::Resource)| Change {
        kind: ChangeKind::Add,
        logical_id: logical_id.clone(),
        resource_type: resource.resource_type.clone(),
        physical_id: None,
        replacement: Replacement::Never,
        properties: Vec::new(),
        location: spec.template.location(logical_id),
    };
    spec.template.resources.iter().map(add).collect()
}

fn what_happened(stack_name: &str, status: &str) -> String {
    match status {
        "DELETE_COMPLETE" => {
            format!("{stack_name} could not be created; what was made of it was deleted again")
        }
        "UPDATE_ROLLBACK_COMPLETE" => format!("{stack_name} could not be updated; it is back to what it was"),
        "ROLLBACK_COMPLETE" => format!("{stack_name} could not be created and was rolled back"),
        _ => format!("{stack_name} ended in {status}"),
    }
}

fn explain(failure: Failure, status: &str) -> Failure {
    if status == "UPDATE_ROLLBACK_FAILED" {
        failure.hint(
            "the rollback failed too: mend what blocks it and run again, which finishes the rollback first",
        )
    } else {
        failure.hint("mend the cause and run again")
    }
}

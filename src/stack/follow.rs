use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudformation::Client;

use super::live::{self, Live};
use super::validation::{self, Validated};
use super::{ResourceEvent, Waiting, Waits, root_cause};
use crate::aws::{Pace, failure};
use crate::event::{Event, StepEvents, Unit};
use crate::failure::Failure;
use crate::template::Template;

/// After so many looks without an event the stack itself is looked at.
const IDLE: u32 = 5;

/// An operation under way on a stack.
#[derive(Debug)]
pub struct Operation {
    stack_id: String,
    /// The newest event before the operation began; what is newer belongs to it.
    before: Option<String>,
    /// Resources that the operation changes.
    total: u64,
    /// The change set that is executed, if the operation is an execution.
    change_set: Option<String>,
    seen: Vec<ResourceEvent>,
    /// Looks since the last event.
    idle: u32,
    waits: Option<Waits>,
}

impl Operation {
    /// Takes down where the stack's history stands, before an operation is started.
    ///
    /// # Errors
    /// If the history can't be read.
    pub async fn about_to_start(client: &Client, stack_id: &str, total: u64) -> Result<Self, Failure> {
        let newest = page(client, stack_id, None).await?.0.into_iter().next();
        Ok(Self {
            stack_id: stack_id.to_owned(),
            before: newest.map(|event| event.id),
            total,
            change_set: None,
            seen: Vec::new(),
            idle: 0,
            waits: None,
        })
    }

    /// The same operation, as the execution of a change set: one that had begun already, and may even be through.
    #[must_use]
    pub fn of_change_set(self, change_set: &str) -> Self {
        Self { change_set: Some(change_set.to_owned()), ..self }
    }

    /// From now on it is told which resources CloudFormation waits for.
    #[must_use]
    pub fn telling(self, waits: Option<Waits>) -> Self {
        Self { waits, ..self }
    }

    /// Shows what happens until the operation has ended, and gives the stack as it is then; `None` if it is gone.
    ///
    /// A look that fails is said and tried again: CloudFormation goes on whether it is looked at or not.
    pub async fn follow(&mut self, client: &Client, pace: &Pace, events: &StepEvents) -> Option<Live> {
        loop {
            pace.turn().await;
            match self.look(client, events).await {
                Ok(false) if self.idle < IDLE => {}
                Ok(false) => match self.ended_unseen(client).await {
                    Some(live) => return Some(live),
                    None => self.idle = 0,
                },
                Ok(true) => match live::observe(client, &self.stack_id).await {
                    Ok(Some(live)) if live.status.busy() => {}
                    Ok(live) => return live,
                    Err(failure) => events.warning(format!("{}; looking again", failure.message)),
                },
                Err(failure) => events.warning(format!("{}; looking again", failure.message)),
            }
        }
    }

    /// The stack, if the change set's execution was through before its events were looked at.
    async fn ended_unseen(&self, client: &Client) -> Option<Live> {
        let live = live::observe(client, &self.stack_id).await.ok()??;
        let over = !live.status.busy() && !live.status.never_created();
        // Not every endpoint tells which change set was executed last.
        let executed = live.change_set.is_none() || live.change_set == self.change_set;
        (over && self.change_set.is_some() && executed).then_some(live)
    }

    /// The oldest real cause of the operation's failure, and where the resource is declared. Without a failed resource
    /// nothing was made: then early validation has its findings.
    pub async fn causes(&self, client: &Client, template: &Template) -> Vec<String> {
        let Some(cause) = self.cause() else {
            return validation::findings(client, Validated::Stack(&self.stack_id), template).await;
        };
        let place = template.place(&cause.logical_id).map(|place| format!("at {place}"));
        std::iter::once(cause.to_string()).chain(place).collect()
    }

    /// The oldest real cause of the operation's failure.
    #[must_use]
    pub fn cause(&self) -> Option<&ResourceEvent> {
        root_cause(&self.stack_id, &self.seen)
    }

    /// Resources whose last entry of the operation says that they failed.
    #[must_use]
    pub fn failed(&self) -> Vec<&ResourceEvent> {
        self.last_words().into_values().filter(|event| event.status.ends_with("_FAILED")).collect()
    }

    /// How many resources the operation has dealt with.
    #[must_use]
    pub fn touched(&self) -> usize {
        self.last_words().len()
    }

    fn last_words(&self) -> BTreeMap<&str, &ResourceEvent> {
        let own = self.seen.iter().filter(|event| !event.about_stack(&self.stack_id));
        own.map(|event| (event.logical_id.as_str(), event)).collect()
    }

    /// Shows what is new; tells whether the stack itself has come to an end.
    async fn look(&mut self, client: &Client, events: &StepEvents) -> Result<bool, Failure> {
        let fresh = self.fresh(client).await?;
        for event in &fresh {
            if !event.about_stack(&self.stack_id) {
                show(events, event);
                self.tell(event);
            }
        }
        let ended = fresh
            .iter()
            .any(|event| event.about_stack(&self.stack_id) && !event.status.ends_with("_IN_PROGRESS"));
        self.idle = if fresh.is_empty() { self.idle + 1 } else { 0 };
        self.seen.extend(fresh);
        events.progress(self.done(), Some(self.total), Unit::Resources);
        Ok(ended)
    }

    fn tell(&self, event: &ResourceEvent) {
        if let (Some(waits), Some(waiting)) = (&self.waits, Waiting::of(&self.stack_id, event)) {
            // Nobody listens any more once the operation goes back.
            let _ = waits.send(waiting);
        }
    }

    /// Events that were not seen yet, oldest first.
    async fn fresh(&self, client: &Client) -> Result<Vec<ResourceEvent>, Failure> {
        let known = self.seen.last().map(|event| &event.id).or(self.before.as_ref());
        let mut fresh = Vec::new();
        let mut token = None;
        loop {
            let (events, next) = page(client, &self.stack_id, token).await?;
            let unknown = events.iter().take_while(|event| Some(&event.id) != known).count();
            let reached = unknown < events.len();
            fresh.extend(events.into_iter().take(unknown));
            token = next;
            if reached || token.is_none() {
                fresh.reverse();
                return Ok(fresh);
            }
        }
    }

    fn done(&self) -> u64 {
        let complete = self.seen.iter().filter(|event| {
            !event.about_stack(&self.stack_id)
                && matches!(event.status.as_str(), "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "DELETE_COMPLETE")
        });
        let names: BTreeSet<&str> = complete.map(|event| event.logical_id.as_str()).collect();
        (names.len() as u64).min(self.total)
    }
}

fn show(events: &StepEvents, event: &ResourceEvent) {
    let event = event.clone();
    events.send(|step| Event::Resource {
        step,
        logical_id: event.logical_id,
        resource_type: event.resource_type,
        status: event.status,
        reason: event.reason,
    });
}

/// A stack's whole history, oldest first.
///
/// # Errors
/// If it can't be read.
pub async fn history(client: &Client, stack_id: &str) -> Result<Vec<ResourceEvent>, Failure> {
    let (mut events, mut token) = page(client, stack_id, None).await?;
    while token.is_some() {
        let (older, next) = page(client, stack_id, token).await?;
        events.extend(older);
        token = next;
    }
    events.reverse();
    Ok(events)
}

/// One page of a stack's history, newest first, and where the next one begins.
async fn page(
    client: &Client,
    stack_id: &str,
    token: Option<String>,
) -> Result<(Vec<ResourceEvent>, Option<String>), Failure> {
    let answer = client
        .describe_stack_events()
        .stack_name(stack_id)
        .set_next_token(token)
        .send()
        .await
        .map_err(|error| failure(format!("DescribeStackEvents on {stack_id}"), error))?;
    Ok((
        answer.stack_events.unwrap_or_default().into_iter().map(ResourceEvent::from).collect(),
        answer.next_token,
    ))
}

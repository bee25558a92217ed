use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use aws_sdk_cloudformation::Client;

use super::live::{self, Live, Status};
use super::lookout::{Lookout, Post, Sighting};
use super::validation::{self, Validated};
use super::{ResourceEvent, Waiting, Waits, root_cause};
use crate::aws::failure;
use crate::event::{Event, StepEvents, Unit};
use crate::failure::Failure;
use crate::location::Location;
use crate::template::Template;

/// After so many looks without an event the stack itself is looked at.
const IDLE: u32 = 5;

/// What a look tells: the stack, once the operation has ended.
type Look = ControlFlow<Option<Live>>;

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
    /// What the stack was last seen to be busy with.
    status: Option<Status>,
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
            status: None,
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
    pub async fn follow(&mut self, client: &Client, lookout: &Lookout, events: &StepEvents) -> Option<Live> {
        let mut post = lookout.post(&self.stack_id);
        loop {
            match self.look(client, &mut post, events).await {
                Ok(ControlFlow::Break(ended)) => return ended,
                Ok(ControlFlow::Continue(())) => {}
                Err(failure) => events.warning(format!("{}; looking again", failure.message)),
            }
        }
    }

    async fn look(&mut self, client: &Client, post: &mut Post, events: &StepEvents) -> Result<Look, Failure> {
        let look = self.look_once(client, post, events).await?;
        let all_shown = self.seen.last().is_some_and(|event| event.ends(&self.stack_id));
        if look.is_break() && !all_shown {
            // What happened since its events were looked at last belongs to it, too: the cause of a failure, perhaps.
            self.show_fresh(client, events).await?;
        }
        Ok(look)
    }

    async fn look_once(
        &mut self,
        client: &Client,
        post: &mut Post,
        events: &StepEvents,
    ) -> Result<Look, Failure> {
        match post.next(client).await? {
            Sighting::Turn => self.look_at_events(client, post, events).await,
            Sighting::Stack(Some(live)) if live.status.busy() => {
                // What it does now is something else than before: there are events to tell why.
                if self.status.replace(live.status.clone()).is_some_and(|before| before != live.status) {
                    post.expect_news(true);
                }
                Ok(Look::Continue(()))
            }
            // The list may be older than the operation.
            Sighting::Stack(_) if !self.begun() => Ok(Look::Continue(())),
            Sighting::Stack(Some(live)) => Ok(Look::Break(Some(*live))),
            Sighting::Stack(None) => self.unless_busy(client).await,
        }
    }

    /// Whether anything of the operation was seen.
    fn begun(&self) -> bool {
        self.status.is_some() || !self.seen.is_empty()
    }

    async fn look_at_events(
        &mut self,
        client: &Client,
        post: &Post,
        events: &StepEvents,
    ) -> Result<Look, Failure> {
        let fresh = self.show_fresh(client, events).await?;
        post.expect_news(fresh > 0 && !self.all_begun());
        self.idle = if fresh == 0 { self.idle + 1 } else { 0 };
        let newest = self.seen.len() - fresh;
        if self.seen[newest..].iter().any(|event| event.ends(&self.stack_id)) {
            return self.unless_busy(client).await;
        }
        if self.idle < IDLE {
            return Ok(Look::Continue(()));
        }
        self.idle = 0;
        post.turn().await;
        let ended = self.ended_unseen(client).await;
        Ok(ended.map_or(Look::Continue(()), |live| Look::Break(Some(live))))
    }

    /// Whether every resource that the operation changes was seen: then all that is left to come is the end.
    fn all_begun(&self) -> bool {
        self.total > 0 && self.touched() as u64 >= self.total
    }

    async fn unless_busy(&self, client: &Client) -> Result<Look, Failure> {
        Ok(match live::observe(client, &self.stack_id).await? {
            Some(live) if live.status.busy() => Look::Continue(()),
            ended => Look::Break(ended),
        })
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
    pub async fn causes(&self, client: &Client, template: &Template) -> Vec<(String, Option<Location>)> {
        let Some(cause) = self.cause() else {
            return validation::findings(client, Validated::Stack(&self.stack_id), template).await;
        };
        vec![(cause.to_string(), template.location(&cause.logical_id))]
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

    /// Shows what is new; tells how many events that are.
    async fn show_fresh(&mut self, client: &Client, events: &StepEvents) -> Result<usize, Failure> {
        let fresh = self.fresh(client).await?;
        for event in fresh.iter().filter(|event| !event.about_stack(&self.stack_id)) {
            show(events, event);
            self.tell(event);
        }
        let count = fresh.len();
        self.seen.extend(fresh);
        events.progress(self.done(), Some(self.total), Unit::Resources);
        Ok(count)
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

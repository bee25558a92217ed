//! A batch from its records to Lambda's answer.

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::anyhow;
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, stream};

use crate::cloudevent::CloudEvent;
use crate::kafka::{Batch, BatchResponse, ItemIdentifier};
use crate::metrics::{Counts, now};
use crate::process::Failure;
use crate::settings::Settings;
use crate::store::{Name, Store};

/// What is left of an invocation's time when no further event is begun: enough to take note of those that are done.
const MARGIN: Duration = Duration::from_secs(2);

/// What processes an event.
pub type Process = for<'a> fn(&'a CloudEvent) -> BoxFuture<'a, Result<(), Failure>>;

/// One call of the function.
#[derive(Debug)]
pub struct Invocation {
    /// Lambda's name for it.
    pub request_id: String,
    /// When Lambda ends it.
    pub deadline: SystemTime,
}

/// Handles batches.
pub struct Handler {
    settings: Settings,
    store: Store,
    process: Process,
}

/// A record, and the event in it.
struct Item {
    place: ItemIdentifier,
    timestamp: i64,
    key: Option<String>,
    event: anyhow::Result<(Name, CloudEvent)>,
}

/// What became of a record.
#[derive(Debug)]
enum Outcome {
    Processed,
    /// It was processed before.
    Duplicate,
    /// It is no event.
    Invalid,
    /// The event will never be processed.
    Rejected(anyhow::Error),
    /// The event is to be tried again.
    Failed(anyhow::Error),
    /// An earlier event of its key is to be tried again.
    Held,
}

/// What all lanes of a batch share.
struct Work<'a> {
    invocation: &'a Invocation,
    /// The names of the events that were processed, by the end also in this batch.
    processed: Mutex<HashSet<Name>>,
}

impl Handler {
    /// Handles batches with this function.
    pub fn new(settings: Settings, store: Store, process: Process) -> Self {
        Self { settings, store, process }
    }

    /// Processes a batch, and says which of its records failed.
    ///
    /// # Errors
    /// If it can't be told which events were processed before; then none was touched.
    pub async fn handle(&self, batch: Batch, invocation: &Invocation) -> anyhow::Result<BatchResponse> {
        let partitions: Vec<&str> = batch.records.keys().map(String::as_str).collect();
        self.store.with_lock(&partitions, invocation, self.handle_locked(&batch, invocation)).await
    }

    async fn handle_locked(&self, batch: &Batch, invocation: &Invocation) -> anyhow::Result<BatchResponse> {
        let items = items(batch);
        let names: HashSet<Name> = items.iter().filter_map(Item::name).cloned().collect();
        let processed = Mutex::new(self.store.processed(&names).await?);
        let work = Work { invocation, processed };
        let oldest = items.iter().map(|item| item.timestamp).min();
        let lanes = stream::iter(lanes(items));
        let done = lanes.map(|lane| self.follow(lane, &work)).buffer_unordered(self.settings.concurrency);
        let done: Vec<(Item, Outcome)> = done.collect::<Vec<_>>().await.into_iter().flatten().collect();

        let mut counts = Counts { oldest: oldest.map_or(0, |oldest| now() - oldest), ..Counts::default() };
        for (_, outcome) in &done {
            *outcome.count(&mut counts) += 1;
        }
        let new = done.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Processed));
        let new = new.filter_map(|(item, _)| item.name().cloned()).collect();
        if let Err(error) = self.store.record(new).await {
            // To let them fail would have them processed again for certain.
            counts.unrecorded = counts.processed;
            let (error, request_id) = (format!("{error:#}"), &invocation.request_id);
            tracing::error!(error, request_id, "events were processed, but that could not be noted");
        }
        counts.emit(&self.settings.namespace, &self.settings.function);
        let failed = done.into_iter().filter(|(_, outcome)| !outcome.is_done()).map(|(item, _)| item.place);
        Ok(BatchResponse::of(failed.collect()))
    }

    /// Processes the events of one key, one after the other.
    async fn follow(&self, lane: Vec<Item>, work: &Work<'_>) -> Vec<(Item, Outcome)> {
        let mut outcomes = Vec::with_capacity(lane.len());
        let mut holds = false;
        for item in lane {
            let outcome = self.outcome(&item, holds, work).await;
            holds |= matches!(outcome, Outcome::Failed(_));
            self.log(&item, &outcome, work.invocation);
            outcomes.push((item, outcome));
        }
        outcomes
    }

    async fn outcome(&self, item: &Item, holds: bool, work: &Work<'_>) -> Outcome {
        let Ok((name, event)) = &item.event else { return Outcome::Invalid };
        if work.knows(name) {
            return Outcome::Duplicate;
        }
        if holds {
            return Outcome::Held;
        }
        let Some(left) = work.invocation.left() else {
            return Outcome::Failed(anyhow!("there was no time left"));
        };
        let processing = AssertUnwindSafe((self.process)(event)).catch_unwind();
        match tokio::time::timeout(left, processing).await {
            Ok(Ok(Ok(()))) => {
                work.add(name);
                Outcome::Processed
            }
            Ok(Ok(Err(Failure::Retry(error)))) => Outcome::Failed(error),
            Ok(Ok(Err(Failure::Reject(error)))) => Outcome::Rejected(error),
            Ok(Err(_panic)) => Outcome::Failed(anyhow!("processing panicked")),
            Err(_elapsed) => Outcome::Failed(anyhow!("processing did not end within {} s", left.as_secs())),
        }
    }

    /// The line about a record.
    fn log(&self, item: &Item, outcome: &Outcome, invocation: &Invocation) {
        let (partition, offset, key) = (&item.place.partition, item.place.offset, item.key.as_deref());
        let (request_id, version) = (&invocation.request_id, &self.settings.version);
        let event = item.event.as_ref().ok().map(|(_, event)| event);
        let (event_id, source) = (event.map(|event| &event.id), event.map(|event| &event.source));
        let (kind, trace_id) = (event.map(|event| &event.kind), event.and_then(CloudEvent::trace_id));
        macro_rules! line {
            ($level:ident, $($more:tt)+) => {
                tracing::$level!(
                    outcome = outcome.name(), event_id, source, r#type = kind, key, partition, offset, trace_id,
                    request_id, version, $($more)+
                )
            };
        }
        match (outcome, &item.event) {
            (Outcome::Processed, _) => line!(info, "event processed"),
            (Outcome::Duplicate, _) => line!(info, "event was processed before"),
            (Outcome::Held, _) => line!(warn, "event waits for an earlier one of its key"),
            (Outcome::Failed(error), _) => {
                line!(warn, error = format!("{error:#}"), "event is to be tried again");
            }
            (Outcome::Rejected(error), _) => line!(error, error = format!("{error:#}"), "event rejected"),
            (Outcome::Invalid, Err(error)) => {
                line!(error, error = format!("{error:#}"), "record is no event");
            }
            (Outcome::Invalid, Ok(_)) => line!(error, "record is no event"),
        }
    }
}

impl Outcome {
    /// Whether the record is not to come again.
    fn is_done(&self) -> bool {
        matches!(self, Self::Processed | Self::Duplicate)
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Processed => "processed",
            Self::Duplicate => "duplicate",
            Self::Invalid => "invalid",
            Self::Rejected(_) => "rejected",
            Self::Failed(_) => "failed",
            Self::Held => "held",
        }
    }

    fn count<'a>(&self, counts: &'a mut Counts) -> &'a mut u32 {
        match self {
            Self::Processed => &mut counts.processed,
            Self::Duplicate => &mut counts.duplicates,
            Self::Invalid => &mut counts.invalid,
            Self::Rejected(_) => &mut counts.rejected,
            Self::Failed(_) => &mut counts.failed,
            Self::Held => &mut counts.held,
        }
    }
}

impl Item {
    fn name(&self) -> Option<&Name> {
        self.event.as_ref().ok().map(|(name, _)| name)
    }
}

impl Work<'_> {
    fn knows(&self, name: &Name) -> bool {
        self.processed.lock().unwrap_or_else(PoisonError::into_inner).contains(name)
    }

    fn add(&self, name: &Name) {
        self.processed.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
    }
}

impl Invocation {
    /// The time in which events may be processed.
    fn left(&self) -> Option<Duration> {
        let left = self.deadline.duration_since(SystemTime::now()).ok()?;
        left.checked_sub(MARGIN).filter(|left| !left.is_zero())
    }
}

fn items(batch: &Batch) -> Vec<Item> {
    let records = batch.records.iter();
    let records =
        records.flat_map(|(partition, records)| records.iter().map(move |record| (partition, record)));
    let item = |(partition, record): (&String, &crate::kafka::Record)| Item {
        place: ItemIdentifier { partition: partition.clone(), offset: record.offset },
        timestamp: record.timestamp,
        key: record.key_text(),
        event: CloudEvent::read(record).map(|event| (Name::of(&event.name()), event)),
    };
    records.map(item).collect()
}

/// The records of each partition's keys. One without a key has a lane of its own.
fn lanes(items: Vec<Item>) -> Vec<Vec<Item>> {
    let mut places: HashMap<(String, String), usize> = HashMap::new();
    let mut lanes: Vec<Vec<Item>> = Vec::new();
    for item in items {
        let place = match &item.key {
            Some(key) => *places.entry((item.place.partition.clone(), key.clone())).or_insert(lanes.len()),
            None => lanes.len(),
        };
        if place == lanes.len() {
            lanes.push(Vec::new());
        }
        lanes[place].push(item);
    }
    lanes
}

#[cfg(test)]
mod tests;

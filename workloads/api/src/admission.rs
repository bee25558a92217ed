use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::Problem;
use crate::settings::Limits;

/// Lets in what there is room for, and refuses the rest before it costs memory.
#[derive(Debug)]
pub struct Admission {
    bytes: Room,
    events: Room,
}

/// A part of the room; it is free again when this is dropped.
pub type Place = OwnedSemaphorePermit;

impl Admission {
    /// Room for what the limits say.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self { bytes: Room::new(limits.bytes_in_flight), events: Room::new(limits.events_in_flight) }
    }

    /// Room for bytes of a body.
    ///
    /// # Errors
    /// If there is none.
    pub fn bytes(&self, count: usize) -> Result<Place, Problem> {
        self.bytes.take(count).ok_or_else(|| Problem::overloaded("too many bytes are under way to Kafka"))
    }

    /// Room for events.
    ///
    /// # Errors
    /// If there is none.
    pub fn events(&self, count: usize) -> Result<Place, Problem> {
        self.events.take(count).ok_or_else(|| Problem::overloaded("too many events are under way to Kafka"))
    }

    /// How many bytes and events are inside.
    #[must_use]
    pub fn taken(&self) -> (usize, usize) {
        (self.bytes.taken(), self.events.taken())
    }
}

#[derive(Debug)]
struct Room {
    size: usize,
    free: Arc<Semaphore>,
}

impl Room {
    fn new(size: usize) -> Self {
        Self { size, free: Arc::new(Semaphore::new(size)) }
    }

    fn take(&self, count: usize) -> Option<Place> {
        Arc::clone(&self.free).try_acquire_many_owned(u32::try_from(count).ok()?).ok()
    }

    fn taken(&self) -> usize {
        self.size - self.free.available_permits()
    }
}

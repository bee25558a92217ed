//! Which events were processed already.

mod memory;
mod table;

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

pub use memory::Memory;
pub use table::Table;

use crate::handler::Invocation;

/// Where that is kept.
pub enum Store {
    /// In this instance alone.
    Memory(Memory),
    /// In a DynamoDB table that all instances share.
    Table(Table),
}

/// An event in the store: a digest, as a source and an id may be longer than a table's key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name(String);

impl Name {
    /// The name of an event.
    #[must_use]
    pub fn of(event: &str) -> Self {
        Self(STANDARD.encode(Sha256::digest(event)))
    }
}

impl Store {
    /// Does the work as soon as no other instance is at work on these partitions, and keeps others off them until it is
    /// done. One that is killed keeps them for a few seconds.
    ///
    /// # Errors
    /// If the store can't be reached, or another instance has a partition for longer than there is time; or the work's.
    pub async fn with_lock<T>(
        &self,
        partitions: &[&str],
        invocation: &Invocation,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        match self {
            Self::Memory(_) => work.await,
            Self::Table(table) => table.with_lock(partitions, invocation, work).await,
        }
    }

    /// Those of the events that were processed.
    ///
    /// # Errors
    /// If the store can't be reached.
    pub async fn processed(&self, names: &HashSet<Name>) -> anyhow::Result<HashSet<Name>> {
        match self {
            Self::Memory(memory) => Ok(memory.processed(names)),
            Self::Table(table) => table.processed(names).await,
        }
    }

    /// Takes note of events that were processed.
    ///
    /// # Errors
    /// If the store can't be reached.
    pub async fn record(&self, names: Vec<Name>) -> anyhow::Result<()> {
        match self {
            Self::Memory(memory) => {
                memory.record(names);
                Ok(())
            }
            Self::Table(table) => table.record(names).await,
        }
    }
}

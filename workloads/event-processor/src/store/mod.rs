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
    /// Waits until no other instance has these partitions, and keeps others off them until the invocation's deadline.
    ///
    /// # Errors
    /// If the store can't be reached, or another instance may have a partition for longer than there is time.
    pub async fn lock(&self, partitions: &[&str], invocation: &Invocation) -> anyhow::Result<()> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Table(table) => table.lock(partitions, invocation).await,
        }
    }

    /// Lets others have the partitions. If that does not work, they get them at the deadline.
    pub async fn unlock(&self, partitions: &[&str], invocation: &Invocation) {
        if let Self::Table(table) = self {
            table.unlock(partitions, invocation).await;
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

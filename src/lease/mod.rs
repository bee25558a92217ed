//! One run per environment at a time, across machines.
//!
//! A run takes the environment's lease before it changes anything, renews it while it goes on, and gives it back at its
//! end; a run that dies loses it after a while. The lease is an item of a small `DynamoDB` table, which `pipeline
//! bootstrap` makes, and is only ever written on the condition that it is what was read before. When a run takes it,
//! nobody may have held it since the run began to look at what is live: what it saw still holds. If somebody has, it
//! looks anew.

mod bootstrap;
mod hold;
mod record;
mod table;

pub use bootstrap::{STACK, spec};
pub use hold::{Holding, Lease, Looked, Refused, Standing, Times};
pub use record::{Claim, Holder, Record, Seen, actions_run_url, run_url, unique_name};
pub use table::{TABLE, Table, Unwritten};

//! Drift: what differs between AWS and what was deployed, field by field.
//!
//! That the commit asks for something that is not deployed yet is a pending change, and no drift.

mod compare;
mod read;
mod report;

pub use compare::{function, own, service};
pub use read::read;
pub use report::{Report, Stack, State, Workload};

//! The pure core: which steps there are, how they depend on each other, and what a decision is.
//!
//! Nothing in here performs I/O.

mod change;
mod digest;
mod fingerprint;
mod graph;
mod planned;
mod step;

pub use change::{Change, ChangeKind, PropertyChange, Replacement};
pub use digest::PlanDigest;
pub use graph::{Cycle, Graph, source_of};
pub use planned::{Plan, Planned, Wanted};
pub use step::{Action, Decided, Decision, Step, StepId, StepKind};

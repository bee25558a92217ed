//! The pure core: which steps there are, how they depend on each other, and what a decision is.
//!
//! Nothing in here performs I/O.

mod change;
mod graph;
mod step;

pub use change::{Change, ChangeKind, PropertyChange, Replacement};
pub use graph::{Cycle, Graph, source_of};
pub use step::{Action, Decision, Step, StepId, StepKind};

//! Step kind 3: brings an ECS service or a Lambda alias to what its stack defines.
//!
//! The stack defines, the pipeline rolls: CloudFormation registers the task definition's revision and updates the
//! function's `$LATEST`; which revision the service runs and which version the alias points at is written here and
//! nowhere else. Each kind observes (reads), decides (pure) and rolls (acts, follows, proves, or goes back).

mod alarms;
pub mod ecs;
pub mod lambda;
mod live;
mod patience;
mod strategy;

pub use alarms::Alarms;
pub use live::{Live, Proof, Running, Tasks};
pub use patience::Timing;
pub use strategy::strategy;

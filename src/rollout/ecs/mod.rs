//! Rolling an ECS service to the task definition's revision that its stack registered.

mod apply;
mod decide;
mod definition;
mod evidence;
mod follow;
mod health;
mod logs;
mod observe;
mod proof;
mod record;
mod retreat;
mod service;
mod stopped;
mod target;
mod tasks;
mod vigil;
mod watch;

pub use apply::roll;
pub use decide::decide;
pub use evidence::Witnesses;
pub use observe::{live, observe, observe_all};
pub use service::{Deployment, RolloutState, Service, ServiceEvent};
pub use target::{Target, TaskDefinition};
pub use vigil::{Found, Vigil};

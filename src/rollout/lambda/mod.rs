//! Moving a Lambda alias to the code and configuration that the stack set.

mod alias;
mod apply;
mod canary;
mod decide;
mod invocations;
mod next;
mod observe;
mod prepare;
mod readiness;
mod setback;
mod shift;
mod snapshot;
mod target;

pub use apply::{Release, Rolled, roll};
pub use canary::Canary;
pub use decide::decide;
pub use observe::{Alias, Function, live, observe};
pub use readiness::{Readiness, Status};
pub use snapshot::{Code, Setting, Snapshot};
pub use target::Target;

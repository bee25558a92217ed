//! Moving a Lambda alias to the code and configuration that the stack set.

mod alias;
mod apply;
mod decide;
mod observe;
mod prepare;
mod readiness;
mod snapshot;
mod target;

pub use apply::{Release, roll};
pub use decide::decide;
pub use observe::{Alias, Function, live, observe};
pub use readiness::{Readiness, Status};
pub use snapshot::{Code, Setting, Snapshot};
pub use target::Target;

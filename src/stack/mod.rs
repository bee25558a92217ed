//! Step kind 2: one module's infrastructure, applied through CloudFormation.
//!
//! Only through change sets: what is about to happen is read, shown and judged before it happens.

mod apply;
mod cancel;
mod cause;
mod change_set;
mod decide;
mod drift;
mod follow;
mod guard;
mod live;
mod lookout;
mod outputs;
mod recover;
mod revert;
mod spec;
mod validation;
mod values;
mod waiting;
mod wanted;

pub use apply::{Applied, Step};
pub use cancel::cancel;
pub use cause::{ResourceEvent, root_cause};
pub use decide::{Difference, Verdict, decide};
pub use drift::{Drift, PropertyDrift, ResourceDrift, detect};
pub use guard::{AllowReplace, Violation, guard, holds_data};
pub use live::{Live, Status, describe, observe_all};
pub use lookout::Lookout;
pub use outputs::unknown_outputs;
pub use recover::SkipRollback;
pub use spec::{ParameterValue, Spec};
pub use waiting::{Waiting, Waits};
pub use wanted::wanted;

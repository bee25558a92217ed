//! What `pipeline serve` remembers: deliveries, runs and their events, and who may do what, in SQLite or Postgres.
//!
//! Both engines get the same statements. What is acknowledged to somebody was committed before, and a commit is on the
//! disk when it returns.

mod approvals;
mod audit;
mod clock;
mod connect;
mod deliveries;
mod drift;
mod ends;
mod environments;
mod events;
mod inbox;
mod notices;
mod queue;
mod refusal;
mod retention;
mod rights;
mod run;
mod secret;
mod sessions;
mod stage;
mod tasks;
mod tokens;
mod work;

pub use audit::{Audited, By, Chain};
pub use connect::{Place, Store};
pub use deliveries::{Accepted, Ask, Asked, Delivery};
pub use drift::{Drift, DriftLook};
pub use ends::End;
pub use environments::Environment;
pub use inbox::{Full, Inbox};
pub use notices::{Notice, Occasion};
pub use queue::{Enqueued, Request};
pub use refusal::Refusal;
pub use rights::{Level, Rights};
pub(crate) use run::word;
pub use run::{Cause, Run, Runs, State};
pub use secret::{Secret, SecretHash};
pub use sessions::{Session, SignedIn};
pub use stage::Unfit;
pub use tasks::Task;
pub use tokens::Token;
pub use work::{Claim, Ending};

use std::time::Duration;

use crate::failure::Failure;

/// Times in the store: milliseconds since 1970. Leases go by the [store's own](clock) clock instead.
fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// A time, so much later.
fn later(than: i64, time: Duration) -> i64 {
    than.saturating_add(millis(time))
}

/// A time's length in milliseconds.
fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// What failed when the store was asked for something.
fn failed(what: &'static str) -> impl Fn(sqlx::Error) -> Failure {
    move |error| Failure::new(format!("the store: {what}: {error}"))
}

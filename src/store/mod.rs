//! What `pipeline serve` remembers: deliveries, runs and their events, and who may do what, in SQLite or Postgres.
//!
//! Both engines get the same statements. What is acknowledged to somebody was committed before, and a commit is on the
//! disk when it returns.

mod approvals;
mod audit;
mod connect;
mod deliveries;
mod drift;
mod events;
mod inbox;
mod queue;
mod retention;
mod rights;
mod run;
mod secret;
mod sessions;
mod stage;
mod tokens;
mod work;

pub use audit::{Audited, By, Chain};
pub use connect::{Place, Store};
pub use deliveries::{Accepted, Delivery};
pub use drift::{Drift, DriftLook};
pub use inbox::{Full, Inbox};
pub use queue::{Enqueued, Request};
pub use rights::{Level, Rights};
pub use run::{Cause, Run, Runs, State};
pub use secret::{Secret, SecretHash};
pub use sessions::{Session, SignedIn};
pub use stage::Unfit;
pub use tokens::Token;
pub use work::{Claim, Ending};

use std::time::Duration;

use crate::failure::Failure;

/// Times in the store: milliseconds since 1970.
fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// A time from now.
fn later(time: Duration) -> i64 {
    now().saturating_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
}

/// What failed when the store was asked for something.
fn failed(what: &'static str) -> impl Fn(sqlx::Error) -> Failure {
    move |error| Failure::new(format!("the store: {what}: {error}"))
}

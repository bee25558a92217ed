//! What `pipeline serve` remembers: deliveries, runs and their events, in SQLite or Postgres.
//!
//! Both engines get the same statements. What is acknowledged to somebody was committed before, and a commit is on the
//! disk when it returns.

mod connect;
mod deliveries;
mod events;
mod inbox;
mod queue;
mod retention;
mod run;
mod tasks;
mod work;

pub use connect::{Place, Store};
pub use deliveries::{Accepted, Delivery};
pub use inbox::{Full, Inbox};
pub use queue::{Enqueued, Request};
pub use run::{Cause, Run, State};
pub use tasks::Task;
pub use work::{Claim, Ending};

use crate::failure::Failure;

/// Times in the store: milliseconds since 1970.
fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// What failed when the store was asked for something.
fn failed(what: &'static str) -> impl Fn(sqlx::Error) -> Failure {
    move |error| Failure::new(format!("the store: {what}: {error}"))
}

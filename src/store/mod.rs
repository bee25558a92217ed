//! What `pipeline serve` remembers: deliveries, runs and their events, in SQLite or Postgres.
//!
//! Both engines get the same statements. What is acknowledged to somebody was committed before, and a commit is on the
//! disk when it returns.

mod clock;
mod connect;
mod deliveries;
mod ends;
mod events;
mod inbox;
mod notices;
mod queue;
mod refusal;
mod retention;
mod run;
mod work;

pub use connect::{Place, Store};
pub use deliveries::{Accepted, Delivery};
pub use ends::End;
pub use inbox::{Full, Inbox};
pub use notices::{Notice, Occasion};
pub use queue::{Enqueued, Request};
pub use refusal::Refusal;
pub use run::{Cause, Run, State};
pub use work::{Claim, Ending};

use crate::failure::Failure;

/// What failed when the store was asked for something.
fn failed(what: &'static str) -> impl Fn(sqlx::Error) -> Failure {
    move |error| Failure::new(format!("the store: {what}: {error}"))
}

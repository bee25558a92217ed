//! What happens with an event: the place for a team's own work.

use crate::cloudevent::CloudEvent;

/// Why an event could not be processed.
#[derive(Debug)]
pub enum Failure {
    /// It may succeed later: something else was unavailable. The event is delivered again, and later events of its key
    /// wait for it. When the mapping's retries are used up, it goes to the on-failure destination.
    Retry(anyhow::Error),
    /// It will never succeed: the event itself is wrong. It goes to the on-failure destination, and later events of its
    /// key go on without it.
    Reject(anyhow::Error),
}

/// Processes one event. Events of one key come one after the other, those of different keys side by side.
///
/// This system only takes note of its events: the line that is logged about each is all that it wants of them.
///
/// An event that was processed is not passed again, except when the function is killed before it could take note of
/// that. An effect that must not happen twice therefore has to be conditional on the event's source and id.
///
/// # Errors
/// If it was not processed; the failure says whether to try again.
#[expect(clippy::unused_async, reason = "real work waits for something")]
pub async fn process(_event: &CloudEvent) -> Result<(), Failure> {
    Ok(())
}

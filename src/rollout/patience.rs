use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::event::StepEvents;
use crate::failure::Failure;

/// How a rollout is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Time between two looks.
    pub poll: Duration,
    /// How long a rollout may take. Going back to what ran before may take as long again.
    pub timeout: Duration,
}

impl Timing {
    /// A quarter of an hour: room for image pulls, health checks and draining.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_mins(15);

    /// Looks every `poll`, for as long as the default timeout.
    #[must_use]
    pub fn every(poll: Duration) -> Self {
        Self { poll, timeout: Self::DEFAULT_TIMEOUT }
    }
}

/// The time is over.
#[derive(Debug)]
pub(super) enum Overdue {
    /// What is waited for has not happened.
    Waiting,
    /// The last look failed, so nobody knows.
    Blind(Failure),
}

/// Looks at something again and again until the time is over.
pub(super) struct Patience<'a> {
    poll: Duration,
    deadline: Instant,
    events: &'a StepEvents,
    reported: Option<Failure>,
}

impl<'a> Patience<'a> {
    /// The time begins now.
    pub(super) fn new(timing: Timing, events: &'a StepEvents) -> Self {
        Self { poll: timing.poll, deadline: Instant::now() + timing.timeout, events, reported: None }
    }

    /// What a look has found, or `None` when it is time for the next look.
    ///
    /// A look that fails (a throttled call, a lost connection) says nothing about the rollout: it is reported, and to
    /// be repeated.
    pub(super) async fn after<T>(&mut self, look: Result<Option<T>, Failure>) -> Result<Option<T>, Overdue> {
        let overdue = match look {
            Ok(Some(found)) => return Ok(Some(found)),
            Ok(None) => Overdue::Waiting,
            Err(failure) => {
                self.report(&failure);
                Overdue::Blind(failure)
            }
        };
        if Instant::now() + self.poll >= self.deadline {
            return Err(overdue);
        }
        sleep(self.poll).await;
        Ok(None)
    }

    fn report(&mut self, failure: &Failure) {
        if self.reported.as_ref() != Some(failure) {
            self.events.warning(format!("{}; looking again", failure.message));
            self.reported = Some(failure.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Events};
    use crate::plan::StepId;

    fn timing() -> Timing {
        Timing { poll: Duration::from_millis(1), timeout: Duration::from_secs(20) }
    }

    #[tokio::test]
    async fn a_failed_look_is_reported_once_and_repeated() {
        let (events, mut received) = Events::channel();
        let events = events.step(StepId::rollout("api"));
        let mut patience = Patience::new(timing(), &events);
        for look in [Err("throttled"), Err("throttled"), Ok(None)] {
            let found = patience.after::<&str>(look.map_err(Failure::new)).await;
            assert_eq!(found.expect("there is time"), None);
        }
        assert_eq!(patience.after(Ok(Some("steady"))).await.expect("an answer"), Some("steady"));
        let warning = received.try_recv().expect("a warning");
        assert!(matches!(warning, Event::Warning { message, .. } if message == "throttled; looking again"));
        assert!(received.try_recv().is_err(), "the same failure is reported once");
    }

    #[tokio::test]
    async fn the_end_of_the_time_tells_waiting_from_not_knowing() {
        let (events, _received) = Events::channel();
        let events = events.step(StepId::rollout("api"));
        let over = Timing { timeout: Duration::ZERO, ..timing() };
        let waiting = Patience::new(over, &events).after::<()>(Ok(None)).await;
        assert!(matches!(waiting, Err(Overdue::Waiting)));
        let blind = Patience::new(over, &events).after::<()>(Err(Failure::new("no network"))).await;
        assert!(matches!(blind, Err(Overdue::Blind(failure)) if failure.message == "no network"));
    }

    #[tokio::test]
    async fn what_is_found_counts_even_when_the_time_is_over() {
        let (events, _received) = Events::channel();
        let over = Timing { timeout: Duration::ZERO, ..timing() };
        let events = events.step(StepId::rollout("api"));
        assert!(matches!(Patience::new(over, &events).after(Ok(Some(1))).await, Ok(Some(1))));
    }
}

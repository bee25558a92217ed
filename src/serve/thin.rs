use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::event::Event;
use crate::plan::StepId;

/// How often it is worth remembering how far a step is.
const OFTEN: Duration = Duration::from_secs(1);

/// What of a run's progress is remembered: per step at most one a second, and what says that all is done. It goes by the
/// events' own times, so that whoever reads them once more remembers the same.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Thin(BTreeMap<StepId, Timestamp>);

impl Thin {
    /// Whether an event of this time is to be remembered. All that are no progress are.
    pub(super) fn keeps(&mut self, event: &Event, at: Timestamp) -> bool {
        let Event::Progress { step, done, total, .. } = event else { return true };
        let last = self.0.get(step);
        let keeps =
            *total == Some(*done) || last.is_none_or(|last| at.duration_since(*last).unsigned_abs() >= OFTEN);
        if keeps {
            self.0.insert(step.clone(), at);
        }
        keeps
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::Unit;

    fn progress(step: u8, done: u64) -> Event {
        let step = format!("image/w{step}").parse().unwrap();
        Event::Progress { step, done, total: Some(100), unit: Unit::Bytes }
    }

    proptest! {
        #[test]
        fn of_a_step_there_is_one_a_second_and_the_last(
            mut told in prop::collection::vec((0..3u8, 0..100u64, 0..10_000u64), 0..200)
        ) {
            told.sort_by_key(|(_, _, millis)| *millis);
            let mut thin = Thin::default();
            let at = |millis: u64| Timestamp::UNIX_EPOCH + Duration::from_millis(millis);
            let mut kept = BTreeMap::<u8, Vec<u64>>::new();
            for (step, done, millis) in told {
                if thin.keeps(&progress(step, done), at(millis)) {
                    kept.entry(step).or_default().push(millis);
                }
            }
            for times in kept.values() {
                prop_assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 1000), "{:?}", times);
            }
            prop_assert!(thin.keeps(&progress(0, 100), at(10_000)));
            let warning = Event::Warning { step: None, message: String::new() };
            prop_assert!(thin.keeps(&warning, at(10_000)));
        }
    }
}

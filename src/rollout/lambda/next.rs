//! What a canary does next. Pure.

use std::time::Duration;

use crate::config::{Canary, CanaryStep, Weight};
use crate::failure::Failure;
use crate::rollout::alarms::Alarm;

/// A step without enough invocations may take so many times as long as it is to be held.
pub(super) const PATIENCE: u32 = 3;

/// What is to be seen of a step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Since the new version has got its share.
    pub(super) elapsed: Duration,
    /// Of the new version, in this time.
    pub(super) invocations: u64,
    /// An alarm that has gone off.
    pub(super) alarm: Option<Alarm>,
}

/// What a canary does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// It waits.
    Hold,
    /// The new version gets a larger share of the calls.
    Shift(Weight),
    /// The new version gets all calls.
    Finish,
    /// The old version gets all calls again.
    Back(Why),
}

/// Why a canary goes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Why {
    /// An alarm went off.
    Alarm(Alarm),
    /// The new version was called so often, which is too little to tell anything.
    TooFew(u64),
    /// It is not known how the new version does.
    Blind(Failure),
    /// The next share could not be set.
    Stuck(Failure),
}

/// What follows from what the new version gets of the calls now, and from what was seen since it does.
pub(super) fn next(canary: &Canary, weight: Option<Weight>, seen: &Seen) -> Next {
    if let Some(alarm) = &seen.alarm {
        return Next::Back(Why::Alarm(alarm.clone()));
    }
    let following = canary.steps.iter().find(|step| weight.is_none_or(|weight| step.weight > weight));
    let passed = match step(canary, weight) {
        Some(step) if seen.elapsed < step.hold.duration() => false,
        Some(_) if seen.invocations >= canary.minimum_invocations => true,
        Some(step) if seen.elapsed < longest(step) => false,
        Some(_) => return Next::Back(Why::TooFew(seen.invocations)),
        None => true,
    };
    match following {
        _ if !passed => Next::Hold,
        Some(step) => Next::Shift(step.weight),
        None => Next::Finish,
    }
}

/// The step that is under way. A share between those of two steps, from an earlier strategy, is held as the lower.
pub(super) fn step(canary: &Canary, weight: Option<Weight>) -> Option<&CanaryStep> {
    canary.steps.iter().rev().find(|step| weight.is_some_and(|weight| step.weight <= weight))
}

/// How long a step may take, enough invocations or not.
pub(super) fn longest(step: &CanaryStep) -> Duration {
    step.hold.duration().saturating_mul(PATIENCE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn canary(steps: &[(&str, &str)], minimum_invocations: u64) -> Canary {
        let steps = steps.iter().map(|(weight, hold)| CanaryStep {
            weight: weight.parse().expect("a weight"),
            hold: hold.parse().expect("a time"),
        });
        Canary { steps: steps.collect(), alarms: Vec::new(), minimum_invocations }
    }

    fn two_steps() -> Canary {
        canary(&[("0.1", "5m"), ("0.5", "10m")], 20)
    }

    fn weight(text: &str) -> Weight {
        text.parse().expect("a weight")
    }

    fn seen(minutes: u64, invocations: u64) -> Seen {
        Seen { elapsed: Duration::from_mins(minutes), invocations, alarm: None }
    }

    fn alarm() -> Alarm {
        Alarm { name: "errors".to_owned(), reason: "Threshold Crossed".to_owned() }
    }

    #[test]
    fn it_begins_with_the_first_step_and_ends_after_the_last() {
        let follows = |weight, seen| next(&two_steps(), weight, &seen);
        let (tenth, half) = (Some(weight("0.1")), Some(weight("0.5")));
        assert_eq!(follows(None, seen(0, 0)), Next::Shift(weight("0.1")));
        assert_eq!(follows(tenth, seen(4, 100)), Next::Hold);
        assert_eq!(follows(tenth, seen(5, 20)), Next::Shift(weight("0.5")));
        assert_eq!(follows(half, seen(9, 100)), Next::Hold);
        assert_eq!(follows(half, seen(10, 20)), Next::Finish);
    }

    #[test]
    fn too_few_invocations_are_waited_for_three_times_as_long_and_no_longer() {
        let follows = |seen| next(&two_steps(), Some(weight("0.1")), &seen);
        assert_eq!(follows(seen(5, 19)), Next::Hold);
        assert_eq!(follows(seen(14, 19)), Next::Hold);
        assert_eq!(follows(seen(14, 20)), Next::Shift(weight("0.5")));
        assert_eq!(follows(seen(15, 19)), Next::Back(Why::TooFew(19)));
        assert_eq!(follows(seen(15, 20)), Next::Shift(weight("0.5")));
    }

    #[test]
    fn a_share_that_is_no_steps_own_is_held_as_that_of_the_step_below_it() {
        let follows = |share, minutes| next(&two_steps(), Some(weight(share)), &seen(minutes, 20));
        assert_eq!(follows("0.05", 0), Next::Shift(weight("0.1")));
        assert_eq!(follows("0.3", 4), Next::Hold);
        assert_eq!(follows("0.3", 5), Next::Shift(weight("0.5")));
        assert_eq!(follows("0.7", 9), Next::Hold);
        assert_eq!(follows("0.7", 10), Next::Finish);
    }

    fn any_canary() -> impl Strategy<Value = Canary> {
        let steps = prop::collection::btree_map(1..10_000_u32, 1..100_u64, 1..5);
        (steps, 0..3_u64).prop_map(|(steps, minimum)| {
            let texts: Vec<(String, String)> = steps
                .into_iter()
                .map(|(weight, hold)| (format!("0.{weight:04}"), format!("{hold}s")))
                .collect();
            let steps: Vec<(&str, &str)> = texts.iter().map(|(w, h)| (w.as_str(), h.as_str())).collect();
            canary(&steps, minimum)
        })
    }

    fn any_weight() -> impl Strategy<Value = Option<Weight>> {
        prop::option::of((1..10_000_u32).prop_map(|share| weight(&format!("0.{share:04}"))))
    }

    fn any_seen() -> impl Strategy<Value = Seen> {
        (0..400_u64, 0..4_u64, prop::bool::weighted(0.1)).prop_map(|(seconds, invocations, on)| Seen {
            elapsed: Duration::from_secs(seconds),
            invocations,
            alarm: on.then(alarm),
        })
    }

    proptest! {
        #[test]
        fn an_alarm_always_leads_back(canary in any_canary(), weight in any_weight(), seen in any_seen()) {
            let seen = Seen { alarm: Some(alarm()), ..seen };
            prop_assert_eq!(next(&canary, weight, &seen), Next::Back(Why::Alarm(alarm())));
        }

        #[test]
        fn weights_only_rise_and_are_those_of_steps(
            canary in any_canary(), weight in any_weight(), seen in any_seen(),
        ) {
            if let Next::Shift(to) = next(&canary, weight, &seen) {
                prop_assert!(weight.is_none_or(|weight| to > weight));
                prop_assert!(canary.steps.iter().any(|step| step.weight == to));
            }
        }

        #[test]
        fn no_step_is_left_before_its_time_nor_without_its_invocations(
            canary in any_canary(), weight in any_weight(), seen in any_seen(),
        ) {
            if let (Some(step), Next::Shift(_) | Next::Finish) = (step(&canary, weight), next(&canary, weight, &seen)) {
                prop_assert!(seen.elapsed >= step.hold.duration());
                prop_assert!(seen.invocations >= canary.minimum_invocations);
            }
        }

        /// Whatever is seen: every step is taken in its turn, and everything comes to an end.
        #[test]
        fn the_end_comes_after_the_last_step_alone(
            canary in any_canary(), looks in prop::collection::vec(any_seen(), 100),
        ) {
            let (mut weight, mut taken) = (None, Vec::new());
            for seen in looks {
                match next(&canary, weight, &seen) {
                    Next::Hold => {}
                    Next::Shift(to) => {
                        weight = Some(to);
                        taken.push(to);
                    }
                    Next::Finish => {
                        let all: Vec<Weight> = canary.steps.iter().map(|step| step.weight).collect();
                        prop_assert_eq!(taken, all);
                        break;
                    }
                    Next::Back(Why::TooFew(invocations)) => {
                        prop_assert!(invocations < canary.minimum_invocations);
                        break;
                    }
                    Next::Back(_) => {
                        prop_assert!(seen.alarm.is_some());
                        break;
                    }
                }
            }
        }

        #[test]
        fn nothing_is_held_for_ever(canary in any_canary(), weight in any_weight(), invocations in 0..4_u64) {
            let longest = canary.steps.iter().map(longest).max().expect("a step");
            let seen = Seen { elapsed: longest, invocations, alarm: None };
            prop_assert_ne!(next(&canary, weight, &seen), Next::Hold);
        }
    }
}

//! DORA's four keys of an environment, from how its runs ended. `docs/serve.md` defines them.

use std::collections::BTreeMap;

use crate::event::RunResult;
use crate::store::End;

/// The four keys.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Keys {
    /// How many runs changed what is live.
    pub(super) deployments: i64,
    /// Seconds from commit to live: the median of these, if there are any.
    pub(super) lead_time: Option<f64>,
    /// Which part of the runs that were to change something failed, if there are any.
    pub(super) failure_rate: Option<f64>,
    /// Seconds from a failure to the next run that went well: the median, if there are any.
    pub(super) restore_time: Option<f64>,
}

/// The keys of each repository and environment. Ends are given with the earliest first.
pub(super) fn keys(ends: &[End]) -> BTreeMap<(&str, &str), Keys> {
    let mut by_environment = BTreeMap::<_, Vec<&End>>::new();
    for end in ends {
        by_environment.entry((end.repository.as_str(), end.environment.as_str())).or_default().push(end);
    }
    by_environment.into_iter().map(|(environment, ends)| (environment, of(&ends))).collect()
}

fn of(ends: &[&End]) -> Keys {
    let count = |result| ends.iter().filter(|end| end.result == result).count();
    let (changed, failed) = (count(RunResult::Changed), count(RunResult::Failed));
    let lead = ends.iter().filter(|end| end.result == RunResult::Changed);
    Keys {
        deployments: i64::try_from(changed).unwrap_or(i64::MAX),
        lead_time: median(lead.filter_map(|end| Some(end.ended - end.committed?)).collect()),
        failure_rate: (changed + failed > 0).then(|| ratio(failed, changed + failed)),
        restore_time: median(restored(ends)),
    }
}

/// The times from the first failure in a row to the next run that went well.
fn restored(ends: &[&End]) -> Vec<i64> {
    let (mut since, mut times) = (None, Vec::new());
    for end in ends {
        match (end.result, since) {
            (RunResult::Failed, None) => since = Some(end.ended),
            (RunResult::Failed, Some(_)) | (_, None) => {}
            (_, Some(failed)) => {
                times.push(end.ended - failed);
                since = None;
            }
        }
    }
    times
}

/// The median in seconds of times in milliseconds; of two in the middle the later one, which did occur.
fn median(mut times: Vec<i64>) -> Option<f64> {
    times.sort_unstable();
    // A clock may have been set back.
    let millis = u64::try_from(*times.get(times.len() / 2)?).unwrap_or_default();
    Some(std::time::Duration::from_millis(millis).as_secs_f64())
}

fn ratio(part: usize, whole: usize) -> f64 {
    let float = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    float(part) / float(whole)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn end(environment: &str, result: RunResult, ended: i64, committed: Option<i64>) -> End {
        let (repository, environment) = ("octo/shop".to_owned(), environment.to_owned());
        End { repository, environment, result, ended: ended * 1000, committed: committed.map(|it| it * 1000) }
    }

    #[test]
    fn the_keys_are_those_of_their_environment() {
        use RunResult::{Changed, Failed, Unchanged};
        let ends = [
            end("prod", Changed, 100, Some(40)),
            end("staging", Failed, 150, Some(140)),
            end("prod", Failed, 200, Some(190)),
            end("prod", Failed, 300, Some(290)),
            end("prod", Unchanged, 500, Some(90)),
            end("prod", Changed, 600, None),
            end("prod", Changed, 700, Some(500)),
        ];
        let keys = keys(&ends);
        let prod = Keys {
            deployments: 3,
            lead_time: Some(200.0),
            failure_rate: Some(0.4),
            restore_time: Some(300.0),
        };
        assert_eq!(keys[&("octo/shop", "prod")], prod);
        let staging = Keys { failure_rate: Some(1.0), ..Keys::default() };
        assert_eq!(keys[&("octo/shop", "staging")], staging);
    }

    proptest! {
        #[test]
        fn whatever_happened_the_keys_are_in_their_bounds(results in prop::collection::vec(0..3_usize, 0..50)) {
            let result = |it: usize| [RunResult::Changed, RunResult::Failed, RunResult::Unchanged][it];
            let ends: Vec<End> = results.iter().zip(0..)
                .map(|(it, at)| end("prod", result(*it), at, Some(at - 1))).collect();
            for keys in keys(&ends).values() {
                prop_assert!(keys.failure_rate.is_none_or(|rate| (0.0..=1.0).contains(&rate)));
                prop_assert!(keys.lead_time.is_none_or(|time| (time - 1.0).abs() < 1e-9));
                prop_assert!(keys.restore_time.is_none_or(|time| time >= 1.0));
                prop_assert_eq!(keys.lead_time.is_some(), keys.deployments > 0);
            }
        }
    }
}

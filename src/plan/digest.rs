use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::fingerprint::Fingerprint;

/// How many characters stand for the plan as a whole, and how many for each of its steps.
const WHOLE: usize = 32;
const STEP: usize = 3;

/// What a plan comes to, in few characters: whoever has them can tell whether another plan is the same, and which of
/// its steps are not.
///
/// 128 bits of the whole plan, and behind a hyphen 12 bits of each step in the order of their names, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanDigest {
    whole: String,
    steps: Vec<String>,
}

impl PlanDigest {
    pub(super) fn new<'a>(whole: &Fingerprint, steps: impl Iterator<Item = &'a Fingerprint>) -> Self {
        Self { whole: whole.start(WHOLE), steps: steps.map(|step| step.start(STEP)).collect() }
    }

    /// How many steps the plan has.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.steps.len()
    }

    /// Which steps of the other plan are not in this one, by their places: as many as can be told apart.
    pub(super) fn differing(&self, other: &Self) -> Vec<usize> {
        let same = |place: usize, step: &String| {
            if self.steps.len() == other.steps.len() {
                self.steps[place] == *step
            } else {
                // Steps have come or gone, and all places moved.
                self.steps.contains(step)
            }
        };
        let steps = other.steps.iter().enumerate();
        steps.filter(|(place, step)| !same(*place, step)).map(|(place, _)| place).collect()
    }
}

impl fmt::Display for PlanDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.whole, self.steps.concat())
    }
}

impl FromStr for PlanDigest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (whole, steps) = text.split_once('-')?;
            let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            let fits = whole.len() == WHOLE && !steps.is_empty() && steps.len().is_multiple_of(STEP);
            (fits && is_hex(whole) && is_hex(steps)).then(|| Self {
                whole: whole.to_owned(),
                steps: steps
                    .as_bytes()
                    .chunks(STEP)
                    .map(|step| String::from_utf8_lossy(step).into())
                    .collect(),
            })
        };
        read().ok_or_else(|| {
            format!("`{text}` is not the digest of a plan; `pipeline plan` prints it in its last line")
        })
    }
}

impl Serialize for PlanDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PlanDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_digest_is_refused() {
        let whole = "0123456789abcdef0123456789abcdef";
        assert!(format!("{whole}-abc").parse::<PlanDigest>().is_ok());
        for text in [
            String::new(),
            whole.to_owned(),
            format!("{whole}-"),
            format!("{whole}-ab"),
            format!("{whole}-abcd"),
            format!("{whole}-abg"),
            format!("{whole}-ABC"),
            format!("{}-abc", &whole[1..]),
            format!("{whole}0-abc"),
            format!("{whole}-äb"),
        ] {
            assert!(text.parse::<PlanDigest>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_as_the_same(steps in prop::collection::vec("[a-z]{0,9}", 1..20)) {
            let steps: Vec<_> = steps.iter().map(|text| Fingerprint::of([text.as_bytes()])).collect();
            let plan = PlanDigest::new(&steps[0], steps.iter());
            prop_assert_eq!(plan.steps(), steps.len());
            prop_assert_eq!(plan.to_string().parse(), Ok(plan.clone()));
            prop_assert_eq!(serde_json::to_string(&plan).unwrap(), format!("\"{plan}\""));
        }

        #[test]
        fn no_text_is_too_strange(text in "[0-9a-f]{30,34}-?\\PC*") {
            if let Ok(digest) = text.parse::<PlanDigest>() {
                prop_assert_eq!(digest.to_string(), text);
            }
        }
    }
}

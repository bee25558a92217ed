use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

/// A share of an alias's calls, as the API has it: a fraction between 0 and 1, written `0.1`, shown as `10 %`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight(
    /// In ten-thousandths.
    u16,
);

/// Ten-thousandths in a whole.
const WHOLE: u16 = 10_000;

impl Weight {
    /// The weight that the API tells, to the nearest ten-thousandth.
    #[must_use]
    pub fn of(fraction: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what fits")]
        Self((fraction * f64::from(WHOLE)).round().clamp(0.0, f64::from(WHOLE)) as u16)
    }

    /// As a fraction.
    #[must_use]
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / f64::from(WHOLE)
    }
}

/// A share of some calls, but not of all: `0.1`.
impl FromStr for Weight {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let digits = text.strip_prefix("0.").filter(|digits| digits.len() <= 4)?;
            let only_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
            format!("{digits:0<4}").parse().ok().filter(|weight| only_digits && *weight > 0)
        };
        read().map(Self).ok_or_else(|| format!("`{text}` is not a weight: write a fraction such as 0.1"))
    }
}

/// In per cent.
impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", f64::from(self.0) / 100.0)
    }
}

/// As a fraction, as the API has it.
impl Serialize for Weight {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.fraction())
    }
}

impl JsonSchema for Weight {
    fn schema_name() -> Cow<'static, str> {
        "Weight".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "number",
            "exclusiveMinimum": 0,
            "exclusiveMaximum": 1,
            "description": "A share of the calls, as a fraction with at most four digits: 0.1."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_fraction_is_read_and_shown_in_per_cent() {
        let shown =
            ["0.1", "0.5", "0.05", "0.0025", "0.333"].map(|text| text.parse::<Weight>().unwrap().to_string());
        assert_eq!(shown, ["10 %", "50 %", "5 %", "0.25 %", "33.3 %"]);
    }

    #[test]
    fn what_is_no_share_of_some_calls_is_refused() {
        for text in ["", "0", "1", "0.0", "10", "10%", "-0.1", ".5", "0.", "0.00001", "0.1e1", "0.+1", "1.0"]
        {
            assert!(text.parse::<Weight>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_fraction_that_the_api_gets_comes_back_as_the_same_weight(weight in 0..=WHOLE) {
            prop_assert_eq!(Weight::of(Weight(weight).fraction()), Weight(weight));
        }
    }
}

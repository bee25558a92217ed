use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// A length of time, written as a whole number with its unit: `500ms`, `30s`, `5m`, `1h`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(Duration);

impl Span {
    /// Its length.
    #[must_use]
    pub fn duration(self) -> Duration {
        self.0
    }

    /// Whether it is no time at all.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

/// What a number with this unit counts, in milliseconds; the longest first.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let end = text.find(|c: char| !c.is_ascii_digit())?;
            let (number, unit) = text.split_at(end);
            let (_, millis) = UNITS.into_iter().find(|(known, _)| *known == unit)?;
            number.parse::<u64>().ok()?.checked_mul(millis)
        };
        read()
            .map(|millis| Self(Duration::from_millis(millis)))
            .ok_or_else(|| format!("`{text}` is not a time: write 500ms, 30s, 5m or 1h"))
    }
}

/// Written the way it is read, in the largest unit that leaves nothing over.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        let fits = |(_, unit): &&(&str, u64)| millis > 0 && millis.is_multiple_of(u128::from(*unit));
        let (unit, length) = UNITS.iter().find(fits).unwrap_or(&("s", 1_000));
        write!(f, "{}{unit}", millis / u128::from(*length))
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9]+(ms|s|m|h)$",
            "description": "A length of time: 500ms, 30s, 5m, 1h."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn millis(text: &str) -> Option<u128> {
        text.parse().ok().map(|span: Span| span.duration().as_millis())
    }

    #[test]
    fn every_unit_is_read() {
        let read = ["500ms", "30s", "5m", "1h", "0s"].map(millis);
        assert_eq!(read, [500, 30_000, 300_000, 3_600_000, 0].map(Some));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "5", "m", "-5m", "1.5h", "5 m", "5M", "1h30m", "5d", "18446744073709551615h", "٣s"]
        {
            assert_eq!(millis(text), None, "{text}");
        }
    }

    #[test]
    fn it_is_shown_in_the_largest_unit_that_fits() {
        let shown =
            ["500ms", "1000ms", "90s", "60m", "0ms"].map(|text| text.parse::<Span>().unwrap().to_string());
        assert_eq!(shown, ["500ms", "1s", "90s", "1h", "0s"]);
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_as_the_same(number in 0..u64::MAX / 3_600_000, unit in 0..4_usize) {
            let span: Span = format!("{number}{}", UNITS[unit].0).parse().unwrap();
            prop_assert_eq!(span.to_string().parse(), Ok(span));
        }

        #[test]
        fn no_text_is_too_strange(text in "\\PC*") {
            if let Ok(span) = text.parse::<Span>() {
                prop_assert_eq!(span.to_string().parse(), Ok(span));
            }
        }
    }
}

//! What the environment says.

use std::time::Duration;

use anyhow::{Context, ensure};

/// How the function is set up.
#[derive(Debug, PartialEq, Eq)]
pub struct Settings {
    /// CloudWatch's namespace of the metrics.
    pub namespace: String,
    /// The table of the events that were processed; without one, each instance only knows its own.
    pub table: Option<String>,
    /// How long an event is remembered.
    pub memory: Duration,
    /// How many keys' events are processed side by side.
    pub concurrency: usize,
    /// The function's name and version, as Lambda tells them.
    pub function: String,
    /// See `function`.
    pub version: String,
    /// How long an invocation may take; where there is a runtime API, that says it.
    pub timeout: Duration,
}

impl Settings {
    /// Reads `METRICS_NAMESPACE`, `PROCESSED_EVENTS_TABLE`, `PROCESSED_EVENTS_DAYS`, `CONCURRENCY`, and what Lambda sets.
    ///
    /// # Errors
    /// If a number is none.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let text = |name: &str| variable(name).filter(|value| !value.is_empty());
        let number = |name: &str, default: u32| {
            let Some(value) = text(name) else { return Ok(default) };
            let number = value.parse().with_context(|| format!("{name} is `{value}`, which is no number"))?;
            ensure!(number > 0, "{name} is 0, and has to be 1 at least");
            Ok(number)
        };
        Ok(Self {
            namespace: text("METRICS_NAMESPACE").unwrap_or_else(|| "events".to_owned()),
            table: text("PROCESSED_EVENTS_TABLE"),
            memory: Duration::from_hours(24 * u64::from(number("PROCESSED_EVENTS_DAYS", 14)?)),
            concurrency: usize::try_from(number("CONCURRENCY", 16)?)?,
            function: text("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|| env!("CARGO_PKG_NAME").to_owned()),
            version: text("AWS_LAMBDA_FUNCTION_VERSION").unwrap_or_else(|| "$LATEST".to_owned()),
            timeout: Duration::from_secs(u64::from(number("AWS_LAMBDA_FUNCTION_TIMEOUT", 30)?)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, String> {
        let find = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        Settings::from_env(find).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn everything_has_a_default() {
        let settings = read(&[("PROCESSED_EVENTS_TABLE", "")]).unwrap();
        assert_eq!((settings.namespace.as_str(), settings.table), ("events", None));
        assert_eq!((settings.memory, settings.concurrency), (Duration::from_hours(14 * 24), 16));
    }

    #[test]
    fn names_the_variable_that_is_wrong() {
        let error = read(&[("CONCURRENCY", "many")]).unwrap_err();
        assert!(error.starts_with("CONCURRENCY is `many`, which is no number"), "{error}");
        assert_eq!(read(&[("CONCURRENCY", "0")]).unwrap_err(), "CONCURRENCY is 0, and has to be 1 at least");
    }
}

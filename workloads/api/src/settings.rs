use anyhow::{Context, ensure};

/// What the environment says about where to listen and where to publish.
#[derive(Debug, PartialEq, Eq)]
pub struct Settings {
    /// The TCP port to listen on.
    pub port: u16,
    /// Kafka's bootstrap servers, `host:port`, comma-separated.
    pub brokers: String,
    /// The topic that events go to.
    pub topic: String,
}

impl Settings {
    /// Reads `PORT` (8080 if unset), `KAFKA_BROKERS` and `KAFKA_TOPIC`.
    ///
    /// # Errors
    /// If a required variable is missing or empty, or the port is not a number.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let required = |name: &str| {
            let value =
                variable(name).with_context(|| format!("the environment variable {name} is not set"))?;
            ensure!(!value.is_empty(), "the environment variable {name} is empty");
            Ok(value)
        };
        let port = variable("PORT").unwrap_or_else(|| "8080".to_owned());
        Ok(Self {
            port: port.parse().with_context(|| format!("PORT is `{port}`, which is not a port"))?,
            brokers: required("KAFKA_BROKERS")?,
            topic: required("KAFKA_TOPIC")?,
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
    fn listens_on_8080_unless_told_otherwise() {
        let settings = read(&[("KAFKA_BROKERS", "broker:9092"), ("KAFKA_TOPIC", "events")]).unwrap();
        assert_eq!(settings, Settings { port: 8080, brokers: "broker:9092".into(), topic: "events".into() });
        let settings = read(&[("PORT", "80"), ("KAFKA_BROKERS", "b:1"), ("KAFKA_TOPIC", "t")]).unwrap();
        assert_eq!(settings.port, 80);
    }

    #[test]
    fn names_the_variable_that_is_wrong() {
        assert_eq!(
            read(&[("KAFKA_BROKERS", "b:1")]).unwrap_err(),
            "the environment variable KAFKA_TOPIC is not set"
        );
        assert_eq!(
            read(&[("KAFKA_BROKERS", ""), ("KAFKA_TOPIC", "t")]).unwrap_err(),
            "the environment variable KAFKA_BROKERS is empty"
        );
        let error = read(&[("PORT", "http"), ("KAFKA_BROKERS", "b:1"), ("KAFKA_TOPIC", "t")]).unwrap_err();
        assert!(error.starts_with("PORT is `http`, which is not a port"), "{error}");
    }
}

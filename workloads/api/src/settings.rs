use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail, ensure};

use crate::authentication::Authentication;

/// What the environment says. README.md has the table of variables.
#[derive(Debug)]
pub struct Settings {
    /// The TCP port that callers use.
    pub port: u16,
    /// The TCP port that Prometheus reads from.
    pub metrics_port: u16,
    /// Where events go.
    pub kafka: Kafka,
    /// Who may send events.
    pub authentication: Authentication,
    /// The attribute that becomes the records' key: events with the same value stay in their order.
    pub ordering_key: String,
    /// What a request may cost.
    pub limits: Limits,
}

/// Where events go.
#[derive(Debug, Clone)]
pub struct Kafka {
    /// Bootstrap servers, `host:port`, comma-separated.
    pub brokers: String,
    /// The topic.
    pub topic: String,
    /// How the brokers are spoken to.
    pub security: Security,
    /// How long a record may take to be acknowledged.
    pub delivery_timeout: Duration,
}

/// How the brokers are spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Security {
    /// Neither encrypted nor authenticated.
    Plaintext,
    /// Encrypted; the brokers prove who they are to these authorities, PEM, or to the public ones.
    Tls(Option<String>),
    /// As TLS, and the client proves who it is with AWS credentials for this region.
    Iam(Option<String>, String),
}

/// What a request may cost, and all of them together.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a body.
    pub body: usize,
    /// Bytes of an event, as it is published.
    pub event: usize,
    /// Events of a batch.
    pub batch: usize,
    /// How long a head may take to arrive, and how long a connection may be idle.
    pub head_timeout: Duration,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// Bytes of all bodies that are read or not acknowledged yet.
    pub bytes_in_flight: usize,
    /// Events that are not acknowledged yet.
    pub events_in_flight: usize,
    /// Connections.
    pub connections: usize,
}

/// Kafka's own default for a record is 1 MB, key, headers and framing included.
const LARGEST_EVENT: usize = 900_000;

impl Settings {
    /// Reads the environment.
    ///
    /// # Errors
    /// If a variable is missing or wrong; the error says which one, and what to set.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let variables = Variables(&variable);
        Ok(Self {
            port: variables.number("PORT", 8080)?,
            metrics_port: variables.number("METRICS_PORT", 9090)?,
            kafka: kafka(&variables)?,
            authentication: authentication(&variables)?,
            ordering_key: ordering_key(&variables)?,
            limits: limits(&variables)?,
        })
    }
}

fn kafka(variables: &Variables<'_>) -> anyhow::Result<Kafka> {
    let authorities = variables.get("KAFKA_CA_PEM");
    let security = match variables.get("KAFKA_SECURITY").as_deref().unwrap_or("iam") {
        "plaintext" => Security::Plaintext,
        "tls" => Security::Tls(authorities),
        "iam" => Security::Iam(
            authorities,
            variables
                .get("AWS_REGION")
                .context("AWS_REGION is not set: KAFKA_SECURITY=iam needs the region of the Kafka cluster")?,
        ),
        other => bail!("KAFKA_SECURITY is `{other}`: set it to plaintext, tls or iam"),
    };
    Ok(Kafka {
        brokers: variables.required("KAFKA_BROKERS", "the brokers' addresses, host:port, comma-separated")?,
        topic: variables.required("KAFKA_TOPIC", "the topic that events go to")?,
        security,
        delivery_timeout: variables.seconds("DELIVERY_TIMEOUT", 60)?,
    })
}

fn authentication(variables: &Variables<'_>) -> anyhow::Result<Authentication> {
    match variables.get("AUTHENTICATION").as_deref().unwrap_or("api-keys") {
        "none" => Ok(Authentication::none()),
        "api-keys" => {
            let keys = variables.get("API_KEYS").context(
                "API_KEYS is not set: set it to a JSON object of callers' names and their keys' SHA-256 in hex, \
                 or AUTHENTICATION=none to let everybody in",
            )?;
            Authentication::api_keys(&keys).context("API_KEYS can't be used")
        }
        other => bail!("AUTHENTICATION is `{other}`: set it to api-keys or none"),
    }
}

fn ordering_key(variables: &Variables<'_>) -> anyhow::Result<String> {
    let key = variables.get("ORDERING_KEY").unwrap_or_else(|| "subject".to_owned());
    ensure!(
        key.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            && !key.starts_with("data"),
        "ORDERING_KEY is `{key}`: set it to the name of a CloudEvents attribute, such as subject, source or partitionkey"
    );
    Ok(key)
}

fn limits(variables: &Variables<'_>) -> anyhow::Result<Limits> {
    let limits = Limits {
        body: variables.number("MAX_BODY_BYTES", 1024 * 1024)?,
        event: variables.number("MAX_EVENT_BYTES", 256 * 1024)?,
        batch: variables.number("MAX_BATCH_EVENTS", 1000)?,
        // Longer than the load balancer keeps idle connections: it must be the one that closes them.
        head_timeout: variables.seconds("HEAD_TIMEOUT", 90)?,
        body_timeout: variables.seconds("BODY_TIMEOUT", 30)?,
        bytes_in_flight: variables.number("MAX_BYTES_IN_FLIGHT", 64 * 1024 * 1024)?,
        events_in_flight: variables.number("MAX_EVENTS_IN_FLIGHT", 100_000)?,
        connections: variables.number("MAX_CONNECTIONS", 1024)?,
    };
    let most = |name: &str, value: usize, most: usize, why: &str| {
        ensure!((1..=most).contains(&value), "{name} is {value}: set it to 1 to {most}, {why}");
        Ok(())
    };
    most("MAX_EVENT_BYTES", limits.event, LARGEST_EVENT, "what Kafka takes by default")?;
    most("MAX_BODY_BYTES", limits.body, limits.bytes_in_flight, "which is MAX_BYTES_IN_FLIGHT")?;
    most("MAX_BATCH_EVENTS", limits.batch, limits.events_in_flight, "which is MAX_EVENTS_IN_FLIGHT")?;
    most("MAX_BYTES_IN_FLIGHT", limits.bytes_in_flight, 1024 * 1024 * 1024, "1 GiB")?;
    most("MAX_EVENTS_IN_FLIGHT", limits.events_in_flight, 10_000_000, "what the Kafka client can queue")?;
    most("MAX_CONNECTIONS", limits.connections, 1_000_000, "what a process can hold")?;
    Ok(limits)
}

/// The environment.
struct Variables<'env>(&'env dyn Fn(&str) -> Option<String>);

impl Variables<'_> {
    /// An empty variable is one that is not set.
    fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    fn required(&self, name: &str, what: &str) -> anyhow::Result<String> {
        self.get(name).with_context(|| format!("{name} is not set: set it to {what}"))
    }

    fn number<N: FromStr<Err: Display>>(&self, name: &str, default: N) -> anyhow::Result<N> {
        let Some(value) = self.get(name) else { return Ok(default) };
        value
            .parse()
            .map_err(|error| anyhow::anyhow!("{name} is `{value}`, which is no number for it: {error}"))
    }

    fn seconds(&self, name: &str, default: u64) -> anyhow::Result<Duration> {
        let seconds: u64 = self.number(name, default)?;
        ensure!((1..=900).contains(&seconds), "{name} is {seconds}: set it to 1 to 900 seconds");
        Ok(Duration::from_secs(seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDED: [(&str, &str); 4] = [
        ("KAFKA_BROKERS", "b:9092"),
        ("KAFKA_TOPIC", "events"),
        ("KAFKA_SECURITY", "plaintext"),
        ("AUTHENTICATION", "none"),
    ];

    /// Reads what is needed, with some variables set otherwise.
    fn read(variables: &[(&str, &str)]) -> Result<Settings, String> {
        let find = |name: &str| {
            let set = variables.iter().chain(&NEEDED).find(|(known, _)| *known == name);
            set.map(|(_, value)| (*value).to_owned())
        };
        Settings::from_env(find).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn what_is_needed_is_enough() {
        let settings = read(&[]).unwrap();
        assert_eq!((settings.port, settings.metrics_port), (8080, 9090));
        assert_eq!(settings.ordering_key, "subject");
        assert_eq!(settings.kafka.security, Security::Plaintext);
    }

    #[test]
    fn security_is_on_unless_it_is_turned_off() {
        let error = read(&[("AUTHENTICATION", "")]).unwrap_err();
        assert!(error.starts_with("API_KEYS is not set: "), "{error}");
        let iam = read(&[("KAFKA_SECURITY", ""), ("AWS_REGION", "eu-west-1")]).unwrap();
        assert_eq!(iam.kafka.security, Security::Iam(None, "eu-west-1".to_owned()));
        let own = read(&[("KAFKA_SECURITY", "tls"), ("KAFKA_CA_PEM", "PEM")]).unwrap();
        assert_eq!(own.kafka.security, Security::Tls(Some("PEM".to_owned())));
    }

    #[test]
    fn a_mistake_is_named_and_what_to_do_about_it() {
        let cases = [
            ("KAFKA_TOPIC", "", "KAFKA_TOPIC is not set: set it to the topic that events go to"),
            ("KAFKA_SECURITY", "ssl", "KAFKA_SECURITY is `ssl`: set it to plaintext, tls or iam"),
            (
                "KAFKA_SECURITY",
                "iam",
                "AWS_REGION is not set: KAFKA_SECURITY=iam needs the region of the Kafka cluster",
            ),
            ("AUTHENTICATION", "off", "AUTHENTICATION is `off`: set it to api-keys or none"),
            ("PORT", "http", "PORT is `http`, which is no number for it: invalid digit found in string"),
            ("DELIVERY_TIMEOUT", "0", "DELIVERY_TIMEOUT is 0: set it to 1 to 900 seconds"),
            (
                "MAX_EVENT_BYTES",
                "2000000",
                "MAX_EVENT_BYTES is 2000000: set it to 1 to 900000, what Kafka takes by default",
            ),
            (
                "ORDERING_KEY",
                "Customer-Id",
                "ORDERING_KEY is `Customer-Id`: set it to the name of a CloudEvents attribute, such as subject, \
                 source or partitionkey",
            ),
        ];
        for (name, value, expected) in cases {
            assert_eq!(read(&[(name, value)]).unwrap_err(), expected);
        }
    }
}

use std::time::Duration;

use anyhow::Context;
use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use uuid::Uuid;

use crate::event::Event;
use crate::settings::Settings;

/// How long a record may take to be acknowledged, in milliseconds. Long enough for a broker to be replaced; shorter than
/// the load balancer's idle timeout, so that a client gets an answer.
const DELIVERY_TIMEOUT_MS: &str = "60000";

/// Publishes events to one topic. Cheap to clone.
#[derive(Clone)]
pub struct Producer {
    client: FutureProducer,
    topic: String,
}

impl Producer {
    /// Starts the client. It connects in the background, and again whenever it has to.
    ///
    /// # Errors
    /// If the client can't be configured.
    pub fn new(settings: &Settings) -> anyhow::Result<Self> {
        let client = ClientConfig::new()
            .set("bootstrap.servers", &settings.brokers)
            .set("client.id", env!("CARGO_PKG_NAME"))
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("delivery.timeout.ms", DELIVERY_TIMEOUT_MS)
            .create()
            .context("the Kafka client can't be configured")?;
        Ok(Self { client, topic: settings.topic.clone() })
    }

    /// Publishes an event, keyed by its id, and waits until all in-sync replicas have it.
    ///
    /// # Errors
    /// If the local queue is full, or the record was not acknowledged in time. It may have been written all the same.
    pub async fn publish(&self, event: &Event<'_>) -> anyhow::Result<()> {
        let key = event.id.hyphenated().encode_lower(&mut Uuid::encode_buffer()).to_owned();
        let payload = serde_json::to_vec(event)?;
        let record = FutureRecord::to(&self.topic).key(&key).payload(&payload);
        match self.client.send(record, Duration::ZERO).await {
            Ok(_) => Ok(()),
            Err((error, _)) => {
                Err(error).with_context(|| format!("the topic {} did not take the record", self.topic))
            }
        }
    }

    /// Waits until everything queued is delivered. Blocks.
    ///
    /// # Errors
    /// If the time is over before.
    pub fn flush(&self, timeout: Duration) -> anyhow::Result<()> {
        self.client.flush(timeout).context("the queued records could not be delivered")
    }
}

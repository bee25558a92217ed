use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rdkafka::producer::Producer as _;

use super::Producer;
use crate::health::Health;

/// How long a look may take.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The pause between two looks.
const PAUSE: Duration = Duration::from_secs(2);

/// Looks again and again whether a broker is reached, and replaces a client that is but can't publish: the client itself
/// does not recover from every disagreement with the brokers about what it has sent.
pub async fn watch(producer: Arc<Producer>, health: Arc<Health>) {
    loop {
        tokio::time::sleep(PAUSE).await;
        look(&producer, &health).await;
        if health.is_reachable() && producer.is_stuck() {
            tracing::warn!("nothing is acknowledged, although brokers are reached: starting a new client");
            let stuck = Arc::clone(&producer);
            let replaced = tokio::task::spawn_blocking(move || stuck.replace_client()).await;
            if let Err(error) = replaced.map_err(Into::into).flatten() {
                tracing::error!(error = format!("{error:#}"), "no new client");
            }
        }
    }
}

/// Looks once whether a broker is reached, and says so if that is news.
pub async fn look(producer: &Arc<Producer>, health: &Health) {
    let looking = Arc::clone(producer);
    let seen = tokio::task::spawn_blocking(move || looking.ask()).await.map_err(Into::into).flatten();
    let news = health.saw_broker(seen.is_ok());
    match seen {
        Ok(partitions) if news => tracing::info!(topic = producer.topic, partitions, "brokers reached"),
        Err(error) if news || !health.is_healthy() => {
            tracing::warn!(topic = producer.topic, error = format!("{error:#}"), "brokers not reached");
        }
        _ => {}
    }
}

impl Producer {
    /// How many partitions the topic has. Blocks.
    fn ask(&self) -> anyhow::Result<usize> {
        let metadata = self.client().client().fetch_metadata(Some(&self.topic), TIMEOUT);
        let metadata = metadata.context("asking the brokers for the topic")?;
        let topic = metadata.topics().first().context("the brokers did not answer for the topic")?;
        match topic.error() {
            None if topic.partitions().is_empty() => bail!("the topic has no partitions"),
            None => Ok(topic.partitions().len()),
            Some(error) => {
                Err(rdkafka::error::RDKafkaErrorCode::from(error)).context("the topic can't be used")
            }
        }
    }
}

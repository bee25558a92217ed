use std::collections::BTreeMap;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What Lambda passes for a batch of Kafka records.
/// <https://docs.aws.amazon.com/lambda/latest/dg/with-msk.html>
#[derive(Debug, Deserialize)]
pub struct KafkaEvent {
    /// The records of each partition, in order. A partition is written `TOPIC-NUMBER`.
    pub records: BTreeMap<String, Vec<KafkaRecord>>,
}

/// One Kafka record.
#[derive(Debug, Deserialize)]
pub struct KafkaRecord {
    /// Its place in the partition.
    pub offset: u64,
    /// Its value in Base64; a tombstone has none.
    pub value: Option<String>,
}

impl KafkaRecord {
    /// The event in the record's value.
    ///
    /// # Errors
    /// If there is no value, or it is not an event.
    pub fn event(&self) -> anyhow::Result<Event> {
        let value = self.value.as_deref().context("the record has no value")?;
        let json = STANDARD.decode(value).context("the record's value is not Base64")?;
        serde_json::from_slice(&json).context("the record's value is not an event")
    }
}

/// An event as the API publishes it.
#[derive(Debug, Deserialize)]
pub struct Event {
    /// The id that the client was given.
    pub id: String,
    /// What the client posted.
    pub data: Box<RawValue>,
}

/// Which records of a batch failed; Lambda delivers those again.
/// <https://docs.aws.amazon.com/lambda/latest/dg/kafka-retry-configurations.html>
#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchResponse {
    /// The failed records; none means that the whole batch is done.
    pub batch_item_failures: Vec<BatchItemFailure>,
}

/// One failed record.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchItemFailure {
    /// Which.
    pub item_identifier: ItemIdentifier,
}

/// A record's place.
#[derive(Debug, PartialEq, Serialize)]
pub struct ItemIdentifier {
    /// The partition, as it was written in the batch.
    pub partition: String,
    /// The place in it.
    pub offset: u64,
}

//! What Lambda passes for a batch of Kafka records, and what it wants back.

use std::collections::BTreeMap;

use base64::DecodeError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// A batch of Kafka records.
/// <https://docs.aws.amazon.com/lambda/latest/dg/with-msk.html>
#[derive(Debug, Deserialize)]
pub struct Batch {
    /// The records of each partition, in order. A partition is written `TOPIC-NUMBER`.
    pub records: BTreeMap<String, Vec<Record>>,
}

/// One Kafka record.
#[derive(Debug, Deserialize)]
pub struct Record {
    /// Its place in the partition.
    pub offset: u64,
    /// When it was written, in milliseconds since 1970.
    #[serde(default)]
    pub timestamp: i64,
    /// In Base64. Records of one key are in one partition, in order.
    pub key: Option<String>,
    /// In Base64; a tombstone has none.
    pub value: Option<String>,
    /// Objects of one member: a header's name, and its bytes as numbers, which Java counts from -128.
    #[serde(default)]
    headers: Vec<BTreeMap<String, Vec<i16>>>,
}

impl Record {
    /// The key as people know it.
    #[must_use]
    pub fn key_text(&self) -> Option<String> {
        let key = self.key.as_deref()?;
        Some(
            STANDARD
                .decode(key)
                .map_or_else(|_| key.to_owned(), |key| String::from_utf8_lossy(&key).into_owned()),
        )
    }

    /// The value, if there is one.
    ///
    /// # Errors
    /// If it is not Base64.
    pub fn value(&self) -> Result<Option<Vec<u8>>, DecodeError> {
        self.value.as_deref().map(|value| STANDARD.decode(value)).transpose()
    }

    /// The headers, in their order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, Vec<u8>)> {
        let headers = self.headers.iter().flatten();
        headers
            .map(|(name, value)| (name.as_str(), value.iter().map(|&byte| byte.to_le_bytes()[0]).collect()))
    }
}

/// Which records of a batch failed. Lambda delivers those again, and sends them to the mapping's on-failure destination
/// when the mapping's retries are used up.
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

/// A record's place. One that is not in the batch makes Lambda deliver the whole batch again.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ItemIdentifier {
    /// The partition, as it was written in the batch.
    pub partition: String,
    /// The place in it.
    pub offset: u64,
}

impl BatchResponse {
    /// What says that these records failed.
    #[must_use]
    pub fn of(mut failed: Vec<ItemIdentifier>) -> Self {
        failed.sort_unstable();
        let failures = failed.into_iter().map(|item_identifier| BatchItemFailure { item_identifier });
        Self { batch_item_failures: failures.collect() }
    }
}

use crate::event::{BatchItemFailure, BatchResponse, ItemIdentifier, KafkaEvent};

/// Processes a batch. An event that can't be read fails alone.
pub fn handle(batch: &KafkaEvent) -> BatchResponse {
    let mut response = BatchResponse::default();
    for (partition, records) in &batch.records {
        for record in records {
            let offset = record.offset;
            match record.event() {
                Ok(event) => {
                    let bytes = event.data.get().len();
                    tracing::info!(event_id = event.id, partition, offset, bytes, "event processed");
                }
                Err(error) => {
                    tracing::error!(partition, offset, error = format!("{error:#}"), "event not readable");
                    let item_identifier = ItemIdentifier { partition: partition.clone(), offset };
                    response.batch_item_failures.push(BatchItemFailure { item_identifier });
                }
            }
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::{Value, json};

    use super::*;

    /// A batch as Lambda writes it, with fields that the function does not look at.
    fn handle_batch(partitions: &[(&str, &[Value])]) -> Value {
        let records: serde_json::Map<String, Value> =
            partitions.iter().map(|(name, records)| ((*name).to_owned(), json!(records))).collect();
        let batch = json!({
            "eventSource": "aws:kafka",
            "eventSourceArn": "arn:aws:kafka:eu-west-1:123456789012:cluster/events/1",
            "bootstrapServers": "b-1:9092,b-2:9092",
            "records": records,
        });
        serde_json::to_value(handle(&serde_json::from_value(batch).unwrap())).unwrap()
    }

    fn record(offset: u64, value: &str) -> Value {
        json!({
            "topic": "events", "partition": 0, "offset": offset, "timestamp": 1_545_084_650_987_u64,
            "timestampType": "CREATE_TIME", "key": null, "value": STANDARD.encode(value), "headers": [],
        })
    }

    fn failure(partition: &str, offset: u64) -> Value {
        json!({ "itemIdentifier": { "partition": partition, "offset": offset } })
    }

    const GOOD: &str = r#"{"id": "1", "data": {"a": [1, "b"]}}"#;

    #[test]
    fn a_batch_that_can_be_read_has_no_failures() {
        let response = handle_batch(&[("events-0", &[record(1, GOOD), record(2, GOOD)]), ("events-1", &[])]);
        assert_eq!(response, json!({ "batchItemFailures": [] }));
    }

    #[test]
    fn an_unreadable_event_fails_alone() {
        let response = handle_batch(&[
            ("events-0", &[record(7, GOOD), record(8, "not JSON"), record(9, GOOD)]),
            ("events-2", &[record(0, r#"{"id": "no data"}"#)]),
        ]);
        assert_eq!(
            response,
            json!({ "batchItemFailures": [failure("events-0", 8), failure("events-2", 0)] })
        );
    }

    #[test]
    fn a_record_without_value_or_without_base64_fails() {
        let tombstone = json!({ "offset": 3, "value": null });
        let garbled = json!({ "offset": 4, "value": "%" });
        let response = handle_batch(&[("events-0", &[tombstone, garbled])]);
        assert_eq!(
            response,
            json!({ "batchItemFailures": [failure("events-0", 3), failure("events-0", 4)] })
        );
    }
}

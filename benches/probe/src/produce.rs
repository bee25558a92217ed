use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use rdkafka::{ClientConfig, ClientContext};
use serde_json::{Value, json};

use crate::millis;

/// Publishes a record with these bytes as its value, as often as the broker takes it, with as many under way as are
/// allowed: records a second, and how long an acknowledgement takes.
pub fn measure(brokers: &str, value: &str, seconds: u64, in_flight: usize) -> Result<Value> {
    let acknowledged = Acknowledged::default();
    let producer: BaseProducer<Acknowledged> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .create_with_context(acknowledged.clone())?;
    let headers = OwnedHeaders::new_with_capacity(2)
        .insert(Header { key: "content-type", value: Some("application/cloudevents+json; charset=utf-8") })
        .insert(Header {
            key: "traceparent",
            value: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"),
        });
    // The client is at work when the first record is acknowledged.
    producer
        .send(BaseRecord::with_opaque_to("events", Box::new(Instant::now())).key("").payload(value))
        .map_err(|(error, _)| error)?;
    producer.flush(Duration::from_mins(1))?;
    let duration = Duration::from_secs(seconds);
    let began = Instant::now();
    let mut sent = 1;
    while began.elapsed() < duration {
        if sent - acknowledged.count() >= in_flight {
            producer.poll(Duration::from_millis(1));
            continue;
        }
        let key = format!("customer-{}", sent % 100);
        let record = BaseRecord::with_opaque_to("events", Box::new(Instant::now()));
        match producer.send(record.key(&key).payload(value).headers(headers.clone())) {
            Ok(()) => sent += 1,
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                producer.poll(Duration::from_millis(1));
            }
            Err((error, _)) => return Err(error.into()),
        }
    }
    let (within, took) = (acknowledged.count(), began.elapsed());
    producer.flush(Duration::from_mins(1))?;
    ensure!(acknowledged.count() == sent, "{} of {sent} records were acknowledged", acknowledged.count());
    let mut latencies = acknowledged.latencies.lock().expect("no panic").clone();
    latencies.sort_unstable();
    let percentile = |share: usize| millis(latencies[(latencies.len() - 1) * share / 100]);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let rate = within as f64 / took.as_secs_f64();
    Ok(json!({ "rate": rate, "p50": percentile(50), "p99": percentile(99) }))
}

/// Counts acknowledgements, and keeps how long they took.
#[derive(Clone, Default)]
struct Acknowledged {
    count: Arc<AtomicUsize>,
    latencies: Arc<Mutex<Vec<Duration>>>,
}

impl Acknowledged {
    fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

impl ClientContext for Acknowledged {}

impl ProducerContext for Acknowledged {
    type DeliveryOpaque = Box<Instant>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Box<Instant>) {
        if result.is_ok() {
            self.count.fetch_add(1, Ordering::Relaxed);
            self.latencies.lock().expect("no panic").push(sent.elapsed());
        }
    }
}

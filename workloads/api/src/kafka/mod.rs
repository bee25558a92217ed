//! Publishing to Kafka.

mod monitor;
mod security;

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use anyhow::Context as _;
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer as _};

pub use monitor::{look, watch};
use security::Context;

use crate::cloudevent::Event;
use crate::settings::{Kafka, Limits};
use crate::trace_context::{TRACEPARENT, TRACESTATE, TraceContext};

/// How the binding for Kafka tells that a record's value is an event in the JSON format.
const CONTENT_TYPE: (&str, &str) = ("content-type", "application/cloudevents+json; charset=utf-8");

/// What key, headers and framing add to the largest event at most, with some room.
const RECORD_OVERHEAD: usize = 64 * 1024;

/// Publishes events to one topic.
pub struct Producer {
    client: RwLock<FutureProducer<Context>>,
    config: ClientConfig,
    context: Context,
    topic: String,
    recent: Recent,
}

/// What became of events since the last look.
#[derive(Default)]
struct Recent {
    acknowledged: AtomicUsize,
    /// Not acknowledged for a reason that lies in the client's state.
    lost: AtomicUsize,
}

/// An event that was handed to the client, or that it did not take.
pub type Sent = Result<DeliveryFuture, KafkaError>;

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All in-sync replicas have it.
    Acknowledged {
        /// The partition it is in.
        partition: i32,
        /// Its place there. Not told of what was sent twice because the first acknowledgement was lost.
        offset: Option<i64>,
    },
    /// No acknowledgement came. It may be stored all the same.
    Failed(KafkaError),
}

impl Producer {
    /// Starts the client. It connects in the background, and again whenever it has to.
    ///
    /// # Errors
    /// If the client can't be configured.
    pub async fn new(kafka: &Kafka, limits: &Limits) -> anyhow::Result<Self> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &kafka.brokers)
            .set("client.id", env!("CARGO_PKG_NAME"))
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("delivery.timeout.ms", kafka.delivery_timeout.as_millis().to_string())
            .set("message.max.bytes", (limits.event + RECORD_OVERHEAD).max(1_000_000).to_string())
            // Found again soon after an outage.
            .set("reconnect.backoff.max.ms", "2000")
            // What is let in fits: a batch is never cut in two by a full queue.
            .set("queue.buffering.max.messages", limits.events_in_flight.to_string())
            .set("queue.buffering.max.kbytes", (4 * limits.bytes_in_flight / 1024).max(1024).to_string());
        let context = security::configure(&mut config, &kafka.security).await;
        let client = RwLock::new(create(&config, &context)?);
        Ok(Self { client, config, context, topic: kafka.topic.clone(), recent: Recent::default() })
    }

    /// Hands events to the client, in their order.
    pub fn send(&self, events: &[Event<'_>], trace: &TraceContext) -> Vec<Sent> {
        let (client, headers) = (self.client(), headers(trace));
        let send = |event: &Event<'_>| {
            let mut record =
                FutureRecord::to(&self.topic).payload(event.json.as_bytes()).headers(headers.clone());
            record.key = event.key.as_deref();
            client.send_result(record).map_err(|(error, _)| error)
        };
        events.iter().map(send).collect()
    }

    /// Waits until everything queued is delivered. Blocks.
    ///
    /// # Errors
    /// If the time is over before.
    pub fn flush(&self, timeout: Duration) -> anyhow::Result<()> {
        self.client().flush(timeout).context("the queued records could not be delivered")
    }

    /// What became of an event that was sent.
    pub async fn outcome(&self, sent: Sent) -> Outcome {
        let delivery = match sent {
            Ok(delivery) => delivery.await,
            Err(error) => return Outcome::Failed(error),
        };
        match delivery {
            Ok(Ok(delivery)) => {
                self.recent.acknowledged.fetch_add(1, Relaxed);
                let offset = Some(delivery.offset).filter(|offset| *offset >= 0);
                Outcome::Acknowledged { partition: delivery.partition, offset }
            }
            Ok(Err((error, _))) => {
                self.recent.lost.fetch_add(usize::from(is_lost(&error)), Relaxed);
                Outcome::Failed(error)
            }
            // The client has ended and tells no more.
            Err(_) => Outcome::Failed(KafkaError::Canceled),
        }
    }

    /// The client in use. It has a lock of its own inside; this one is held for a moment only.
    fn client(&self) -> FutureProducer<Context> {
        self.client.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether brokers were reached, and yet nothing of what was sent since the last look was acknowledged.
    fn is_stuck(&self) -> bool {
        let acknowledged = self.recent.acknowledged.swap(0, Relaxed);
        let lost = self.recent.lost.swap(0, Relaxed);
        self.client().client().fatal_error().is_some() || acknowledged == 0 && lost > 0
    }

    /// Starts a new client, with a producer id of its own, and ends the old one. Blocks.
    fn replace_client(&self) -> anyhow::Result<()> {
        let mut new = create(&self.config, &self.context)?;
        std::mem::swap(&mut new, &mut self.client.write().unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }
}

fn create(config: &ClientConfig, context: &Context) -> anyhow::Result<FutureProducer<Context>> {
    config.create_with_context(context.clone()).context("the Kafka client can't be configured")
}

/// Whether an error tells that broker and client do not agree on what was sent before.
fn is_lost(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    let lost = [
        Code::MessageTimedOut,
        Code::UnknownProducerId,
        Code::OutOfOrderSequenceNumber,
        Code::InvalidProducerEpoch,
        Code::ProducerFenced,
        Code::InvalidProducerIdMapping,
        Code::Fatal,
    ];
    error.rdkafka_error_code().is_some_and(|code| lost.contains(&code))
}

/// What every record of a request has.
fn headers(trace: &TraceContext) -> OwnedHeaders {
    let (name, value) = CONTENT_TYPE;
    let mut headers = OwnedHeaders::new_with_capacity(3)
        .insert(Header { key: name, value: Some(value) })
        .insert(Header { key: TRACEPARENT, value: Some(&trace.to_string()) });
    if let Some(state) = &trace.state {
        headers = headers.insert(Header { key: TRACESTATE, value: Some(state.as_bytes()) });
    }
    headers
}

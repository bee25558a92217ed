//! What instances of the function share, in the local cloud's `DynamoDB`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use event_processor::cloudevent::CloudEvent;
use event_processor::handler::{Handler, Invocation, Process};
use event_processor::kafka::{Batch, BatchResponse};
use event_processor::settings::Settings;
use event_processor::store::{Store, Table};
use serde_json::json;

/// A table of a test's own, deleted at its end.
struct Shared {
    client: Client,
    table: String,
}

impl Shared {
    async fn new(name: &str) -> Self {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_nanos();
        let shared = Self { client: client(), table: format!("{name}-{nanos:x}") };
        let attribute =
            AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::S);
        let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash);
        let create =
            shared.client.create_table().table_name(&shared.table).billing_mode(BillingMode::PayPerRequest);
        let create = create
            .attribute_definitions(attribute.build().expect("an attribute"))
            .key_schema(key.build().expect("a key"));
        create.send().await.expect("the local cloud: `make up` starts it");
        shared
    }

    /// Another instance of the function.
    fn instance(&self, process: Process) -> Handler {
        let settings = Settings::from_env(|_| None).expect("defaults");
        let table = Table::new(self.client.clone(), self.table.clone(), settings.memory);
        Handler::new(settings, Store::Table(table), process)
    }

    async fn items(&self) -> Vec<std::collections::HashMap<String, AttributeValue>> {
        self.client.scan().table_name(&self.table).send().await.expect("a table").items.unwrap_or_default()
    }

    async fn delete(self) {
        self.client.delete_table().table_name(&self.table).send().await.expect("a table");
    }
}

fn client() -> Client {
    let endpoint =
        std::env::var("PIPELINE_TEST_ENDPOINT").unwrap_or_else(|_| "http://127.0.0.1:4566".to_owned());
    let http = event_processor::aws::http_client().expect("root certificates");
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(endpoint)
        .http_client(http);
    Client::from_conf(config.build())
}

/// A batch with so many events, each of a key of its own.
fn batch(events: usize) -> Batch {
    let record = |offset: usize| {
        let event = json!({ "specversion": "1.0", "id": offset.to_string(), "source": "/s", "type": "t" })
            .to_string();
        json!({
            "offset": offset, "key": STANDARD.encode(offset.to_string()), "value": STANDARD.encode(event),
            "headers": [{ "content-type": b"application/cloudevents+json" }],
        })
    };
    let records: Vec<_> = (0..events).map(record).collect();
    serde_json::from_value(json!({ "records": { "events-0": records } })).expect("a batch")
}

async fn handle(instance: &Handler, request: &str, events: usize) -> anyhow::Result<BatchResponse> {
    let deadline = SystemTime::now() + Duration::from_secs(30);
    instance.handle(batch(events), &Invocation { request_id: request.to_owned(), deadline }).await
}

#[tokio::test]
async fn what_one_instance_has_processed_no_other_does() {
    static PROCESSED: AtomicUsize = AtomicUsize::new(0);
    let shared = Shared::new("once").await;
    let process: Process = |_| {
        PROCESSED.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::ready(Ok(())))
    };
    // More than one call reads or writes.
    assert_eq!(handle(&shared.instance(process), "1", 230).await.unwrap(), BatchResponse::default());
    assert_eq!(handle(&shared.instance(process), "2", 230).await.unwrap(), BatchResponse::default());
    assert_eq!(PROCESSED.load(Ordering::Relaxed), 230);
    let items = shared.items().await;
    assert_eq!(items.len(), 230, "an item per event, and no lock is left");
    let expires_at: u64 = items[0]["expires_at"].as_n().unwrap().parse().unwrap();
    let in_ten_days = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 10 * 24 * 3600;
    assert!(expires_at > in_ten_days, "{expires_at}");
    shared.delete().await;
}

#[tokio::test]
async fn two_instances_with_the_same_records_process_them_once() {
    static PROCESSED: AtomicUsize = AtomicUsize::new(0);
    async fn slowly(_event: &CloudEvent) {
        tokio::task::yield_now().await;
        PROCESSED.fetch_add(1, Ordering::Relaxed);
    }
    let shared = Shared::new("two").await;
    let process: Process = |event| {
        Box::pin(async move {
            slowly(event).await;
            Ok(())
        })
    };
    let (one, other) = (shared.instance(process), shared.instance(process));
    let (one, other) = tokio::join!(handle(&one, "1", 50), handle(&other, "2", 50));
    assert_eq!((one.unwrap(), other.unwrap()), (BatchResponse::default(), BatchResponse::default()));
    assert_eq!(PROCESSED.load(Ordering::Relaxed), 50);
    shared.delete().await;
}

#[tokio::test]
async fn after_a_crash_nothing_is_lost() {
    static PROCESSED: AtomicUsize = AtomicUsize::new(0);
    let shared = Shared::new("crash").await;
    let dying = Arc::new(shared.instance(|event| {
        Box::pin(async move {
            PROCESSED.fetch_add(1, Ordering::Relaxed);
            // It never gets to note what it has done.
            if event.id == "1" { std::future::pending().await } else { Ok(()) }
        })
    }));
    let killed = tokio::spawn(async move { handle(&dying, "1", 2).await });
    while PROCESSED.load(Ordering::Relaxed) < 2 {
        tokio::task::yield_now().await;
    }
    killed.abort();
    let next = shared.instance(|_| {
        PROCESSED.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::ready(Ok(())))
    });
    assert_eq!(handle(&next, "2", 2).await.unwrap(), BatchResponse::default());
    // Both again: the first was processed, but nobody knew.
    assert_eq!(PROCESSED.load(Ordering::Relaxed), 4);
    shared.delete().await;
}

#[tokio::test]
async fn without_the_table_nothing_is_touched_and_the_error_names_it() {
    let shared = Shared { client: client(), table: "there-is-none".to_owned() };
    let instance = shared.instance(|_| panic!("nothing is to be processed"));
    let error = format!("{:#}", handle(&instance, "1", 1).await.unwrap_err());
    assert!(error.starts_with("could not take a lock in the table there-is-none: "), "{error}");
    assert!(error.contains("ResourceNotFoundException"), "{error}");
}

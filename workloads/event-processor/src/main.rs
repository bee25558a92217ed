//! Sets the function up and starts it.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use aws_sdk_dynamodb::Client;
use event_processor::handler::{Handler, Invocation};
use event_processor::kafka::Batch;
use event_processor::settings::Settings;
use event_processor::store::{Memory, Store, Table};
use event_processor::{aws, local, process};
use lambda_runtime::{LambdaEvent, service_fn};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().json().flatten_event(true).with_span_list(false).with_target(false).init();
    let settings = Settings::from_env(|name| std::env::var(name).ok())?;
    let timeout = settings.timeout;
    let store = store(&settings).await?;
    let handler = Arc::new(Handler::new(settings, store, |event| Box::pin(process::process(event))));
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
        return local::serve(handler, timeout).await;
    }
    let handle = |event: LambdaEvent<Batch>| async {
        let (batch, context) = event.into_parts();
        let deadline = UNIX_EPOCH + Duration::from_millis(context.deadline);
        let invocation = Invocation { request_id: context.request_id, deadline };
        handler.handle(batch, &invocation).await.map_err(|error| format!("{error:#}"))
    };
    lambda_runtime::run(service_fn(handle)).await.map_err(|error| anyhow::anyhow!(error))
}

async fn store(settings: &Settings) -> anyhow::Result<Store> {
    let Some(table) = settings.table.clone() else {
        tracing::warn!(
            "PROCESSED_EVENTS_TABLE is not set: each instance only knows the events that it processed itself"
        );
        return Ok(Store::Memory(Memory::default()));
    };
    let client = Client::new(&aws::config().await?);
    Ok(Store::Table(Table::new(client, table, settings.memory)))
}

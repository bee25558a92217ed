//! The Lambda function behind the events topic: logs every event, and reports those that it can't read.
//!
//! On AWS it fetches its invocations from the Lambda runtime API. Where there is no runtime API, it serves
//! invocations over HTTP itself, as the Runtime Interface Emulator in AWS's own base images does.

mod emulator;
mod event;
mod handler;

use lambda_runtime::{LambdaEvent, service_fn};

use crate::event::KafkaEvent;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().json().flatten_event(true).with_span_list(false).with_target(false).init();
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
        return emulator::serve().await;
    }
    let handle = |invocation: LambdaEvent<KafkaEvent>| async move {
        Ok::<_, std::convert::Infallible>(handler::handle(&invocation.payload))
    };
    lambda_runtime::run(service_fn(handle)).await.map_err(|error| anyhow::anyhow!(error))
}

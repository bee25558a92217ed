//! How the tests reach the local cloud, and what they hear of a step.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ecs::config::{Credentials, SharedCredentialsProvider};
use pipeline::event::{Event, Events, StepEvents};
use pipeline::plan::StepId;
use pipeline::rollout::Timing;
use tokio::sync::mpsc::UnboundedReceiver;

pub(crate) fn endpoint() -> String {
    "http://127.0.0.1:4566".to_owned()
}

pub(crate) fn config() -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-west-2"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(endpoint())
        .build()
}

/// A name that no other test has, nor an earlier run of this one.
pub(crate) fn unique(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("test-rollout-{what}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn timing() -> Timing {
    Timing { poll: Duration::from_millis(200), timeout: Duration::from_mins(2) }
}

/// What is told about a step.
pub(crate) struct Told(UnboundedReceiver<Event>);

pub(crate) fn listen() -> (StepEvents, Told) {
    let (events, received) = Events::channel();
    (events.step(StepId::rollout("api")), Told(received))
}

impl Told {
    /// Waits until it is told how far the step is.
    pub(crate) async fn progress(&mut self) {
        while !matches!(self.0.recv().await, Some(Event::Progress { .. }) | None) {}
    }

    /// Waits until something is being done.
    pub(crate) async fn until(&mut self, doing: &str) {
        loop {
            match self.0.recv().await {
                Some(Event::Activity { text, .. }) if text == doing => return,
                Some(_) => {}
                None => panic!("{doing} was not told"),
            }
        }
    }

    /// Waits for a warning.
    pub(crate) async fn warning(&mut self) -> String {
        loop {
            match self.0.recv().await {
                Some(Event::Warning { message, .. }) => return message,
                Some(_) => {}
                None => panic!("nobody was warned"),
            }
        }
    }

    pub(crate) fn lines(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.0.try_recv().ok())
            .filter_map(|event| match event {
                Event::Activity { text, .. } => Some(text),
                Event::Log { line, .. } => Some(line),
                Event::Warning { message, .. } => Some(format!("warning: {message}")),
                Event::Progress { done, total, .. } => Some(format!("{done} of {total:?}")),
                _ => None,
            })
            .collect()
    }
}

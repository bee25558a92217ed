use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_cloudformation::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_cloudformation::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_cloudformation::error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use tokio::time::Instant;

/// What the names of operations begin with that change nothing.
const READS: [&str; 5] = ["BatchGet", "Describe", "Filter", "Get", "List"];

/// Lets calls that change something through only while they are allowed: it stands before every attempt of every
/// call, the SDK's own repetitions among them.
#[derive(Debug, Clone, Default)]
pub struct Fence(Arc<Mutex<State>>);

#[derive(Debug, Clone, Default)]
enum State {
    /// Everything passes: nothing is shared with others, or nobody asked for a fence.
    #[default]
    Open,
    /// Nothing that changes something passes.
    Closed(String),
    /// Everything passes until then.
    Until(Instant),
}

impl Fence {
    /// Lets nothing through that changes something; the reason is told to whoever tries.
    pub fn close(&self, reason: impl Into<String>) {
        *self.state() = State::Closed(reason.into());
    }

    /// Lets everything through.
    pub fn open(&self) {
        *self.state() = State::Open;
    }

    /// Lets everything through until then.
    pub fn open_until(&self, end: Instant) {
        *self.state() = State::Until(end);
    }

    fn check(&self, operation: &str) -> Result<(), String> {
        if READS.iter().any(|prefix| operation.starts_with(prefix)) {
            return Ok(());
        }
        match &*self.state() {
            State::Open => Ok(()),
            State::Until(end) if Instant::now() < *end => Ok(()),
            State::Until(_) => {
                Err("the lease was not renewed in time; somebody else may deploy by now".to_owned())
            }
            State::Closed(reason) => Err(reason.clone()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intercept for Fence {
    fn name(&self) -> &'static str {
        "Fence"
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = config.load::<Metadata>().map_or("", Metadata::name);
        self.check(operation).map_err(|reason| format!("not sent: {reason}").into())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn reads_always_pass_and_writes_only_while_they_may() {
        let fence = Fence::default();
        assert_eq!(fence.check("ExecuteChangeSet"), Ok(()));
        fence.close("held by somebody");
        assert_eq!(fence.check("ExecuteChangeSet"), Err("held by somebody".to_owned()));
        assert_eq!(fence.check("DescribeStacks"), Ok(()));
        fence.open_until(Instant::now() + Duration::from_mins(1));
        assert_eq!(fence.check("UpdateService"), Ok(()));
        fence.open_until(Instant::now());
        assert!(fence.check("UpdateService").is_err());
        assert_eq!(fence.check("GetFunction"), Ok(()));
    }

    #[test]
    fn clones_are_one_fence() {
        let fence = Fence::default();
        fence.clone().close("lost");
        assert!(fence.check("UpdateAlias").is_err());
    }
}

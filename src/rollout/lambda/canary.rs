use std::time::SystemTime;

use aws_sdk_cloudwatch::Client;
use tokio_util::sync::CancellationToken;

use super::alias::point;
use super::apply::Rollout;
use super::decide::same;
use super::invocations::invocations;
use super::prepare::published;
use super::{Function, Target};
use crate::config;
use crate::failure::Failure;
use crate::rollout::alarms::Alarms;

/// How an alias is moved step by step.
#[derive(Debug, Clone)]
pub struct Canary {
    /// Its steps.
    pub plan: config::Canary,
    /// What speaks against it.
    pub alarms: Alarms,
    /// Knows how often a version was called.
    pub metrics: Client,
    /// Takes it back.
    pub interrupted: CancellationToken,
}

impl Canary {
    /// What is to be settled before anything is changed. The version of a canary that an earlier run has left under
    /// way is given if it is what the stack defines now; another one is taken back.
    pub(super) async fn begin(
        &self,
        rollout: &Rollout<'_>,
        function: &mut Function,
    ) -> Result<Option<String>, Failure> {
        if let Some(version) = under_way(rollout, function).await? {
            self.admit(rollout.target, false).await?;
            return Ok(Some(version));
        }
        if !function.alias.weights.is_empty() {
            rollout.events.activity(format!("taking another canary back: {}", function.alias));
            function.alias = point(rollout, &function.alias, &function.alias.version, None).await?;
        }
        self.admit(rollout.target, true).await?;
        Ok(None)
    }

    /// Who may not read what is to be watched shall know before anything is changed.
    async fn admit(&self, target: &Target, begins: bool) -> Result<(), Failure> {
        self.alarms.admit(begins).await?;
        if self.plan.minimum_invocations > 0 {
            invocations(&self.metrics, target, "1", SystemTime::now()).await?;
        }
        Ok(())
    }
}

/// The version that gets a share of the calls, if it is what the stack defines.
async fn under_way(rollout: &Rollout<'_>, function: &Function) -> Result<Option<String>, Failure> {
    let mut versions = function.alias.weights.keys();
    let (Some(version), None) = (versions.next(), versions.next()) else { return Ok(None) };
    let begun = published(rollout, version).await?;
    Ok(same(&begun, &function.latest).then(|| version.clone()))
}

use std::collections::BTreeSet;

use aws_sdk_lambda::Client;

use super::Target;
use super::alias::{points_at, switch};
use super::decide::decide;
use super::prepare::prepare;
use crate::event::StepEvents;
use crate::failure::Failure;
use crate::plan::Action;
use crate::rollout::patience::Timing;
use crate::rollout::{Proof, Running};

/// What is rolled out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Becomes the version's description: the commit.
    pub description: String,
    /// The digest of the image that was built for it, `sha256:…`, if the pipeline built one.
    pub digest: Option<String>,
}

/// What every part of a rollout works with.
#[derive(Clone, Copy)]
pub(super) struct Rollout<'a> {
    pub(super) client: &'a Client,
    pub(super) target: &'a Target,
    pub(super) timing: Timing,
    pub(super) events: &'a StepEvents,
}

/// Publishes a version of what the stack defines, moves the alias to it, and proves it by reading it back.
///
/// # Errors
/// If `$LATEST` is not usable or not what was built, no version can be published, or the alias can't be moved. The
/// failure says where the alias points then.
pub async fn roll(
    client: &Client,
    target: &Target,
    release: &Release,
    timing: Timing,
    events: &StepEvents,
) -> Result<Running, Failure> {
    let rollout = Rollout { client, target, timing, events };
    let (function, version) = match Box::pin(prepare(&rollout, release)).await {
        Ok(prepared) => prepared,
        Err(failure) => return Err(failure.detail(points_at(&rollout, "still points").await)),
    };
    if decide(&function).action != Action::Nothing {
        Box::pin(switch(&rollout, &function, &version)).await?;
    }
    let code = &function.latest.code;
    Ok(Running {
        version: format!("version {version}"),
        digests: BTreeSet::from_iter(code.digest().map(str::to_owned)),
        tasks: None,
        proof: if code.digest().is_some() { Proof::Digest } else { Proof::Version },
    })
}

use std::collections::BTreeSet;

use aws_sdk_lambda::Client;

use super::alias::{points_at, switch};
use super::canary::Canary;
use super::decide::decide;
use super::prepare::prepare;
use super::shift::{Shifted, shift};
use super::{Function, Target};
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

/// How a rollout ended that did not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rolled {
    /// The alias leads to what the stack defines.
    Runs(Running),
    /// It was interrupted, and the alias leads to what it did before; in a sentence.
    TakenBack(String),
}

/// Publishes a version of what the stack defines, moves the alias to it, and proves it by reading it back.
///
/// With a canary the alias is moved step by step, unless it points at no version yet.
///
/// # Errors
/// If `$LATEST` is not usable or not what was built, no version can be published, something speaks against the
/// version, or the alias can't be moved. The failure says where the alias points then.
pub async fn roll(
    client: &Client,
    target: &Target,
    release: &Release,
    canary: Option<&Canary>,
    timing: Timing,
    events: &StepEvents,
) -> Result<Rolled, Failure> {
    let rollout = Rollout { client, target, timing, events };
    let (mut function, version) = match Box::pin(prepare(&rollout, release, canary)).await {
        Ok(prepared) => prepared,
        Err(failure) => return Err(failure.detail(points_at(&rollout, "still points").await)),
    };
    if decide(&function).action != Action::Nothing {
        if let Some(canary) = canary.filter(|_| gradual(&function, &version)) {
            match Box::pin(shift(&rollout, canary, &function, &version)).await? {
                Shifted::Through(alias) => function.alias = alias,
                Shifted::TakenBack(outcome) => return Ok(Rolled::TakenBack(outcome)),
            }
        }
        Box::pin(switch(&rollout, &function, &version)).await?;
    }
    Ok(Rolled::Runs(running(&function, &version)))
}

/// Whether calls can be divided: between two versions, of which `$LATEST` is none.
fn gradual(function: &Function, version: &str) -> bool {
    function.alias.version != "$LATEST" && function.alias.version != version
}

fn running(function: &Function, version: &str) -> Running {
    let code = &function.latest.code;
    Running {
        version: format!("version {version}"),
        digests: BTreeSet::from_iter(code.digest().map(str::to_owned)),
        tasks: None,
        proof: if code.digest().is_some() { Proof::Digest } else { Proof::Version },
    }
}

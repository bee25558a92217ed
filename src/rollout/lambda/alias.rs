use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_lambda::types::AliasRoutingConfiguration;

use super::apply::Rollout;
use super::observe::{parse_weights, read_alias, snapshot};
use super::{Alias, Function, Snapshot};
use crate::aws::failure;
use crate::config::Weight;
use crate::failure::Failure;
use crate::rollout::patience::{Overdue, Patience, Timing};

/// An alias that was moved shows it by then.
const READ_BACK: Duration = Duration::from_mins(1);

/// Moves the alias, and back if it does not lead to what it should.
pub(super) async fn switch(rollout: &Rollout<'_>, function: &Function, version: &str) -> Result<(), Failure> {
    let Rollout { target, events, .. } = rollout;
    let before = &function.alias.version;
    events.activity(format!("alias {}: version {before} → {version}", target.alias));
    let moved = match point(rollout, &function.alias, version, None).await {
        Ok(moved) => moved,
        Err(failure) => return Err(failure.detail(points_at(rollout, "still points").await)),
    };
    match confirm(rollout, version, &function.latest).await {
        Ok(()) => Ok(()),
        Err(Unconfirmed::Unread(failure)) => {
            Err(Failure::new(format!("{target} was moved to version {version}, but could not be read back"))
                .detail(failure.message)
                .hint("run again to make sure: nothing is done twice"))
        }
        Err(Unconfirmed::Differs(how)) => {
            let failure = Failure::new(format!("{target} was moved to version {version}, but {how}"));
            let outcome = match point(rollout, &moved, before, None).await {
                Ok(_) => points_at(rollout, "points again").await,
                Err(failure) => format!("going back to version {before} failed too: {}", failure.message),
            };
            Err(failure.detail(outcome).hint("see who else changes the function, then run again"))
        }
    }
}

/// Points the alias at a version, with a share of the calls for another one or none, unless somebody changed the alias
/// since it was read.
///
/// A move whose answer was lost is refused when it is repeated, because it has changed the alias itself.
pub(super) async fn point(
    rollout: &Rollout<'_>,
    alias: &Alias,
    version: &str,
    share: Option<(&str, Weight)>,
) -> Result<Alias, Failure> {
    let weights = BTreeMap::from_iter(share.map(|(version, weight)| (version.to_owned(), weight)));
    match update(rollout, alias, version, &weights).await {
        Ok(moved) => Ok(moved),
        Err(failure) => match read_alias(rollout.client, rollout.target).await {
            Ok(alias) if alias.version == version && alias.weights == weights => Ok(alias),
            _ => Err(failure),
        },
    }
}

async fn update(
    rollout: &Rollout<'_>,
    alias: &Alias,
    version: &str,
    weights: &BTreeMap<String, Weight>,
) -> Result<Alias, Failure> {
    let target = rollout.target;
    // An empty map takes weights away; none at all would leave them.
    let fractions = weights.iter().map(|(version, weight)| (version.clone(), weight.fraction())).collect();
    let routing = AliasRoutingConfiguration::builder().set_additional_version_weights(Some(fractions));
    let answer = rollout
        .client
        .update_alias()
        .function_name(target.function_name())
        .name(&target.alias)
        .function_version(version)
        .routing_config(routing.build())
        .set_revision_id(alias.revision_id.clone())
        .send()
        .await
        .map_err(|error| refused(format!("UpdateAlias of {target} to version {version}"), error))?;
    Ok(Alias {
        name: alias.name.clone(),
        version: answer.function_version().unwrap_or_default().to_owned(),
        weights: parse_weights(answer.routing_config()),
        revision_id: answer.revision_id().map(str::to_owned),
    })
}

/// Why a move does not count as done.
pub(super) enum Unconfirmed {
    /// What callers get differs from what they should, and how.
    Differs(String),
    /// It could not be read.
    Unread(Failure),
}

impl Unconfirmed {
    pub(super) fn failure(self) -> Failure {
        match self {
            Self::Differs(how) => Failure::new(format!("the alias {how}")),
            Self::Unread(failure) => failure,
        }
    }
}

/// Reads back what callers get; an answer from before the move is merely old.
pub(super) async fn confirm(
    rollout: &Rollout<'_>,
    version: &str,
    wanted: &Snapshot,
) -> Result<(), Unconfirmed> {
    let Rollout { client, target, timing, events } = *rollout;
    let mut patience = Patience::new(Timing { timeout: timing.timeout.min(READ_BACK), ..timing }, events);
    loop {
        let read =
            tokio::try_join!(read_alias(client, target), snapshot(client, target, Some(&target.alias)));
        let wrong = match read {
            Ok((alias, live)) => match wrong(&alias, &live, version, wanted) {
                None => return Ok(()),
                Some(how) => Ok(how),
            },
            Err(failure) => Err(failure),
        };
        let look = wrong.as_ref().map(|_| None::<()>).map_err(Clone::clone);
        if let Err(Overdue::Waiting | Overdue::Blind(_)) = patience.after(look).await {
            return Err(wrong.map_or_else(Unconfirmed::Unread, Unconfirmed::Differs));
        }
    }
}

/// How what callers get differs from what they should.
fn wrong(alias: &Alias, live: &Snapshot, version: &str, wanted: &Snapshot) -> Option<String> {
    if alias.version != version {
        return Some(format!("points at version {}", alias.version));
    }
    if let Some((other, _)) = alias.weights.first_key_value() {
        return Some(format!("still sends calls to version {other}"));
    }
    (live.code != wanted.code).then(|| format!("runs {} instead of {}", live.code, wanted.code))
}

/// Where the alias points, read anew: `alias live still points at version 6`.
pub(super) async fn points_at(rollout: &Rollout<'_>, how: &str) -> String {
    match read_alias(rollout.client, rollout.target).await {
        Ok(alias) => format!("alias {} {how} at {alias}", alias.name),
        Err(failure) => format!("it is not known where the alias points: {}", failure.message),
    }
}

/// A failure that tells a write that somebody else's change forestalled from others.
pub(super) fn refused<E, R>(tried: String, error: SdkError<E, R>) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    match error.code() {
        Some("PreconditionFailedException" | "ResourceConflictException") => failure(tried, error)
            .hint("somebody else changes the function right now: see who (another run, the console), then run again"),
        _ => failure(tried, error),
    }
}

use super::alias::refused;
use super::apply::{Release, Rollout};
use super::canary::Canary;
use super::decide::same;
use super::observe::{observe_states, snapshot};
use super::{Function, Readiness, Snapshot, Target};
use crate::aws::failure;
use crate::failure::Failure;
use crate::rollout::patience::{Overdue, Patience};

/// Lambda takes no longer description.
const DESCRIPTION_CHARACTERS: usize = 256;

/// Everything before callers notice: the version that the alias is to point at is there and can be invoked.
pub(super) async fn prepare(
    rollout: &Rollout<'_>,
    release: &Release,
    canary: Option<&Canary>,
) -> Result<(Function, String), Failure> {
    let name = rollout.target.function_name();
    rollout.events.activity(format!("waiting for {name} to be updated"));
    let mut function = updated(rollout).await.unwrap_or_else(|overdue| Err(late(name, overdue)))?;
    check_image(rollout.target, &function.latest, release.digest.as_deref())?;
    if same(&function.live, &function.latest) && function.alias.version != "$LATEST" {
        let version = function.alias.version.clone();
        return Ok((function, version));
    }
    if let Some(canary) = canary.filter(|_| function.alias.version != "$LATEST")
        && let Some(version) = canary.begin(rollout, &mut function).await?
    {
        return Ok((function, version));
    }
    let version = match left_behind(rollout, &function.latest).await? {
        Some(version) => version,
        None => publish(rollout, &function.latest, release).await?,
    };
    if !same(&published(rollout, &version).await?, &function.latest) {
        return Err(Failure::new(format!("version {version} is not what {name} was when it was published"))
            .hint("the function was changed meanwhile: run again"));
    }
    Ok((function, version))
}

/// The function, once the stack's update of it is through.
async fn updated(rollout: &Rollout<'_>) -> Result<Result<Function, Failure>, Overdue> {
    let mut patience = Patience::new(rollout.timing, rollout.events);
    loop {
        let look = observe_states(rollout.client, rollout.target).await.map(|function| {
            let ready = ready(function.latest.status.readiness(), rollout.target.function_name())?;
            Some(ready.map(|()| function))
        });
        if let Some(settled) = patience.after(look).await? {
            return Ok(settled);
        }
    }
}

/// A published version, once it can be invoked.
pub(super) async fn published(rollout: &Rollout<'_>, version: &str) -> Result<Snapshot, Failure> {
    let name = format!("{}:{version}", rollout.target.function_name());
    active(rollout, version).await.unwrap_or_else(|overdue| Err(late(&name, overdue)))
}

async fn active(rollout: &Rollout<'_>, version: &str) -> Result<Result<Snapshot, Failure>, Overdue> {
    let name = format!("{}:{version}", rollout.target.function_name());
    let mut patience = Patience::new(rollout.timing, rollout.events);
    loop {
        let look = snapshot(rollout.client, rollout.target, Some(version)).await.map(|published| {
            let ready = ready(published.status.readiness(), &name)?;
            Some(ready.map(|()| published))
        });
        if let Some(settled) = patience.after(look).await? {
            return Ok(settled);
        }
    }
}

/// What comes of waiting: `None` as long as it is worth it.
fn ready(readiness: Readiness, what: &str) -> Option<Result<(), Failure>> {
    match readiness {
        Readiness::Ready => Some(Ok(())),
        Readiness::Pending => None,
        Readiness::Failed { why, hint } => {
            Some(Err(Failure::new(format!("{what} can't be used: {why}")).hint(hint)))
        }
    }
}

fn late(what: &str, overdue: Overdue) -> Failure {
    match overdue {
        Overdue::Waiting => Failure::new(format!(
            "{what} is not ready after the time that a rollout may take"
        ))
        .hint(format!(
            "`aws lambda get-function --function-name {what}` shows its state; run again once it is Active"
        )),
        Overdue::Blind(failure) => failure,
    }
}

/// A stack that does not pass the image on would otherwise be rolled out as if it did.
fn check_image(target: &Target, latest: &Snapshot, wanted: Option<&str>) -> Result<(), Failure> {
    let (Some(wanted), Some(found)) = (wanted, latest.code.digest()) else { return Ok(()) };
    if found == wanted {
        return Ok(());
    }
    let name = target.function_name();
    Err(Failure::new(format!("function {name} is defined with another image than the one that was built"))
        .detail(format!("defined: {found}"))
        .detail(format!("built:   {wanted}"))
        .hint("pass ${workloads.NAME.image} to the function's stack as a parameter, and use that in Code.ImageUri"))
}

/// The newest version, if it is what `$LATEST` is: a run that ended behind its publication has left it.
async fn left_behind(rollout: &Rollout<'_>, latest: &Snapshot) -> Result<Option<String>, Failure> {
    let Rollout { client, target, .. } = rollout;
    let name = target.function_name();
    let mut pages = client.list_versions_by_function().function_name(name).into_paginator().items().send();
    let mut newest = 0;
    while let Some(version) = pages.next().await {
        let version = version.map_err(|error| failure(format!("ListVersionsByFunction of {name}"), error))?;
        // `$LATEST` is listed too, and is no number.
        newest = newest.max(version.version().and_then(|version| version.parse::<u64>().ok()).unwrap_or(0));
    }
    if newest == 0 {
        return Ok(None);
    }
    let version = newest.to_string();
    let found = snapshot(client, target, Some(&version)).await?;
    Ok(same(&found, latest).then_some(version))
}

async fn publish(rollout: &Rollout<'_>, latest: &Snapshot, release: &Release) -> Result<String, Failure> {
    let name = rollout.target.function_name();
    rollout.events.activity(format!("publishing a version of {name}"));
    let description: String = release.description.chars().take(DESCRIPTION_CHARACTERS).collect();
    let tried = format!("PublishVersion of {name}");
    let answer = rollout
        .client
        .publish_version()
        .function_name(name)
        .description(description)
        .set_code_sha256(latest.code_sha256.clone())
        .set_revision_id(latest.revision_id.clone())
        .send()
        .await
        .map_err(|error| refused(tried.clone(), error))?;
    answer
        .version()
        .map(str::to_owned)
        .ok_or_else(|| Failure::new(format!("{tried}: an answer without a version")))
}

use std::collections::BTreeMap;

use super::board::Ended;
use super::context::Context;
use super::values::IMAGE;
use super::{Clock, StepResult, Stop};
use crate::config::Reference;
use crate::event::StepEvents;
use crate::image::{self, Digest, Found, Repository, Spec};
use crate::plan::{Action, Decision, StepId, Wanted};

/// Builds at once what the repository does not hold, and pushes when the repository is there.
pub async fn step(context: &Context, id: &StepId, clock: &Clock) -> StepResult {
    let (wanted, waiting) = wanted(context, id).await?;
    let text = &context.workload(id).repository;
    let live = context.peek(text);
    let goal = Wanted::default()
        .text("key", wanted.key())
        .text("repository", live.clone().unwrap_or_else(|| text.to_string()))
        .text("secrets", wanted.secrets.join(","));
    if !waiting.is_empty() {
        let decision = Decision::new(Action::Unknown, "build arguments not known yet").waiting_for(waiting);
        context.decided(id, decision, goal);
        return Ok(Ended::changed("", unknown()));
    }
    clock.start(context, id);
    let events = context.events(id);
    let peeked = match &live {
        Some(uri) => find(context, uri, &wanted.key()).await?,
        None => None,
    };
    context.decided(id, image::decide(peeked.as_ref()), goal.clone());
    if peeked.is_some() {
        // The repository may be about to change: only what its stack hands on counts in the end.
        let Ok(uri) = context.resolve(text).await? else { return Ok(Ended::unchanged(unknown())) };
        let same = live.as_ref() == Some(&uri) && !context.changed_by(text).await?;
        let found = if same { peeked } else { find(context, &uri, &wanted.key()).await? };
        if let Some(found) = found {
            let repository = repository(context, &uri)?;
            if found.commit.is_none() {
                // The run that pushed it ended before it could, or was of no commit.
                note_commit(context, &repository, &found.digest, &events).await?;
            }
            return Ok(Ended::unchanged(known(&repository.image(&found.digest))));
        }
        context.decided(id, image::decide(None), goal);
    }
    if context.planning() {
        return Ok(Ended::changed("", unknown()));
    }
    build_and_push(context, id, wanted, &events).await
}

async fn build_and_push(context: &Context, id: &StepId, mut spec: Spec, events: &StepEvents) -> StepResult {
    let built = {
        let _permit = context.permit().await?;
        spec.directory = context.deployment.tree.directory().await?;
        let docker = context.engine.docker().await?;
        context.unless_interrupted(image::build(docker, &spec, events)).await??
    };
    let uri = &context.workload(id).repository;
    if context.peek(uri).is_none() {
        events.activity("built, waiting for the repository");
    }
    let repository = repository(context, &context.known(uri).await?)?;
    let _permit = context.permit().await?;
    let docker = context.engine.docker().await?;
    let push = image::push(docker, &context.registry, &spec, &repository, &built, events);
    let digest = context.unless_interrupted(push).await??;
    note_commit(context, &repository, &digest, events).await?;
    let image = repository.image(&digest);
    Ok(Ended::changed(image.clone(), known(&image)))
}

/// In a run of a commit: notes it at the image. That this fails stops nothing.
async fn note_commit(
    context: &Context,
    repository: &Repository,
    digest: &Digest,
    events: &StepEvents,
) -> Result<(), Stop> {
    let revision = &context.deployment.revision;
    if context.planning() || revision.dirty {
        return Ok(());
    }
    context.leave().await?;
    if let Err(failure) = context.registry.note_commit(repository.name(), digest, &revision.commit).await {
        events.warning(format!("the image's commit could not be noted: {}", failure.message));
    }
    Ok(())
}

/// The image under the workload's key, if the repository that is live holds it.
pub async fn live(context: &Context, id: &StepId) -> Result<Option<String>, Stop> {
    let Some(uri) = context.peek(&context.workload(id).repository) else { return Ok(None) };
    let (wanted, waiting) = wanted(context, id).await?;
    if !waiting.is_empty() {
        return Ok(None);
    }
    let Some(found) = find(context, &uri, &wanted.key()).await? else { return Ok(None) };
    Ok(Some(repository(context, &uri)?.image(&found.digest)))
}

/// What is to be built, and what its arguments wait for in a plan: those stand in it as they are written.
async fn wanted(context: &Context, id: &StepId) -> Result<(Spec, Vec<String>), Stop> {
    let workload = context.workload(id);
    let build = &workload.build;
    let (mut args, mut waiting) = (BTreeMap::new(), Vec::new());
    for (name, text) in &build.args {
        let value = context.resolve(text).await?.unwrap_or_else(|references| {
            waiting.extend(references.iter().map(Reference::path));
            text.to_string()
        });
        args.insert(name.clone(), value);
    }
    let spec = Spec {
        workload: id.name.clone(),
        directory: std::path::PathBuf::new(),
        inputs: context.deployment.inputs[&id.name].clone(),
        command: build.command.clone(),
        context: build.context.clone(),
        dockerfile: build.dockerfile.clone(),
        args,
        target: build.target.clone(),
        secrets: build.secrets.clone(),
        platform: build.platform.clone(),
        labels: labels(context),
    };
    Ok((spec, waiting))
}

/// As the OCI image specification names them.
fn labels(context: &Context) -> BTreeMap<String, String> {
    let revision = &context.deployment.revision;
    let commit =
        if revision.dirty { format!("{}+changes", revision.commit) } else { revision.commit.clone() };
    let mut labels = BTreeMap::from([("org.opencontainers.image.revision".to_owned(), commit)]);
    if let Some(source) = context.deployment.repository.remote_url() {
        labels.insert("org.opencontainers.image.source".to_owned(), source);
    }
    labels
}

async fn find(context: &Context, uri: &str, key: &str) -> Result<Option<Found>, Stop> {
    let repository = repository(context, uri)?;
    Ok(context.unless_interrupted(context.registry.find(repository.name(), key)).await??)
}

fn repository(context: &Context, uri: &str) -> Result<Repository, Stop> {
    Ok(Repository::new(uri, context.environment().registry.as_deref())?)
}

fn known(image: &str) -> BTreeMap<String, Option<String>> {
    BTreeMap::from([(IMAGE.to_owned(), Some(image.to_owned()))])
}

fn unknown() -> BTreeMap<String, Option<String>> {
    BTreeMap::from([(IMAGE.to_owned(), None)])
}

use std::collections::BTreeMap;

use bollard::Docker;
use bollard::auth::DockerCredentials;
use bollard::errors::Error;
use bollard::models::ProgressDetail;
use bollard::query_parameters::{PushImageOptionsBuilder, TagImageOptionsBuilder};
use futures::TryStreamExt as _;

use super::engine::cause;
use super::registry::Login;
use super::{Built, Digest, Registry, Repository, Spec};
use crate::event::{StepEvents, Unit};
use crate::failure::Failure;

/// Pushes an image to its repository under its key, and returns the digest by which it is deployed.
///
/// If the tag is there by then, because another run was faster, its image is taken: it is made from the same inputs.
/// The engine keeps the image and its tag, which the next build's cache rests on.
///
/// # Errors
/// If the image can't be pushed, or the repository does not hold what was pushed.
pub async fn push(
    docker: &Docker,
    registry: &Registry,
    spec: &Spec,
    repository: &Repository,
    built: &Built,
    events: &StepEvents,
) -> Result<Digest, Failure> {
    events.activity("pushing");
    let tag = spec.key();
    let image = format!("{}:{tag}", repository.address());
    tag_image(docker, built, repository, &tag).await.map_err(|error| failure(&image, &error))?;
    if let Err(error) = upload(docker, registry, repository, &tag, events).await {
        let theirs = registry.find(repository.name(), &tag).await.ok().flatten();
        return theirs.map(|theirs| theirs.digest).ok_or(error);
    }
    let found = registry.find(repository.name(), &tag).await?.ok_or_else(|| {
        Failure::new(format!("{image} was pushed, but ECR does not list it"))
            .hint("run again: nothing is built twice")
    })?;
    check(docker, built, repository, &found.digest).await?;
    Ok(found.digest)
}

async fn tag_image(docker: &Docker, built: &Built, repository: &Repository, tag: &str) -> Result<(), Error> {
    let name = TagImageOptionsBuilder::default().repo(&repository.address()).tag(tag).build();
    docker.tag_image(&built.image_id, Some(name)).await
}

/// Uploads with the password that is known; if the registry refuses that, once more with a new one.
async fn upload(
    docker: &Docker,
    registry: &Registry,
    repository: &Repository,
    tag: &str,
    events: &StepEvents,
) -> Result<(), Failure> {
    let image = format!("{}:{tag}", repository.address());
    let login = registry.login().await?;
    match upload_as(docker, &login, repository, tag, events).await {
        Err(error) if is_refusal(&cause(&error)) => registry.forget(&login).await,
        other => return other.map_err(|error| failure(&image, &error)),
    }
    let login = registry.login().await?;
    upload_as(docker, &login, repository, tag, events).await.map_err(|error| failure(&image, &error))
}

async fn upload_as(
    docker: &Docker,
    login: &Login,
    repository: &Repository,
    tag: &str,
    events: &StepEvents,
) -> Result<(), Error> {
    let credentials = DockerCredentials {
        username: Some(login.user.clone()),
        password: Some(login.password.clone()),
        serveraddress: Some(repository.host().to_owned()),
        ..DockerCredentials::default()
    };
    let options = PushImageOptionsBuilder::default().tag(tag).build();
    let mut messages = docker.push_image(&repository.address(), Some(options), Some(credentials));
    let mut layers = Layers::default();
    while let Some(message) = messages.try_next().await? {
        if let Some((done, total)) = message.progress_detail.and_then(|detail| layers.update(&detail)) {
            events.progress(done, Some(total), Unit::Bytes);
        }
    }
    Ok(())
}

/// How far each layer is. The client library leaves out which layer a message is about, so its size stands for it.
#[derive(Debug, Default)]
struct Layers(BTreeMap<u64, u64>);

impl Layers {
    /// Takes a message in; returns the bytes done and the bytes in all, of the layers seen so far.
    fn update(&mut self, detail: &ProgressDetail) -> Option<(u64, u64)> {
        let (current, total) = (u64::try_from(detail.current?).ok()?, u64::try_from(detail.total?).ok()?);
        // The archive's own overhead counts as done, but not in the size.
        self.0.insert(total, current.min(total));
        Some((self.0.values().sum(), self.0.keys().sum()))
    }
}

/// Whether the image that ECR names is the one that the engine sent.
async fn check(
    docker: &Docker,
    built: &Built,
    repository: &Repository,
    digest: &Digest,
) -> Result<(), Failure> {
    let image = repository.image(digest);
    let inspected = docker.inspect_image(&built.image_id).await.map_err(|error| failure(&image, &error))?;
    let pushed = inspected.repo_digests.unwrap_or_default();
    if pushed.contains(&image) {
        return Ok(());
    }
    let sent = pushed.into_iter().filter(|sent| sent.starts_with(&repository.address()));
    let mut failure = Failure::new(format!("ECR names {image}, which is not what was pushed"));
    failure.details = sent.map(|sent| format!("pushed: {sent}")).collect();
    Err(failure.hint(
        "another run pushed the same tag: set the repository's ImageTagMutability to IMMUTABLE, run again",
    ))
}

/// A password that has ended is answered with `denied` by ECR, like a lack of permissions.
fn is_refusal(cause: &str) -> bool {
    let cause = cause.to_ascii_lowercase();
    ["unauthorized", "denied", "no basic auth credentials"].iter().any(|word| cause.contains(word))
}

fn failure(image: &str, error: &Error) -> Failure {
    let cause = cause(error);
    let hint = if is_refusal(&cause) {
        "the role needs ecr:GetAuthorizationToken, and on the repository ecr:BatchCheckLayerAvailability, \
         ecr:InitiateLayerUpload, ecr:UploadLayerPart, ecr:CompleteLayerUpload and ecr:PutImage"
    } else if cause.contains("http: server gave HTTP response to HTTPS client") {
        "Docker speaks plain HTTP to registries on 127.0.0.1 only: add this one to its insecure-registries"
    } else {
        "run again: layers that arrived are not sent twice"
    };
    Failure::new(format!("pushing {image}: {cause}")).hint(hint)
}

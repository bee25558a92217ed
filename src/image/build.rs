use std::collections::{BTreeMap, HashMap};
use std::io;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::BuildInfo;
use bollard::query_parameters::{BuildImageOptions, BuildImageOptionsBuilder};
use bytes::Bytes;
use futures::{Stream, TryStreamExt as _};

use super::context::{self, Context};
use super::engine::cause;
use super::output::Output;
use super::{Spec, command, configuration, space};
use crate::event::{StepEvents, Unit};
use crate::failure::Failure;

/// What the engine's builder says of an image that is deleted while it looks through its cache, by `docker system prune` or
/// by whoever else uses the engine. Behind `FROM scratch` it looks at every image that has no parent.
const DELETED_MEANWHILE: &str = "unable to find image \"sha256:";

/// An image that Docker Engine has built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The engine's own name for the image: `sha256:…` of its configuration. Not the digest it is deployed by.
    pub image_id: String,
}

/// Runs the workload's build command and has Docker Engine build the image.
///
/// Dropping the future ends both: the command is killed with all that it started, and the engine stops a build whose
/// client is gone.
///
/// # Errors
/// If there is too little disk space, the command fails, the context can't be read, or the engine can't build the image.
pub async fn build(docker: &Docker, spec: &Spec, events: &StepEvents) -> Result<Built, Failure> {
    space::check(docker, &spec.directory, events).await?;
    command::run(spec, events).await?;
    events.activity("building");
    let built = build_with(docker, spec, &BTreeMap::new(), events).await?;
    match configuration::settle(docker, &built, &spec.labels).await {
        Ok(settled) => Ok(settled),
        Err(error) => {
            events.log(format!("this engine has to label the image by an instruction: {}", cause(&error)));
            build_with(docker, spec, &spec.labels, events).await
        }
    }
}

/// Builds; and once more, without the cache, if an image was deleted while the engine looked for one there.
async fn build_with(
    docker: &Docker,
    spec: &Spec,
    labels: &BTreeMap<String, String>,
    events: &StepEvents,
) -> Result<Built, Failure> {
    match attempt(docker, spec, labels, Cache::Used, events).await {
        Err(failure) if failure.message.contains(DELETED_MEANWHILE) => {
            events.log("an image was deleted while the cache was looked through: building again without it");
            attempt(docker, spec, labels, Cache::Unused, events).await
        }
        ended => ended,
    }
}

/// Whether the engine looks for what it has built before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cache {
    Used,
    Unused,
}

async fn attempt(
    docker: &Docker,
    spec: &Spec,
    labels: &BTreeMap<String, String>,
    cache: Cache,
    events: &StepEvents,
) -> Result<Built, Failure> {
    let context = read_context(spec).await?;
    let options = options(spec, labels, context.dockerfile(), cache);
    let (archive, writing) = context::stream(context);
    let mut output = Output::new(events);
    let built = follow(docker, options, archive, &mut output, events).await;
    // The body has been sent or dropped, so the writer has ended or is about to.
    match (built, writing.await) {
        (_, Ok(Err(error))) if error.kind() != io::ErrorKind::BrokenPipe => Err(unreadable(spec, &error)),
        (Ok(Some(image_id)), _) => Ok(Built { image_id }),
        (Ok(None), _) => Err(failure(spec, "the engine named no image", output)),
        (Err(error), _) => Err(failure(spec, &cause(&error), output)),
    }
}

async fn read_context(spec: &Spec) -> Result<Context, Failure> {
    let (root, dockerfile) = (spec.directory.join(&spec.context), spec.directory.join(&spec.dockerfile));
    tokio::task::spawn_blocking(move || Context::read(&root, &dockerfile))
        .await
        .map_err(io::Error::other)
        .flatten()
        .map_err(|error| unreadable(spec, &error))
}

fn options(
    spec: &Spec,
    labels: &BTreeMap<String, String>,
    dockerfile: &str,
    cache: Cache,
) -> BuildImageOptions {
    let hashed = |map: &BTreeMap<String, String>| -> HashMap<_, _> { map.clone().into_iter().collect() };
    BuildImageOptionsBuilder::default()
        .dockerfile(dockerfile)
        .buildargs(&hashed(&spec.args))
        .labels(&hashed(labels))
        .platform(&spec.platform)
        .target(spec.target.as_deref().unwrap_or_default())
        .nocache(cache == Cache::Unused)
        .rm(true)
        .forcerm(true)
        .build()
}

/// Follows the build to its end; the result is the image's id.
async fn follow(
    docker: &Docker,
    options: BuildImageOptions,
    archive: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    output: &mut Output<'_>,
    events: &StepEvents,
) -> Result<Option<String>, Error> {
    let mut messages = docker.build_image(options, None, Some(bollard::body_try_stream(archive)));
    let mut image_id = None;
    let mut instructions = 0;
    while let Some(message) = messages.try_next().await? {
        for line in show(&message, output) {
            if let Some((current, total)) = instruction(&line) {
                instructions = total;
                events.progress(current.saturating_sub(1), Some(total), Unit::Instructions);
            }
        }
        image_id = message.aux.and_then(|aux| aux.id).or(image_id);
    }
    events.progress(instructions, Some(instructions), Unit::Instructions);
    Ok(image_id)
}

/// Shows what a message says; returns its lines of build output.
fn show(message: &BuildInfo, output: &mut Output<'_>) -> Vec<String> {
    // Bytes that a pull has fetched come many times a second; they are no news.
    if let (Some(status), None) =
        (&message.status, message.progress_detail.as_ref().and_then(|detail| detail.current))
    {
        match &message.id {
            Some(id) => output.line(&format!("{id}: {status}")),
            None => output.line(status),
        };
    }
    message.stream.as_deref().map(|text| output.text(text)).unwrap_or_default()
}

/// `Step 3/7 : COPY …`: the instruction that begins, and how many there are.
fn instruction(line: &str) -> Option<(u64, u64)> {
    let (current, total) = line.strip_prefix("Step ")?.split_once(" : ")?.0.split_once('/')?;
    Some((current.parse().ok()?, total.parse().ok()?))
}

fn unreadable(spec: &Spec, error: &io::Error) -> Failure {
    Failure::new(format!("the build context `{}` of {}: {error}", spec.context, spec.workload))
        .hint("check the workload's `build.context` and `build.dockerfile`")
}

fn failure(spec: &Spec, error: &str, output: Output<'_>) -> Failure {
    let mut failure = Failure::new(format!("building {}: {error}", spec.dockerfile));
    failure.details = output.last();
    failure.hint(hint(spec, error))
}

fn hint(spec: &Spec, error: &str) -> String {
    if error.contains("BuildKit") {
        return "images are built with the engine's own builder, which has no `--mount`, heredocs or secrets: \
                prepare files with the workload's `build.command` and copy them"
            .to_owned();
    }
    let directory = spec.directory.display();
    format!("try it by hand in {directory}: docker build --file {} {}", spec.dockerfile, spec.context)
}

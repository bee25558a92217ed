use super::{Finding, Subject};
use crate::image::{Engine, Room, spaces};

const CHECK: &str = "disk";

/// Whether there is space for builds, if there is anything to build.
pub async fn check(subject: &Subject<'_>, engine: &Engine) -> Vec<Finding> {
    if subject.project.config.workloads.is_empty() {
        return Vec::new();
    }
    let docker = engine.docker().await.ok();
    let spaces = spaces(docker, subject.directory).await;
    let finding = |space: &crate::image::Space| match space.room() {
        Room::Enough => Finding::good(CHECK, space.to_string()),
        Room::Scarce(failure) => Finding::warning(CHECK, failure),
        Room::TooLittle(failure) => Finding::failed(CHECK, failure),
    };
    spaces.iter().map(finding).collect()
}

//! From which commit an image was built: a second tag says it, which everybody sees who looks at the repository.

use aws_sdk_ecr::error::ProvideErrorMetadata;
use aws_sdk_ecr::types::{ImageDetail, ImageIdentifier};

use super::{Digest, Registry};
use crate::aws::failure;
use crate::failure::Failure;

/// What the tag begins with; the commit's full identity follows.
const PREFIX: &str = "commit-";

impl Registry {
    /// Notes the commit that an image was built from. An image that has it already keeps it.
    ///
    /// # Errors
    /// If ECR does not take it.
    pub async fn note_commit(&self, repository: &str, digest: &Digest, commit: &str) -> Result<(), Failure> {
        let wanted = ImageIdentifier::builder().image_digest(digest.as_str()).build();
        let tried = |call| format!("{call} of {repository}@{digest}");
        let found = self.ecr.batch_get_image().repository_name(repository).image_ids(wanted).send().await;
        let found = found.map_err(|error| failure(tried("BatchGetImage"), error))?;
        let Some(manifest) = found.images().first().and_then(|image| image.image_manifest()) else {
            return Err(Failure::new(format!("{}: the answer holds no manifest", tried("BatchGetImage"))));
        };
        let media_type = found.images().first().and_then(|image| image.image_manifest_media_type());
        let noted = self
            .ecr
            .put_image()
            .repository_name(repository)
            .image_manifest(manifest)
            .set_image_manifest_media_type(media_type.map(str::to_owned))
            .image_digest(digest.as_str())
            .image_tag(format!("{PREFIX}{commit}"))
            .send()
            .await;
        match noted {
            Ok(_) => Ok(()),
            Err(error) if already(error.code()) => Ok(()),
            Err(error) => Err(failure(tried("PutImage"), error)),
        }
    }

    /// The commit that an image was built from, if that was noted.
    ///
    /// # Errors
    /// If ECR can't be asked.
    pub async fn commit_of(&self, repository: &str, digest: &Digest) -> Result<Option<String>, Failure> {
        let wanted = ImageIdentifier::builder().image_digest(digest.as_str()).build();
        let found = self.ecr.describe_images().repository_name(repository).image_ids(wanted).send().await;
        let found =
            found.map_err(|error| failure(format!("DescribeImages of {repository}@{digest}"), error))?;
        Ok(found.image_details().iter().find_map(commit))
    }
}

/// The commit that is noted at an image.
pub(super) fn commit(image: &ImageDetail) -> Option<String> {
    image.image_tags().iter().find_map(|tag| tag.strip_prefix(PREFIX)).map(str::to_owned)
}

fn already(code: Option<&str>) -> bool {
    matches!(code, Some("ImageAlreadyExistsException" | "ImageTagAlreadyExistsException"))
}

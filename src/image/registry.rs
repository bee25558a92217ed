use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_ecr::error::ProvideErrorMetadata;
use aws_sdk_ecr::types::{ImageDetail, ImageIdentifier};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::sync::Mutex;

use super::{Digest, origin};
use crate::aws::failure;
use crate::failure::Failure;
use crate::redact::keep_secret;

/// A password that ends sooner than this is not used any more: a large push has to get through with it.
const SPARE: Duration = Duration::from_mins(30);

/// The account's image registry, ECR. Cheap to clone; clones share one password.
#[derive(Debug, Clone)]
pub struct Registry {
    pub(super) ecr: aws_sdk_ecr::Client,
    login: Arc<Mutex<Option<Login>>>,
}

/// An image in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub digest: Digest,
    /// The commit that it was built from, if that was noted.
    pub commit: Option<String>,
}

impl Found {
    fn parse(image: &ImageDetail) -> Result<Self, Failure> {
        Ok(Self { digest: image.image_digest().unwrap_or_default().parse()?, commit: origin::commit(image) })
    }
}

/// What Docker signs in with.
#[derive(Clone)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: String,
    expires: SystemTime,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Registry {
    /// The registry that the client is for.
    #[must_use]
    pub fn new(ecr: aws_sdk_ecr::Client) -> Self {
        Self { ecr, login: Arc::default() }
    }

    /// The image that has the tag, if the repository is there and holds one.
    ///
    /// # Errors
    /// If ECR can't be asked.
    pub async fn find(&self, repository: &str, tag: &str) -> Result<Option<Found>, Failure> {
        let wanted = ImageIdentifier::builder().image_tag(tag).build();
        let answer = self.ecr.describe_images().repository_name(repository).image_ids(wanted).send().await;
        match answer {
            Ok(answer) => answer.image_details().first().map(Found::parse).transpose(),
            Err(error) if is_absence(error.code()) => Ok(None),
            Err(error) => Err(failure(format_args!("DescribeImages of {repository}:{tag}"), error)),
        }
    }

    /// The login that is known, or a new one if there is none or it is about to end.
    pub(super) async fn login(&self) -> Result<Login, Failure> {
        let mut known = self.login.lock().await;
        if let Some(login) = known.as_ref().filter(|login| login.expires > SystemTime::now() + SPARE) {
            return Ok(login.clone());
        }
        Ok(known.insert(self.sign_in().await?).clone())
    }

    /// Forgets a login that was refused, so that the next one is new.
    pub(super) async fn forget(&self, refused: &Login) {
        self.login.lock().await.take_if(|known| known.password == refused.password);
    }

    /// Without registry ids: the password is good for every registry that these credentials may use.
    async fn sign_in(&self) -> Result<Login, Failure> {
        let answer = self.ecr.get_authorization_token().send().await;
        let answer = answer.map_err(|error| failure("GetAuthorizationToken of ECR", error))?;
        let data = answer.authorization_data().first();
        data.and_then(|data| {
            let expires = data.expires_at().and_then(|time| SystemTime::try_from(*time).ok());
            login(data.authorization_token()?, expires.unwrap_or_else(SystemTime::now))
        })
        .ok_or_else(|| Failure::new("GetAuthorizationToken of ECR: the answer holds no usable token"))
    }
}

/// The token is `user:password` in base64.
fn login(token: &str, expires: SystemTime) -> Option<Login> {
    let decoded = String::from_utf8(BASE64_STANDARD.decode(token).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    keep_secret(password);
    Some(Login { user: user.to_owned(), password: password.to_owned(), expires })
}

fn is_absence(code: Option<&str>) -> bool {
    matches!(code, Some("RepositoryNotFoundException" | "ImageNotFoundException"))
}

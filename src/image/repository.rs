use std::fmt;
use std::str::FromStr;

use crate::failure::Failure;

/// What an image is, whatever its name: `sha256:` and 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(String);

impl Digest {
    /// `sha256:…`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Digest {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        match text.strip_prefix("sha256:") {
            Some(digits) if digits.len() == 64 && digits.chars().all(hex) => Ok(Self(text.to_owned())),
            _ => Err(Failure::new(format!(
                "`{text}` is not an image digest: sha256: and 64 hexadecimal digits"
            ))),
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a workload's images are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    host: String,
    name: String,
}

impl Repository {
    /// The repository at a URI as ECR gives it, `HOST/NAME`. A `registry` takes the place of the URI's host.
    ///
    /// # Errors
    /// If the URI is not of that form.
    pub fn new(uri: &str, registry: Option<&str>) -> Result<Self, Failure> {
        match uri.split_once('/') {
            Some((host, name)) if !host.is_empty() && is_name(name) => {
                Ok(Self { host: registry.unwrap_or(host).to_owned(), name: name.to_owned() })
            }
            _ => Err(Failure::new(format!("`{uri}` is not an image repository: HOST/NAME, without a tag"))
                .hint("set the workload's `repository` to the `RepositoryUri` of an AWS::ECR::Repository")),
        }
    }

    /// The registry's host, with its port if it has one.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The repository's name in the registry.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What Docker calls the repository: `host/name`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}/{}", self.host, self.name)
    }

    /// The reference that always means this very image: `host/name@sha256:…`.
    #[must_use]
    pub fn image(&self, digest: &Digest) -> String {
        format!("{}/{}@{digest}", self.host, self.name)
    }
}

/// Characters of a repository's name in ECR.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_./".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    const URI: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/events/api";

    #[test]
    fn an_image_is_named_by_its_digest() {
        let digest: Digest = format!("sha256:{}", "0a".repeat(32)).parse().unwrap();
        let image = Repository::new(URI, None).unwrap().image(&digest);
        assert_eq!(image, format!("{URI}@{digest}"));
    }

    #[test]
    fn a_registry_takes_the_place_of_the_host() {
        let repository = Repository::new(URI, Some("127.0.0.1:4566")).unwrap();
        assert_eq!(repository.address(), "127.0.0.1:4566/events/api");
        assert_eq!(repository.name(), "events/api");
    }

    #[test]
    fn what_is_no_repository_or_digest_is_refused() {
        for wrong in ["", "api", "/api", "host/", "host/api:tag", "host/api@sha256:0"] {
            assert!(Repository::new(wrong, None).is_err(), "{wrong}");
        }
        for wrong in ["", "sha256:", "sha256:0A", &"0a".repeat(32)] {
            assert!(wrong.parse::<Digest>().is_err(), "{wrong}");
        }
    }
}

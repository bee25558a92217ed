use std::collections::BTreeMap;
use std::fmt;

use aws_sdk_lambda::types as sdk;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::Status;
use crate::rollout::live::{pinned_digest, short};

/// One version of a function, or `$LATEST`: what it runs and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// `7`, or `$LATEST`.
    pub version: String,
    /// What it runs.
    pub code: Code,
    /// How it runs, by the property's name in CloudFormation. What is empty is left out.
    ///
    /// Left out too is what differs between `$LATEST` and a version published from it though both behave the same:
    /// ARN, description, times, states, revision, sizes, the VPC's identity, the runtime's patch level.
    pub settings: BTreeMap<String, Setting>,
    /// The code's hash as Lambda writes it, to publish nothing else.
    pub code_sha256: Option<String>,
    /// Changes with every change to the function.
    pub revision_id: Option<String>,
    /// Whether it can be invoked.
    pub status: Status,
    /// What a version was published with.
    pub description: Option<String>,
}

/// What a function runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Code {
    /// An image or package by its digest: `sha256:…`.
    Digest(String),
    /// An image whose digest is not told.
    Image(String),
}

/// A property's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// It may be shown.
    Shown(String),
    /// It may be a secret: only its hash is kept, to compare it.
    Hidden([u8; 32]),
}

impl Code {
    /// The digest, if it is known.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        match self {
            Self::Digest(digest) => Some(digest),
            Self::Image(_) => None,
        }
    }

    /// An image's digest is in its resolved URI, or is its hash in hexadecimal; a package's hash is in base64.
    fn parse(location: Option<&sdk::FunctionCodeLocation>, sha256: Option<&str>) -> Self {
        let uri = location.and_then(|code| code.resolved_image_uri().or(code.image_uri()));
        if let Some(digest) = uri.and_then(pinned_digest) {
            return Self::Digest(digest.to_owned());
        }
        let sha256 = sha256.unwrap_or_default();
        if sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Self::Digest(format!("sha256:{sha256}"));
        }
        match (uri, STANDARD.decode(sha256)) {
            (None, Ok(bytes)) => Self::Digest(format!("sha256:{}", hex::encode(&bytes))),
            (uri, _) => Self::Image(uri.unwrap_or(sha256).to_owned()),
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Digest(digest) => short(digest),
            Self::Image(uri) => uri,
        })
    }
}

impl Setting {
    /// A value that may be a secret.
    #[must_use]
    pub fn hidden(value: &str) -> Self {
        Self::Hidden(Sha256::digest(value).into())
    }
}

impl Snapshot {
    /// Reads the API's answer to `GetFunction`.
    pub(super) fn parse(
        configuration: &sdk::FunctionConfiguration,
        code: Option<&sdk::FunctionCodeLocation>,
    ) -> Self {
        let told = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        Self {
            version: configuration.version().unwrap_or("$LATEST").to_owned(),
            code: Code::parse(code, configuration.code_sha256()),
            settings: settings(configuration),
            code_sha256: told(configuration.code_sha256()),
            revision_id: told(configuration.revision_id()),
            status: Status::parse(configuration),
            description: told(configuration.description()),
        }
    }
}

fn settings(function: &sdk::FunctionConfiguration) -> BTreeMap<String, Setting> {
    let mut properties = basics(function);
    properties.extend(network_and_storage(function));
    properties.extend(observability(function));
    let shown = properties.into_iter().filter_map(|(name, value)| {
        let value = value.filter(|value| !value.is_empty())?;
        Some((name.to_owned(), Setting::Shown(value)))
    });
    shown.chain(variables(function)).chain(opaque(function)).collect()
}

type Property = (&'static str, Option<String>);

fn basics(function: &sdk::FunctionConfiguration) -> Vec<Property> {
    let layers = function.layers().iter().filter_map(|layer| layer.arn().map(str::to_owned));
    let image = function.image_config_response().and_then(|response| response.image_config());
    vec![
        ("Role", function.role().map(str::to_owned)),
        ("Handler", function.handler().map(str::to_owned)),
        ("Runtime", function.runtime().map(ToString::to_string)),
        ("Timeout", function.timeout().map(|seconds| seconds.to_string())),
        ("MemorySize", function.memory_size().map(|mebibytes| mebibytes.to_string())),
        ("PackageType", function.package_type().map(ToString::to_string)),
        ("Architectures", Some(list(function.architectures().iter().map(ToString::to_string)))),
        ("KmsKeyArn", function.kms_key_arn().map(str::to_owned)),
        // Later layers overlay earlier ones, so their order counts.
        ("Layers", Some(list(layers))),
        ("ImageConfig.EntryPoint", image.map(|image| list(image.entry_point().iter().cloned()))),
        ("ImageConfig.Command", image.map(|image| list(image.command().iter().cloned()))),
        (
            "ImageConfig.WorkingDirectory",
            image.and_then(|image| image.working_directory().map(str::to_owned)),
        ),
    ]
}

fn network_and_storage(function: &sdk::FunctionConfiguration) -> Vec<Property> {
    let vpc = function.vpc_config();
    let mounts = function.file_system_configs().iter();
    vec![
        ("VpcConfig.SubnetIds", vpc.map(|vpc| set(vpc.subnet_ids()))),
        ("VpcConfig.SecurityGroupIds", vpc.map(|vpc| set(vpc.security_group_ids()))),
        (
            "VpcConfig.Ipv6AllowedForDualStack",
            vpc.and_then(sdk::VpcConfigResponse::ipv6_allowed_for_dual_stack)
                .filter(|allowed| *allowed)
                .map(|allowed| allowed.to_string()),
        ),
        ("EphemeralStorage.Size", function.ephemeral_storage().map(|storage| storage.size().to_string())),
        (
            "FileSystemConfigs",
            Some(list(mounts.map(|mount| format!("{} at {}", mount.arn(), mount.local_mount_path())))),
        ),
        (
            "DeadLetterConfig.TargetArn",
            function.dead_letter_config().and_then(|config| config.target_arn().map(str::to_owned)),
        ),
    ]
}

fn observability(function: &sdk::FunctionConfiguration) -> Vec<Property> {
    let logging = function.logging_config();
    vec![
        (
            "TracingConfig.Mode",
            function.tracing_config().and_then(|config| config.mode()).map(ToString::to_string),
        ),
        (
            "SnapStart.ApplyOn",
            function.snap_start().and_then(|config| config.apply_on()).map(ToString::to_string),
        ),
        ("LoggingConfig.LogGroup", logging.and_then(|config| config.log_group().map(str::to_owned))),
        ("LoggingConfig.LogFormat", logging.and_then(|config| config.log_format()).map(ToString::to_string)),
        (
            "LoggingConfig.ApplicationLogLevel",
            logging.and_then(|config| config.application_log_level()).map(ToString::to_string),
        ),
        (
            "LoggingConfig.SystemLogLevel",
            logging.and_then(|config| config.system_log_level()).map(ToString::to_string),
        ),
    ]
}

fn variables(function: &sdk::FunctionConfiguration) -> impl Iterator<Item = (String, Setting)> {
    let variables = function.environment().and_then(|environment| environment.variables());
    variables
        .into_iter()
        .flatten()
        .map(|(name, value)| (format!("Environment.{name}"), Setting::hidden(value)))
}

/// Rarely used properties with an inner structure of their own: compared as a whole.
fn opaque(function: &sdk::FunctionConfiguration) -> impl Iterator<Item = (String, Setting)> {
    [
        ("DurableConfig", function.durable_config().map(|config| format!("{config:?}"))),
        ("TenancyConfig", function.tenancy_config().map(|config| format!("{config:?}"))),
        ("CapacityProviderConfig", function.capacity_provider_config().map(|config| format!("{config:?}"))),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), Setting::hidden(&value?))))
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(",")
}

/// The order of subnets and security groups means nothing.
fn set(items: &[String]) -> String {
    let mut items = items.to_vec();
    items.sort();
    items.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(uri: &str) -> sdk::FunctionCodeLocation {
        sdk::FunctionCodeLocation::builder().resolved_image_uri(uri).build()
    }

    #[test]
    fn the_code_is_known_by_its_digest_however_it_is_written() {
        let hex = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
        let digest = Code::Digest(format!("sha256:{hex}"));
        assert_eq!(Code::parse(Some(&image(&format!("repo@sha256:{hex}"))), None), digest);
        assert_eq!(Code::parse(Some(&image("repo:tag")), Some(hex)), digest);
        assert_eq!(Code::parse(None, Some("LCa0a2j/xo/5m0U8HTBBNBNCLXBkg7+g+YpeiGJm564=")), digest);
    }

    #[test]
    fn a_tag_is_not_taken_for_a_digest() {
        let code = Code::parse(Some(&image("repo:tag")), Some(""));
        assert_eq!(code, Code::Image("repo:tag".to_owned()));
        assert_eq!(code.digest(), None);
    }

    fn configuration() -> sdk::builders::FunctionConfigurationBuilder {
        sdk::FunctionConfiguration::builder().memory_size(128).timeout(3).role("arn:aws:iam::1:role/r")
    }

    fn vpc(subnets: [&str; 2], id: &str) -> sdk::VpcConfigResponse {
        let subnets = subnets.map(str::to_owned).to_vec();
        sdk::VpcConfigResponse::builder().set_subnet_ids(Some(subnets)).vpc_id(id).build()
    }

    #[test]
    fn what_publishing_alone_changes_does_not_count() {
        let latest = configuration().version("$LATEST").revision_id("a").vpc_config(vpc(["s-1", "s-2"], ""));
        let version = configuration()
            .version("7")
            .revision_id("b")
            .description("commit 1a2b3c4")
            .last_modified("later")
            .vpc_config(vpc(["s-2", "s-1"], "vpc-1"))
            .environment(sdk::EnvironmentResponse::builder().build());
        assert_eq!(settings(&latest.build()), settings(&version.build()));
    }

    #[test]
    fn variables_are_compared_but_not_kept() {
        let environment = sdk::EnvironmentResponse::builder().variables("TOKEN", "hunter2").build();
        let settings = settings(&configuration().environment(environment).build());
        assert_eq!(settings.get("Environment.TOKEN"), Some(&Setting::hidden("hunter2")));
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}

//! What names, addresses and paths look like.

use super::{RoleArn, Span, Weight};
use crate::yaml::Form;

/// A project, environment, stack or workload.
pub(super) const NAME: Form = Form {
    what: "name",
    is: is_name,
    expected: "lower-case letters, digits and hyphens, a letter first, at most 63",
};
pub(super) const REGION: Form =
    Form { what: "region", is: is_region, expected: "an AWS region such as eu-west-1" };
pub(super) const ACCOUNT: Form =
    Form { what: "account", is: is_account, expected: "the AWS account's twelve digits, in quotes" };
pub(super) const ROLE: Form = Form {
    what: "role",
    is: is_role,
    expected: "an IAM role's ARN such as arn:aws:iam::111111111111:role/deploy",
};
pub(super) const REPOSITORY: Form =
    Form { what: "repository on GitHub", is: is_repository, expected: "`owner/name`" };
pub(super) const URL: Form =
    Form { what: "address", is: is_url, expected: "an address that begins with https:// or http://" };
pub(super) const REGISTRY: Form =
    Form { what: "registry", is: is_registry, expected: "`host` or `host:port`, without https://" };
/// <https://git-scm.com/docs/git-check-ref-format>
pub(super) const BRANCH: Form =
    Form { what: "name of a branch", is: is_branch, expected: "a branch such as main, without refs/heads/" };
pub(super) const PLATFORM: Form =
    Form { what: "platform", is: is_platform, expected: "a platform such as linux/amd64 or linux/arm64" };
pub(super) const ALIAS: Form = Form {
    what: "alias",
    is: is_alias,
    expected: "a name such as `live`: letters, digits, `-` and `_`, not digits alone",
};
pub(super) const SPAN: Form =
    Form { what: "time", is: is_span, expected: "a number with its unit such as 30s, 5m or 1h" };
/// A time that something is done for.
pub(super) const HOLD: Form =
    Form { is: is_hold, expected: "a number with its unit, more than 0, such as 30s, 5m or 1h", ..SPAN };
pub(super) const WEIGHT: Form = Form {
    what: "weight",
    is: is_weight,
    expected: "a fraction between 0 and 1 such as 0.1; all calls follow after the last step",
};
pub(super) const COUNT: Form =
    Form { what: "number of invocations", is: is_count, expected: "a whole number" };
pub(super) const ARGUMENT: Form =
    Form { what: "name of an ARG", is: is_argument, expected: "letters, digits and `_`" };
pub(super) const VARIABLE: Form =
    Form { what: "name of an environment variable", is: is_argument, expected: "letters, digits and `_`" };
pub(super) const PARAMETER: Form =
    Form { what: "name of a parameter", is: is_logical_id, expected: "letters and digits" };
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_Tag.html>
pub(super) const TAG: Form = Form {
    what: "name of a tag",
    is: is_tag,
    expected: "at most 128 characters that do not begin with `aws:`",
};

fn is_tag(text: &str) -> bool {
    (1..=128).contains(&text.chars().count()) && !text.to_ascii_lowercase().starts_with("aws:")
}

/// A project, environment, stack or workload: part of stack names, so what CloudFormation allows there, and lower
/// case because image repositories want it.
fn is_name(text: &str) -> bool {
    text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// A region such as `eu-west-1` or `us-gov-east-1`.
fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let letters = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase());
    parts.len() >= 3
        && parts[0].len() == 2
        && parts[..parts.len() - 1].iter().all(letters)
        && is_digits(parts[parts.len() - 1])
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && is_digits(text)
}

fn is_role(text: &str) -> bool {
    text.parse::<RoleArn>().is_ok()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_digit())
}

/// `owner/name`.
fn is_repository(text: &str) -> bool {
    let word = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
    };
    text.split_once('/').is_some_and(|(owner, name)| word(owner) && word(name))
}

/// `http://` or `https://`, and at least a host.
fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        !rest.starts_with('/')
            && !rest.is_empty()
            && !rest.contains(|c: char| c.is_whitespace() || c.is_control())
    })
}

/// `host` or `host:port`.
fn is_registry(text: &str) -> bool {
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    !host.is_empty()
        && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
        && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

fn is_branch(text: &str) -> bool {
    let allowed = |c: char| !c.is_control() && !" ~^:?*[\\".contains(c);
    let part =
        |part: &str| !part.is_empty() && !part.starts_with('.') && part.strip_suffix(".lock").is_none();
    text.chars().all(allowed)
        && text.split('/').all(part)
        && !text.starts_with("refs/")
        && !text.starts_with('-')
        && !text.ends_with('.')
        && !text.contains("..")
        && !text.contains("@{")
        && text != "@"
        && text != "HEAD"
}

/// `linux/amd64`, `linux/arm/v7`.
fn is_platform(text: &str) -> bool {
    let word =
        |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let mut parts = text.split('/');
    parts.next() == Some("linux")
        && parts.next().is_some_and(word)
        && parts.next().is_none_or(|variant| variant.strip_prefix('v').is_some_and(is_digits))
        && parts.next().is_none()
}

/// A Lambda alias; one of digits alone would be a version.
/// <https://docs.aws.amazon.com/lambda/latest/api/API_CreateAlias.html>
fn is_alias(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && !is_digits(text)
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

fn is_span(text: &str) -> bool {
    text.parse::<Span>().is_ok()
}

fn is_hold(text: &str) -> bool {
    text.parse::<Span>().is_ok_and(|span| !span.is_zero())
}

fn is_weight(text: &str) -> bool {
    text.parse::<Weight>().is_ok()
}

fn is_count(text: &str) -> bool {
    text.parse::<u64>().is_ok()
}

/// A Dockerfile's `ARG`.
fn is_argument(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A parameter's or output's name in a template.
fn is_logical_id(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric())
}

/// The path without `./` and double or trailing slashes, if it stays within the repository.
pub(super) fn path(text: &str) -> Option<String> {
    if text.is_empty() || text.starts_with('/') || text.contains(['\\', '\0', '\n']) {
        return None;
    }
    let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if parts.contains(&"..") {
        return None;
    }
    Some(if parts.is_empty() { ".".to_owned() } else { parts.join("/") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions() {
        assert!(["eu-west-1", "us-gov-east-1", "ap-southeast-2"].into_iter().all(is_region));
        assert!(!["", "eu", "eu-west", "eu-west-1a", "europe-west-1", "eu--1"].into_iter().any(is_region));
    }

    #[test]
    fn paths_stay_in_the_repository() {
        assert_eq!(path("./a//b/").as_deref(), Some("a/b"));
        assert_eq!(path("./").as_deref(), Some("."));
        assert_eq!([path("../a"), path("/a"), path("a/../.."), path(""), path("a\\b")], [const { None }; 5]);
    }

    #[test]
    fn aliases_are_no_versions() {
        assert!(is_alias("live-2") && !is_alias("2") && !is_alias("") && !is_alias("a b"));
    }
}

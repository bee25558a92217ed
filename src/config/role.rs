use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// An IAM role, by its ARN: `arn:aws:iam::111111111111:role/deploy`.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleArn {
    arn: String,
    account: String,
}

impl RoleArn {
    /// The account that the role is in.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }
}

impl FromStr for RoleArn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        read(text)
            .map(|account| Self { arn: text.to_owned(), account: account.to_owned() })
            .ok_or_else(|| format!("`{text}` is not a role: write arn:aws:iam::ACCOUNT:role/NAME"))
    }
}

/// The account in the ARN of a role.
fn read(arn: &str) -> Option<&str> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition, "iam", "", account, resource] = parts.as_slice() else { return None };
    let is_partition = *partition == "aws" || partition.starts_with("aws-");
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    // A role may have a path in front of its name.
    let segments = resource.strip_prefix("role/")?.split('/');
    let is_segment = |segment: &str| !segment.is_empty() && segment.chars().all(is_of_a_name);
    (is_partition && is_account && segments.clone().all(is_segment)).then_some(*account)
}

fn is_of_a_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)
}

impl fmt::Display for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.arn)
    }
}

impl JsonSchema for RoleArn {
    fn schema_name() -> Cow<'static, str> {
        "RoleArn".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": r"^arn:aws(-[a-z-]+)?:iam::[0-9]{12}:role(/[A-Za-z0-9_+=,.@-]+)+$",
            "description": "An IAM role's ARN: arn:aws:iam::111111111111:role/deploy."
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn roles_with_and_without_a_path_are_read() {
        for arn in [
            "arn:aws:iam::111111111111:role/deploy",
            "arn:aws-us-gov:iam::111111111111:role/teams/shop/deploy.prod+1",
        ] {
            let role: RoleArn = arn.parse().unwrap();
            assert_eq!((role.account(), role.to_string().as_str()), ("111111111111", arn));
        }
    }

    #[test]
    fn what_is_no_role_is_refused() {
        for text in [
            "",
            "deploy",
            "arn:aws:iam::111111111111:user/deploy",
            "arn:aws:iam::11111111111:role/deploy",
            "arn:aws:iam:eu-west-1:111111111111:role/deploy",
            "arn:aws:sts::111111111111:assumed-role/deploy/me",
            "arn:aws:iam::111111111111:role/",
            "arn:aws:iam::111111111111:role//deploy",
            "arn:aws:iam::111111111111:role/deploy me",
            "arn:evil:iam::111111111111:role/deploy",
        ] {
            assert!(text.parse::<RoleArn>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "(arn:aws:iam::[0-9]{11,13}:role/)?\\PC*") {
            if let Ok(role) = text.parse::<RoleArn>() {
                prop_assert_eq!(role.to_string(), text);
            }
        }
    }
}

use aws_sdk_lambda::types as sdk;

/// What Lambda says about whether a function, or a version of it, can be used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// `Active`, `Pending`, `Failed`…
    pub state: Option<String>,
    /// Why, in Lambda's words, and as a code.
    pub state_reason: (Option<String>, Option<String>),
    /// `Successful`, `InProgress`, `Failed`.
    pub update: Option<String>,
    /// Why, in Lambda's words, and as a code.
    pub update_reason: (Option<String>, Option<String>),
}

/// Whether a function, or a version of it, can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It can.
    Ready,
    /// Lambda is still at it.
    Pending,
    /// It can't, and waiting does not help.
    Failed {
        /// What Lambda says.
        why: String,
        /// What to do now.
        hint: &'static str,
    },
}

impl Status {
    pub(super) fn parse(function: &sdk::FunctionConfiguration) -> Self {
        let told = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        let state_code = function.state_reason_code().map(sdk::StateReasonCode::as_str);
        let update_code =
            function.last_update_status_reason_code().map(sdk::LastUpdateStatusReasonCode::as_str);
        Self {
            state: told(function.state().map(sdk::State::as_str)),
            state_reason: (told(function.state_reason()), told(state_code)),
            update: told(function.last_update_status().map(sdk::LastUpdateStatus::as_str)),
            update_reason: (told(function.last_update_status_reason()), told(update_code)),
        }
    }

    /// Whether it can be used.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        if self.state.as_deref() == Some("Failed") {
            return failed(&self.state_reason);
        }
        match self.update.as_deref() {
            Some("Failed") => failed(&self.update_reason),
            Some("InProgress") => Readiness::Pending,
            // An idle function becomes `Inactive`; the next call wakes it up.
            _ => match self.state.as_deref() {
                None | Some("Active" | "Inactive") => Readiness::Ready,
                Some(_) => Readiness::Pending,
            },
        }
    }
}

fn failed((reason, code): &(Option<String>, Option<String>)) -> Readiness {
    let code = code.as_deref().unwrap_or("no reason code");
    let why = reason.as_ref().map_or_else(|| code.to_owned(), |reason| format!("{code}: {reason}"));
    Readiness::Failed { why, hint: hint(code) }
}

/// What to do about the reason codes that the API model lists.
fn hint(code: &str) -> &'static str {
    match code {
        "ImageAccessDenied" => {
            "let lambda.amazonaws.com pull from the ECR repository (ecr:BatchGetImage, ecr:GetDownloadUrlForLayer) in its policy"
        }
        "ImageDeleted" => {
            "the image is gone from ECR: keep images that are in use out of the lifecycle rules, and run again to build it"
        }
        "InvalidImage" => {
            "Lambda takes one image for one platform, of the function's architecture, not an index of images: check the build's platform"
        }
        "EniLimitExceeded" | "SubnetOutOfIPAddresses" | "InvalidSubnet" | "InvalidSecurityGroup" => {
            "check the function's VpcConfig: the subnets, their free addresses and the security groups"
        }
        "InsufficientRolePermissions" => "check the function's role in the template",
        "DisabledKMSKey" | "InvalidStateKMSKey" | "KMSKeyAccessDenied" | "KMSKeyNotFound" => {
            "check the KMS key that encrypts the function's environment, and who may use it"
        }
        "EFSIOError" | "EFSMountConnectivityError" | "EFSMountFailure" | "EFSMountTimeout" => {
            "check the file system's mount targets and their security groups"
        }
        "InternalError" | "InsufficientCapacity" | "EC2RequestLimitExceeded" => {
            "this is on AWS's side: run again in a few minutes"
        }
        code if code.starts_with("FunctionError") => {
            "the function fails while it starts: its log group in CloudWatch shows why"
        }
        _ => "fix the function in its stack's template, commit, and run again",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(state: &str, update: &str) -> Status {
        Status { state: Some(state.to_owned()), update: Some(update.to_owned()), ..Status::default() }
    }

    #[test]
    fn only_a_successful_update_of_an_active_function_is_ready() {
        assert_eq!(status("Active", "Successful").readiness(), Readiness::Ready);
        assert_eq!(status("Inactive", "Successful").readiness(), Readiness::Ready);
        assert_eq!(status("Active", "InProgress").readiness(), Readiness::Pending);
        assert_eq!(status("Pending", "Successful").readiness(), Readiness::Pending);
        assert_eq!(status("Deleting", "Successful").readiness(), Readiness::Pending);
    }

    #[test]
    fn a_failed_update_says_what_to_do() {
        let failed = Status {
            update_reason: (
                Some("Lambda does not have permission to access the ECR image".to_owned()),
                Some("ImageAccessDenied".to_owned()),
            ),
            ..status("Active", "Failed")
        };
        insta::assert_debug_snapshot!(failed.readiness(), @r#"
        Failed {
            why: "ImageAccessDenied: Lambda does not have permission to access the ECR image",
            hint: "let lambda.amazonaws.com pull from the ECR repository (ecr:BatchGetImage, ecr:GetDownloadUrlForLayer) in its policy",
        }
        "#);
    }
}

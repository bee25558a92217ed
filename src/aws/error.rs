use std::error::Error;

use aws_sdk_cloudformation::error::{ProvideErrorMetadata, SdkError};

use crate::failure::{Failure, root_cause};

const CHECK_THE_WAY: &str = "check the network and the environment's region and endpoint, then run again";

/// A failure that says what was tried and what AWS answered, with what to do now.
///
/// `tried` is the operation and what it was applied to: `CreateChangeSet on events-prod-vpc`.
#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands the error over")]
pub fn failure<E, R>(tried: impl std::fmt::Display, error: SdkError<E, R>) -> Failure
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    match &error {
        SdkError::ServiceError(service) => {
            let code = service.err().code().unwrap_or("an error without a code");
            let message = service.err().message().unwrap_or("no message");
            Failure::new(format!("{tried}: {code}: {message}")).hint(hint_for_code(code))
        }
        SdkError::TimeoutError(_) => Failure::new(format!("{tried}: no answer in time")).hint(CHECK_THE_WAY),
        _ => {
            if let Some(known) = known(&error) {
                return known.clone();
            }
            let cause = root_cause(&error);
            let hint = hint_for_cause(&cause);
            Failure::new(format!("{tried}: {cause}")).hint(hint)
        }
    }
}

/// What one of our own parts said, somewhere below the SDK's layers: it needs no other words.
fn known<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Failure> {
    let mut layer = Some(error);
    while let Some(error) = layer {
        if let Some(failure) = error.downcast_ref() {
            return Some(failure);
        }
        layer = error.source();
    }
    None
}

/// Codes are those that the services document as common errors.
fn hint_for_code(code: &str) -> &'static str {
    match code {
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => {
            "the credentials have expired: sign in again (for instance `aws sso login`) and run again"
        }
        "InvalidClientTokenId" | "UnrecognizedClientException" | "SignatureDoesNotMatch" => {
            "the credentials are not valid: check AWS_PROFILE or the AWS_* variables"
        }
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => {
            "the credentials lack this permission: add it to the role, or use another role"
        }
        "Throttling" | "ThrottlingException" | "TooManyRequestsException" => {
            "AWS limits the rate of calls: run again in a minute"
        }
        _ => "mend what the message names, then run again",
    }
}

fn hint_for_cause(cause: &str) -> &'static str {
    let cause = cause.to_ascii_lowercase();
    if cause.contains("credential") {
        "no AWS credentials were found: sign in (`aws sso login`), or set AWS_PROFILE or the AWS_* variables"
    } else if cause.contains("connection refused") {
        "nothing listens there: check the environment's `endpoint` (`make up` starts the local cloud)"
    } else if cause.contains("dns") || cause.contains("resolve") {
        "the name could not be resolved: check the network and the environment's region"
    } else {
        CHECK_THE_WAY
    }
}

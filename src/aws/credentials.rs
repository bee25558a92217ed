use std::sync::Mutex;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::identity::IdentityCache;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};

use super::assumed::AssumedRole;
use super::job::{Endpoint, Job};
use crate::config::{Environment, RoleArn};
use crate::failure::Failure;

/// Credentials are renewed so long before they expire, so that no call is made with ones that end on its way.
const EARLY: Duration = Duration::from_mins(5);

/// For whom a token is that is shown to AWS.
const AWS: &str = "sts.amazonaws.com";

/// What credentials are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To see what is live, and what would become of it.
    Look,
    /// To change it.
    Change,
}

/// Where credentials come from.
#[derive(Debug, PartialEq, Eq)]
enum Source<'a> {
    /// The job takes the role on with its own identity.
    Role { role: &'a RoleArn, identity: &'a Endpoint, audience: &'a str, session_name: String },
    /// An emulator takes any.
    Any,
    /// Wherever the AWS command line has them.
    Found,
    /// The same; if there are none, it is because the job may not show who it is.
    FoundInJob(&'a RoleArn),
}

impl<'a> Source<'a> {
    fn of(environment: &'a Environment, purpose: Purpose, job: Option<&'a Job>) -> Self {
        let identity = job.and_then(|job| Some((job, job.identity()?)));
        let role = match purpose {
            Purpose::Look => environment.plan_role.as_ref().or(environment.role.as_ref()),
            Purpose::Change => environment.role.as_ref(),
        };
        match (role, &environment.endpoint, identity) {
            (Some(role), endpoint, Some((job, identity))) => Self::Role {
                role,
                identity,
                // A token is taken by its audience alone: one for an emulator opens nothing in AWS.
                audience: endpoint.as_deref().unwrap_or(AWS),
                session_name: job.session_name(),
            },
            // Real credentials are never sent to an emulator.
            (_, Some(_), _) => Self::Any,
            (Some(role), None, None) if job.is_some() => Self::FoundInJob(role),
            (_, None, _) => Self::Found,
        }
    }
}

/// The configuration with the environment's credentials in the place of those that were found.
///
/// # Errors
/// If the job is to take a role on and may not.
pub(super) async fn provided(
    config: SdkConfig,
    environment: &Environment,
    purpose: Purpose,
) -> Result<SdkConfig, Failure> {
    let job = Job::from_environment();
    Ok(match Source::of(environment, purpose, job.as_ref()) {
        Source::Found => config,
        Source::FoundInJob(_) if are_there(&config).await => config,
        Source::FoundInJob(role) => return Err(no_identity(role)),
        Source::Any => {
            let any = Credentials::new("test", "test", None, None, "local cloud");
            config.into_builder().credentials_provider(SharedCredentialsProvider::new(any)).build()
        }
        Source::Role { role, identity, audience, session_name } => {
            let mut without = config.to_builder();
            without.set_credentials_provider(None);
            let role = AssumedRole {
                sts: aws_sdk_sts::Client::new(&without.build()),
                role: role.clone(),
                identity: identity.clone(),
                audience: audience.to_owned(),
                session_name,
                last: Mutex::default(),
            };
            config
                .into_builder()
                .credentials_provider(SharedCredentialsProvider::new(role))
                .identity_cache(IdentityCache::lazy().buffer_time(EARLY).build())
                .build()
        }
    })
}

async fn are_there(config: &SdkConfig) -> bool {
    match config.credentials_provider() {
        Some(found) => found.provide_credentials().await.is_ok(),
        None => false,
    }
}

fn no_identity(role: &RoleArn) -> Failure {
    Failure::new(format!(
        "the job can't take on {role}: it may not show who it is, and has no other credentials"
    ))
    .hint("add `permissions: { id-token: write, contents: read }` to the job in the workflow")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(role: bool, endpoint: bool) -> Environment {
        Environment {
            region: "eu-west-1".to_owned(),
            account: None,
            role: role.then(|| "arn:aws:iam::111111111111:role/deploy".parse().unwrap()),
            plan_role: None,
            branch: None,
            approval: None,
            endpoint: endpoint.then(|| "http://127.0.0.1:4566".to_owned()),
            registry: None,
            url: None,
        }
    }

    fn job(identity: bool) -> Job {
        let identity = |name: &str| match name {
            "GITHUB_ACTIONS" => Some("true".to_owned()),
            "ACTIONS_ID_TOKEN_REQUEST_URL" | "ACTIONS_ID_TOKEN_REQUEST_TOKEN" if identity => {
                Some("https://x".to_owned())
            }
            _ => None,
        };
        Job::of(identity).unwrap()
    }

    #[test]
    fn a_role_is_taken_on_by_a_job_alone() {
        let (with, without) = (job(true), job(false));
        let (aws, emulator) = (environment(true, false), environment(true, true));
        let audience = |environment| match Source::of(environment, Purpose::Change, Some(&with)) {
            Source::Role { audience, .. } => audience.to_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!(audience(&aws), "sts.amazonaws.com");
        assert_eq!(audience(&emulator), "http://127.0.0.1:4566");
        assert!(matches!(Source::of(&aws, Purpose::Change, Some(&without)), Source::FoundInJob(_)));
        assert_eq!(Source::of(&aws, Purpose::Change, None), Source::Found);
    }

    #[test]
    fn what_only_looks_has_a_role_of_its_own_if_there_is_one() {
        let job = job(true);
        let role = |environment: &Environment, purpose| match Source::of(environment, purpose, Some(&job)) {
            Source::Role { role, .. } => role.to_string(),
            other => panic!("{other:?}"),
        };
        let one = environment(true, false);
        assert_eq!(role(&one, Purpose::Look), role(&one, Purpose::Change));
        let two = Environment {
            plan_role: Some("arn:aws:iam::111111111111:role/plan".parse().unwrap()),
            ..environment(true, false)
        };
        assert_eq!(role(&two, Purpose::Look), "arn:aws:iam::111111111111:role/plan");
        assert_eq!(role(&two, Purpose::Change), "arn:aws:iam::111111111111:role/deploy");
    }

    #[test]
    fn nothing_real_is_sent_to_an_emulator() {
        for (role, job) in [(false, Some(job(true))), (true, Some(job(false))), (true, None), (false, None)] {
            assert_eq!(
                Source::of(&environment(role, true), Purpose::Change, job.as_ref()),
                Source::Any,
                "{role} {job:?}"
            );
        }
    }

    #[test]
    fn without_a_role_credentials_are_taken_as_they_are_found() {
        for job in [Some(job(true)), Some(job(false)), None] {
            assert_eq!(Source::of(&environment(false, false), Purpose::Change, job.as_ref()), Source::Found);
        }
    }
}

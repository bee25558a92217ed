use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{Region, SdkConfig};

use super::credentials::{self, Purpose};
use super::{Fence, Pace, failure};
use crate::config::Environment;
use crate::failure::Failure;

/// Clients for one environment's account and region.
#[derive(Debug, Clone)]
pub struct Session {
    /// Every kind of resource, by its CloudFormation type.
    pub cloudcontrol: aws_sdk_cloudcontrol::Client,
    /// CloudFormation.
    pub cloudformation: aws_sdk_cloudformation::Client,
    /// Alarms and metrics.
    pub cloudwatch: aws_sdk_cloudwatch::Client,
    /// The image registry.
    pub ecr: aws_sdk_ecr::Client,
    /// Container services.
    pub ecs: aws_sdk_ecs::Client,
    /// Functions.
    pub lambda: aws_sdk_lambda::Client,
    /// Target groups.
    pub load_balancing: aws_sdk_elasticloadbalancingv2::Client,
    /// What containers wrote.
    pub logs: aws_sdk_cloudwatchlogs::Client,
    /// Where leases are kept. Not behind the fence: what it lets through depends on them.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// Stands before every call of the other clients that changes something.
    pub fence: Fence,
    /// Whether it is AWS itself, or an endpoint of the user's own: an emulator.
    pub emulated: bool,
    sts: aws_sdk_sts::Client,
    /// Turns for looking at stacks in flight.
    pub stacks_pace: Pace,
    /// Time between two looks at a rollout, or at another run that is waited for.
    pub rollout_poll: Duration,
}

/// Who the credentials belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The account's twelve digits.
    pub account: String,
    /// The user or role.
    pub arn: String,
}

impl Session {
    /// Connects to the environment's account.
    ///
    /// # Errors
    /// If the environment names an account and the credentials belong to another one, or can't be checked.
    pub async fn open(environment: &Environment, purpose: Purpose) -> Result<Self, Failure> {
        let config = credentials::provided(load(environment).await, environment, purpose).await?;
        if let Some(account) = &environment.account {
            guard_account(&config, account).await?;
        }
        let emulated = environment.endpoint.is_some();
        let poll = |local, aws| Duration::from_millis(if emulated { local } else { aws });
        let fence = Fence::default();
        macro_rules! client {
            ($service:ident) => {
                $service::Client::from_conf(
                    $service::config::Builder::from(&config).interceptor(fence.clone()).build(),
                )
            };
        }
        Ok(Self {
            cloudcontrol: client!(aws_sdk_cloudcontrol),
            cloudformation: client!(aws_sdk_cloudformation),
            cloudwatch: client!(aws_sdk_cloudwatch),
            ecr: client!(aws_sdk_ecr),
            ecs: client!(aws_sdk_ecs),
            lambda: client!(aws_sdk_lambda),
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            load_balancing: client!(aws_sdk_elasticloadbalancingv2),
            logs: client!(aws_sdk_cloudwatchlogs),
            sts: aws_sdk_sts::Client::new(&config),
            fence,
            emulated,
            stacks_pace: Pace::new(poll(150, 1_000)),
            rollout_poll: poll(300, 3_000),
        })
    }

    /// Asks who the credentials belong to.
    ///
    /// # Errors
    /// If there are none, or they are not valid.
    pub async fn identity(&self) -> Result<Identity, Failure> {
        let answer = self.sts.get_caller_identity().send().await;
        let answer = answer.map_err(|error| failure("GetCallerIdentity", error))?;
        let text = |text: Option<&str>| text.unwrap_or("unknown").to_owned();
        Ok(Identity { account: text(answer.account()), arn: text(answer.arn()) })
    }
}

/// The way, with the credentials that are found.
async fn load(environment: &Environment) -> SdkConfig {
    let mut loader = aws_config::from_env()
        .region(Region::new(environment.region.clone()))
        .retry_config(RetryConfig::standard().with_max_attempts(8))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(5))
                .operation_attempt_timeout(Duration::from_secs(30))
                .build(),
        );
    if let Some(endpoint) = &environment.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    loader.load().await
}

async fn guard_account(config: &SdkConfig, wanted: &str) -> Result<(), Failure> {
    let identity = aws_sdk_sts::Client::new(config)
        .get_caller_identity()
        .send()
        .await
        .map_err(|error| failure("GetCallerIdentity, to check the account", error))?;
    let found = identity.account().unwrap_or("unknown");
    if found == wanted {
        return Ok(());
    }
    Err(Failure::new(format!("the credentials belong to account {found}, the environment to {wanted}"))
        .detail(format!("signed in as {}", identity.arn().unwrap_or("unknown")))
        .hint("nothing was read or changed; sign in to the right account (AWS_PROFILE), or choose another --env"))
}

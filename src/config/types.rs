use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;

use super::{RoleArn, Span, Text, Weight};

/// What `pipeline.yaml` says: a project, where it runs, what it is made of and what it runs.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields, title = "pipeline.yaml")]
pub struct Config {
    /// The project's name; every stack is named `<project>-<environment>-<stack>`.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9-]{0,62}$"))]
    pub project: String,
    /// Where results are shown. Without it the repository is taken from the git remote `origin`.
    #[schemars(default)]
    pub github: Option<GitHub>,
    /// The places to deploy to, by name.
    #[schemars(extend("minProperties" = 1), extend("propertyNames" = name_schema()))]
    pub environments: BTreeMap<String, Environment>,
    /// The CloudFormation stacks, by name.
    #[schemars(default, with = "BTreeMap<String, Option<Stack>>", extend("propertyNames" = name_schema()))]
    pub stacks: BTreeMap<String, Stack>,
    /// What is built, pushed and rolled out, by name.
    #[schemars(default, extend("propertyNames" = name_schema()))]
    pub workloads: BTreeMap<String, Workload>,
}

/// The repository on GitHub that commit statuses and comments are posted to.
#[derive(Debug, Clone, Default, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct GitHub {
    /// `owner/name`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$"))]
    pub repository: Option<String>,
    /// The API's address, for GitHub Enterprise Server; `https://api.github.com` otherwise.
    #[schemars(url)]
    pub api_url: Option<String>,
}

/// A place to deploy to.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Environment {
    /// The AWS region: `eu-west-1`.
    #[schemars(regex(pattern = r"^[a-z]{2}(-[a-z]+)+-[0-9]+$"))]
    pub region: String,
    /// The AWS account's twelve digits, in quotes. Nothing is deployed with credentials for another account.
    #[schemars(regex(pattern = r"^[0-9]{12}$"))]
    pub account: Option<String>,
    /// The IAM role that a job on GitHub Actions takes on with its own identity.
    pub role: Option<RoleArn>,
    /// The same for what changes nothing but change sets: `plan`, `drift` and `status`; `role` if not given.
    pub plan_role: Option<RoleArn>,
    /// The branch that `pipeline watch` and `pipeline serve` deploy here.
    pub branch: Option<String>,
    /// Whether somebody has to approve a plan before `pipeline serve` deploys it; nobody if not given.
    pub approval: Option<Approval>,
    /// The AWS API's address, where it is not AWS itself.
    #[schemars(url)]
    pub endpoint: Option<String>,
    /// The image registry as `host` or `host:port`, where it is not the account's ECR.
    pub registry: Option<String>,
    /// Where people find what is deployed; shown at the end of a run and on GitHub. May contain references.
    pub url: Option<Text>,
}

/// Whether somebody has to approve a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum Approval {
    /// Somebody with the level `approve`.
    Required,
}

/// A CloudFormation stack: a template and what is given to it.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Stack {
    /// The template's path in the repository; `stacks/<name>/template.yaml` if not given.
    #[schemars(with = "Option<String>")]
    pub template: String,
    /// Values for the template's parameters. A list is joined with commas. `stacks/environments/<environment>.yaml`
    /// wins over these.
    #[schemars(default, with = "BTreeMap<String, ParameterValue>")]
    pub parameters: BTreeMap<String, Text>,
    /// What the template is allowed to do to IAM, and whether it may use macros.
    #[schemars(default)]
    pub capabilities: BTreeSet<Capability>,
    /// Tags of the stack, without references; CloudFormation puts them on every resource.
    #[schemars(default, with = "BTreeMap<String, Scalar>")]
    pub tags: BTreeMap<String, String>,
}

/// A permission that CloudFormation wants to be given in so many words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
pub enum Capability {
    /// The template makes IAM resources.
    #[schemars(rename = "CAPABILITY_IAM")]
    Iam,
    /// The template makes IAM resources with names of their own.
    #[schemars(rename = "CAPABILITY_NAMED_IAM")]
    NamedIam,
    /// The template uses macros.
    #[schemars(rename = "CAPABILITY_AUTO_EXPAND")]
    AutoExpand,
}

impl Capability {
    /// Every capability that CloudFormation knows.
    pub const ALL: [Self; 3] = [Self::Iam, Self::NamedIam, Self::AutoExpand];

    /// The API's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Iam => "CAPABILITY_IAM",
            Self::NamedIam => "CAPABILITY_NAMED_IAM",
            Self::AutoExpand => "CAPABILITY_AUTO_EXPAND",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something that is built into an image, pushed, and rolled out.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Workload {
    /// Files and directories that the image is made from. It is built anew when one of them changes.
    #[schemars(length(min = 1))]
    pub inputs: Vec<String>,
    /// How the image is built.
    #[schemars(with = "Option<Build>")]
    pub build: Build,
    /// The repository to push to: `${stacks.ecr.ApiRepositoryUri}`.
    pub repository: Text,
    /// What runs the image. Without it the image is only pushed.
    pub rollout: Option<Rollout>,
}

/// How a workload's image is built.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Build {
    /// A shell command to run first, in the repository's root: `cargo build --release`.
    pub command: Option<String>,
    /// The directory that is sent to Docker; `.` if not given.
    #[schemars(with = "Option<String>")]
    pub context: String,
    /// The Dockerfile's path in the repository; `<context>/Dockerfile` if not given.
    #[schemars(with = "Option<String>")]
    pub dockerfile: String,
    /// Values for the Dockerfile's `ARG`s.
    #[schemars(default, with = "BTreeMap<String, Scalar>")]
    pub args: BTreeMap<String, Text>,
    /// The Dockerfile's stage to build; the last one if not given.
    pub target: Option<String>,
    /// Environment variables that hold secrets and that the command is given: `NPM_TOKEN`. They are shown nowhere.
    #[schemars(default)]
    pub secrets: Vec<String>,
    /// What the image runs on; `linux/amd64` if not given.
    #[schemars(with = "Option<String>", regex(pattern = r"^linux/[a-z0-9]+(/v[0-9]+)?$"))]
    pub platform: String,
}

impl Build {
    /// A build without a command of its own, of the Dockerfile in a directory.
    #[must_use]
    pub fn in_context(context: String) -> Self {
        let dockerfile =
            if context == "." { "Dockerfile".to_owned() } else { format!("{context}/Dockerfile") };
        let platform = "linux/amd64".to_owned();
        let (args, secrets) = (BTreeMap::new(), Vec::new());
        Self { command: None, context, dockerfile, args, target: None, secrets, platform }
    }
}

/// A build of the Dockerfile in the repository's root.
impl Default for Build {
    fn default() -> Self {
        Self::in_context(".".to_owned())
    }
}

/// What runs a workload's image, and so how a new one is rolled out.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "snake_case", deny_unknown_fields)]
pub enum Rollout {
    /// An ECS service.
    Ecs {
        /// The cluster's name or ARN.
        cluster: Text,
        /// The service's name or ARN.
        service: Text,
        /// The ARN of the task definition's revision that the stack registered.
        task_definition: Text,
        /// Names of `CloudWatch` alarms. If one of them goes off during the deployment, the service is moved back.
        #[schemars(default, length(max = 100))]
        alarms: Vec<Text>,
        /// How long the alarms are watched after the service is steady; only during the deployment if not given.
        #[schemars(default, with = "Option<Span>")]
        watch: Span,
    },
    /// A Lambda function's alias.
    Lambda {
        /// The function's name or ARN.
        function: Text,
        /// The alias that callers use.
        alias: String,
        /// How the alias is moved; all at once if not given.
        #[schemars(default)]
        strategy: Option<Strategy>,
    },
}

/// How a Lambda alias is moved to a new version.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Strategy {
    /// Step by step, each with more of the calls.
    pub canary: Canary,
}

/// A release that gets more and more of the calls, as long as nothing speaks against it.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Canary {
    /// What the new version gets and for how long, before it gets everything. The weights rise.
    #[schemars(length(min = 1))]
    pub steps: Vec<CanaryStep>,
    /// Names of `CloudWatch` alarms. If one of them goes off, all calls go to the old version again at once.
    #[schemars(default, length(max = 100))]
    pub alarms: Vec<Text>,
    /// How often the new version has to be called in each step for the step to tell anything.
    #[schemars(default)]
    pub minimum_invocations: u64,
}

/// One step of a canary.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct CanaryStep {
    /// The new version's share of the calls.
    pub weight: Weight,
    /// How long it is held.
    #[schemars(rename = "for")]
    pub hold: Span,
}

/// A parameter's value as it is written: a scalar, or a list that is joined with commas.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "describes what is written for the schema; the reader makes a `Text` of it")]
enum ParameterValue {
    /// One value.
    Scalar(Scalar),
    /// Several values, joined with commas.
    List(Vec<Scalar>),
}

/// A text, number or boolean, taken as it is written.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "describes what is written for the schema; the reader makes a text of it")]
enum Scalar {
    /// A text that may contain references.
    Text(Text),
    /// A number.
    Number(f64),
    /// A boolean.
    Boolean(bool),
}

fn name_schema() -> serde_json::Value {
    serde_json::json!({ "pattern": "^[a-z][a-z0-9-]{0,62}$" })
}

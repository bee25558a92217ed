//! A job takes on the environment's role with its own identity, and is refused in words that help.

mod support;

use std::process::Command;
use std::time::Duration;

use support::canary::REQUEST_TOKEN;
use support::issuer::{Behaviour, Issuer, SUBJECT};
use support::{Cloud, Output, Proxy, Repository};

const PIPELINE: &str = r#"
project: PROJECT
environments:
  local:
    region: us-west-2
    endpoint: "ENDPOINT"
    account: "000000000000"
    role: arn:aws:iam::000000000000:role/teams/PROJECT
stacks:
  a:
"#;

const TEMPLATE: &str = r"
Resources:
  Kept: { Type: AWS::SSM::Parameter, Properties: { Type: String, Value: kept } }
";

/// What an account has to hold, as docs/github.md tells.
const IDENTITY: &str = r#"
Resources:
  GitHub:
    Type: AWS::IAM::OIDCProvider
    Properties: { Url: "ISSUER", ClientIdList: ["AUDIENCE"] }
  Deploy:
    Type: AWS::IAM::Role
    Properties:
      RoleName: PROJECT
      Path: /teams/
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Action: sts:AssumeRoleWithWebIdentity
            Principal: { Federated: !Ref GitHub }
            Condition:
              StringEquals: { "HOST:aud": "AUDIENCE", "HOST:repository_id": "77" }
              StringLike: { "HOST:sub": "repo:acme@42/shop@77:environment:*" }
"#;

/// A repository whose jobs may take on a role.
struct Setting {
    repository: Repository,
    cloud: Cloud,
    issuer: Issuer,
    proxy: Proxy,
}

impl Setting {
    fn new() -> Self {
        let repository =
            Repository::with(&[("pipeline.yaml", PIPELINE), ("stacks/a/template.yaml", TEMPLATE)]);
        let (proxy, issuer) = (repository.behind_proxy(), Issuer::start());
        let cloud = Cloud::of(&repository.project);
        let identity = IDENTITY
            .replace("ISSUER", issuer.url())
            .replace("HOST", issuer.url().trim_start_matches("http://"))
            .replace("AUDIENCE", &proxy.endpoint())
            .replace("PROJECT", &repository.project);
        cloud.create_stack("d", &identity);
        assert_eq!(cloud.stack_status("d").as_deref(), Some("CREATE_COMPLETE"));
        Self { repository, cloud, issuer, proxy }
    }

    /// A command of a job that may show who it is.
    fn job(&self, arguments: &[&str]) -> Command {
        let mut command = self.repository.command(arguments);
        command
            .env("GITHUB_ACTIONS", "true")
            .env("GITHUB_REPOSITORY", "acme/shop")
            .env("GITHUB_RUN_ID", "7211")
            .env("ACTIONS_ID_TOKEN_REQUEST_URL", self.issuer.request_url())
            .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", REQUEST_TOKEN);
        command
    }

    /// What a job's command came to. Nothing that was given away is in it.
    fn output(&self, command: Command, code: i32) -> Output {
        let output = Output::of(command).code(code);
        for secret in self.issuer.given().iter().chain(&self.proxy.secrets()) {
            for text in [&output.stdout, &output.stderr] {
                assert!(!text.contains(secret.as_str()), "`{secret}` came out:\n{text}");
            }
        }
        output
    }

    fn run(&self) -> Output {
        self.output(self.job(&["run", "--env", "local", "--output", "json"]), 0)
    }

    /// How a run of a job is refused that has changed nothing.
    fn refusal(&self, command: Command) -> String {
        let output = self.output(command, 1);
        let calls = self.proxy.take();
        let others: Vec<_> = calls.iter().filter(|call| *call != "AssumeRoleWithWebIdentity").collect();
        assert!(others.is_empty(), "{calls:?}");
        assert_eq!(self.cloud.stack_status("a"), None);
        output
            .stderr
            .replace(&self.repository.project, "PROJECT")
            .replace(&self.proxy.endpoint(), "AUDIENCE")
            .replace(self.issuer.url(), "ISSUER")
    }

    /// How a run is refused if the issuer behaves like this.
    fn refused(&self, behaviour: Behaviour) -> String {
        self.issuer.behave(behaviour);
        self.refusal(self.job(&["run", "--env", "local", "--output", "text"]))
    }
}

#[test]
fn a_job_deploys_with_the_role_and_nothing_else() {
    let setting = Setting::new();
    let output = setting.run();
    assert_eq!(output.changed(), ["stack/a"]);
    assert_eq!(setting.cloud.stack_status("a").as_deref(), Some("CREATE_COMPLETE"));
    assert_eq!(setting.proxy.take()[..2], ["AssumeRoleWithWebIdentity", "GetCallerIdentity"]);
    assert_eq!(setting.issuer.given().len(), 1, "credentials are kept while they last");
    let signers = setting.proxy.signers();
    assert!(signers.len() == 1 && signers[0].starts_with("ASIA"), "{signers:?}");

    let verified = setting.output(setting.job(&["verify", "--env", "local"]), 0);
    let identity =
        format!("arn:aws:sts::000000000000:assumed-role/{}/acme.shop@7211", setting.repository.project);
    assert!(verified.stdout.contains(&identity), "{verified:?}");
}

#[test]
fn a_plan_takes_on_the_role_for_plans_and_a_run_the_one_that_deploys() {
    let setting = Setting::new();
    let role = format!("role/teams/{}", setting.repository.project);
    setting.repository.edit(
        "pipeline.yaml",
        &role,
        &format!("{role}\n    plan_role: arn:aws:iam::000000000000:{role}-plan"),
    );
    setting.repository.commit("Plan with less");
    let refusal = setting.refusal(setting.job(&["plan", "--env", "local"]));
    assert!(refusal.contains("role/teams/PROJECT-plan"), "there is no such role: {refusal}");
    assert_eq!(setting.run().changed(), ["stack/a"]);
}

#[test]
fn elsewhere_credentials_are_taken_as_before() {
    let setting = Setting::new();
    setting.repository.run(&[]).code(0);
    assert_eq!(setting.proxy.signers(), ["test"]);
    assert_eq!(setting.issuer.given().len(), 0);
}

#[test]
fn credentials_that_end_within_the_run_are_renewed_with_a_new_token() {
    let setting = Setting::new();
    setting.proxy.credentials_last(Duration::from_mins(2));
    assert_eq!(setting.run().changed(), ["stack/a"]);
    let (tokens, signers) = (setting.issuer.given(), setting.proxy.signers());
    assert!(tokens.len() > 1 && signers.len() > 1, "{signers:?}");
    assert!(tokens.iter().all(|token| tokens.iter().filter(|other| *other == token).count() == 1));
}

#[test]
fn what_is_still_valid_is_used_if_there_is_nothing_newer() {
    let setting = Setting::new();
    setting.proxy.credentials_last(Duration::from_mins(2));
    setting.issuer.behave(Behaviour { gives: 1, ..Behaviour::default() });
    assert_eq!(setting.run().changed(), ["stack/a"]);
    assert_eq!(setting.proxy.signers().len(), 1);
}

#[test]
fn what_sts_refuses_is_explained() {
    let setting = Setting::new();
    let usual = Behaviour::default;
    insta::assert_snapshot!(
        "wrong_subject",
        setting
            .refused(Behaviour { subject: SUBJECT.replace("environment:local", "pull_request"), ..usual() })
    );
    insta::assert_snapshot!(
        "wrong_audience",
        setting.refused(Behaviour { audience: Some("sts.amazonaws.com".to_owned()), ..usual() })
    );
    insta::assert_snapshot!("wrong_signature", setting.refused(Behaviour { forges: true, ..usual() }));
    let expired = setting.refused(Behaviour { lifetime: -60, ..usual() });
    insta::with_settings!({ filters => [(r"\b1\d{9}\b", "TIME")] }, {
        insta::assert_snapshot!("expired", expired);
    });
}

#[test]
fn an_issuer_that_is_not_registered_is_named() {
    let setting = Setting::new();
    let stranger = Setting { issuer: Issuer::start(), ..setting };
    insta::assert_snapshot!("not_registered", stranger.refused(Behaviour::default()));
}

#[test]
fn a_github_that_gives_no_token_is_told_apart() {
    let setting = Setting::new();
    insta::assert_snapshot!(
        "github_fails",
        setting.refused(Behaviour { status: 500, ..Behaviour::default() })
    );
    insta::assert_snapshot!(
        "github_is_slow",
        setting.refused(Behaviour { delay: Duration::from_secs(30), ..Behaviour::default() })
    );
    let run = ["run", "--env", "local", "--output", "text"];
    let mut nobody_there = setting.job(&run);
    nobody_there.env("ACTIONS_ID_TOKEN_REQUEST_URL", "http://127.0.0.1:1/token");
    insta::assert_snapshot!("github_is_down", setting.refusal(nobody_there));
    setting.issuer.behave(Behaviour::default());
    let mut wrong_token = setting.job(&run);
    wrong_token.env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "another-token");
    insta::assert_snapshot!("github_refuses", setting.refusal(wrong_token));
}

#[test]
fn a_job_that_may_not_show_who_it_is_is_told_what_to_add() {
    let repository = Repository::with(&[
        ("pipeline.yaml", &PIPELINE.replace("    endpoint: \"ENDPOINT\"\n", "")),
        ("stacks/a/template.yaml", TEMPLATE),
    ]);
    let mut command = repository.command(&["run", "--env", "local"]);
    for (name, _) in support::canary::VARIABLES {
        command.env_remove(name);
    }
    command.env("GITHUB_ACTIONS", "true").env("HOME", repository.path());
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    let output = Output::of(command).code(1);
    insta::assert_snapshot!("no_permission", output.stderr.replace(&repository.project, "PROJECT"));
}

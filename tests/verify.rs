//! `pipeline verify`, end to end against the local cloud.

mod support;

use std::collections::BTreeMap;
use std::net::UdpSocket;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_cloudcontrol::config::{Credentials, SharedCredentialsProvider};
use simple_dns::rdata::{NS, RData};
use simple_dns::{CLASS, Name, Packet, RCODE, ResourceRecord};
use support::proxy::Fate;
use support::{Cloud, Output, Proxy, Repository};

const ONE_STACK: &str = r#"
project: PROJECT
environments:
  local: { region: us-west-2, endpoint: "ENDPOINT" }
stacks:
  a:
"#;

fn one_stack(template: &str) -> Repository {
    Repository::with(&[("pipeline.yaml", ONE_STACK), ("stacks/a/template.yaml", template)])
}

fn verify(repository: &Repository) -> Output {
    repository.pipeline(&["verify", "--env", "local"])
}

/// Verifies with a resolver of the test's own.
fn verify_with(repository: &Repository, resolver: &str) -> Output {
    let mut command = repository.command(&["verify", "--env", "local"]);
    let output = command.env("PIPELINE_RESOLVER", resolver).output().expect("the pipeline");
    Output {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The lines of one check, without those that differ from machine to machine.
fn lines_of(output: &Output, check: &str) -> String {
    let mut shown = false;
    let mut lines = output.stdout.lines().filter(|line| {
        if line.starts_with("  ✔") || line.starts_with("  !") || line.starts_with("  ✘") {
            shown = line[2..].chars().skip(2).collect::<String>().starts_with(check);
        }
        shown && !line.is_empty() && !line.starts_with("not ready") && !line.starts_with("ready")
    });
    let lines: Vec<&str> = lines.by_ref().collect();
    lines.join("\n")
}

/// Resources outside of every stack, as Cloud Control knows them; removed at the end.
struct Outside {
    runtime: tokio::runtime::Runtime,
    client: aws_sdk_cloudcontrol::Client,
    made: Vec<(&'static str, String)>,
}

impl Outside {
    fn new() -> Self {
        let credentials = Credentials::new("test", "test", None, None, "test");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-west-2"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(Cloud::endpoint())
            .build();
        let client = aws_sdk_cloudcontrol::Client::new(&config);
        Self { runtime: tokio::runtime::Runtime::new().expect("a runtime"), client, made: Vec::new() }
    }

    fn with(mut self, resource_type: &'static str, id: &str, properties: &str) -> Self {
        let call = self.client.create_resource().type_name(resource_type).desired_state(properties);
        self.runtime.block_on(call.send()).expect("a resource");
        self.made.push((resource_type, id.to_owned()));
        self
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        for (resource_type, id) in &self.made {
            let call = self.client.delete_resource().type_name(*resource_type).identifier(id);
            drop(self.runtime.block_on(call.send()));
        }
    }
}

/// A resolver that knows one answer: these name servers, or that there is no such domain.
fn resolver(servers: &'static [&'static str]) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, client)) = socket.recv_from(&mut buffer) {
            let question = Packet::parse(&buffer[..length]).expect("a question");
            let name = question.questions[0].qname.clone();
            let mut answer = Packet::new_reply(question.id());
            if servers.is_empty() {
                *answer.rcode_mut() = RCODE::NameError;
            }
            answer.answers.extend(servers.iter().map(|server| {
                let server = NS(Name::new_unchecked(server));
                ResourceRecord::new(name.clone(), CLASS::IN, 60, RData::NS(server))
            }));
            let answer = answer.build_bytes_vec().expect("an answer");
            drop(socket.send_to(&answer, client));
        }
    });
    address
}

#[test]
fn this_repositorys_own_system_is_ready() {
    let proxy = Proxy::start();
    let repository = Repository::of_this_project(&proxy.endpoint());
    let output = verify(&repository).code(0);
    let stable: Vec<&str> = output.stdout.lines().filter(|line| !line.contains(" disk ")).collect();
    insta::with_settings!({ filters => [
        (r"^t[0-9a-f]{7}", "PROJECT"),
        (r"Docker Engine \S+, API \S+", "Docker Engine VERSION, API VERSION"),
    ] }, {
        insta::assert_snapshot!(stable.join("\n"));
    });
    let calls = proxy.take();
    let writes: Vec<&String> =
        Proxy::writes(&calls).into_iter().filter(|call| call.as_str() != "GetCallerIdentity").collect();
    assert_eq!(writes, Vec::<&String>::new());
}

#[test]
fn a_system_full_of_mistakes_hears_of_all_at_once() {
    let repository = Repository::with(&[
        (
            "pipeline.yaml",
            r#"
project: PROJECT
environments:
  local: { region: us-west-2, endpoint: "ENDPOINT" }
stacks:
  a:
  b:
workloads:
  web:
    inputs: [web]
    build: { context: web }
    repository: 127.0.0.1:4566/PROJECT-nowhere
"#,
        ),
        (
            "web/Dockerfile",
            "ARG V=1\nFROM 127.0.0.1:1/base:$V AS build\nFROM build\nFROM base:$W\nFROM scratch\n",
        ),
        (
            "stacks/a/template.yaml",
            r#"
Parameters:
  Stage: { Type: String, Default: test }
  Image: { Type: "AWS::SSM::Parameter::Value<String>", Default: /PROJECT/image }
Resources:
  Made: { Type: AWS::SSM::Parameter, Properties: { Name: /PROJECT/made, Type: String, Value: x } }
  User:
    Type: AWS::SSM::Parameter
    Properties:
      Type: String
      Value: !Sub "{{resolve:ssm:/PROJECT/${Stage}/user}}"
      Description: "{{resolve:ssm:/PROJECT/made}} {{resolve:secretsmanager:PROJECT-db:SecretString:password}}"
      DataType: !Sub "{{resolve:ssm:/PROJECT/${Made}}}"
  Record:
    Type: AWS::Route53::RecordSet
    Properties: { HostedZoneId: ZNOWHERE, Name: a.example.test, Type: CNAME, TTL: "60", ResourceRecords: [b] }
"#,
        ),
        (
            "stacks/b/template.yaml",
            r"
Resources:
  Group: { Type: AWS::ElasticLoadBalancingV2::TargetGroup }
  Listener: { Type: AWS::ElasticLoadBalancingV2::Listener, Properties: { Protocol: HTTPS } }
  Definition: { Type: AWS::ECS::TaskDefinition }
  Service: { Type: AWS::ECS::Service, Properties: { DesiredCount: 2, TaskDefinition: !Ref Definition } }
  Scaling: { Type: AWS::ApplicationAutoScaling::ScalableTarget, Properties: { ServiceNamespace: ecs } }
  Repository: { Type: AWS::ECR::Repository }
  Logs: { Type: AWS::Logs::LogGroup }
  Mapping: { Type: AWS::Lambda::EventSourceMapping, Properties: { Topics: [t] } }
",
        ),
    ]);
    let proxy = repository.behind_proxy();
    proxy.plan(|operation, _| match operation {
        "GetTemplate" => Fate::Refused(403, "AccessDenied"),
        "DescribeImages" | "BatchGetImage" => Fate::Refused(403, "AccessDeniedException"),
        _ => Fate::Passed,
    });
    let output = verify(&repository).code(1);
    let stable: Vec<&str> = output.stdout.lines().filter(|line| !line.contains(" disk ")).collect();
    insta::with_settings!({ filters => [
        (r"t[0-9a-f]{7}", "PROJECT"),
        (r"Docker Engine \S+, API \S+", "Docker Engine VERSION, API VERSION"),
        (r"(to be had: ).*", "${1}ANSWER"),
    ] }, {
        insta::assert_snapshot!(stable.join("\n"));
    });
}

#[test]
fn with_the_wrong_credentials_nothing_in_aws_is_looked_at_but_the_rest_is() {
    let repository = one_stack("Resources: { Logs: { Type: AWS::Logs::LogGroup } }");
    repository.edit("pipeline.yaml", "region: us-west-2", "region: us-west-2, account: '111111111111'");
    let proxy = repository.behind_proxy();
    let output = verify(&repository).code(1);
    assert_eq!(proxy.take(), ["GetCallerIdentity"]);
    assert!(lines_of(&output, "credentials").contains("belong to account 000000000000"), "{output:?}");
    assert!(lines_of(&output, "settings").contains("no retention"), "{output:?}");
}

#[test]
fn what_exists_is_found_and_its_value_stays_unseen() {
    let repository = one_stack(
        r#"
Resources:
  User:
    Type: AWS::SSM::Parameter
    Properties:
      Type: String
      Value: "{{resolve:ssm:/PROJECT/user:1}}{{resolve:secretsmanager:PROJECT-db}}"
"#,
    );
    let project = &repository.project;
    let _outside = Outside::new()
        .with(
            "AWS::SSM::Parameter",
            &format!("/{project}/user"),
            &format!(r#"{{"Name":"/{project}/user","Type":"String","Value":"{}"}}"#, support::canary::HIDDEN),
        )
        .with(
            "AWS::SecretsManager::Secret",
            &format!("{project}-db"),
            &format!(r#"{{"Name":"{project}-db"}}"#),
        );
    let output = verify(&repository).code(0);
    assert_eq!(
        lines_of(&output, "secrets"),
        "  ✔ secrets      all 2 parameters and secrets that templates refer to exist"
    );
}

#[test]
fn a_zone_has_to_be_asked_by_the_world() {
    let repository = one_stack(
        r"
Parameters: { Domain: { Type: String, Default: api.PROJECT.test } }
Resources:
  Certificate:
    Type: AWS::CertificateManager::Certificate
    Properties:
      DomainName: !Ref Domain
      DomainValidationOptions: [{ DomainName: !Ref Domain, HostedZoneId: ZPROJECT }]
",
    );
    let project = &repository.project;
    let zone = format!(
        r#"{{"Id":"Z{project}","Name":"{project}.test.","NameServers":["ns-1.awsdns.test","NS-2.awsdns.test."]}}"#
    );
    let _outside = Outside::new().with("AWS::Route53::HostedZone", &format!("Z{project}"), &zone);
    let told = |servers, code| {
        let output = verify_with(&repository, &resolver(servers)).code(code);
        lines_of(&output, "zones").replace(project, "PROJECT")
    };
    insta::assert_snapshot!(told(&["ns-2.awsdns.test", "ns-9.other.test"], 0), @"  ✔ zones        PROJECT.test is delegated to the hosted zone ZPROJECT");
    insta::assert_snapshot!(told(&["ns.registrar.test"], 1), @r"
      ✘ zones        PROJECT.test is not delegated to the hosted zone ZPROJECT: no certificate would be issued
                       DNS asks ns.registrar.test
                       the zone is at ns-1.awsdns.test, ns-2.awsdns.test
                       next: set these name servers at the registrar, or as NS records in the zone above
    ");
    insta::assert_snapshot!(told(&[], 1), @r"
      ✘ zones        PROJECT.test is not delegated to the hosted zone ZPROJECT: no certificate would be issued
                       DNS asks nobody
                       the zone is at ns-1.awsdns.test, ns-2.awsdns.test
                       next: set these name servers at the registrar, or as NS records in the zone above
    ");
    let nobody = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let silent = verify_with(&repository, &nobody.local_addr().expect("an address").to_string()).code(0);
    assert!(lines_of(&silent, "zones").starts_with("  ! zones "), "{silent:?}");
    assert!(lines_of(&silent, "zones").contains("does not answer"), "{silent:?}");
    repository.edit("stacks/a/template.yaml", &format!("api.{project}.test"), "api.example.test");
    let outside = lines_of(&verify(&repository).code(1), "zones");
    assert!(outside.contains("api.example.test is not within the zone"), "{outside}");
}

#[test]
fn programs_get_json() {
    let repository = one_stack("Resources: { Logs: { Type: AWS::Logs::LogGroup } }");
    let output = repository.pipeline(&["verify", "--env", "local", "--output", "json"]).code(0);
    let report: serde_json::Value = serde_json::from_str(&output.stdout).expect("JSON");
    let verdicts: BTreeMap<&str, &str> = report["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .map(|finding| {
            (finding["check"].as_str().expect("a name"), finding["verdict"].as_str().expect("a verdict"))
        })
        .collect();
    assert_eq!(verdicts["credentials"], "good");
    assert_eq!(verdicts["settings"], "warning");
    assert_eq!(report["environment"], "local");
}

#[test]
fn an_unknown_environment_is_a_mistake_of_the_caller() {
    let repository = one_stack("Resources: { Topic: { Type: AWS::SNS::Topic } }");
    let output = repository.pipeline(&["verify", "--env", "nowhere"]).code(2);
    assert!(output.stderr.contains("there is no environment `nowhere`"), "{output:?}");
}

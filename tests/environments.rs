//! The templates, applied whole in the local cloud with the values of the environments that are for AWS.

mod support;

use pipeline::event::RunResult;
use support::{Cloud, Repository};

const REGION: &str = "eu-west-1";
const STACKS: [&str; 6] = ["alb", "ecr", "ecs", "lambda", "msk", "vpc"];
const ZONE: &str = "Resources: { Zone: { Type: AWS::Route53::HostedZone, Properties: { Name: example.com } } }\n\
     Outputs: { Id: { Value: !GetAtt Zone.Id } }\n";

/// This repository's own system, whose environment is in the local cloud.
///
/// Its values are those of `stacks/environments`, but for what the local cloud has not got, a broker that authenticates
/// its clients; and for names that two systems must not share: those of topics, and the hosted zone. As in every system
/// of a test, nothing stays when its stack is deleted.
struct Environment {
    name: &'static str,
    repository: Repository,
    cloud: Cloud,
}

impl Environment {
    fn new(name: &'static str) -> Self {
        let repository = Repository::of_this_project(&Cloud::endpoint());
        let project = &repository.project;
        let cloud = Cloud::of_environment(project, name, REGION);
        let registry = Cloud::endpoint().replace("http://", "");
        let (account, values) = match name {
            "prod" => ("222222222222", "stacks/environments/prod.yaml"),
            _ => ("111111111111", "stacks/environments/staging.yaml"),
        };
        let local = format!("endpoint: {}\n    registry: {registry}", Cloud::endpoint());
        repository.edit("pipeline.yaml", &format!("account: \"{account}\""), &local);
        let topics =
            format!("msk:\n  TopicName: events-{project}\n  FailedTopicName: events-{project}-failed\n");
        repository.edit(values, "msk:\n", &topics);
        repository.edit(values, "ecs:\n", "ecs:\n  KafkaSecurity: plaintext\n");
        cloud.create_stack("data", ZONE);
        repository.edit(values, "Z0000000000EXAMPLE", &cloud.outputs("data")["Id"]);
        repository.commit("Deploy to the local cloud");
        Self { name, repository, cloud }
    }

    /// Deploys it, and once more, which finds nothing to do.
    fn deploy(&self) {
        let run = ["run", "--env", self.name, "--output", "json"];
        let first = self.repository.pipeline(&run).code(0);
        assert_eq!(first.result(), RunResult::Changed);
        for stack in STACKS {
            assert_eq!(self.cloud.stack_status(stack).as_deref(), Some("CREATE_COMPLETE"), "{stack}");
        }
        assert_eq!(self.repository.pipeline(&run).code(0).result(), RunResult::Unchanged);
    }

    /// What `verify` says of the templates with these values.
    fn settings(&self) -> String {
        let output = self.repository.pipeline(&["verify", "--env", self.name]);
        output.stdout.lines().filter(|line| line.contains(" settings ")).collect()
    }
}

fn is_made_whole(name: &'static str, url: &str) {
    let environment = Environment::new(name);
    environment.deploy();
    assert_eq!(environment.cloud.outputs("alb")["Url"], url);
    let settings = environment.settings();
    assert!(settings.contains("none of 10 slow or risky settings"), "{settings}");
}

#[test]
fn production_is_made_whole() {
    is_made_whole("prod", "https://events.example.com");
}

#[test]
fn staging_is_made_whole() {
    is_made_whole("staging", "https://staging.events.example.com");
}

//! Services that CloudFormation waits for: what can't start is not waited for, and says why.

use std::time::{Duration, Instant};

use pipeline::event::Outcome;
use pipeline::failure::Failure;
use pipeline::rollout::ecs::{RolloutState, Target, observe};

use crate::cloud::config;
use crate::images::{Image, Repository as Images};
use crate::support::{Cloud, Output, Repository};

const PIPELINE: &str = r#"
project: PROJECT
environments:
  local: { region: us-west-2, endpoint: "ENDPOINT" }
stacks:
  ecs: { parameters: { Image: "IMAGE", ExitCode: "CODE" } }
"#;

/// Unlike the templates that the pipeline rolls out, this service runs what its stack says.
const TEMPLATE: &str = r#"
Parameters:
  Image: { Type: String }
  ExitCode: { Type: String }
Resources:
  Cluster:
    Type: AWS::ECS::Cluster
    Properties: { ClusterName: !Ref AWS::StackName }
  LogGroup:
    Type: AWS::Logs::LogGroup
    Properties: { LogGroupName: !Sub "/ecs/${AWS::StackName}" }
  TaskDefinition:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: !Ref AWS::StackName
      ContainerDefinitions:
        - Name: app
          Image: !Ref Image
          Essential: true
          Memory: 32
          Environment: [{ Name: EXIT_CODE, Value: !Ref ExitCode }]
          LogConfiguration:
            LogDriver: awslogs
            Options:
              awslogs-group: !Ref LogGroup
              awslogs-region: !Ref AWS::Region
              awslogs-stream-prefix: api
  Service:
    Type: AWS::ECS::Service
    Properties:
      ServiceName: api
      Cluster: !Ref Cluster
      TaskDefinition: !Ref TaskDefinition
      DesiredCount: 1
      DeploymentConfiguration:
        DeploymentCircuitBreaker: { Enable: BREAKER, Rollback: false }
"#;

/// A repository whose stack makes a service, and what it leaves in the cloud.
struct Fixture {
    repository: Repository,
    cloud: Cloud,
    runtime: tokio::runtime::Runtime,
    images: Option<Images>,
}

impl Fixture {
    fn new(exit_code: &str, breaker: bool) -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let images = runtime.block_on(Images::new());
        let Image { uri, .. } = images.push("1");
        let pipeline = PIPELINE.replace("IMAGE", &uri).replace("CODE", exit_code);
        let template = TEMPLATE.replace("BREAKER", &breaker.to_string());
        let repository =
            Repository::with(&[("pipeline.yaml", &pipeline), ("stacks/ecs/template.yaml", &template)]);
        let cloud = Cloud::of(&repository.project);
        Self { repository, cloud, runtime, images: Some(images) }
    }

    fn stack(&self) -> String {
        format!("{}-local-ecs", self.repository.project)
    }

    /// A failure's text, with names and numbers that are the same in every run.
    fn text(&self, failure: &Failure) -> String {
        failure.to_string().replace(&self.repository.project, "events")
    }
}

/// The image's repository is not part of a stack.
impl Drop for Fixture {
    fn drop(&mut self) {
        self.cloud.delete_stacks();
        if let Some(images) = self.images.take() {
            self.runtime.block_on(images.clean());
        }
    }
}

fn failure(output: &Output) -> Failure {
    match output.outcomes().remove("stack/ecs") {
        Some(Outcome::Failed { failure }) => failure,
        other => panic!("{other:?}: {}", output.stdout),
    }
}

macro_rules! assert_text {
    ($text:expr, @$snapshot:literal) => {
        insta::with_settings!({ filters => vec![
            (r"\d+ tasks stopped", "N tasks stopped"),
            (r"task [0-9a-f-]{32,36}", "task ID"),
        ] }, { insta::assert_snapshot!($text, @$snapshot) });
    };
}

#[test]
fn a_creation_whose_tasks_can_not_start_is_cancelled_and_says_why() {
    let fixture = Fixture::new("3", false);
    let began = Instant::now();
    let output = fixture.repository.run(&[]).code(1);
    assert!(began.elapsed() < Duration::from_mins(1), "{:?}", began.elapsed());
    assert_text!(fixture.text(&failure(&output)), @r#"
    events-local-ecs could not be created; what was made of it was deleted again
      service api: N tasks stopped and none stayed up, so it was not waited for any longer
      N tasks stopped: Essential container exited; container app: exit code 3
      task ID, container app wrote last:
        starting
        the broker does not answer
      Service (AWS::ECS::Service) CREATE_FAILED: Resource creation cancelled
      at stacks/ecs/template.yaml:28
      next: mend the cause and run again
    "#);
    assert_eq!(fixture.cloud.stack_status("ecs"), None);
}

#[test]
fn an_update_whose_tasks_can_not_start_is_cancelled_and_the_old_revision_serves() {
    let fixture = Fixture::new("", false);
    fixture.repository.run(&[]).code(0);
    fixture.repository.edit("pipeline.yaml", r#"ExitCode: """#, r#"ExitCode: "3""#);
    fixture.repository.commit("Break it");
    let output = fixture.repository.run(&[]).code(1);
    assert_text!(fixture.text(&failure(&output)), @r#"
    events-local-ecs could not be updated; it is back to what it was
      service api: N tasks stopped and none stayed up, so it was not waited for any longer
      N tasks stopped: Essential container exited; container app: exit code 3
      task ID, container app wrote last:
        starting
        the broker does not answer
      Service (AWS::ECS::Service) UPDATE_FAILED: Resource update cancelled
      at stacks/ecs/template.yaml:28
      next: mend the cause and run again
    "#);
    assert_eq!(fixture.cloud.stack_status("ecs").as_deref(), Some("UPDATE_ROLLBACK_COMPLETE"));
    let target = Target::new(fixture.stack(), "api", "api:1").expect("a target");
    let client = aws_sdk_ecs::Client::new(&config());
    let service = fixture.runtime.block_on(observe(&client, &target)).expect("a service");
    assert_eq!(service.primary.task_definition.to_string(), format!("{}:1", fixture.stack()));
    assert_eq!(service.primary.state, RolloutState::Completed);
    assert_eq!(service.primary.tasks.running, 1);
}

#[test]
fn what_the_circuit_breaker_gives_up_says_why() {
    let fixture = Fixture::new("3", true);
    let output = fixture.repository.run(&[]).code(1);
    assert_text!(fixture.text(&failure(&output)), @r#"
    events-local-ecs could not be created; what was made of it was deleted again
      Service (AWS::ECS::Service) CREATE_FAILED: Resource handler returned message: "Error occurred during operation 'ECS Deployment Circuit Breaker was triggered'." (HandlerErrorCode: GeneralServiceException)
      at stacks/ecs/template.yaml:28
      N tasks stopped: Essential container exited; container app: exit code 3
      task ID, container app wrote last:
        starting
        the broker does not answer
      next: mend the cause and run again
    "#);
    assert_eq!(fixture.cloud.stack_status("ecs"), None);
}

//! Services and functions that were moved by hand are shown and rolled back to what their stack defines.

use std::collections::HashMap;

use aws_sdk_ecs::types::ContainerDefinition;
use aws_sdk_lambda::types::AliasRoutingConfiguration;

use crate::support::{Cloud, Output, Repository};

const PIPELINE: &str = r#"
project: PROJECT
environments:
  local: { region: us-west-2, endpoint: "ENDPOINT", registry: "REGISTRY" }
stacks:
  ecr:
  ecs: { parameters: { Image: "${workloads.api.image}" } }
  lambda: { parameters: { Image: "${workloads.event-processor.image}" } }
workloads:
  api:
    inputs: [api]
    build: { context: api }
    repository: "${stacks.ecr.Api}"
    rollout:
      ecs: { cluster: "${stacks.ecs.Cluster}", service: "${stacks.ecs.Service}", task_definition: "${stacks.ecs.TaskDefinition}" }
  event-processor:
    inputs: [api]
    build: { context: api }
    repository: "${stacks.ecr.EventProcessor}"
    rollout:
      lambda: { function: "${stacks.lambda.Function}", alias: live }
"#;

const REPOSITORIES: &str = "
Resources:
  Api: { Type: AWS::ECR::Repository, Properties: { RepositoryName: PROJECT-local/api } }
  EventProcessor: { Type: AWS::ECR::Repository, Properties: { RepositoryName: PROJECT-local/event-processor } }
Outputs:
  Api: { Value: !GetAtt Api.RepositoryUri }
  EventProcessor: { Value: !GetAtt EventProcessor.RepositoryUri }
";

/// No task is to run: what is compared is the revision.
const SERVICE: &str = "
Parameters:
  Image: { Type: String }
Resources:
  Cluster: { Type: AWS::ECS::Cluster, Properties: { ClusterName: PROJECT-local } }
  TaskDefinition:
    Type: AWS::ECS::TaskDefinition
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      Family: PROJECT-local-api
      ContainerDefinitions: [{ Name: api, Image: !Ref Image, Memory: 64 }]
  Service:
    Type: AWS::ECS::Service
    DependsOn: TaskDefinition
    Properties: { ServiceName: api, Cluster: !Ref Cluster, TaskDefinition: PROJECT-local-api, DesiredCount: 0 }
Outputs:
  Cluster: { Value: !Ref Cluster }
  Service: { Value: !GetAtt Service.Name }
  TaskDefinition: { Value: !Ref TaskDefinition }
";

const FUNCTION: &str = "
Parameters:
  Image: { Type: String }
Resources:
  Function:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: PROJECT-local-event-processor
      PackageType: Image
      Role: arn:aws:iam::000000000000:role/function
      Code: { ImageUri: !Ref Image }
  Alias:
    Type: AWS::Lambda::Alias
    Properties: { Name: live, FunctionName: !Ref Function, FunctionVersion: $LATEST }
Outputs:
  Function: { Value: !Ref Function }
";

fn deployed() -> (Repository, Cloud) {
    let registry = Cloud::endpoint().replace("http://", "");
    let repository = Repository::with(&[
        ("pipeline.yaml", &PIPELINE.replace("REGISTRY", &registry)),
        ("stacks/ecr/template.yaml", REPOSITORIES),
        ("stacks/ecs/template.yaml", SERVICE),
        ("stacks/lambda/template.yaml", FUNCTION),
        ("api/Dockerfile", "FROM scratch\nCOPY file /PROJECT\n"),
        ("api/file", "PROJECT"),
    ]);
    let cloud = Cloud::of(&repository.project);
    repository.run(&[]).code(0);
    (repository, cloud)
}

fn drift(repository: &Repository, more: &[&str]) -> Output {
    repository.pipeline(&[&["drift", "--env", "local"], more].concat())
}

/// Registers another revision and lets the service run that.
fn move_service(repository: &Repository, cloud: &Cloud) {
    let client = aws_sdk_ecs::Client::new(cloud.config());
    let container = ContainerDefinition::builder().name("api").image("scratch:other").memory(64).build();
    cloud.block_on(async {
        let family = format!("{}-local-api", repository.project);
        let register = client.register_task_definition().family(&family).container_definitions(container);
        register.send().await.expect("a revision");
        let update = client.update_service().cluster(format!("{}-local", repository.project)).service("api");
        update.task_definition(family).send().await.expect("a service");
    });
}

#[test]
fn what_was_moved_by_hand_is_rolled_back() {
    let (repository, cloud) = deployed();
    drift(&repository, &[]).code(0);
    move_service(&repository, &cloud);
    let function = format!("{}-local-event-processor", repository.project);
    let client = aws_sdk_lambda::Client::new(cloud.config());
    let update = client.update_alias().function_name(&function).name("live").function_version("$LATEST");
    cloud.block_on(update.send()).expect("an alias");

    let output = drift(&repository, &[]).code(3);
    let commit = repository.git(&["rev-parse", "HEAD"]);
    let told = output.stdout.replace(&repository.project, "PROJECT").replace(&commit[..7], "COMMIT");
    insta::assert_snapshot!(told);

    let output = drift(&repository, &["--revert", "--output", "json"]).code(0);
    assert_eq!(output.changed(), ["rollout/api", "rollout/event-processor"]);
    drift(&repository, &[]).code(0);
}

#[test]
fn nothing_is_put_back_while_a_canary_is_under_way() {
    let (repository, cloud) = deployed();
    let function = format!("{}-local-event-processor", repository.project);
    let client = aws_sdk_lambda::Client::new(cloud.config());
    cloud.block_on(async {
        let update = client.update_function_configuration().function_name(&function).memory_size(256);
        update.send().await.expect("a function");
        let version = client.publish_version().function_name(&function).send().await.expect("a version");
        let weights = HashMap::from([(version.version().expect("a number").to_owned(), 0.1)]);
        let routing = AliasRoutingConfiguration::builder().set_additional_version_weights(Some(weights));
        let update = client.update_alias().function_name(&function).name("live");
        update.routing_config(routing.build()).send().await.expect("an alias");
    });
    move_service(&repository, &cloud);
    let output = drift(&repository, &["--revert"]).code(1);
    assert!(output.stderr.contains("a canary of event-processor is under way"), "{output:?}");
    assert!(output.stderr.contains("alias live sends 10 % of the calls to version 2"), "{output:?}");
    let found = drift(&repository, &["--output", "json"]).code(3);
    let found: serde_json::Value = serde_json::from_str(&found.stdout).expect("JSON");
    assert_eq!(
        (&found["workloads"][0]["state"], &found["workloads"][1]["canary"]),
        (&"drifted".into(), &true.into())
    );
    // What has no canary can be put back alone.
    drift(&repository, &["--revert", "--only", "api"]).code(0);
}

#[test]
fn code_that_nobody_deployed_is_not_released() {
    let (repository, cloud) = deployed();
    let client = aws_sdk_lambda::Client::new(cloud.config());
    repository.write("api/file", "something else");
    repository.commit("Change the code");
    // Another image is pushed, and given to the function past its stack.
    repository.run(&["--only", "image/event-processor"]).code(0);
    let other = repository.run(&["--only", "image/event-processor"]).code(0);
    assert!(other.changed().is_empty());
    let ecr = aws_sdk_ecr::Client::new(cloud.config());
    let name = format!("{}-local/event-processor", repository.project);
    let images = cloud.block_on(ecr.describe_images().repository_name(&name).send()).expect("images");
    let deployed = cloud.parameters("lambda")["Image"].clone();
    let (uri, digest) = deployed.split_once('@').expect("a digest");
    let other = images.image_details().iter().filter_map(|image| image.image_digest());
    let other = other.into_iter().find(|other| *other != digest).expect("another image").to_owned();
    let function = format!("{}-local-event-processor", repository.project);
    let update = client.update_function_code().function_name(function).image_uri(format!("{uri}@{other}"));
    cloud.block_on(update.send()).expect("a function");

    let output = drift(&repository, &[]).code(3);
    assert!(
        output.stdout.contains("stack/lambda has changes that are not deployed (Image changed)"),
        "{output:?}"
    );
    assert!(
        output.stdout.contains(&format!(
            "the function runs {}, the stack's Image says {}",
            &other[..19],
            &digest[..19]
        )),
        "{output:?}"
    );
    let output = drift(&repository, &["--revert"]).code(1);
    assert!(output.stderr.contains("would release code that was not deployed"), "{output:?}");
}

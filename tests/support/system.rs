use std::collections::BTreeMap;

use serde_json::Value;

use super::{Cloud, Output, Proxy, Repository};

const PIPELINE: &str = r#"
project: PROJECT
environments:
  local: { region: us-west-2, endpoint: "ENDPOINT", registry: "REGISTRY" }
stacks:
  ecr: { parameters: { Name: "${project}-${environment}" } }
  ecs: { parameters: { Name: "${project}-${environment}", Image: "${workloads.api.image}" } }
  lambda: { parameters: { Name: "${project}-${environment}", Image: "${workloads.event-processor.image}" } }
workloads:
  api:
    inputs: [api]
    build: { command: cc -Os -static -s -o api/workload api/workload.c, context: api }
    repository: "${stacks.ecr.Api}"
    rollout:
      ecs:
        cluster: "${stacks.ecs.Cluster}"
        service: "${stacks.ecs.Service}"
        task_definition: "${stacks.ecs.TaskDefinition}"
  event-processor:
    inputs: [event-processor]
    build: { context: event-processor }
    repository: "${stacks.ecr.EventProcessor}"
    rollout: { lambda: { function: "${stacks.lambda.Function}", alias: live } }
"#;

const ECR: &str = r"
Parameters: { Name: { Type: String } }
Resources:
  Api: { Type: AWS::ECR::Repository, Properties: { RepositoryName: !Sub '${Name}/api' } }
  EventProcessor: { Type: AWS::ECR::Repository, Properties: { RepositoryName: !Sub '${Name}/event-processor' } }
Outputs:
  Api: { Value: !GetAtt Api.RepositoryUri }
  EventProcessor: { Value: !GetAtt EventProcessor.RepositoryUri }
";

const ECS: &str = r"
Parameters: { Name: { Type: String }, Image: { Type: String } }
Resources:
  Cluster: { Type: AWS::ECS::Cluster, Properties: { ClusterName: !Ref Name } }
  TaskDefinition:
    Type: AWS::ECS::TaskDefinition
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      Family: !Ref Name
      ContainerDefinitions: [{ Name: api, Image: !Ref Image, Essential: true, Memory: 64, StopTimeout: 2 }]
  Service:
    Type: AWS::ECS::Service
    DependsOn: TaskDefinition
    Properties: { ServiceName: api, Cluster: !Ref Cluster, TaskDefinition: !Ref Name, DesiredCount: 1 }
Outputs:
  Cluster: { Value: !Ref Cluster }
  Service: { Value: !GetAtt Service.Name }
  TaskDefinition: { Value: !Ref TaskDefinition }
";

const LAMBDA: &str = r"
Parameters: { Name: { Type: String }, Image: { Type: String } }
Resources:
  Function:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: !Ref Name
      PackageType: Image
      Code: { ImageUri: !Ref Image }
      Role: arn:aws:iam::000000000000:role/function
  FirstVersion: { Type: AWS::Lambda::Version, Properties: { FunctionName: !Ref Function } }
  Alias:
    Type: AWS::Lambda::Alias
    Properties: { Name: live, FunctionName: !Ref Function, FunctionVersion: !GetAtt FirstVersion.Version }
Outputs:
  Function: { Value: !Ref Function }
";

/// A program that waits until it is told to end.
const WORKLOAD: &str = r"
#include <signal.h>
#include <unistd.h>
static void end(int number) { (void)number; _exit(0); }
int main(void) { signal(SIGTERM, end); for (;;) pause(); }
";

/// A small system with every kind of step, behind a proxy: two images, three stacks, a service and a function.
pub(crate) struct System {
    pub(crate) repository: Repository,
    pub(crate) proxy: Proxy,
    pub(crate) cloud: Cloud,
}

impl System {
    pub(crate) fn new() -> Self {
        let registry = Cloud::endpoint().trim_start_matches("http://").to_owned();
        Self::with_registry(&registry)
    }

    /// Whose images go through something else on their way to the registry.
    pub(crate) fn with_registry(registry: &str) -> Self {
        let proxy = Proxy::start();
        let pipeline = PIPELINE.replace("ENDPOINT", &proxy.endpoint()).replace("REGISTRY", registry);
        let repository = Repository::with(&[
            ("pipeline.yaml", &pipeline),
            ("stacks/ecr/template.yaml", ECR),
            ("stacks/ecs/template.yaml", ECS),
            ("stacks/lambda/template.yaml", LAMBDA),
            ("api/workload.c", WORKLOAD),
            ("api/Dockerfile", "FROM scratch\nCOPY workload version /\nENTRYPOINT [\"/workload\"]\n"),
            ("api/version", "1"),
            ("api/.gitignore", "workload\n"),
            ("event-processor/Dockerfile", "FROM scratch\nCOPY version /\n"),
            ("event-processor/version", "1"),
        ]);
        let cloud = Cloud::of(&repository.project);
        Self { repository, proxy, cloud }
    }

    /// Commits a new version of both workloads.
    pub(crate) fn release(&self, version: &str) {
        for workload in ["api", "event-processor"] {
            self.repository.write(&format!("{workload}/version"), version);
        }
        self.repository.commit(&format!("Release {version}"));
    }

    /// Deploys what is there, to the end.
    #[track_caller]
    pub(crate) fn deploy(&self) -> Output {
        self.repository.run(&[]).code(0)
    }

    /// How often each operation that must not be doubled got through to the API.
    pub(crate) fn decisive_calls(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for call in self.proxy.take() {
            let decisive = ["ExecuteChangeSet", "UpdateService"].contains(&call.as_str())
                || call.starts_with("POST ") && call.ends_with("/versions")
                || call.starts_with("PUT ") && call.ends_with("/aliases/live");
            if decisive {
                *counts.entry(call.replace(&self.repository.project, "PROJECT")).or_default() += 1;
            }
        }
        counts
    }

    /// What is live, without what differs between two systems, or two deployments of one, that are as they should be.
    pub(crate) fn state(&self) -> Value {
        let output = self.repository.pipeline(&["status", "--env", "local", "--output", "json"]).code(0);
        let text = output.stdout.replace(&self.repository.project, "PROJECT");
        let mut state: Value = serde_json::from_str(&text).expect("JSON");
        let workloads = state["workloads"].as_array_mut().expect("workloads");
        let head = self.repository.git(&["rev-parse", "HEAD"]);
        for workload in workloads {
            // Builds of one source differ in their times; that what runs is of this commit says the same.
            workload["running"]["digests"] = Value::Null;
            workload["running"]["description"] = Value::Null;
            let is_head = workload["commit"] == head.as_str();
            workload["commit"] = Value::Bool(is_head);
        }
        self.proxy.take();
        state
    }
}

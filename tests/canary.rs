//! Canaries and alarms from `pipeline.yaml` to what a person sees, against the local cloud.

mod support;

use pipeline::event::{Event, Outcome, RunResult};
use support::{Cloud, Repository, Running};

const PIPELINE: &str = r#"
project: PROJECT
environments:
  local: { region: us-west-2, endpoint: "ENDPOINT", registry: "REGISTRY" }
stacks:
  ecr:
  lambda: { parameters: { Image: "${workloads.api.image}" } }
workloads:
  api:
    inputs: [Dockerfile, version]
    repository: "${stacks.ecr.Uri}"
    rollout:
      lambda:
        function: "${stacks.lambda.Name}"
        alias: live
        strategy:
          canary:
            steps: [{ weight: 0.1, for: 1h }]
            alarms: ["${stacks.lambda.Errors}"]
"#;

const REPOSITORY: &str = r"
Resources:
  Api:
    Type: AWS::ECR::Repository
    Properties: { RepositoryName: PROJECT-local/api }
Outputs:
  Uri: { Value: !GetAtt Api.RepositoryUri }
";

const FUNCTION: &str = r"
Parameters:
  Image: { Type: String }
Resources:
  Function:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: PROJECT
      PackageType: Image
      Code: { ImageUri: !Ref Image }
      Role: arn:aws:iam::000000000000:role/function
  First:
    Type: AWS::Lambda::Version
    Properties: { FunctionName: !Ref Function }
  Live:
    Type: AWS::Lambda::Alias
    Properties: { FunctionName: !Ref Function, FunctionVersion: !GetAtt First.Version, Name: live }
  Errors:
    Type: AWS::CloudWatch::Alarm
    Properties:
      AlarmName: PROJECT-errors
      Namespace: PROJECT
      MetricName: Errors
      Statistic: Sum
      Period: 60
      EvaluationPeriods: 1
      Threshold: 0
      ComparisonOperator: GreaterThanThreshold
Outputs:
  Name: { Value: !Ref Function }
  Errors: { Value: !Ref Errors }
";

/// A function whose alias is on version 1, and a commit that makes a version 2.
fn two_versions() -> (Repository, Cloud) {
    let registry = Cloud::endpoint().trim_start_matches("http://").to_owned();
    let repository = Repository::with(&[
        ("pipeline.yaml", &PIPELINE.replace("REGISTRY", &registry)),
        ("stacks/ecr/template.yaml", REPOSITORY),
        ("stacks/lambda/template.yaml", FUNCTION),
        ("Dockerfile", "FROM scratch\nCOPY version /\n"),
        ("version", "PROJECT 1\n"),
    ]);
    let cloud = Cloud::of(&repository.project);
    repository.run(&[]).code(0);
    repository.edit("version", "1", "2");
    repository.commit("Make a second version");
    (repository, cloud)
}

/// Starts a run, and waits until the new version gets calls.
fn start(repository: &Repository, step: &str) -> Running {
    let mut running = repository.start_run(&[]);
    running.until(step, |event| matches!(event, Event::Activity { text, .. } if text == step));
    support::until("calls to the new version", || {
        shown(repository).contains(", 10 % version 2").then_some(())
    });
    running
}

/// What `pipeline status` says about the function.
fn shown(repository: &Repository) -> String {
    let status = repository.pipeline(&["status", "--env", "local"]).code(0).stdout;
    let line = status.lines().find(|line| line.trim_start().starts_with("api ")).expect("the workload");
    line.replace(&repository.project, "processor").trim().to_owned()
}

const STEP: &str = "version 2 gets 10 % of the calls for 1h (step 1 of 1)";

#[test]
fn ctrl_c_takes_a_canary_back_and_the_next_run_begins_again() {
    let (repository, cloud) = two_versions();
    let running = start(&repository, STEP);
    running.interrupt();
    let output = running.end().code(130);
    assert_eq!(output.result(), RunResult::Interrupted);
    let summary = Some("alias live is back at version 1; the next run begins again".to_owned());
    assert_eq!(output.outcomes()["rollout/api"], Outcome::Interrupted { summary });
    let status = shown(&repository);
    assert!(status.starts_with("api     processor:live runs version 1, sha256:"), "{status}");

    let running = start(&repository, STEP);
    cloud.raise_alarm(&format!("{}-errors", repository.project), "5 errors in a minute");
    let output = running.end().code(1);
    let Some(Outcome::Failed { failure }) = output.outcomes().remove("rollout/api") else {
        panic!("{output:?}");
    };
    insta::assert_snapshot!(failure.to_string().replace(&repository.project, "processor"), @"
    alias live of function processor could not be moved to version 2: alarm processor-errors went off at 10 % of the calls
      5 errors in a minute
      alias live points again at version 1
      next: `aws logs tail /aws/lambda/processor --since 15m` shows what the function wrote; fix it, commit, and run again
    ");
}

#[test]
fn a_canary_whose_run_was_killed_is_shown_and_goes_on() {
    let (repository, _cloud) = two_versions();
    // What is dropped is killed.
    drop(start(&repository, STEP));
    let status = shown(&repository);
    assert!(status.starts_with("api     processor:live runs version 1, 10 % version 2, sha256:"), "{status}");
    let json = repository.pipeline(&["status", "--env", "local", "--output", "json"]).code(0).stdout;
    assert!(json.replace(char::is_whitespace, "").contains("\"weights\":{\"2\":0.1}"), "{json}");

    repository.edit("pipeline.yaml", "for: 1h", "for: 100ms");
    repository.commit("Be quick");
    let output = repository.run(&[]).code(0);
    assert_eq!(output.changed(), ["rollout/api"]);
    let told = output.events().into_iter().find_map(|event| match event {
        Event::Activity { text, .. } if text.starts_with("version ") => Some(text),
        _ => None,
    });
    assert_eq!(told.as_deref(), Some("version 2 gets 10 % of the calls for 100ms (step 1 of 1)"));
    assert!(shown(&repository).starts_with("api     processor:live runs version 2, sha256:"));
    assert_eq!(repository.run(&[]).code(0).result(), RunResult::Unchanged);
}

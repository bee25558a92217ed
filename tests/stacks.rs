//! Stacks in the local cloud, end to end: small systems that the binary deploys, changes and mends.

#[path = "stacks/account.rs"]
mod account;
#[path = "stacks/changes.rs"]
mod changes;
#[path = "stacks/data.rs"]
mod data;
#[path = "stacks/drift.rs"]
mod drift;
#[path = "stacks/failures.rs"]
mod failures;
#[path = "stacks/interrupts.rs"]
mod interrupts;
#[path = "stacks/order.rs"]
mod order;
#[path = "stacks/rolled.rs"]
mod rolled;
#[path = "stacks/selection.rs"]
mod selection;
#[path = "stacks/states.rs"]
mod states;
mod support;

use pipeline::event::Outcome;
use pipeline::failure::Failure;
use support::{Cloud, Output, Repository};

/// Stack `b` is given what `a` hands on; `c` stands alone.
const THREE_STACKS: &str = r#"
project: PROJECT
environments:
  local: { region: us-west-2, endpoint: "ENDPOINT" }
stacks:
  a:
  b: { parameters: { Text: "${stacks.a.Text}" } }
  c:
"#;

/// A stack with a parameter, which becomes a resource's property and its output.
const TEMPLATE: &str = r"
Parameters:
  Text: { Type: String, Default: first }
Resources:
  Kept:
    Type: AWS::SSM::Parameter
    Properties: { Type: String, Value: !Ref Text, Description: about it }
Outputs:
  Text: { Value: !GetAtt Kept.Value }
";

/// A stack whose resource the service refuses to make.
const REFUSED: &str = r"
Resources:
  Queue: { Type: AWS::SQS::Queue, Properties: { DelaySeconds: 100000 } }
Outputs:
  Text: { Value: !GetAtt Queue.QueueName }
";

/// A stack that is not through before its gate is opened.
const GATE: &str = r"
Resources:
  Gate: { Type: AWS::CloudFormation::WaitCondition, CreationPolicy: { ResourceSignal: { Timeout: PT1M } } }
";

fn three_stacks() -> (Repository, Cloud) {
    with_template_of_a(TEMPLATE)
}

fn with_template_of_a(template: &str) -> (Repository, Cloud) {
    let repository = Repository::with(&[
        ("pipeline.yaml", THREE_STACKS),
        ("stacks/a/template.yaml", template),
        ("stacks/b/template.yaml", TEMPLATE),
        ("stacks/c/template.yaml", TEMPLATE),
    ]);
    let cloud = Cloud::of(&repository.project);
    (repository, cloud)
}

/// How a step failed.
#[track_caller]
fn failure(output: &Output, step: &str) -> Failure {
    match output.outcomes().remove(step) {
        Some(Outcome::Failed { failure }) => failure,
        other => panic!("{step}: {other:?}"),
    }
}

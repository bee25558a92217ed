//! Stacks that something went wrong with are mended, or it is said what a person has to do.

use pipeline::event::{Event, RunResult};
use pipeline::plan::Action;

use super::{REFUSED, TEMPLATE, failure, three_stacks};
use crate::support::{Cloud, Output, Repository};

const PIPELINE: &str = r#"
project: PROJECT
environments:
  local: { region: us-west-2, endpoint: "ENDPOINT" }
stacks:
  data:
"#;

const LOGS: &str = r"
Resources:
  Group: { Type: AWS::Logs::LogGroup, Properties: { LogGroupName: PROJECT-group, RetentionInDays: 7 } }
";

/// A filter of the group: it can't be changed while the group is gone.
const FILTER: &str = "  Filter:
    Type: AWS::Logs::MetricFilter
    Properties:
      LogGroupName: !Ref Group
      FilterName: PROJECT
      FilterPattern: first
      MetricTransformations: [{ MetricName: lines, MetricNamespace: PROJECT, MetricValue: '1' }]
";

/// Fails behind the filter's change, when it is told to.
const GATE: &str = "  Gate:
    Type: AWS::CloudFormation::WaitCondition
    DependsOn: Filter
    CreationPolicy: { ResourceSignal: { Timeout: PT1M } }
";

const BAD_QUEUE: &str =
    "  Queue: { Type: AWS::SQS::Queue, DependsOn: Group, Properties: { DelaySeconds: 100000 } }\n";

/// The local cloud takes a log group's new retention for one that may replace it.
const ALLOW: [&str; 2] = ["--allow-replace", "data/Group"];

fn with_template(template: &str) -> (Repository, Cloud) {
    let repository =
        Repository::with(&[("pipeline.yaml", PIPELINE), ("stacks/data/template.yaml", template)]);
    let cloud = Cloud::of(&repository.project);
    (repository, cloud)
}

/// The template as it is committed.
fn template(repository: &Repository) -> String {
    std::fs::read_to_string(repository.path().join("stacks/data/template.yaml")).expect("a template")
}

fn group(repository: &Repository) -> String {
    format!("{}-group", repository.project)
}

/// A stack whose update failed, and whose rollback failed too, because its log group had been deleted meanwhile. The
/// commit asks for nothing but another filter.
fn with_failed_rollback() -> (Repository, Cloud, Output) {
    let (repository, cloud) = with_template(&format!("{LOGS}{FILTER}"));
    repository.run(&[]).code(0);
    repository.edit("stacks/data/template.yaml", "FilterPattern: first", "FilterPattern: second");
    let good = template(&repository);
    repository.write("stacks/data/template.yaml", &format!("{good}{GATE}"));
    repository.commit("Change the filter, and add a gate");
    let running = repository.start_run(&[]);
    cloud.until_waiting("data");
    cloud.delete_logs(&group(&repository));
    cloud.fail_gate("data");
    let output = running.end().code(1);
    repository.write("stacks/data/template.yaml", &good);
    repository.commit("Do without the gate");
    (repository, cloud, output)
}

#[test]
fn a_failed_rollback_goes_on_once_what_blocked_it_is_mended() {
    let (repository, cloud, output) = with_failed_rollback();
    assert_eq!(cloud.stack_status("data").as_deref(), Some("UPDATE_ROLLBACK_FAILED"));
    let failed = failure(&output, "stack/data");
    assert!(failed.hint.as_ref().expect("a hint").contains("finishes the rollback first"), "{failed}");

    let plan = repository.plan(&["--exit-code"]).code(3);
    assert_eq!(plan.action("stack/data"), Action::Update);
    assert_eq!(
        plan.decisions()["stack/data"].reason,
        "a failed update was not taken back whole (UPDATE_ROLLBACK_FAILED): that is finished first"
    );

    let blocked = failure(&repository.run(&[]).code(1), "stack/data");
    assert!(blocked.message.ends_with("-local-data failed again"), "{blocked}");
    assert!(blocked.details[0].starts_with("Filter (AWS::Logs::MetricFilter) UPDATE_FAILED: "), "{blocked}");
    assert!(blocked.hint.as_ref().expect("a hint").ends_with("--skip-rollback data/Filter"), "{blocked}");

    cloud.make_logs(&group(&repository));
    let output = repository.run(&[]).code(0);
    assert_eq!(output.changed(), ["stack/data"]);
    assert_eq!(output.decisions()["stack/data"].reason, "template changed");
    assert_eq!(cloud.stack_status("data").as_deref(), Some("UPDATE_COMPLETE"));
    assert_eq!(repository.run(&[]).code(0).result(), RunResult::Unchanged);
}

#[test]
fn a_rollback_leaves_out_only_what_a_person_names() {
    let (repository, cloud, _) = with_failed_rollback();
    repository.git(&["revert", "--no-edit", "HEAD", "HEAD~1"]);
    repository.run(&["--skip-rollback", "other/Filter"]).code(1);
    assert_eq!(cloud.stack_status("data").as_deref(), Some("UPDATE_ROLLBACK_FAILED"));
    let output = repository.run(&["--skip-rollback", "data/Filter"]).code(0);
    assert_eq!(output.changed(), ["stack/data"]);
    assert!(warnings(&output).contains("the rollback left Filter as it was"), "{output:?}");
    assert_eq!(cloud.stack_status("data").as_deref(), Some("UPDATE_ROLLBACK_COMPLETE"));
    // That the group is gone is drift now.
    repository.pipeline(&["drift", "--env", "local"]).code(3);
}

#[test]
fn an_update_that_was_not_to_be_rolled_back_is_rolled_back_first() {
    let (repository, cloud) = with_template(LOGS);
    repository.run(&[]).code(0);
    cloud.update_without_rollback("data", &format!("{}{BAD_QUEUE}", template(&repository)));
    assert_eq!(cloud.stack_status("data").as_deref(), Some("UPDATE_FAILED"));
    repository.edit("stacks/data/template.yaml", "RetentionInDays: 7", "RetentionInDays: 30");
    repository.commit("Keep lines longer");
    assert_eq!(repository.run(&ALLOW).code(0).changed(), ["stack/data"]);
    assert_eq!(cloud.stack_status("data").as_deref(), Some("UPDATE_COMPLETE"));
    assert_eq!(repository.run(&[]).code(0).result(), RunResult::Unchanged);
}

#[test]
fn what_a_failed_creation_left_is_not_deleted_if_it_holds_data() {
    let (repository, cloud) = with_template(LOGS);
    cloud.create_without_rollback("data", &format!("{}{BAD_QUEUE}", template(&repository)));
    assert_eq!(cloud.stack_status("data").as_deref(), Some("CREATE_FAILED"));
    let plan = repository.plan(&[]).code(0);
    assert_eq!(plan.action("stack/data"), Action::Recreate);
    assert!(warnings(&plan).contains("a run refuses this"), "{plan:?}");
    let refused = failure(&repository.run(&[]).code(1), "stack/data");
    insta::assert_snapshot!(refused.to_string().replace(&repository.project, "PROJECT"), @"
    refused: what a failed creation left holds data; nothing was changed
      data/Group (AWS::Logs::LogGroup) exists: PROJECT-group
      next: save what is needed of it; if it may be deleted or left behind, run again with --allow-replace data/Group
    ");
    assert_eq!(cloud.stack_status("data").as_deref(), Some("CREATE_FAILED"));
    assert_eq!(repository.run(&["--allow-replace", "data/Group"]).code(0).changed(), ["stack/data"]);
    assert_eq!(cloud.stack_status("data").as_deref(), Some("CREATE_COMPLETE"));
}

#[test]
fn what_a_failed_creation_was_to_retain_is_not_forgotten() {
    let (repository, cloud) = with_template(LOGS);
    let retained = template(&repository).replace("LogGroup,", "LogGroup, DeletionPolicy: Retain,");
    cloud.create_stack("data", &format!("{retained}{BAD_QUEUE}"));
    assert_eq!(cloud.stack_status("data").as_deref(), Some("ROLLBACK_COMPLETE"));
    let refused = failure(&repository.run(&[]).code(1), "stack/data");
    assert!(refused.details[0].starts_with("data/Group (AWS::Logs::LogGroup) exists"), "{refused}");
    cloud.delete_logs(&group(&repository));
    repository.run(&["--allow-replace", "data/Group"]).code(0);
}

#[test]
fn what_could_not_be_deleted_is_named() {
    let (repository, cloud) = with_template(
        "Resources:\n  Vpc: { Type: AWS::EC2::VPC, Properties: { CidrBlock: 10.0.0.0/16 } }\nOutputs:\n  Id: { Value: !Ref Vpc }\n",
    );
    repository.run(&[]).code(0);
    let subnet = format!(
        "Resources:\n  Subnet: {{ Type: AWS::EC2::Subnet, Properties: {{ VpcId: {}, CidrBlock: 10.0.0.0/24 }} }}\n",
        cloud.outputs("data")["Id"]
    );
    cloud.create_stack("a", &subnet);
    cloud.delete_stack("data");
    assert_eq!(cloud.stack_status("data").as_deref(), Some("DELETE_FAILED"));
    let failed = failure(&repository.run(&[]).code(1), "stack/data");
    assert!(failed.message.ends_with("is in DELETE_FAILED and can't be updated"), "{failed}");
    assert!(failed.details[0].starts_with("Vpc (AWS::EC2::VPC) DELETE_FAILED: "), "{failed}");
    assert!(failed.hint.as_ref().expect("a hint").contains("delete-stack"), "{failed}");
    failure(&repository.plan(&[]).code(1), "stack/data");
    // Once it is gone, it is made again.
    cloud.delete_stack("a");
    cloud.delete_stack("data");
    assert_eq!(repository.run(&[]).code(0).changed(), ["stack/data"]);
}

#[test]
fn a_change_set_that_was_never_executed_is_no_obstacle() {
    let (repository, cloud) = with_template(LOGS);
    cloud.review_stack("data", &template(&repository));
    assert_eq!(cloud.stack_status("data").as_deref(), Some("REVIEW_IN_PROGRESS"));
    assert_eq!(repository.run(&[]).code(0).changed(), ["stack/data"]);
    assert_eq!(cloud.stack_status("data").as_deref(), Some("CREATE_COMPLETE"));
}

#[test]
fn a_stack_that_was_deleted_is_made_again_and_others_get_its_values_anew() {
    let (repository, cloud) = three_stacks();
    repository.write(
        "stacks/a/template.yaml",
        "Resources:\n  Vpc: { Type: AWS::EC2::VPC, Properties: { CidrBlock: 10.0.0.0/16 } }\nOutputs:\n  Text: { Value: !Ref Vpc }\n",
    );
    repository.commit("Hand a name on that is never the same");
    repository.run(&[]).code(0);
    let before = cloud.outputs("a");
    cloud.delete_stack("a");
    assert_eq!(repository.plan(&[]).code(0).action("stack/a"), Action::Create);
    assert_eq!(repository.run(&[]).code(0).changed(), ["stack/a", "stack/b"]);
    assert_ne!(cloud.outputs("a"), before);
    assert_eq!(cloud.outputs("b")["Text"], cloud.outputs("a")["Text"]);
}

#[test]
fn a_stack_that_is_deleted_during_a_run_is_made_again() {
    let (repository, cloud) = three_stacks();
    repository.run(&[]).code(0);
    let gated = TEMPLATE.replace(
        "Outputs:",
        "  Gate: { Type: AWS::CloudFormation::WaitCondition, CreationPolicy: { ResourceSignal: { Timeout: PT1M } } }\nOutputs:",
    );
    repository.write("stacks/a/template.yaml", &gated.replace("first", "second"));
    repository.commit("Let b wait for a");
    let running = repository.start_run(&[]);
    cloud.until_waiting("a");
    cloud.delete_stack("b");
    cloud.open_gate("a");
    let output = running.end().code(0);
    assert_eq!(output.changed(), ["stack/a", "stack/b"]);
    assert!(warnings(&output).contains("-local-b was deleted meanwhile: creating it"), "{output:?}");
    assert_eq!(cloud.outputs("b")["Text"], "second");
}

#[test]
fn a_stack_whose_creation_failed_without_leaving_anything_is_made_anew() {
    let (repository, cloud) = with_template(LOGS);
    cloud.create_without_rollback("data", REFUSED);
    assert_eq!(cloud.stack_status("data").as_deref(), Some("CREATE_FAILED"));
    assert_eq!(repository.run(&[]).code(0).changed(), ["stack/data"]);
}

fn warnings(output: &Output) -> String {
    let warning = |event| match event {
        Event::Warning { message, .. } => Some(message),
        _ => None,
    };
    output.events().into_iter().filter_map(warning).collect::<Vec<_>>().join("\n")
}

//! What somebody changes by hand is shown field by field, and put back.

use pipeline::event::RunResult;
use serde_json::Value;

use super::{REFUSED, failure};
use crate::support::{Cloud, Output, Repository};

const PIPELINE: &str = r#"
project: PROJECT
environments:
  local: { region: us-west-2, endpoint: "ENDPOINT" }
stacks:
  logs:
  data: { parameters: { Text: first } }
"#;

const LOGS: &str = r"
Resources:
  Group: { Type: AWS::Logs::LogGroup, Properties: { LogGroupName: PROJECT-group, RetentionInDays: 7 } }
  Vpc: { Type: AWS::EC2::VPC, Properties: { CidrBlock: 10.0.0.0/16 } }
";

const DATA: &str = r"
Parameters:
  Text: { Type: String }
Resources:
  Kept: { Type: AWS::SSM::Parameter, Properties: { Type: String, Value: !Ref Text } }
";

fn deployed() -> (Repository, Cloud) {
    let repository = Repository::with(&[
        ("pipeline.yaml", PIPELINE),
        ("stacks/logs/template.yaml", LOGS),
        ("stacks/data/template.yaml", DATA),
    ]);
    let cloud = Cloud::of(&repository.project);
    repository.run(&[]).code(0);
    (repository, cloud)
}

fn drift(repository: &Repository, more: &[&str]) -> Output {
    repository.pipeline(&[&["drift", "--env", "local"], more].concat())
}

fn report(repository: &Repository) -> Value {
    serde_json::from_str(&drift(repository, &["--output", "json"]).stdout).expect("JSON")
}

/// The text without what differs from run to run.
fn told(repository: &Repository, text: &str) -> String {
    let commit = repository.git(&["rev-parse", "HEAD"]);
    text.replace(&repository.project, "PROJECT").replace(&commit[..7], "COMMIT")
}

#[test]
fn nothing_was_changed() {
    let (repository, _cloud) = deployed();
    let output = drift(&repository, &[]).code(0);
    insta::assert_snapshot!(told(&repository, &output.stdout), @"
    drift  PROJECT → local  at COMMIT

    = in sync       stack/data, stack/logs

    1 resource can't be checked by CloudFormation

    no drift: 2 in sync
    ");
    drift(&repository, &["--revert"]).code(0);
}

#[test]
fn what_was_changed_by_hand_is_shown_and_put_back() {
    let (repository, cloud) = deployed();
    cloud.keep_logs(&format!("{}-group", repository.project), 30);
    let output = drift(&repository, &[]).code(3);
    insta::assert_snapshot!(told(&repository, &output.stdout), @r#"
    drift  PROJECT → local  at COMMIT

    ≠ drifted       stack/logs  1 resource differs from the deployed template
        ~   changed   AWS::Logs::LogGroup Group  (PROJECT-group)
                RetentionInDays: "7" → "30"
    = in sync       stack/data

    1 resource can't be checked by CloudFormation

    drift: 1 drifted, 1 in sync
    "#);
    let found = report(&repository);
    assert_eq!(found["stacks"][1]["state"], "drifted");
    assert_eq!(
        found["stacks"][1]["resources"][0]["properties"][0],
        serde_json::json!({ "path": "RetentionInDays", "expected": "7", "actual": "30" })
    );
    // A run deploys what git says, and nothing there has changed.
    assert_eq!(repository.run(&[]).code(0).result(), RunResult::Unchanged);

    let output = drift(&repository, &["--revert", "--output", "json"]).code(0);
    assert_eq!(output.changed(), ["stack/logs"]);
    let changes = &output.decisions()["stack/logs"].changes;
    let [change] = changes.as_slice() else { panic!("{changes:?}") };
    let property = &change.properties[0];
    assert_eq!((property.before.as_deref(), property.after.as_deref()), (Some("30"), Some("7")));
    drift(&repository, &[]).code(0);
    assert_eq!(repository.run(&[]).code(0).result(), RunResult::Unchanged);
}

#[test]
fn what_was_deleted_by_hand_is_made_again() {
    let (repository, cloud) = deployed();
    cloud.delete_logs(&format!("{}-group", repository.project));
    let output = drift(&repository, &[]).code(3);
    assert!(output.stdout.contains("-   deleted   AWS::Logs::LogGroup Group"), "{output:?}");
    drift(&repository, &["--revert"]).code(0);
    drift(&repository, &[]).code(0);
}

#[test]
fn what_is_not_deployed_yet_is_no_drift() {
    let (repository, _cloud) = deployed();
    repository.edit("pipeline.yaml", "Text: first", "Text: second");
    repository.edit("pipeline.yaml", "  logs:\n", "  logs:\n  gate:\n");
    repository.write("stacks/gate/template.yaml", DATA.replace("String }", "String, Default: a }").as_str());
    repository.commit("Change a value and add a stack");
    let output = drift(&repository, &[]).code(0);
    insta::assert_snapshot!(told(&repository, &output.stdout), @"
    drift  PROJECT → local  at COMMIT

    = in sync       stack/data, stack/logs
    · not deployed  stack/gate

    stack/data has changes that are not deployed (Text changed): `pipeline plan`
    1 resource can't be checked by CloudFormation

    no drift: 2 in sync, 1 not deployed
    ");
}

#[test]
fn what_can_not_be_read_is_said_and_is_no_drift() {
    let (repository, cloud) = deployed();
    cloud.keep_logs(&format!("{}-group", repository.project), 30);
    repository.edit("pipeline.yaml", "  logs:\n", "  logs:\n  gate:\n");
    repository.write("stacks/gate/template.yaml", REFUSED);
    repository.commit("Add a stack");
    cloud.create_stack("gate", REFUSED);
    let output = drift(&repository, &[]).code(1);
    assert!(output.stdout.contains("✖ not known     stack/gate  DetectStackDrift on"), "{output:?}");
    assert!(output.stdout.contains("≠ drifted       stack/logs"), "{output:?}");
    assert!(output.stdout.contains("drift is NOT KNOWN: 1 not known, 1 drifted, 1 in sync"), "{output:?}");
    assert_eq!(report(&repository)["stacks"][1]["state"], "failed");

    let output = drift(&repository, &["--revert"]).code(1);
    assert!(output.stderr.contains("nothing was put back: stack/gate could not be read"), "{output:?}");
    drift(&repository, &["--revert", "--only", "stack/logs"]).code(0);
    drift(&repository, &["--only", "stack/logs", "stack/data"]).code(0);
}

#[test]
fn usage_is_told_from_drift() {
    let (repository, _cloud) = deployed();
    drift(&repository, &["--only", "stack/nothing"]).code(2);
    drift(&repository, &["--allow-replace", "logs/Group"]).code(2);
    drift(&repository, &["--env", "nowhere"]).code(2);
}

/// An endpoint that does not know the mode takes the change set for one without changes.
#[test]
fn an_endpoint_that_can_not_put_back_is_told_apart() {
    let (repository, cloud) = deployed();
    cloud.keep_logs(&format!("{}-group", repository.project), 30);
    let before = cloud.change_sets("logs");
    let proxy = repository.behind_proxy();
    proxy.drop_from_calls("DeploymentMode=REVERT_DRIFT");
    let output = drift(&repository, &["--revert", "--output", "json"]).code(1);
    let failed = failure(&output, "stack/logs");
    assert!(failed.message.contains("can't be put back: its change set holds no changes"), "{failed}");
    assert_eq!(failed.details, ["Group (AWS::Logs::LogGroup)"]);
    assert!(failed.hint.expect("a hint").contains("by hand"));
    assert_eq!(cloud.change_sets("logs"), before);
}

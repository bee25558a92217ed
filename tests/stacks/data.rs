//! What holds data is not replaced or deleted unless somebody says so.

use pipeline::event::{Event, RunResult};

use super::failure;
use crate::support::{Cloud, Output, Repository};

const PIPELINE: &str = r#"
project: PROJECT
environments:
  local: { region: us-west-2, endpoint: "ENDPOINT" }
stacks:
  data:
"#;

const TEMPLATE: &str = r"
Resources:
  Group: { Type: AWS::Logs::LogGroup, Properties: { LogGroupName: PROJECT-one } }
  Topic: { Type: AWS::SNS::Topic }
Outputs:
  Group: { Value: !Ref Group }
";

fn deployed() -> (Repository, Cloud) {
    let repository =
        Repository::with(&[("pipeline.yaml", PIPELINE), ("stacks/data/template.yaml", TEMPLATE)]);
    let cloud = Cloud::of(&repository.project);
    repository.run(&[]).code(0);
    (repository, cloud)
}

#[test]
fn a_replacement_is_refused_until_it_is_allowed() {
    let (repository, cloud) = deployed();
    repository.edit("stacks/data/template.yaml", "-one", "-two");
    repository.commit("Rename the log group");

    let before = cloud.change_sets("data");
    let plan = repository.plan(&[]).code(0);
    assert!(warnings(&plan).contains("--allow-replace data/Group"), "{plan:?}");

    let refused = failure(&repository.run(&[]).code(1), "stack/data");
    assert!(refused.details[0].starts_with("data/Group (AWS::Logs::LogGroup) "), "{refused}");
    assert!(refused.hint.expect("a hint").ends_with("run again with --allow-replace data/Group"));
    assert_eq!(cloud.outputs("data")["Group"], format!("{}-one", repository.project));
    assert_eq!(cloud.stack_status("data").as_deref(), Some("CREATE_COMPLETE"));
    assert_eq!(cloud.change_sets("data"), before);

    repository.run(&["--allow-replace", "data/Topic"]).code(1);
    let output = repository.run(&["--allow-replace", "data/Group"]).code(0);
    assert_eq!(output.changed(), ["stack/data"]);
    assert_eq!(cloud.outputs("data")["Group"], format!("{}-two", repository.project));
    assert_eq!(repository.run(&[]).code(0).result(), RunResult::Unchanged);
}

#[test]
fn a_removal_is_refused_unless_the_resource_stays_in_the_account() {
    let (repository, _cloud) = deployed();
    let group = "  Group: { Type: AWS::Logs::LogGroup, Properties";
    let with_output = "Outputs:\n  Group: { Value: !Ref Group }\n";
    repository.edit("stacks/data/template.yaml", with_output, "");
    remove_group(&repository);
    repository.commit("Do without the log group");
    let refused = failure(&repository.run(&[]).code(1), "stack/data");
    assert_eq!(refused.details, ["data/Group (AWS::Logs::LogGroup) would be deleted"]);

    repository.git(&["revert", "--no-edit", "HEAD"]);
    let retained = group.replace("Properties", "DeletionPolicy: Retain, Properties");
    repository.edit("stacks/data/template.yaml", group, &retained);
    repository.commit("Keep the log group whatever comes");
    repository.run(&[]).code(0);
    repository.edit("stacks/data/template.yaml", with_output, "");
    remove_group(&repository);
    repository.commit("Do without the log group");
    let plan = repository.plan(&[]).code(0);
    assert_eq!(warnings(&plan), "");
    assert_eq!(repository.run(&[]).code(0).changed(), ["stack/data"]);
}

#[test]
fn what_holds_no_data_is_replaced_and_removed_without_a_word() {
    let (repository, _cloud) = deployed();
    repository.edit("stacks/data/template.yaml", "  Topic: { Type: AWS::SNS::Topic }\n", "");
    repository.commit("Do without the topic");
    let output = repository.run(&[]).code(0);
    assert_eq!(output.changed(), ["stack/data"]);
    assert_eq!(warnings(&output), "");
}

fn remove_group(repository: &Repository) {
    let path = repository.path().join("stacks/data/template.yaml");
    let text = std::fs::read_to_string(&path).expect("a template");
    let kept: Vec<&str> = text.lines().filter(|line| !line.contains("AWS::Logs::LogGroup")).collect();
    repository.write("stacks/data/template.yaml", &kept.join("\n"));
}

fn warnings(output: &Output) -> String {
    let warning = |event| match event {
        Event::Warning { message, .. } => Some(message),
        _ => None,
    };
    output.events().into_iter().filter_map(warning).collect::<Vec<_>>().join("\n")
}

//! What comes from somebody who is not trusted, checked as those who are have configured it: `--config-from`.

mod support;

use support::{Cloud, Repository};

const CONFIG: &str = r#"
project: PROJECT
environments:
  local: { region: us-west-2, endpoint: "ENDPOINT" }
stacks:
  a: { parameters: { Text: base } }
"#;

const TEMPLATE: &str = r"
Parameters:
  Text: { Type: String }
  More: { Type: String, Default: none }
Resources:
  Kept:
    Type: AWS::SSM::Parameter
    Properties: { Type: String, Value: !Ref Text, Description: !Ref More }
";

/// A repository with a branch `main`, and a fork's branch that is checked out.
fn forked() -> Repository {
    let repository = Repository::with(&[
        ("pipeline.yaml", CONFIG),
        ("stacks/a/template.yaml", TEMPLATE),
        ("stacks/environments/local.yaml", "a: { More: base }\n"),
    ]);
    repository.git(&["checkout", "--quiet", "-b", "fork"]);
    repository
}

const CHECK: [&str; 5] = ["validate", "--commit", "fork", "--config-from", "main"];

#[test]
fn a_forks_configuration_and_values_are_not_read() {
    let repository = forked();
    repository.write("pipeline.yaml", "mistaken: [\n");
    repository.write("stacks/environments/local.yaml", "nothing: { of: this }\n");
    repository.write("stacks/environments/orphan.yaml", "a: { More: fork }\n");
    repository.commit("Break everything that configures");
    repository.pipeline(&["validate", "--commit", "fork"]).code(2);
    repository.pipeline(&CHECK).code(0);
    repository.git(&["rm", "--quiet", "-r", "pipeline.yaml", "stacks/environments"]);
    repository.commit("Configure nothing");
    repository.pipeline(&CHECK).code(0);
}

#[test]
fn everything_else_is_the_forks() {
    let repository = forked();
    repository.edit("stacks/a/template.yaml", "  More: { Type: String, Default: none }\n", "");
    repository.edit("stacks/a/template.yaml", ", Description: !Ref More", "");
    repository.commit("Take a parameter away that the base gives");
    let output = repository.pipeline(&CHECK).code(2);
    assert!(output.stderr.contains("stacks/environments/local.yaml:1:6"), "{}", output.stderr);
    repository.git(&["checkout", "--quiet", "main"]);
    repository.pipeline(&["validate", "--config-from", "fork"]).code(0);
}

#[test]
fn a_plan_has_the_forks_templates_and_the_bases_values() {
    let repository = forked();
    repository.edit("pipeline.yaml", "Text: base", "Text: fork");
    repository.edit("stacks/environments/local.yaml", "More: base", "More: fork");
    repository.edit(
        "stacks/a/template.yaml",
        "Type: String, Value: !Ref Text",
        "Type: StringList, Value: !Ref Text",
    );
    repository.commit("Change all of it");
    let cloud = Cloud::of(&repository.project);
    repository.run(&["--commit", "main"]).code(0);
    let planned = |more: &[&str]| {
        let output = repository.plan(&[&["--commit", "fork"], more].concat()).code(0);
        let changes = output.decisions()["stack/a"].changes.clone();
        let mut paths: Vec<String> =
            changes.iter().flat_map(|change| &change.properties).map(|it| it.path.clone()).collect();
        paths.sort_unstable();
        paths
    };
    assert_eq!(planned(&[]), ["Description", "Type", "Value"]);
    assert_eq!(planned(&["--config-from", "main"]), ["Type"]);
    drop(cloud);
}

#[test]
fn a_revision_that_is_not_there_is_said() {
    let output = forked().pipeline(&["validate", "--config-from", "gone"]).code(2);
    assert!(output.stderr.contains("reading gone: there is no revision `gone`"), "{}", output.stderr);
}

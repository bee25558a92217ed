//! The `pipeline.yaml` that `pipeline init` writes, for repositories of several kinds.

use std::collections::BTreeMap;

use pipeline::init::pipeline_yaml;
use pipeline::project::{Files, Project};

/// A repository in memory.
struct Repository(BTreeMap<String, Vec<u8>>);

impl Files for Repository {
    fn read(&self, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        Ok(self.0.get(path).cloned())
    }

    fn exists(&self, path: &str) -> anyhow::Result<bool> {
        let directory = format!("{path}/");
        Ok(path == "." || self.0.keys().any(|file| file == path || file.starts_with(&directory)))
    }

    fn paths(&self) -> anyhow::Result<Vec<String>> {
        Ok(self.0.keys().cloned().collect())
    }
}

impl Repository {
    fn new<const N: usize>(files: [(&str, &str); N]) -> Self {
        Self(files.into_iter().map(|(path, text)| (path.to_owned(), text.into())).collect())
    }

    /// The configuration, and what is wrong with the project once it is written.
    fn init(mut self) -> (String, String) {
        let text = pipeline_yaml("My Shop", &self).unwrap_or_else(|failure| panic!("{failure}"));
        self.0.insert("pipeline.yaml".to_owned(), text.clone().into());
        let mistakes = Project::load("pipeline.yaml", &self).err();
        (text, mistakes.map(|mistakes| mistakes.to_string()).unwrap_or_default())
    }
}

const VPC: &str = include_str!("broken/stacks/vpc/template.yaml");
const ECR: &str = include_str!("broken/stacks/ecr/template.yaml");
const ECS: &str = include_str!("broken/stacks/ecs/template.yaml");
const LAMBDA: &str = r"
Parameters:
  EventProcessorImage: { Type: String }
  VpcId: { Type: 'AWS::EC2::VPC::Id' }
  Environment: { Type: String }
Resources:
  Function: { Type: 'AWS::Lambda::Function' }
  Alias: { Type: 'AWS::Lambda::Alias', Properties: { Name: live } }
Outputs:
  FunctionName: { Value: !Ref Function }
";

#[test]
fn a_repository_that_tells_all() {
    let (text, mistakes) = Repository::new([
        ("stacks/vpc/template.yaml", VPC),
        ("stacks/ecr/template.yaml", &format!("{ECR}  EventProcessorRepositoryUri:\n    Value: x\n")),
        (
            "stacks/ecs/template.yaml",
            &ECS.replace("  Image:", "  ApiImage:").replace("!Ref Image", "!Ref ApiImage"),
        ),
        ("infra/lambda.yml", LAMBDA),
        ("stacks/environments/prod.yaml", "ecs: { Tasks: 3 }\n"),
        ("stacks/environments/test.yaml", "ecs: { Tasks: 1 }\n"),
        ("workloads/api/Dockerfile", "FROM scratch\nCOPY src /src\n"),
        ("workloads/api/src/main.rs", ""),
        ("event-processor/Dockerfile", "FROM scratch\nCOPY event-processor/src lib /\n"),
        ("event-processor/src/main.rs", ""),
        ("lib/lib.rs", ""),
        ("node_modules/other/Dockerfile", "FROM scratch\n"),
        ("README.md", "# Shop\n"),
    ])
    .init();
    insta::assert_snapshot!(text);
    assert_eq!(mistakes, "");
}

#[test]
fn what_only_a_person_knows_is_left_to_fill_in() {
    let (text, mistakes) = Repository::new([
        (
            "cloudformation/site.yaml",
            "Parameters: { DomainName: { Type: String } }\nResources: { A: { Type: 'AWS::S3::Bucket' } }\n",
        ),
        ("cloudformation/broken.yaml", "Resources: { A: {} }\n"),
        ("Dockerfile", "FROM scratch\nCOPY dist/app /app\n"),
    ])
    .init();
    insta::assert_snapshot!(format!("{text}\n---\n{mistakes}"));
}

#[test]
fn stacks_are_not_wired_in_a_circle() {
    let stack = |takes: &str, gives: &str| {
        format!(
            "Parameters: {{ {takes}: {{ Type: String }} }}\nResources: {{ A: {{ Type: 'AWS::X' }} }}\n\
             Outputs: {{ {gives}: {{ Value: x }} }}\n"
        )
    };
    let (text, _) = Repository::new([
        ("stacks/a/template.yaml", &stack("FromB", "FromA")),
        ("stacks/b/template.yaml", &stack("FromA", "FromB")),
    ])
    .init();
    assert!(text.contains("FromB: \"${stacks.b.FromB}\""), "{text}");
    assert!(!text.contains("FromA: \"${stacks.a.FromA}\""), "{text}");
}

#[test]
fn an_existing_configuration_is_left_alone() {
    let failure =
        pipeline_yaml("shop", &Repository::new([("pipeline.yaml", "project: shop\n")])).unwrap_err();
    insta::assert_snapshot!(failure, @r"
    there is a pipeline.yaml already, and it is left as it is
      next: `pipeline validate` checks it; `pipeline init` writes one where there is none
    ");
    let failure = pipeline_yaml("shop", &Repository::new([("README.md", "")])).unwrap_err();
    insta::assert_snapshot!(failure, @r"
    there is no CloudFormation template and no Dockerfile in the repository
      next: write stacks/NAME/template.yaml first; a new file has to be known to git
    ");
}

//! What a person reads who made a mistake in `pipeline.yaml`, a template, a file of values or a Dockerfile.
//!
//! Each test changes one or a few places of a project that is fine, and shows all that is said about it.

use std::collections::BTreeMap;

use pipeline::project::{Files, LoadError, Project};

/// A repository in memory.
#[derive(Clone)]
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
    /// The project that is fine.
    fn new() -> Self {
        let files = [
            ("pipeline.yaml", include_str!("broken/pipeline.yaml")),
            ("stacks/vpc/template.yaml", include_str!("broken/stacks/vpc/template.yaml")),
            ("stacks/ecr/template.yaml", include_str!("broken/stacks/ecr/template.yaml")),
            ("stacks/ecs/template.yaml", include_str!("broken/stacks/ecs/template.yaml")),
            ("stacks/environments/prod.yaml", include_str!("broken/stacks/environments/prod.yaml")),
            ("workloads/api/Dockerfile", include_str!("broken/workloads/api/Dockerfile")),
            ("workloads/api/src/main.rs", "fn main() {}\n"),
        ];
        Self(files.into_iter().map(|(path, text)| (path.to_owned(), text.into())).collect())
    }

    fn with(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.0.insert(path.to_owned(), content.into());
        self
    }

    fn without(mut self, path: &str) -> Self {
        self.0.remove(path).expect("the file is there");
        self
    }

    fn edit(self, path: &str, from: &str, to: &str) -> Self {
        let text = String::from_utf8(self.0[path].clone()).expect("a text");
        assert_eq!(text.matches(from).count(), 1, "{from} is once in {path}");
        self.with(path, text.replace(from, to))
    }

    /// An edit of `pipeline.yaml`.
    fn config(self, from: &str, to: &str) -> Self {
        self.edit("pipeline.yaml", from, to)
    }

    /// A function in the place of the service, with this canary.
    fn canary(self, canary: &str) -> Self {
        let config = String::from_utf8(self.0["pipeline.yaml"].clone()).expect("a text");
        let (before, _) = config.split_once("      ecs:\n").expect("a rollout");
        let lambda = format!(
            "      lambda:\n        function: \"${{stacks.ecs.ServiceName}}\"\n        alias: live\n        \
             strategy:\n          canary: {canary}\n"
        );
        self.with("pipeline.yaml", format!("{before}{lambda}"))
    }

    /// An edit of the template of `ecs`.
    fn template(self, from: &str, to: &str) -> Self {
        self.edit("stacks/ecs/template.yaml", from, to)
    }

    /// An edit of the values of `prod`.
    fn values(self, from: &str, to: &str) -> Self {
        self.edit("stacks/environments/prod.yaml", from, to)
    }

    fn dockerfile(self, from: &str, to: &str) -> Self {
        self.edit("workloads/api/Dockerfile", from, to)
    }

    fn mistakes(&self) -> String {
        match Project::load("pipeline.yaml", self) {
            Err(LoadError::Mistakes(mistakes)) => mistakes.to_string(),
            Err(LoadError::Read(error)) => panic!("{error:#}"),
            Ok(_) => panic!("the project is fine"),
        }
    }
}

#[test]
fn the_project_is_fine_before_it_is_broken() {
    let project =
        Project::load("pipeline.yaml", &Repository::new()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(project.stack_name("prod", "ecs"), "shop-prod-ecs");
    let shown = |environment: &str| project.parameters(environment, "ecs")["Tasks"].to_string();
    assert_eq!((shown("test"), shown("prod")), ("1".to_owned(), "3".to_owned()));
}

macro_rules! broken {
    ($($name:ident: $repository:expr;)*) => {
        $(
            #[test]
            fn $name() {
                let repository = Repository::new();
                let repository: Repository = ($repository)(repository);
                insta::assert_snapshot!(repository.mistakes());
            }
        )*
    };
}

/// A closure with its types, so that the table below can leave them out.
fn on(change: impl FnOnce(Repository) -> Repository) -> impl FnOnce(Repository) -> Repository {
    change
}

broken! {
    // The file as such.
    no_configuration: on(|it| it.without("pipeline.yaml"));
    empty_configuration: on(|it| it.with("pipeline.yaml", ""));
    no_yaml: on(|it| it.config("  vpc: {}", "  vpc: {"));
    tab_as_indentation: on(|it| it.config("    region: eu-west-1\n    account", "\tregion: eu-west-1\n    account"));
    no_text: on(|it| it.with("pipeline.yaml", b"project: shop\nurl: \xff\xfe\n"));
    too_large: on(|it| it.with("pipeline.yaml", format!("# {}\n", "x".repeat(1024 * 1024))));
    too_deep: on(|it| it.with("pipeline.yaml", format!("project: {}{}", "[".repeat(60), "]".repeat(60))));
    alias_bomb: on(|it| {
        let levels = (1..9).map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(", ")));
        it.with("pipeline.yaml", format!("a0: &a0 [x, x]\n{}", levels.collect::<String>()))
    });
    two_documents: on(|it| it.config("stacks:\n", "---\nstacks:\n"));
    control_characters: on(|it| it.config("project: shop", "project: \"sh\\ep\" # \u{9b}31m\u{202e}"));

    // Keys.
    misspelled_key: on(|it| it.config("stacks:\n", "stakcs:\n"));
    misspelled_key_within: on(|it| it.config("dockerfile:", "docker_file:"));
    key_twice: on(|it| it.config("  vpc: {}", "  vpc: {}\n  vpc: {}"));
    missing_keys: on(|it| it.config("project: shop\n", "").config("    inputs: [workloads/api]\n", ""));
    key_without_value: on(|it| it.config("region: us-east-1", "region:"));
    list_instead_of_map: on(|it| it.config("  vpc: {}", "  vpc: [template.yaml]"));
    no_environments: on(|it| it.with("pipeline.yaml", "project: shop\nenvironments: {}\n"));

    // Values.
    bad_names: on(|it| it.config("project: shop", "project: My Shop").config("  vpc: {}", "  VPC: {}"));
    bad_environment: on(|it| {
        it.config("region: eu-west-1", "region: Ireland")
            .config("account: \"123456789012\"", "account: 123456789012")
            .config("branch: main", "role: deploy\n    branch: [main]\n    endpoint: localhost:4566\n    registry: https://r.example")
    });
    role_of_another_account: on(|it| {
        it.config("branch: main", "role: arn:aws:iam::999999999999:role/deploy\n    branch: main")
    });
    bad_github: on(|it| it.config("repository: acme/shop", "repository: https://github.com/acme/shop"));
    path_out_of_repository: on(|it| it.config("inputs: [workloads/api]", "inputs: [../api, /etc]"));
    unknown_capability: on(|it| it.config("[CAPABILITY_IAM]", "[CAPABILTY_IAM]"));
    unknown_approval: on(|it| it.config("    branch: main", "    branch: main\n    approval: require"));
    bad_tags: on(|it| it.config("  vpc: {}", "  vpc: { tags: { \"aws:x\": y, owner: \"${project}\", list: [a] } }"));
    bad_platform: on(|it| it.config("      command: make", "      platform: amd64\n      command: make"));
    both_rollouts: on(|it| it.config("      ecs:\n", "      lambda: { function: x, alias: live }\n      ecs:\n"));
    incomplete_rollout: on(|it| it.config("        service: \"${stacks.ecs.ServiceName}\"\n", ""));
    alias_like_a_version: on(|it| {
        let text = "project: p\nenvironments: { e: { region: eu-west-1 } }\nworkloads:\n  f:\n    inputs: [.]\n    \
                    repository: r\n    rollout: { lambda: { function: f, alias: 7 } }\n";
        it.with("pipeline.yaml", text)
    });
    alarms_that_are_no_list: on(|it| it.config("        service:", "        alarms: errors\n        watch: 2 m\n        service:"));
    nothing_to_watch: on(|it| it.config("        service:", "        watch: 2m\n        service:"));
    too_many_alarms: on(|it| {
        let names: Vec<String> = (0..101).map(|number| format!("a{number}")).collect();
        it.config("        service:", &format!("        alarms: [{}]\n        service:", names.join(",")))
    });
    bad_canary: on(|it| {
        it.canary(
            "{ steps: [{ weight: 10, for: 5 }, { weight: \"0.1\", hold: 0s }, { weight: 0.1, for: 0s }], \
             minimum_invocations: few }",
        )
    });
    canary_that_does_not_rise: on(|it| {
        it.canary("{ steps: [{ weight: 0.1, for: 5m }, { weight: 0.5, for: 5m }, { weight: 0.5, for: 1h }] }")
    });
    canary_without_steps: on(|it| it.canary("{ steps: [], alarms: [\"\", 7] }"));
    strategy_without_canary: on(|it| it.canary(""));
    alarm_of_nobody: on(|it| it.canary("{ steps: [{ weight: 0.1, for: 5m }], alarms: [\"${stacks.ecs.Alarm}\"] }"));
    function_in_configuration: on(|it| it.config("VpcId: \"${stacks.vpc.VpcId}\"", "VpcId: !Ref VpcId"));

    // References.
    reference_not_closed: on(|it| it.config("\"${stacks.vpc.VpcId}\"", "\"${stacks.vpc.VpcId\""));
    reference_to_nothing_known: on(|it| it.config("\"${stacks.vpc.VpcId}\"", "\"prefix-${env.VPC}\""));
    reference_incomplete: on(|it| it.config("\"${stacks.vpc.VpcId}\"", "\"${stack.vpc}\""));
    unknown_stack: on(|it| it.config("\"${stacks.vpc.VpcId}\"", "\"${stacks.vcp.VpcId}\""));
    unknown_output: on(|it| it.config("\"${stacks.vpc.VpcId}\"", "\"${stacks.vpc.VpcID}\""));
    unknown_workload: on(|it| it.config("${workloads.api.image}", "${workloads.apu.image}"));
    stack_and_image_wait_for_each_other: on(|it| {
        it.config("  ecr: {}", "  ecr: { parameters: { Seed: \"${workloads.api.image}\" } }")
            .edit("stacks/ecr/template.yaml", "Resources:", "Parameters: { Seed: { Type: String } }\nResources:")
    });
    cycle_in_one_environment: on(|it| it.values("  Cidr: 10.1.0.0/16", "  Cidr: \"${stacks.ecs.ServiceName}\""));

    // Templates.
    missing_template: on(|it| it.without("stacks/vpc/template.yaml"));
    misspelled_section: on(|it| it.template("Outputs:", "Ouputs:"));
    no_resources: on(|it| it.edit("stacks/vpc/template.yaml", "Resources:", "Metadata:"));
    resource_without_type: on(|it| it.template("    Type: AWS::ECS::Cluster\n", "    Properties: {}\n"));
    dangling_references: on(|it| {
        it.template("!Ref Cluster", "!Ref Clutser")
            .template("!GetAtt Service.Name", "!GetAtt Sevice.Name")
            .template("${Role}", "${Rolle}")
            .template("DependsOn: Task", "DependsOn: [Task, Taks]\n    Condition: IsProd")
    });
    unknown_function: on(|it| it.template("!Ref Cluster", "!Reff Cluster"));
    value_of_nothing: on(|it| it.template("DesiredCount: !Ref Tasks", "DesiredCount:"));
    wrong_version: on(|it| it.template("2010-09-09", "2012-10-17"));
    bad_parameter_type: on(|it| it.template("Type: Number", "Type: Int"));
    template_over_the_limit: on(|it| it.template("Resources:", &format!("# {}\nResources:", "x".repeat(52_000))));

    // Parameters.
    unknown_parameter: on(|it| it.config("      VpcId:", "      VpcID:"));
    missing_parameter_with_a_source: on(|it| it.config("      VpcId: \"${stacks.vpc.VpcId}\"\n", ""));
    missing_parameter_in_one_environment: on(|it| it.config("      Tasks: 1\n", ""));
    value_that_is_not_allowed: on(|it| it.values("  Size: large", "  Size: hugh"));
    value_that_is_no_number: on(|it| it.values("  Tasks: 3", "  Tasks: three"));
    values_for_unknown_stack: on(|it| it.values("vpc:", "vpn:"));
    values_for_unknown_parameter: on(|it| it.values("  Cidr:", "  Cdir:"));
    values_for_unknown_environment: on(|it| it.with("stacks/environments/production.yaml", "vpc: {}\n"));
    missing_capability: on(|it| it.config("    capabilities: [CAPABILITY_IAM]\n", ""));
    narrow_capability: on(|it| it.template("Properties: { Path: / }", "Properties: { RoleName: shop }"));
    long_stack_name: on(|it| {
        let long = "x".repeat(63);
        it.config("project: shop", &format!("project: {long}"))
            .config("  vpc: {}", &format!("  vpc: {{}}\n  {long}: {{ template: stacks/vpc/template.yaml }}"))
    });

    // Images.
    missing_dockerfile: on(|it| it.without("workloads/api/Dockerfile"));
    missing_input: on(|it| it.config("[workloads/api]", "[workloads/api, Cargo.lock]"));
    dockerfile_outside_of_inputs: on(|it| it.config("[workloads/api]", "[workloads/api/src]"));
    copied_outside_of_inputs: on(|it| {
        it.dockerfile("COPY src", "COPY lib src")
            .with("workloads/api/lib/lib.rs", "")
            .config("[workloads/api]", "[workloads/api/src, workloads/api/Dockerfile]")
    });
    copied_from_nowhere: on(|it| it.dockerfile("COPY src", "COPY assets src").config("      command: make\n", ""));
    no_stage: on(|it| it.with("workloads/api/Dockerfile", "# soon\n"));
    instruction_before_stage: on(|it| it.dockerfile("FROM", "RUN true\nFROM"));
    unknown_target: on(|it| it.config("target: final", "target: finale"));
    missing_context: on(|it| {
        it.config("context: workloads/api", "context: workloads/app").config("      command: make\n", "")
    });

    // All at once.
    several_mistakes: on(|it| {
        it.config("project: shop", "projct: shop")
            .config("region: us-east-1", "region: us-east-1a")
            .config("[CAPABILITY_IAM]", "CAPABILITY_IAM")
            .config("inputs: [workloads/api]", "inputs: workloads/api")
            .config("${workloads.api.image}", "${workload.api.image}")
    });
    several_files: on(|it| {
        it.config("${workloads.api.image}", "${workloads.apu.image}")
            .template("!Ref Cluster", "!Ref Clutser")
            .values("  Cidr:", "  Cdir:")
            .dockerfile("FROM", "RUN true\nFROM")
    });
}

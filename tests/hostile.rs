//! Repositories that were made to do harm: they are refused with an error that says why, and neither the time nor the
//! memory that this takes is theirs to choose. The limits are the system's own, so a test that hangs or grows fails.

mod support;

use std::process::Command;

use git2::{ObjectType, Oid};
use support::{Output, Repository};

/// Bytes of address space; what the program itself maps is about a third of it.
const MEMORY: &str = "--as=1073741824";
/// Seconds of processor time. The program is not optimised in tests; optimised, it needs a few of them at most.
const TIME: &str = "--cpu=60";

const PIPELINE: &str = "
project: shop
environments:
  prod: { region: eu-west-1, branch: main }
stacks:
  a:
";
const WORKLOAD: &str = "
workloads:
  api: { inputs: [api], build: { context: api }, repository: r }
";
const TEMPLATE: &str = "Resources:\n  Topic: { Type: AWS::SNS::Topic }\n";
const TEMPLATE_PATH: &str = "stacks/a/template.yaml";

fn repository(files: &[(&str, &str)]) -> Repository {
    let mut all = vec![("pipeline.yaml", PIPELINE), (TEMPLATE_PATH, TEMPLATE)];
    all.retain(|(path, _)| files.iter().all(|(other, _)| other != path));
    all.extend(files);
    Repository::with(&all)
}

/// Runs the pipeline within the limits.
fn limited(repository: &Repository, arguments: &[&str]) -> Output {
    let output = Command::new("prlimit")
        .args([MEMORY, TIME, "--core=0", "--", env!("CARGO_BIN_EXE_pipeline")])
        .args(arguments)
        .current_dir(repository.path())
        .env("AWS_ACCESS_KEY_ID", "test")
        .output()
        .expect("prlimit");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Output { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// Whatever is written is text that a terminal shows: no control characters, nothing that hides or reorders text.
#[track_caller]
fn shown(output: &Output) -> &Output {
    for text in [&output.stdout, &output.stderr] {
        let found = text.chars().find(|c| {
            (c.is_control() && *c != '\n') || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        });
        assert_eq!(found, None, "{text}");
    }
    output
}

/// Validates the repository, which is refused, and gives what is said.
#[track_caller]
fn refused(files: &[(&str, &str)]) -> String {
    let output = limited(&repository(files), &["validate"]).code(2);
    let said = shown(&output).stderr.clone();
    assert!(said.len() < 60_000, "{} bytes are said", said.len());
    said
}

#[track_caller]
fn assert_says(said: &str, wanted: &str) {
    assert!(said.contains(wanted), "{}", said.chars().take(2_000).collect::<String>());
}

fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

#[test]
fn large_files_are_refused_by_their_size() {
    let large = |start: &str, size: usize| format!("{start}#{}", "x".repeat(size));
    let ten = 10_000_000;
    let said = refused(&[("pipeline.yaml", &large(PIPELINE, ten))]);
    assert_says(&said, "bytes, of which at most 1048576 are read");
    let said = refused(&[(TEMPLATE_PATH, &large(TEMPLATE, ten))]);
    assert_says(&said, "CloudFormation takes at most 51200");
    let said = refused(&[(TEMPLATE_PATH, &large(TEMPLATE, 2 * ten))]);
    assert_says(&said, "up to 10485760 are read");
    let resources = lines(100_000, |number| format!("  A{number}: {{ Type: AWS::SNS::Topic }}\n"));
    let said = refused(&[(TEMPLATE_PATH, &format!("Resources:\n{resources}"))]);
    assert_says(&said, "CloudFormation takes at most 51200");
}

#[test]
fn many_mistakes_cost_no_more_than_some() {
    let said = refused(&[("pipeline.yaml", &format!("{PIPELINE}{}", lines(30_000, |n| format!("x{n}:\n"))))]);
    assert_says(&said, "these are 100 mistakes; there may be more");
    let keys: Vec<String> = (0..30_000).map(|number| format!("x{number}: 1")).collect();
    let said = refused(&[("pipeline.yaml", &format!("{{{}}}", keys.join(", ")))]);
    assert_says(&said, "these are 100 mistakes; there may be more");
    let twice = format!("{PIPELINE}{}", "x:\n".repeat(30_000));
    assert_says(&refused(&[("pipeline.yaml", &twice)]), "these are 100 mistakes; there may be more");
    let url = format!("branch: main, url: \"{}\"", "${stacks.b.X}".repeat(70_000));
    let said = refused(&[("pipeline.yaml", &PIPELINE.replace("branch: main", &url))]);
    assert_says(&said, "there is no stack `b`");
    let dangling = lines(1_300, |number| format!("  A{number}: {{ Type: T, DependsOn: B{number} }}\n"));
    let said = refused(&[(TEMPLATE_PATH, &format!("Resources:\n{dangling}"))]);
    assert_says(&said, "these are 1300, of which at most 1000 are read");
    let dangling = lines(990, |number| format!("  A{number}: {{ Type: T, DependsOn: B{number} }}\n"));
    let said = refused(&[(TEMPLATE_PATH, &format!("Resources:\n{dangling}"))]);
    assert_says(&said, "these are 100 mistakes; there may be more");
}

#[test]
fn yaml_that_multiplies_is_refused() {
    let aliases = |of: &str, count: usize| vec![of; count].join(", ");
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        bomb = format!("{bomb}a{level}: &a{level} [{}]\n", aliases(&format!("*a{}", level - 1), 9));
    }
    let text = format!("x: &a \"{}\"\ny: [{}]\n", "y".repeat(500_000), aliases("*a", 90_000));
    let merges = format!("a: &a {{ b: 1 }}\n{}", "c: { <<: *a }\n".repeat(60_000));
    for text in [bomb, text, merges] {
        assert_says(&refused(&[("pipeline.yaml", &text)]), "or too many aliases");
    }
    for piece in ["[", "{", "- ", "? ", ": ", "%x\n", "&a ", "!a ", "\"\\", "| ", "*"] {
        refused(&[("pipeline.yaml", &piece.repeat(900_000 / piece.len()))]);
    }
}

#[test]
fn more_than_can_be_meant_is_refused() {
    let stacks = lines(5_000, |number| format!("  s{number}: {{ template: {TEMPLATE_PATH} }}\n"));
    let said = refused(&[("pipeline.yaml", &format!("{PIPELINE}{stacks}"))]);
    assert_says(&said, "these are 5001, of which at most 1000 are read");
    let environments = lines(5_000, |number| format!("  e{number}: {{ region: eu-west-1 }}\n"));
    let said = refused(&[("pipeline.yaml", &format!("project: shop\nenvironments:\n{environments}"))]);
    assert_says(&said, "these are 5000 environments, of which at most 100 are read");
    let inputs = vec!["api"; 50_000].join(", ");
    let workload = WORKLOAD.replace("[api]", &format!("[{inputs}]"));
    let said = refused(&[("pipeline.yaml", &format!("{PIPELINE}{workload}"))]);
    assert_says(&said, "these are 50000, of which at most 1000 are read");
    // As much as is allowed of everything that multiplies.
    let chain = lines(998, |number| {
        format!(
            "  s{}: {{ template: t.yaml, parameters: {{ P: \"${{stacks.s{number}.O}}\" }} }}\n",
            number + 1
        )
    });
    let environments = lines(99, |number| format!("  e{number}: {{ region: eu-west-1 }}\n"));
    let config = PIPELINE.replace("stacks:\n", &format!("{environments}stacks:\n"));
    let config = format!("{config}  s0: {{ template: s.yaml }}\n{chain}");
    let outputs = format!("{TEMPLATE}Outputs: {{ O: {{ Value: 1 }} }}\n");
    let template = format!("Parameters: {{ P: {{ Type: String }} }}\n{outputs}");
    let files = [("pipeline.yaml", config.as_str()), ("t.yaml", &template), ("s.yaml", &outputs)];
    let repository = repository(&files);
    limited(&repository, &["validate"]).code(0);
    limited(&repository, &["graph", "--env", "prod"]).code(0);
}

#[test]
fn one_file_under_many_names_is_not_read_without_end() {
    let filler = format!("{TEMPLATE}  B: {{ Type: T, X: [{}] }}\n", vec!["1"; 16_000].join(","));
    let stacks = lines(900, |number| format!("  s{number}: {{ template: t/{number}.yaml }}\n"));
    let config = format!("{PIPELINE}{stacks}");
    let paths: Vec<String> = (0..900).map(|number| format!("t/{number}.yaml")).collect();
    let mut files = vec![("pipeline.yaml", config.as_str())];
    files.extend(paths.iter().map(|path| (path.as_str(), filler.as_str())));
    assert_says(&refused(&files), "more than 4194304 bytes in all");
}

#[test]
fn a_monstrous_dockerfile_is_read_or_refused() {
    let config = format!("{PIPELINE}{WORKLOAD}");
    let dockerfile = |text: &str| {
        let files = [("pipeline.yaml", config.as_str()), ("api/Dockerfile", text)];
        let output = limited(&repository(&files), &["validate"]);
        assert!(matches!(output.code, Some(0 | 2)), "{output:?}");
        shown(&output).stderr.clone()
    };
    dockerfile(&format!("FROM scratch\nRUN {}", "\\\n".repeat(2_000_000)));
    dockerfile(&format!("FROM scratch\nRUN <<{}", "<<EOF\n".repeat(1_000_000)));
    dockerfile(&format!("FROM scratch\nCOPY {} /\n", "[".repeat(4_000_000)));
    dockerfile(&format!("FROM scratch\nCOPY [\"{}\"]\n", "\\u0000".repeat(1_000_000)));
    let missing = format!("FROM scratch\n{}", lines(100_000, |number| format!("COPY f{number} /\n")));
    assert_says(&dockerfile(&missing), "these are 100 mistakes; there may be more");
    let escapes = "FROM scratch\nCOPY \u{1b}2J\u{9b}31m\u{202e}x /\n";
    assert_says(&dockerfile(escapes), "is missing");
}

#[test]
fn no_name_steers_the_terminal() {
    let name = "\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}\rname";
    let config = format!("{PIPELINE}{}", WORKLOAD.replace("[api]", "[.]"));
    let repository = repository(&[("pipeline.yaml", &config), ("api/Dockerfile", "FROM scratch\n")]);
    std::os::unix::fs::symlink("/etc/passwd", repository.path().join(name)).expect("a link");
    repository.commit(&format!("{name} in the subject"));
    let plan = limited(&repository, &["plan", "--env", "prod"]);
    shown(&plan);
    for argument in [name, "--commit", "HEAD"] {
        shown(&limited(&repository, &["plan", "--env", "prod", "--commit", argument]));
        shown(&limited(&repository, &["plan", "--env", argument]));
        shown(&limited(&repository, &["graph", "--env", "prod", "--only", argument]));
        shown(&limited(&repository, &["validate", "--config", argument]));
    }
    let init = limited(&repository, &["init", "--print"]);
    shown(&init);
}

#[test]
fn revisions_and_branches_are_no_options() {
    let repository = repository(&[]);
    repository.git(&["remote", "add", "origin", "ext::sh -c 'touch owned'"]);
    for revision in
        ["--upload-pack=touch owned", "-x", "--output=owned", "HEAD:pipeline.yaml", "HEAD^{tree}", "", ".."]
    {
        let argument = format!("--commit={revision}");
        let output = limited(&repository, &["plan", "--env", "prod", &argument]).code(2);
        assert!(output.stderr.starts_with("error: "), "{output:?}");
    }
    for branch in [
        "--upload-pack=touch owned",
        "-x",
        "main:refs/heads/x",
        "*",
        "a..b",
        "refs/heads/main",
        "a b",
        "HEAD",
    ] {
        let config = PIPELINE.replace("branch: main", &format!("branch: \"{branch}\""));
        let said = refused(&[("pipeline.yaml", &config)]);
        assert_says(&said, &format!("`{branch}` is no name of a branch"));
    }
    assert!(!repository.path().join("owned").exists());
}

#[test]
fn what_leads_out_of_the_repository_is_not_read() {
    let said =
        refused(&[("pipeline.yaml", &PIPELINE.replace("  a:\n", "  a: { template: ../../etc/passwd }\n"))]);
    assert_says(&said, "is not within the repository");
    for target in ["/etc/passwd", "../../../etc/passwd", "template.yaml", "/proc/self/mem"] {
        let repository = repository(&[]);
        let path = repository.path().join(TEMPLATE_PATH);
        std::fs::remove_file(&path).expect("a file");
        std::os::unix::fs::symlink(target, &path).expect("a link");
        repository.commit("Link");
        let said = limited(&repository, &["validate"]).code(2).stderr;
        assert!(said.contains("leads out of the repository") || said.contains("circle"), "{said}");
        assert!(!said.contains("root:"), "{said}");
    }
}

#[test]
fn a_link_to_an_endless_path_is_refused() {
    let repository = repository(&[]);
    let git = git2::Repository::open(repository.path()).expect("a repository");
    let target = git.blob("a/".repeat(5_000_000).as_bytes()).expect("a blob");
    commit_at(&git, "stacks/a/template.yaml", target, git2::FileMode::Link);
    let output = limited(&repository, &["plan", "--env", "prod", "--commit", "hostile"]).code(2);
    assert_says(&output.stderr, "leads to a path of more than 4096 bytes");
}

#[test]
fn a_submodule_in_the_place_of_a_file_is_refused() {
    let repository = repository(&[]);
    let git = git2::Repository::open(repository.path()).expect("a repository");
    let head = git.head().expect("a head").target().expect("a commit");
    commit_at(&git, "module", head, git2::FileMode::Commit);
    let output =
        limited(&repository, &["plan", "--env", "prod", "--commit", "hostile", "--config", "module"]).code(2);
    assert_says(&output.stderr, "module is a directory");
}

#[test]
fn directories_without_end_are_refused() {
    let config = format!("{PIPELINE}{WORKLOAD}");
    let repository = repository(&[("pipeline.yaml", &config), ("api/Dockerfile", "FROM scratch\n")]);
    let git = git2::Repository::open(repository.path()).expect("a repository");
    let mut below = git.treebuilder(None).expect("a tree").write().expect("a tree");
    for _ in 0..20_000 {
        let mut builder = git.treebuilder(None).expect("a tree");
        builder.insert("d", below, 0o040_000).expect("an entry");
        below = builder.write().expect("a tree");
    }
    commit_at(&git, "api/deep", below, git2::FileMode::Tree);
    let output = limited(&repository, &["plan", "--env", "prod", "--commit", "hostile"]).code(2);
    assert_says(&output.stderr, "there is a path of more than 4096 bytes or 500 parts");
}

/// A tree that contains itself can't be made, but one that holds another nine times, and so on.
#[test]
fn a_tree_that_multiplies_is_refused() {
    let config = format!("{PIPELINE}{WORKLOAD}");
    let repository = repository(&[("pipeline.yaml", &config), ("api/Dockerfile", "FROM scratch\n")]);
    let git = git2::Repository::open(repository.path()).expect("a repository");
    let mut below = git.treebuilder(None).expect("a tree").write().expect("a tree");
    for _ in 0..12 {
        let mut builder = git.treebuilder(None).expect("a tree");
        for name in 0..9 {
            builder.insert(format!("d{name}"), below, 0o040_000).expect("an entry");
        }
        below = builder.write().expect("a tree");
    }
    commit_at(&git, "api/wide", below, git2::FileMode::Tree);
    let output = limited(&repository, &["plan", "--env", "prod", "--commit", "hostile"]).code(2);
    assert_says(&output.stderr, "there are more than 3000000 files and directories");
}

#[test]
fn names_that_differ_in_case_alone_are_not_confused() {
    let config = format!("{PIPELINE}{WORKLOAD}");
    let files = [
        ("pipeline.yaml", config.as_str()),
        ("api/dockerfile", "no Dockerfile"),
        ("API/Dockerfile", "FROM scratch\n"),
    ];
    assert_says(&refused(&files), "the Dockerfile `api/Dockerfile` is missing");
    let repository =
        repository(&[("Pipeline.yaml", "no configuration"), ("stacks/A/template.yaml", "no template")]);
    limited(&repository, &["validate"]).code(0);
}

/// Commits what is at HEAD with one more entry, by way of objects alone, as the branch `hostile`.
fn commit_at(git: &git2::Repository, path: &str, object: Oid, mode: git2::FileMode) {
    let head = git.head().expect("a head").peel_to_commit().expect("a commit");
    let tree = head.tree().expect("a tree");
    let mut update = git2::build::TreeUpdateBuilder::new();
    update.upsert(path, object, mode);
    let tree = update.create_updated(git, &tree).expect("a tree");
    let tree = git.find_object(tree, Some(ObjectType::Tree)).expect("a tree").peel_to_tree().expect("a tree");
    let nobody = git2::Signature::now("Test", "test@example.com").expect("a signature");
    let commit = git.commit(None, &nobody, &nobody, "Hostile", &tree, &[&head]).expect("a commit");
    git.reference("refs/heads/hostile", commit, true, "test").expect("a reference");
}

//! The action for GitHub Actions, carried out as a runner does: the steps of `action.yml`, with releases on loopback.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use proptest::prelude::*;
use serde::Deserialize;
use support::{Cloud, Repository};
use tempfile::TempDir;

const DIRECTORY: &str = ".github/actions/pipeline";

/// A program that takes its arguments down, each ended by a zero byte.
const RECORDER: &str =
    "#!/bin/sh\n[ \"$1\" = --version ] || printf '%s\\0' \"$@\" >\"$RUNNER_TEMP/arguments\"\n";

#[derive(Deserialize)]
struct Definition {
    inputs: BTreeMap<String, Input>,
    outputs: BTreeMap<String, Output>,
    runs: Runs,
}

#[derive(Deserialize)]
struct Input {
    #[serde(default)]
    default: String,
}

#[derive(Deserialize)]
struct Output {
    value: String,
}

#[derive(Deserialize)]
struct Runs {
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    id: String,
    run: String,
    env: BTreeMap<String, String>,
}

/// What can be named in `${{ }}`.
type Context = BTreeMap<String, String>;

/// The value of a text that is a single expression, or none. Nothing else is used, and nothing may be.
fn evaluate(text: &str, context: &Context) -> String {
    if let Some(name) = text.strip_prefix("${{ ").and_then(|rest| rest.strip_suffix(" }}")) {
        return context.get(name).cloned().unwrap_or_default();
    }
    assert!(!text.contains("${{"), "{text}");
    text.to_owned()
}

/// A job that uses the action of a repository's source.
struct Job {
    source: PathBuf,
    workspace: PathBuf,
    temporary: TempDir,
    server: Arc<Server>,
}

/// What came of the action.
struct Performed {
    code: Option<i32>,
    log: String,
    outputs: BTreeMap<String, String>,
}

impl Performed {
    #[track_caller]
    fn code(self, wanted: i32) -> Self {
        assert_eq!(self.code, Some(wanted), "{}", self.log);
        self
    }
}

impl Job {
    fn new(source: &Path, workspace: &Path, server: &Arc<Server>) -> Self {
        let (source, workspace) = (source.to_owned(), workspace.to_owned());
        Self {
            source,
            workspace,
            temporary: TempDir::new().expect("a directory"),
            server: Arc::clone(server),
        }
    }

    /// With this repository's action.
    fn here(server: &Arc<Server>) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self::new(root, root, server)
    }

    fn action(&self) -> PathBuf {
        self.source.join(DIRECTORY)
    }

    fn perform(&self, inputs: &[(&str, &str)]) -> Performed {
        let text = fs::read_to_string(self.action().join("action.yml")).expect("an action");
        let action: Definition = serde_yaml::from_str(&text).expect("a definition");
        let mut context = Context::from([("github.token".to_owned(), "token".to_owned())]);
        for (name, input) in &action.inputs {
            let given = inputs.iter().find(|(given, _)| given == name).map(|(_, value)| (*value).to_owned());
            let value = given.unwrap_or_else(|| evaluate(&input.default, &context));
            context.insert(format!("inputs.{name}"), value);
        }
        for (name, _) in inputs {
            assert!(action.inputs.contains_key(*name), "there is no input {name}");
        }
        let mut performed = Performed { code: Some(0), log: String::new(), outputs: BTreeMap::new() };
        for step in &action.runs.steps {
            let (code, log) = self.step(step, &mut context);
            performed.log.push_str(&log);
            if code != Some(0) {
                performed.code = code;
                return performed;
            }
        }
        performed.outputs = action
            .outputs
            .iter()
            .map(|(name, output)| (name.clone(), evaluate(&output.value, &context)))
            .collect();
        performed
    }

    /// As the runner does it: <https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idstepsshell>
    fn step(&self, step: &Step, context: &mut Context) -> (Option<i32>, String) {
        let [script, outputs] =
            ["script", "outputs"].map(|kind| self.temporary.path().join(format!("{}-{kind}", step.id)));
        fs::write(&script, evaluate(&step.run, context)).expect("a script");
        fs::write(&outputs, "").expect("a file");
        let output = self
            .command("bash")
            .args(["--noprofile", "--norc", "-eo", "pipefail"])
            .arg(&script)
            .envs(step.env.iter().map(|(name, text)| (name, evaluate(text, context))))
            .env("GITHUB_OUTPUT", &outputs)
            .output()
            .expect("bash");
        for (name, value) in parse(&fs::read_to_string(&outputs).expect("outputs")) {
            context.insert(format!("steps.{}.outputs.{name}", step.id), value);
        }
        let log =
            [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        (output.status.code(), log)
    }

    /// A command in a job's environment.
    fn command(&self, program: &str) -> Command {
        let kept = ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"];
        let kept = kept.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        let mut command = Command::new(program);
        command
            .current_dir(&self.workspace)
            .env_clear()
            .envs(kept)
            .env("CARGO_NET_OFFLINE", "true")
            .env("GITHUB_ACTIONS", "true")
            .env("GITHUB_ACTION_PATH", self.action())
            .env("GITHUB_REPOSITORY", "o/r")
            .env("GITHUB_SERVER_URL", &self.server.url)
            .env("RUNNER_TEMP", self.temporary.path())
            .envs(support::canary::VARIABLES);
        command
    }

    /// What the recorder was given.
    fn arguments(&self) -> Option<Vec<String>> {
        let recorded = fs::read_to_string(self.temporary.path().join("arguments")).ok()?;
        Some(recorded.split_terminator('\0').map(str::to_owned).collect())
    }
}

/// `name=value`, and over several lines `name<<END`.
fn parse(text: &str) -> BTreeMap<String, String> {
    let mut outputs = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let (name, value) = match line.split_once("<<") {
            Some((name, end)) => {
                (name, lines.by_ref().take_while(|line| *line != end).collect::<Vec<_>>().join("\n"))
            }
            None => line.split_once('=').map(|(name, value)| (name, value.to_owned())).expect("an output"),
        };
        outputs.insert(name.to_owned(), value);
    }
    outputs
}

/// What serves a release's files.
struct Server {
    url: String,
    version: String,
}

impl Server {
    /// The files of the release of this repository's version, each with the status of its answer.
    fn with(files: Vec<(String, u16, Vec<u8>)>) -> Arc<Self> {
        Self::of(concat!("v", env!("CARGO_PKG_VERSION")), files)
    }

    fn of(version: &str, files: Vec<(String, u16, Vec<u8>)>) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let path = format!("/o/r/releases/download/{version}/");
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                drop(answer(&client, &path, &files));
            }
        });
        Arc::new(Self { url, version: version.to_owned() })
    }

    /// A release whose archive holds a program, with its checksum.
    fn releasing(program: &Path) -> Arc<Self> {
        let archive = archive(program);
        let sums = format!("{}  other.tar.gz\n{}  {}\n", "0".repeat(64), sha256(&archive), archive_name());
        Self::with(vec![(archive_name(), 200, archive), ("SHA256SUMS".to_owned(), 200, sums.into_bytes())])
    }

    fn releasing_script(script: &str) -> Arc<Self> {
        let directory = TempDir::new().expect("a directory");
        Self::releasing(&executable(directory.path(), script))
    }
}

fn answer(mut client: &TcpStream, path: &str, files: &[(String, u16, Vec<u8>)]) -> std::io::Result<()> {
    let mut lines = BufReader::new(client).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let asked = request.split(' ').nth(1).and_then(|asked| asked.strip_prefix(path));
    let found = files.iter().find(|(name, ..)| Some(name.as_str()) == asked);
    let (code, body) = found.map_or((404, b"".as_slice()), |(_, code, body)| (*code, body));
    let location = if code == 302 { "Location: elsewhere\r\n" } else { "" };
    write!(
        client,
        "HTTP/1.1 {code} -\r\nConnection: close\r\n{location}Content-Length: {}\r\n\r\n",
        body.len()
    )?;
    client.write_all(body)
}

fn archive_name() -> String {
    format!("pipeline-{}-linux.tar.gz", std::env::consts::ARCH)
}

/// An archive as a release holds it.
fn archive(program: &Path) -> Vec<u8> {
    let output = Command::new("tar")
        .args(["--create", "--use-compress-program", "gzip -1", "--directory"])
        .arg(program.parent().expect("a directory"))
        .arg(program.file_name().expect("a name"))
        .output()
        .expect("tar");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(bytes))
}

/// A program named `pipeline`.
fn executable(directory: &Path, script: &str) -> PathBuf {
    let path = directory.join("pipeline");
    fs::write(&path, script).expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode");
    path
}

#[test]
fn the_released_binary_is_installed_and_runs() {
    let server = Server::releasing(Path::new(env!("CARGO_BIN_EXE_pipeline")));
    let repository = Repository::with(&[
        (
            "pipeline.yaml",
            "project: PROJECT\nenvironments:\n  local: { region: us-west-2, endpoint: \"ENDPOINT\" }\nstacks:\n  a:\n",
        ),
        ("stacks/a/template.yaml", "Resources: { Topic: { Type: AWS::SNS::Topic } }\n"),
    ]);
    let _cloud = Cloud::of(&repository.project);
    let job = Job::new(Path::new(env!("CARGO_MANIFEST_DIR")), repository.path(), &server);
    let validated = job.perform(&[("command", "validate")]).code(0);
    assert!(validated.log.contains("pipeline.yaml is valid: 1 environments, 1 stacks"), "{}", validated.log);
    let plan = [
        ("command", "plan"),
        ("environment", "local"),
        ("commit", "HEAD"),
        ("arguments", "--exit-code\n--output\njson\n"),
    ];
    let planned = job.perform(&plan).code(3);
    assert!(planned.log.contains("\"result\":\"changed\""), "{}", planned.log);
    let refused = job.perform(&[("command", "plan"), ("environment", "--help")]).code(2);
    assert!(refused.log.contains("there is no environment `--help`"), "{}", refused.log);
}

#[test]
fn a_binary_that_is_not_the_one_of_the_checksum_never_runs() {
    let directory = TempDir::new().expect("a directory");
    let touching = executable(directory.path(), "#!/bin/sh\ntouch \"$RUNNER_TEMP/ran\"\n");
    let archive = archive(&touching);
    let right = sha256(&archive);
    for (sums, said) in [
        (Some(format!("{}  {}\n", sha256(b"another"), archive_name())), "has not the checksum"),
        (Some(format!("{right}  another-{}\n", archive_name())), "has no checksum of"),
        (Some(format!("{right}\n")), "has no checksum of"),
        (Some(format!("{right}  {0}\n{right}  {0}\n", archive_name())), "has no checksum of"),
        (Some(String::new()), "has no checksum of"),
        (None, "has no SHA256SUMS"),
    ] {
        let mut files = vec![(archive_name(), 200, archive.clone())];
        files.extend(sums.map(|sums| ("SHA256SUMS".to_owned(), 200, sums.into_bytes())));
        let job = Job::here(&Server::with(files));
        let performed = job.perform(&[("command", "validate")]).code(1);
        assert!(performed.log.contains(said), "{}", performed.log);
        assert!(performed.log.contains("::error title=pipeline was not installed::"), "{}", performed.log);
        assert!(!job.temporary.path().join("ran").exists(), "{}", performed.log);
    }
}

#[test]
fn a_release_that_can_not_be_read_is_not_built_instead() {
    for code in [302, 403, 500] {
        // A redirect is followed over TLS alone.
        let files = vec![(archive_name(), code, Vec::new()), ("elsewhere".to_owned(), 200, Vec::new())];
        let job = Job::here(&Server::with(files));
        let performed = job.perform(&[("command", "validate")]).code(1);
        assert!(performed.log.contains("see whether it can be reached"), "{}", performed.log);
    }
}

#[test]
fn another_version_than_the_sources_is_not_built_instead() {
    let job = Job::here(&Server::with(Vec::new()));
    for (version, said) in [
        ("v999.0.0", "there is no pipeline-"),
        ("latest", "`version` is no version"),
        ("v1/../../../../../evil/evil/releases/download/v1", "`version` is no version"),
    ] {
        let performed = job.perform(&[("command", "validate"), ("version", version)]).code(1);
        assert!(performed.log.contains(said), "{}", performed.log);
    }
}

/// The source of an action that has a small program in place of this one.
const SOURCE: [(&str, &str); 3] = [
    (
        "Cargo.toml",
        "[workspace]\n[workspace.package]\nversion = \"0.0.1\"\n\n[package]\nname = \"pipeline\"\nversion.workspace = true\nedition = \"2024\"\n\n\
         [profile.dist]\ninherits = \"release\"\n",
    ),
    ("Cargo.lock", "version = 4\n\n[[package]]\nname = \"pipeline\"\nversion = \"0.0.1\"\n"),
    ("src/main.rs", "fn main() { println!(\"built: {:?}\", std::env::args().nth(1)); }\n"),
];

#[test]
fn what_is_not_released_is_built_from_the_actions_own_source() {
    let source = TempDir::new().expect("a directory");
    for (path, text) in SOURCE {
        let path = source.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, text).expect("a file");
    }
    let action = source.path().join(DIRECTORY);
    fs::create_dir_all(&action).expect("a directory");
    for file in ["action.yml", "install", "run"] {
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(DIRECTORY).join(file), action.join(file))
            .expect("a copy");
    }
    // Released, but for another platform.
    let server = Server::of("v0.0.1", vec![("pipeline-other-linux.tar.gz".to_owned(), 200, Vec::new())]);
    let job = Job::new(source.path(), source.path(), &server);
    for version in ["", &server.version] {
        let performed = job.perform(&[("command", "validate"), ("version", version)]).code(0);
        assert!(performed.log.contains("building it from this action's source"), "{}", performed.log);
        assert!(performed.log.contains("built: Some(\"validate\")\n"), "{}", performed.log);
    }
}

#[test]
fn inputs_become_arguments_and_outputs_come_back() {
    let script = format!(
        "{RECORDER}[ \"$1\" = --version ] && exit\n\
         printf 'result=changed\\nchanged=[\"stack/a\"]\\nplan<<END\\n{{\\n\"a\": \"b=c\"\\n}}\\nEND\\nplan-digest=00-aa\\nurl=https://example.com/?a=b\\n' \
         >>\"$GITHUB_OUTPUT\"\n[ \"$GITHUB_TOKEN\" = token ]\n"
    );
    let job = Job::here(&Server::releasing_script(&script));
    let performed = job
        .perform(&[
            ("command", "run"),
            ("environment", "prod"),
            ("commit", "main"),
            ("config", "deploy/pipeline.yaml"),
            ("config-from", "origin/main"),
            ("plan-digest", "00-aa"),
            ("pull-request", "7"),
            ("arguments", "--only\n\nstack/a b\n"),
            ("working-directory", "sub dir"),
        ])
        .code(0);
    let arguments = [
        "run",
        "--repository=sub dir",
        "--config=deploy/pipeline.yaml",
        "--config-from=origin/main",
        "--env=prod",
        "--commit=main",
        "--plan-digest=00-aa",
        "--pull-request=7",
        "--only",
        "stack/a b",
    ];
    assert_eq!(job.arguments().expect("arguments"), arguments);
    let outputs = [
        ("changed", "[\"stack/a\"]"),
        ("plan", "{\n\"a\": \"b=c\"\n}"),
        ("plan-digest", "00-aa"),
        ("result", "changed"),
        ("url", "https://example.com/?a=b"),
    ];
    assert_eq!(performed.outputs, outputs.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    job.perform(&[("command", "status")]).code(0);
    assert_eq!(job.arguments().expect("arguments"), ["status", "--repository=."]);
}

#[derive(Deserialize)]
struct Workflow {
    jobs: BTreeMap<String, WorkflowJob>,
}

#[derive(Deserialize)]
struct WorkflowJob {
    permissions: BTreeMap<String, String>,
    steps: Vec<WorkflowStep>,
}

#[derive(Deserialize)]
struct WorkflowStep {
    #[serde(default)]
    uses: String,
    #[serde(default)]
    run: String,
    #[serde(default)]
    with: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    env: BTreeMap<String, String>,
}

/// A fork's commit as it comes by a pull request: GitHub has it, the clone of the base has not.
struct PullRequest {
    upstream: Repository,
    context: Context,
}

impl PullRequest {
    fn new() -> Self {
        let upstream = Repository::with(&[
            (
                "pipeline.yaml",
                "project: PROJECT\nenvironments:\n  prod: { region: us-west-2 }\nstacks:\n  a: { parameters: { Name: base } }\n",
            ),
            (
                "stacks/a/template.yaml",
                "Parameters: { Name: { Type: String } }\nResources: { Topic: { Type: AWS::SNS::Topic } }\n",
            ),
        ]);
        let base = upstream.git(&["rev-parse", "HEAD"]);
        upstream.write("pipeline.yaml", "mistaken: [\n");
        upstream.write(
            "stacks/a/template.yaml",
            "Parameters: { Name: { Type: Number } }\nResources: { Topic: { Type: AWS::SNS::Topic } }\n",
        );
        upstream.write(&format!("{DIRECTORY}/run"), "#!/bin/sh\ntouch \"$RUNNER_TEMP/ran\"\n");
        let head = upstream.commit("Come from a fork");
        upstream.git(&["update-ref", "refs/pull/7/head", &head]);
        upstream.git(&["reset", "--quiet", "--hard", &base]);
        upstream.git(&["config", "uploadpack.allowReachableSHA1InWant", "true"]);
        let context = [("base", base), ("head", head)]
            .map(|(side, sha)| (format!("github.event.pull_request.{side}.sha"), sha));
        Self { upstream, context: context.into() }
    }

    /// What `actions/checkout` lays out.
    fn checkout(&self, into: &Path, revision: &str) {
        for arguments in [
            ["init", "--quiet", "."].as_slice(),
            &["remote", "add", "origin", &format!("file://{}", self.upstream.path().display())],
            &["fetch", "--quiet", "--depth", "1", "origin", revision],
            &["checkout", "--quiet", "--detach", revision],
        ] {
            assert!(Command::new("git").args(arguments).current_dir(into).status().expect("git").success());
        }
    }
}

#[test]
fn nothing_of_a_fork_is_laid_out_or_executed() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/workflows/plan.yml"))
        .expect("a workflow");
    let workflow: Workflow = serde_yaml::from_str(&text).expect("a workflow");
    let fork = &workflow.jobs["fork"];
    assert_eq!(fork.permissions, [("contents".to_owned(), "read".to_owned())].into());
    let request = PullRequest::new();
    let clone = TempDir::new().expect("a directory");
    let binary = format!("#!/bin/sh\nexec {} \"$@\"\n", env!("CARGO_BIN_EXE_pipeline"));
    let job =
        Job::new(Path::new(env!("CARGO_MANIFEST_DIR")), clone.path(), &Server::releasing_script(&binary));
    let value = |value: &serde_json::Value| evaluate(value.as_str().unwrap_or_default(), &request.context);
    for step in &fork.steps {
        if step.uses.starts_with("actions/checkout@") {
            request.checkout(clone.path(), &value(&step.with["ref"]));
        } else if step.uses.is_empty() {
            let environment = step.env.iter().map(|(name, text)| (name, evaluate(text, &request.context)));
            let status =
                job.command("bash").args(["-ec", &step.run]).envs(environment).status().expect("bash");
            assert!(status.success(), "{}", step.run);
        } else {
            // The action of what is checked out; there it is this repository's.
            assert_eq!(step.uses, format!("./{DIRECTORY}"));
            let inputs: Vec<(&str, String)> =
                step.with.iter().map(|(name, text)| (name.as_str(), value(text))).collect();
            let inputs: Vec<(&str, &str)> =
                inputs.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let performed = job.perform(&inputs).code(2);
            assert!(performed.log.contains("`base` is no number"), "{}", performed.log);
        }
    }
    let status =
        Command::new("git").args(["status", "--porcelain"]).current_dir(clone.path()).output().expect("git");
    assert!(status.stdout.is_empty(), "{}", String::from_utf8_lossy(&status.stdout));
    let head = fs::read_to_string(clone.path().join(".git/HEAD")).expect("a commit");
    assert_eq!(head.trim(), request.context["github.event.pull_request.base.sha"]);
    assert!(!job.temporary.path().join("ran").exists());
}

/// The names that the rows of the page's table with this heading begin with.
fn documented(page: &str, heading: &str) -> Vec<String> {
    let table = page.split(&format!("| {heading} | |\n")).nth(1).expect("a table");
    let rows = table.lines().skip(1).map_while(|row| row.strip_prefix("| `"));
    rows.map(|row| row.split('`').next().expect("a name").to_owned()).collect()
}

/// The inputs that each use of the action in a document gives.
fn uses(node: &serde_json::Value, found: &mut Vec<Vec<String>>) {
    if node["uses"].as_str().is_some_and(|uses| uses.starts_with("OWNER/REPO/.github/actions/pipeline@")) {
        found.push(node["with"].as_object().expect("inputs").keys().cloned().collect());
    }
    node.as_object().into_iter().flat_map(|map| map.values()).for_each(|node| uses(node, found));
    node.as_array().into_iter().flatten().for_each(|node| uses(node, found));
}

#[test]
fn inputs_and_outputs_are_documented_and_the_examples_use_no_others() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/github.md")).expect("a page");
    let text = fs::read_to_string(root.join(DIRECTORY).join("action.yml")).expect("an action");
    let action: Definition = serde_yaml::from_str(&text).expect("a definition");
    let sorted = |mut names: Vec<String>| {
        names.sort_unstable();
        names
    };
    assert_eq!(sorted(documented(&page, "input")), action.inputs.keys().cloned().collect::<Vec<_>>());
    assert_eq!(sorted(documented(&page, "output")), action.outputs.keys().cloned().collect::<Vec<_>>());
    let mut found = Vec::new();
    for example in page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
        uses(&serde_yaml::from_str(example).expect("YAML"), &mut found);
    }
    assert!(found.len() > 3, "{found:?}");
    for input in found.iter().flatten() {
        assert!(action.inputs.contains_key(input), "there is no input {input}");
    }
}

/// Texts that mean something to a shell, to getopt or to a runner.
const WORDS: [&str; 18] = [
    "$(touch ran)",
    "`touch ran`",
    "; touch ran",
    "${HOME}",
    "-",
    "--",
    "'",
    "\"",
    "\\",
    "*",
    "~",
    " ",
    "\t",
    "|",
    "&",
    "::set-output",
    "é",
    "=",
];

fn hostile() -> impl Strategy<Value = String> {
    proptest::collection::vec(prop::sample::select(&WORDS[..]), 1..6).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn an_input_stays_one_argument(command in hostile(), environment in hostile(), lines in proptest::collection::vec(hostile(), 0..4)) {
        let directory = TempDir::new().expect("a directory");
        let pipeline = executable(directory.path(), RECORDER);
        let run = Path::new(env!("CARGO_MANIFEST_DIR")).join(DIRECTORY).join("run");
        let status = Command::new(run)
            .current_dir(directory.path())
            .envs(["COMMIT", "CONFIG", "CONFIG_FROM", "PLAN_DIGEST", "PULL_REQUEST", "WORKING_DIRECTORY"].map(|name| (name, "")))
            .env("PIPELINE", pipeline)
            .env("RUNNER_TEMP", directory.path())
            .env("COMMAND", &command)
            .env("ENVIRONMENT", &environment)
            .env("ARGUMENTS", lines.join("\n"))
            .status()
            .expect("the script");
        prop_assert!(status.success());
        let recorded = fs::read_to_string(directory.path().join("arguments")).expect("arguments");
        let mut wanted = vec![command, format!("--env={environment}")];
        wanted.extend(lines);
        prop_assert_eq!(recorded.split_terminator('\0').collect::<Vec<_>>(), wanted);
        prop_assert!(!directory.path().join("ran").exists());
    }
}

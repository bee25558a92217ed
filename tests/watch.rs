//! `pipeline watch`: a remote's branch, and what is deployed of it.

mod support;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use pipeline::event::{Event, Outcome};
use support::{Cloud, Repository, Running};
use tempfile::TempDir;

const PIPELINE: &str = r#"
project: PROJECT
environments:
  local: { region: us-west-2, endpoint: "ENDPOINT", branch: main }
stacks:
  a:
"#;

const TEMPLATE: &str = r"
Resources:
  Kept: { Type: AWS::SSM::Parameter, Properties: { Type: String, Value: first } }
Outputs:
  Value: { Value: !GetAtt Kept.Value }
";

/// A stack that is not through before its gate is opened.
const GATE: &str = r"
Resources:
  Gate: { Type: AWS::CloudFormation::WaitCondition, CreationPolicy: { ResourceSignal: { Timeout: PT1M } } }
";

/// An author's repository, the remote that it is pushed to, and the clone in which the pipeline runs.
struct Remote {
    author: Repository,
    directory: TempDir,
}

impl Remote {
    fn with(files: &[(&str, &str)]) -> Self {
        let remote =
            Self { author: Repository::with(files), directory: TempDir::new().expect("a directory") };
        let bare = remote.bare().display().to_string();
        remote.author.git(&["clone", "--quiet", "--bare", ".", &bare]);
        remote.author.git(&["remote", "add", "origin", &bare]);
        remote.author.git(&["clone", "--quiet", &bare, &remote.clone().display().to_string()]);
        remote
    }

    fn bare(&self) -> PathBuf {
        self.directory.path().join("remote.git")
    }

    fn clone(&self) -> PathBuf {
        self.directory.path().join("clone")
    }

    fn push(&self, value: &str) -> String {
        self.author.edit("stacks/a/template.yaml", "Value: ", &format!("Value: {value}-"));
        let commit = self.author.commit(value);
        self.author.git(&["push", "--quiet", "origin", "main"]);
        commit
    }

    fn watch(&self) -> Running {
        let mut command: Command = self.author.command(&["watch", "--env", "local", "--interval", "100ms"]);
        command.args(["--output", "json"]).current_dir(self.clone());
        Running::follow(
            command
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped())
                .spawn()
                .expect("the pipeline"),
        )
    }
}

fn deployed(running: &mut Running, commit: &str) {
    running.until(&format!("start of {commit}"), |event| starts(event).as_deref() == Some(commit));
    running.until(&format!("end of {commit}"), |event| matches!(event, Event::Finished { .. }));
}

fn starts(event: &Event) -> Option<String> {
    match event {
        Event::Started { revision, .. } => Some(revision.commit.clone()),
        _ => None,
    }
}

#[test]
fn the_head_is_deployed_and_then_each_new_one() {
    let remote = Remote::with(&[("pipeline.yaml", PIPELINE), ("stacks/a/template.yaml", TEMPLATE)]);
    let cloud = Cloud::of(&remote.author.project);
    let first = remote.author.git(&["rev-parse", "HEAD"]);
    let mut running = remote.watch();
    deployed(&mut running, &first);
    let second = remote.push("second");
    deployed(&mut running, &second);
    assert_eq!(cloud.outputs("a")["Value"], "second-first");
    running.interrupt();
    let output = running.end().code(130);
    assert_eq!(output.events().iter().filter_map(starts).collect::<Vec<_>>(), [first, second]);
    // The clone's own files and branches are as they were.
    let clone = |arguments: &[&str]| {
        let git = Command::new("git").args(arguments).current_dir(remote.clone()).output().expect("git");
        String::from_utf8_lossy(&git.stdout).trim().to_owned()
    };
    assert_eq!(clone(&["log", "--format=%s"]), "Begin");
    assert_eq!(clone(&["status", "--porcelain"]), "");
}

#[test]
fn of_several_pushes_during_a_run_only_the_last_is_deployed() {
    let remote = Remote::with(&[
        ("pipeline.yaml", &format!("{PIPELINE}  gate:\n")),
        ("stacks/a/template.yaml", TEMPLATE),
        ("stacks/gate/template.yaml", GATE),
    ]);
    let cloud = Cloud::of(&remote.author.project);
    let first = remote.author.git(&["rev-parse", "HEAD"]);
    let mut running = remote.watch();
    running.until_resource("stack/gate", "CREATE_IN_PROGRESS");
    let skipped = [remote.push("second"), remote.push("third")];
    let last = remote.push("fourth");
    cloud.open_gate("gate");
    deployed(&mut running, &last);
    running.interrupt();
    let started: Vec<String> = running.end().code(130).events().iter().filter_map(starts).collect();
    assert_eq!(started, [first, last]);
    assert!(!started.iter().any(|commit| skipped.contains(commit)));
    assert_eq!(cloud.outputs("a")["Value"], "fourth-third-second-first");
}

#[test]
fn what_fails_is_said_and_the_next_commit_deployed() {
    let remote = Remote::with(&[("pipeline.yaml", PIPELINE), ("stacks/a/template.yaml", TEMPLATE)]);
    let cloud = Cloud::of(&remote.author.project);
    let first = remote.author.git(&["rev-parse", "HEAD"]);
    let mut running = remote.watch();
    deployed(&mut running, &first);

    remote.author.edit("stacks/a/template.yaml", "Type: String", "Type: SecureString");
    remote.push("refused");
    running.until("the failure", |event| {
        matches!(event, Event::StepFinished { outcome: Outcome::Failed { .. }, .. })
    });
    remote.author.write("pipeline.yaml", "no configuration");
    let broken = remote.push("broken");
    running.until_told(&format!("{broken} was not deployed"));
    remote.author.git(&["revert", "--no-edit", "HEAD~2..HEAD"]);
    let mended = remote.push("mended");
    deployed(&mut running, &mended);
    assert_eq!(cloud.outputs("a")["Value"], "mended-first");
    running.interrupt();
    running.end().code(130);
}

#[test]
fn a_remote_that_is_gone_for_a_while_is_said_and_found_again() {
    let remote = Remote::with(&[("pipeline.yaml", PIPELINE), ("stacks/a/template.yaml", TEMPLATE)]);
    let _cloud = Cloud::of(&remote.author.project);
    let first = remote.author.git(&["rev-parse", "HEAD"]);
    let mut running = remote.watch();
    deployed(&mut running, &first);
    let elsewhere = remote.directory.path().join("elsewhere.git");
    fs::rename(remote.bare(), &elsewhere).expect("a renamed directory");
    running.until_told("warning: looking at branch main: ");
    fs::rename(&elsewhere, remote.bare()).expect("a renamed directory");
    let second = remote.push("second");
    deployed(&mut running, &second);
    running.interrupt();
    running.end().code(130);
}

#[test]
fn a_run_is_interrupted_and_with_it_the_watch() {
    let remote = Remote::with(&[
        ("pipeline.yaml", &format!("{PIPELINE}  gate:\n")),
        ("stacks/a/template.yaml", TEMPLATE),
        ("stacks/gate/template.yaml", GATE),
    ]);
    let cloud = Cloud::of(&remote.author.project);
    let mut running = remote.watch();
    running.until_resource("stack/gate", "CREATE_IN_PROGRESS");
    running.interrupt();
    cloud.open_gate("gate");
    let output = running.end().code(130);
    assert!(matches!(output.outcomes()["stack/gate"], Outcome::Done { .. }), "{output:?}");
    assert_eq!(output.events().iter().filter_map(starts).count(), 1);
}

#[test]
fn without_a_branch_there_is_nothing_to_watch() {
    let repository = Repository::with(&[
        ("pipeline.yaml", &PIPELINE.replace(", branch: main", "")),
        ("stacks/a/template.yaml", TEMPLATE),
    ]);
    let output = repository.pipeline(&["watch", "--env", "local"]).code(2);
    assert!(output.stderr.contains("environment `local` has no `branch`"), "{}", output.stderr);
    let output = repository.pipeline(&["watch", "--env", "local", "--interval", "0s"]).code(2);
    assert!(output.stderr.contains("`0s` is too short: write 500ms, 30s, 5m or 1h"), "{}", output.stderr);
}

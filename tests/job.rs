//! A job of GitHub Actions as its runner sees it: the binary's log, summary and outputs, against the local cloud.

mod support;

use std::fs;

use support::{Cloud, Output, Repository};
use tempfile::TempDir;

const PIPELINE: &str = r#"
project: PROJECT
environments:
  local: { region: us-west-2, endpoint: "ENDPOINT" }
stacks:
  a:
"#;

const TEMPLATE: &str = r"
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Properties: { QueueName: PROJECT-first, DelaySeconds: 1 }
";

/// A repository, its traces in the cloud, and a job that runs commands in it.
struct Job {
    repository: Repository,
    _cloud: Cloud,
    files: TempDir,
}

impl Job {
    fn new() -> Self {
        let repository =
            Repository::with(&[("pipeline.yaml", PIPELINE), ("stacks/a/template.yaml", TEMPLATE)]);
        let cloud = Cloud::of(&repository.project);
        Self { repository, _cloud: cloud, files: TempDir::new().expect("a directory") }
    }

    /// Runs a verb as the next command of the job, and gives what it wrote to the log.
    #[track_caller]
    fn log(&self, verb: &str, code: i32) -> String {
        let mut command = self.repository.command(&[verb, "--env", "local"]);
        let file = |name| self.files.path().join(name);
        command.env("GITHUB_ACTIONS", "true");
        command.env("GITHUB_STEP_SUMMARY", file("summary")).env("GITHUB_OUTPUT", file("output"));
        let output = command.output().expect("the pipeline");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        Output { code: output.status.code(), stdout, stderr }.code(code).stdout
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.files.path().join(name)).expect("a file")
    }

    fn edit(&self, from: &str, to: &str) {
        self.repository.edit("stacks/a/template.yaml", from, to);
        self.repository.commit("Change the queue");
    }
}

#[test]
fn further_steps_learn_what_was_done() {
    let job = Job::new();
    let log = job.log("run", 0);
    assert!(log.contains("stack/a  creating: the stack does not exist (1 added)\n"), "{log}");
    let commit = job.repository.git(&["rev-parse", "HEAD"]);
    let output = job.file("output");
    assert!(output.starts_with("result<<END\nchanged\nEND\nchanged<<END\n[\"stack/a\"]\nEND\n"), "{output}");
    assert!(
        output.contains(&format!("plan<<END\n{{\"environment\":\"local\",\"commit\":\"{commit}\"")),
        "{output}"
    );
    assert!(job.file("summary").starts_with("### ✅ `local`: done in "), "{}", job.file("summary"));

    job.log("run", 0);
    assert!(job.file("output").contains("result<<END\nunchanged\nEND\nchanged<<END\n[]\n"));
    assert!(job.file("summary").contains("\n### ✅ `local`: nothing to do\n"), "{}", job.file("summary"));
}

#[test]
fn what_is_lost_or_failed_is_shown_at_its_line() {
    let job = Job::new();
    job.log("run", 0);
    job.edit("-first", "-second");
    let log = job.log("plan", 0);
    let place = "file=stacks/a/template.yaml,line=3";
    let lost =
        format!("::warning {place},title=Queue is replaced%3A a new one is made%2C the old one deleted::");
    assert!(log.contains(&lost), "{log}");
    let comment = job.repository.pipeline(&["plan", "--env", "local", "--output", "markdown"]).code(0).stdout;
    assert!(comment.starts_with("### ⚠️ Plan for `local`: live resources are at stake\n"), "{comment}");
    assert!(job.file("summary").contains(&comment), "{comment}");

    job.edit("-second, DelaySeconds: 1", "-first, DelaySeconds: 100000");
    let log = job.log("run", 1);
    assert!(log.contains(&format!("::error {place},title=stack/a failed::stack/a FAILED after ")), "{log}");
    assert!(job.file("summary").contains("#### ❌ `stack/a` failed\n"), "{}", job.file("summary"));
}

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::{Cloud, Output, Proxy, Running, unique};

/// A git repository of a test's own, with a project name of its own.
#[derive(Debug)]
pub(crate) struct Repository {
    directory: TempDir,
    pub(crate) project: String,
}

impl Repository {
    /// A copy of this repository as it is, its system under another name and with other topics.
    pub(crate) fn of_this_project(endpoint: &str) -> Self {
        let repository = Self::empty();
        let source = Path::new(env!("CARGO_MANIFEST_DIR"));
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(source)
            .output()
            .expect("git");
        for path in String::from_utf8(listed.stdout).expect("names in UTF-8").split_terminator('\0') {
            let target = repository.path().join(path);
            fs::create_dir_all(target.parent().expect("a parent")).expect("a directory");
            // What is deleted and not yet committed is listed too.
            if source.join(path).exists() {
                fs::copy(source.join(path), target).expect("a copy");
            }
        }
        repository.edit("pipeline.yaml", "project: events\n", &format!("project: {}\n", repository.project));
        repository.edit("pipeline.yaml", "endpoint: http://127.0.0.1:4566", &format!("endpoint: {endpoint}"));
        repository.edit(
            "stacks/environments/local.yaml",
            "msk:\n",
            &format!(
                "msk:\n  TopicName: events-{0}\n  FailedTopicName: events-{0}-failed\n",
                repository.project
            ),
        );
        for stack in ["alb", "msk"] {
            repository.give_up_with_the_stack(&format!("stacks/{stack}/template.yaml"));
        }
        repository.commit("Deploy under a name of its own");
        repository
    }

    /// What a template keeps when its stack is deleted would stay in the local cloud.
    fn give_up_with_the_stack(&self, template: &str) {
        let text = fs::read_to_string(self.path().join(template)).expect("a template");
        self.write(template, &text.replace("DeletionPolicy: RetainExceptOnCreate", "DeletionPolicy: Delete"));
    }

    /// A repository with these files; `PROJECT` in them becomes the project's name, `ENDPOINT` the local cloud's.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let repository = Self::empty();
        for (path, text) in files {
            let text = text.replace("PROJECT", &repository.project).replace("ENDPOINT", &Cloud::endpoint());
            repository.write(path, &text);
        }
        repository.commit("Begin");
        repository
    }

    fn empty() -> Self {
        let repository = Self { directory: TempDir::new().expect("a directory"), project: unique() };
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, text).expect("a written file");
    }

    #[track_caller]
    pub(crate) fn edit(&self, path: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path().join(path)).expect("a file");
        assert!(text.contains(from), "{path} does not contain {from:?}");
        self.write(path, &text.replacen(from, to, 1));
    }

    /// Commits everything and gives the commit.
    pub(crate) fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    #[track_caller]
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let identity =
            ["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"];
        let output = Command::new("git")
            .args(identity)
            .args(arguments)
            .current_dir(self.path())
            .output()
            .expect("git");
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Runs the pipeline in the repository to its end.
    pub(crate) fn pipeline(&self, arguments: &[&str]) -> Output {
        let output = Output::of(self.command(arguments));
        super::canary::check(&output);
        output
    }

    /// Deploys to the local cloud and gives the events.
    pub(crate) fn run(&self, more: &[&str]) -> Output {
        self.pipeline(&[&["run", "--env", "local", "--output", "json"], more].concat())
    }

    /// Plans for the local cloud and gives the events.
    pub(crate) fn plan(&self, more: &[&str]) -> Output {
        self.pipeline(&[&["plan", "--env", "local", "--output", "json"], more].concat())
    }

    /// Starts the pipeline in the repository.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the pipeline")
    }

    /// Starts to deploy to the local cloud.
    pub(crate) fn start_run(&self, more: &[&str]) -> Running {
        Running::follow(self.start(&[&["run", "--env", "local", "--output", "json"], more].concat()))
    }

    /// From now on every call goes through a proxy; not committed.
    pub(crate) fn behind_proxy(&self) -> Proxy {
        let proxy = Proxy::start();
        self.edit("pipeline.yaml", &Cloud::endpoint(), &proxy.endpoint());
        proxy
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pipeline"));
        command
            .args(arguments)
            .current_dir(self.path())
            // Workloads of all tests share what they are made of.
            .env("CARGO_TARGET_DIR", target_directory())
            .env_remove("PIPELINE_ENV")
            .envs(super::canary::VARIABLES);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("GITHUB_") {
                command.env_remove(name);
            }
        }
        command
    }
}

/// Beside the binary that is tested.
fn target_directory() -> PathBuf {
    let binary = Path::new(env!("CARGO_BIN_EXE_pipeline"));
    binary.ancestors().nth(2).expect("target/debug/pipeline").join("end-to-end")
}

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use pipeline::event::Event;
use pipeline::store::{Run, State};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::http::{self, Answer};
use crate::support::{Cloud, Repository, until};

pub(crate) const SECRET: &str = "canary/webhook+secret";
pub(crate) const OLD_SECRET: &str = "canary/webhook+secret+of+yesterday";
pub(crate) const TOKEN: &str = "canary/api+token";

pub(crate) const PIPELINE: &str = r#"
project: PROJECT
environments:
  local: { region: us-west-2, endpoint: "ENDPOINT", branch: main }
stacks:
  a:
"#;

pub(crate) const TEMPLATE: &str = r"
Resources:
  Kept: { Type: AWS::SSM::Parameter, Properties: { Type: String, Value: first } }
Outputs:
  Value: { Value: !GetAtt Kept.Value }
";

/// A stack that is not through before its gate is opened.
pub(crate) const GATE: &str = r"
Resources:
  Gate: { Type: AWS::CloudFormation::WaitCondition, CreationPolicy: { ResourceSignal: { Timeout: PT1M } } }
";

/// An author's repository, the remote that it is pushed to, and what a server keeps.
pub(crate) struct Place {
    pub(crate) author: Repository,
    directory: TempDir,
    pub(crate) cloud: Cloud,
}

impl Place {
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let author = Repository::with(files);
        let directory = TempDir::new().expect("a directory");
        let cloud = Cloud::of(&author.project);
        let place = Self { author, directory, cloud };
        let bare = place.remote().display().to_string();
        place.author.git(&["clone", "--quiet", "--bare", ".", &bare]);
        place.author.git(&["remote", "add", "origin", &bare]);
        place
    }

    /// One stack, and nothing to wait for.
    pub(crate) fn simple() -> Self {
        Self::with(&[("pipeline.yaml", PIPELINE), ("stacks/a/template.yaml", TEMPLATE)])
    }

    /// A second stack, at whose gate a run waits.
    pub(crate) fn gated() -> Self {
        Self::with(&[
            ("pipeline.yaml", &format!("{PIPELINE}  gate:\n")),
            ("stacks/a/template.yaml", TEMPLATE),
            ("stacks/gate/template.yaml", GATE),
        ])
    }

    pub(crate) fn remote(&self) -> PathBuf {
        self.directory.path().join("remote.git")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    pub(crate) fn head(&self) -> String {
        self.author.git(&["rev-parse", "HEAD"])
    }

    /// Pushes a commit that changes the stack `a`; nobody is told.
    pub(crate) fn push(&self, value: &str) -> String {
        self.author.edit("stacks/a/template.yaml", "Value: ", &format!("Value: {value}-"));
        self.push_as_it_is()
    }

    /// Pushes what the author has changed; nobody is told.
    pub(crate) fn push_as_it_is(&self) -> String {
        let commit = self.author.commit("Change");
        self.author.git(&["push", "--quiet", "origin", "main"]);
        commit
    }

    /// What GitHub tells of a push, and in what it is told from another delivery of the same.
    pub(crate) fn told(commit: &str, about: &str) -> String {
        json!({
            "ref": "refs/heads/main", "after": commit, "deleted": false, "about": about,
            "repository": { "full_name": "octo/shop" },
        })
        .to_string()
    }

    /// Starts a server that looks at the remote once, at its start.
    pub(crate) fn serve(&self, more: &[&str]) -> Server {
        self.serve_and_look_every("1h", more)
    }

    pub(crate) fn serve_and_look_every(&self, poll: &str, more: &[&str]) -> Server {
        self.start(&self.state().display().to_string(), poll, more)
    }

    /// A server with a state directory of its own.
    pub(crate) fn serve_elsewhere(&self, state: &str, more: &[&str]) -> Server {
        self.start(state, "1h", more)
    }

    /// A server of a repository under another address, which looks at it once.
    pub(crate) fn serve_of(&self, served: &str, more: &[&str]) -> Server {
        self.start_of(served, &self.state().display().to_string(), "1h", more)
    }

    fn start(&self, state: &str, poll: &str, more: &[&str]) -> Server {
        let served = format!("octo/shop={}", self.remote().display());
        self.start_of(&served, state, poll, more)
    }

    fn start_of(&self, served: &str, state: &str, poll: &str, more: &[&str]) -> Server {
        let mut command = self.author.command(&["serve", served, "--listen", "127.0.0.1:0", "--poll", poll]);
        command.args(["--state", state]).args(more).current_dir(self.directory.path());
        // Where runs are tasks, the server itself has to do with AWS.
        command.env("AWS_ENDPOINT_URL", Cloud::endpoint()).env("AWS_REGION", "us-west-2");
        Server::start(command)
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }
}

/// A server that runs.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    said: Arc<Mutex<String>>,
}

impl Server {
    fn start(mut command: Command) -> Self {
        command
            .env("PIPELINE_WEBHOOK_SECRET", SECRET)
            .env("PIPELINE_WEBHOOK_SECRET_OLD", OLD_SECRET)
            .env("PIPELINE_API_TOKEN", TOKEN)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the pipeline");
        let errors = BufReader::new(child.stderr.take().expect("a piped output"));
        let said = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                heard.lock().expect("no panic").push_str(&(line + "\n"));
            }
        });
        let mut server = Self { child, address: String::new(), said };
        server.address = until("an address", || {
            let said = server.said();
            if let Some(status) = server.child.try_wait().expect("a status") {
                panic!("ended with {status}: {said}");
            }
            Some(said.lines().find_map(|line| line.strip_prefix("listening on "))?.to_owned())
        });
        server
    }

    pub(crate) fn said(&self) -> String {
        self.said.lock().expect("no panic").clone()
    }

    pub(crate) fn until_said(&self, text: &str) {
        until(text, || self.said().contains(text).then_some(()));
    }

    /// Delivers as GitHub does.
    pub(crate) fn deliver(&self, event: &str, id: &str, body: &str) -> Answer {
        self.deliver_signed(event, id, body, &sign(SECRET, body.as_bytes()))
    }

    pub(crate) fn deliver_signed(&self, event: &str, id: &str, body: &str, signature: &str) -> Answer {
        let headers =
            [("X-GitHub-Event", event), ("X-GitHub-Delivery", id), ("X-Hub-Signature-256", signature)];
        http::ask(&self.address, "POST", "/webhooks/github", &headers, body.as_bytes()).expect("an answer")
    }

    /// Tells of a push.
    pub(crate) fn tell(&self, commit: &str) {
        let answer = self.deliver("push", &format!("of-{commit}"), &Place::told(commit, ""));
        assert_eq!((answer.status, answer.body.as_str()), (202, "accepted"));
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        http::ask(&self.address, "GET", path, &[], b"").expect("an answer")
    }

    /// Asks the API.
    pub(crate) fn api(&self, method: &str, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let token = format!("Bearer {TOKEN}");
        http::ask(&self.address, method, path, &[("Authorization", &token)], body.as_bytes())
            .expect("an answer")
    }

    /// All runs, the oldest first.
    pub(crate) fn runs(&self) -> Vec<Run> {
        let answer = self.api("GET", "/api/runs", &Value::Null);
        assert_eq!(answer.status, 200, "{answer:?}");
        let mut runs: Vec<Run> = serde_json::from_value(answer.json()).expect("runs");
        runs.reverse();
        runs
    }

    /// Waits until a run of a commit is in a state.
    #[track_caller]
    pub(crate) fn until_run(&self, commit: &str, state: State) -> Run {
        until(&format!("a run of {commit} that is {state:?}; said:\n{}", self.said()), || {
            self.runs().into_iter().rev().find(|run| run.commit == commit && run.state == state)
        })
    }

    /// The events of a run.
    pub(crate) fn events(&self, run: i64, from: i64) -> Vec<(i64, Event)> {
        let answer = self.api("GET", &format!("/api/runs/{run}/events?from={from}"), &Value::Null);
        let events = answer.json();
        let event = |event: &Value| {
            let read = serde_json::from_value(event["event"].clone()).expect("an event");
            (event["sequence"].as_i64().expect("a number"), read)
        };
        events.as_array().expect("events").iter().map(event).collect()
    }

    pub(crate) fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("a process");
    }

    /// As if the machine had lost it.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("a process");
        self.child.wait().expect("an end");
    }

    /// Waits for the end, which has to be a good one, and gives all that was said.
    pub(crate) fn end(mut self) -> String {
        let status = until("the server's end", || self.child.try_wait().expect("a status"));
        assert!(status.success(), "{status}: {}", self.said());
        let said = self.said();
        check(&said);
        said
    }

    /// Tells it to end, and waits for that.
    pub(crate) fn stop(self) -> String {
        self.send(Signal::TERM);
        self.end()
    }
}

/// A failed test leaves nothing behind.
impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Checks that no secret of the server stands in a text.
#[track_caller]
pub(crate) fn check(text: &str) {
    for secret in [SECRET, OLD_SECRET, TOKEN, "canary/secret+access=key", "canary/session+token=="] {
        assert!(!text.contains(secret), "`{secret}` came out:\n{text}");
    }
}

pub(crate) fn sign(secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    format!("sha256={}", hex::encode(hmac::sign(&key, body)))
}

/// A place, its server, and the commit whose run is under way and waits at the gate.
pub(crate) fn at_the_gate() -> (Place, Server, String) {
    let place = Place::gated();
    let server = place.serve(&[]);
    let commit = place.head();
    place.cloud.until_waiting("gate");
    (place, server, commit)
}

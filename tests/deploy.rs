//! This repository's own system, from nothing to running in the local cloud, and on from there.

mod support;

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pipeline::event::RunResult;
use pipeline::plan::{Action, ChangeKind};
use support::request::request;
use support::{Cloud, Proxy, Repository, until};

/// One deployment after the other, as they would come over a day: each rests on the one before.
#[test]
fn from_nothing_to_a_running_system_and_on() {
    let proxy = Proxy::start();
    let repository = Repository::of_this_project(&proxy.endpoint());
    let cloud = Cloud::in_region(&repository.project, "us-east-1");
    everything_is_created(&repository, &cloud);
    an_event_goes_all_the_way(&repository);
    nothing_to_do_writes_nothing(&repository, &proxy);
    a_line_of_the_api_rolls_the_api(&repository);
    a_changed_template_changes_its_stack(&repository);
}

fn everything_is_created(repository: &Repository, cloud: &Cloud) {
    let output = repository.run(&[]).code(0);
    assert_eq!(output.result(), RunResult::Changed);
    // Whether the service has come up by itself before it is looked at is a matter of chance.
    let changed: Vec<String> =
        output.changed().into_iter().filter(|step| !step.starts_with("rollout/")).collect();
    assert_eq!(
        changed,
        [
            "image/api",
            "image/event-processor",
            "stack/alb",
            "stack/ecr",
            "stack/ecs",
            "stack/lambda",
            "stack/msk",
            "stack/vpc"
        ]
    );
    for stack in ["vpc", "alb", "ecr", "ecs", "msk", "lambda"] {
        assert_eq!(cloud.stack_status(stack).as_deref(), Some("CREATE_COMPLETE"), "{stack}");
    }
    let status = repository.pipeline(&["status", "--env", "local", "--output", "json"]).code(0).stdout;
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    let commit = repository.git(&["rev-parse", "HEAD"]);
    for workload in status["workloads"].as_array().expect("workloads") {
        assert_eq!(workload["commit"], commit.as_str(), "{workload}");
    }
}

/// `POST /events` → Kafka → function → log line, with the commands that the README shows.
fn an_event_goes_all_the_way(repository: &Repository) {
    let send = readme_command("curl ", repository);
    let answer = until("the API", || {
        let answer = shell(&send);
        answer.starts_with("HTTP/1.1 202 ").then_some(answer)
    });
    let answer = answer.split_once("\r\n\r\n").expect("a body").1;
    let answer: serde_json::Value = serde_json::from_str(answer).expect("JSON");
    let id = answer["id"].as_str().expect("an id");
    let logs = readme_command(".venv/bin/python local/logs.py ", repository);
    let line = until("the function's log line", || {
        shell(&logs).lines().find(|line| line.contains(id)).map(str::to_owned)
    });
    assert!(line.contains("event processed"), "{line}");
}

/// The README's command that begins so, for the system under its other name.
fn readme_command(start: &str, repository: &Repository) -> String {
    let readme = include_str!("../README.md");
    let command = readme.lines().find(|line| line.starts_with(start)).expect("a command in the README");
    command.replace("events-local", &format!("{}-local", repository.project))
}

fn shell(command: &str) -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    let output = Command::new("sh").args(["-c", command]).current_dir(root).output().expect("a shell");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn nothing_to_do_writes_nothing(repository: &Repository, proxy: &Proxy) {
    proxy.take();
    let output = repository.run(&[]).code(0);
    assert_eq!(output.result(), RunResult::Unchanged);
    let calls = proxy.take();
    assert_eq!(Proxy::writes(&calls), Vec::<&String>::new());
    assert!(calls.len() <= 12, "{} calls for nothing: {calls:?}", calls.len());
    repository.plan(&["--exit-code"]).code(0);
}

fn a_line_of_the_api_rolls_the_api(repository: &Repository) {
    repository.edit("workloads/api/src/http/mod.rs", "\"ok\".into_response()", "\"fine\".into_response()");
    repository.commit("Change the API");
    let plan = repository.plan(&["--exit-code"]).code(3);
    assert_eq!(plan.action("image/api"), Action::Build);
    assert_eq!(plan.action("image/event-processor"), Action::Nothing);
    assert_eq!(plan.decisions()["stack/ecs"].waiting_for, ["workloads.api.image"]);
    let load = Load::start(repository);
    let output = repository.run(&[]).code(0);
    let (asked, errors) = load.stop();
    assert_eq!(output.changed(), ["image/api", "rollout/api", "stack/ecs"]);
    let changes = &output.decisions()["stack/ecs"].changes;
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(changes[0].logical_id, "TaskDefinition");
    assert!(changes[0].properties.iter().any(|property| property.path.ends_with("Image")), "{changes:?}");
    assert!(asked > 20, "only {asked} requests were made");
    assert_eq!(errors, 0, "of {asked} requests");
    // The emulator takes the old task out of the target group a moment after the deployment.
    until("the new task alone to answer", || {
        let (_, body) = request(&repository.project, "GET", "/healthz", &[], "");
        (body == "fine").then_some(())
    });
}

fn a_changed_template_changes_its_stack(repository: &Repository) {
    repository.edit(
        "stacks/ecr/template.yaml",
        "Resources:\n",
        "Resources:\n  # A comment changes nothing.\n",
    );
    repository.commit("Comment on a template");
    assert_eq!(repository.run(&[]).code(0).result(), RunResult::Unchanged);
    repository.edit(
        "stacks/alb/template.yaml",
        "HealthCheckIntervalSeconds: 5",
        "HealthCheckIntervalSeconds: 6",
    );
    repository.commit("Look at the API's health less often");
    let output = repository.run(&[]).code(0);
    assert_eq!(output.changed(), ["stack/alb"]);
    let changes = &output.decisions()["stack/alb"].changes;
    let (group, others): (Vec<_>, Vec<_>) =
        changes.iter().partition(|change| change.logical_id == "TargetGroup");
    assert_eq!(group.len(), 1, "{changes:?}");
    // CloudFormation can't tell that what refers to an attribute of the group stays as it is.
    assert!(others.iter().all(|change| change.logical_id.ends_with("Alarm")), "{changes:?}");
    assert_eq!(group[0].kind, ChangeKind::Modify);
    let property = &group[0].properties[0];
    assert_eq!(
        (property.path.as_str(), property.before.as_deref(), property.after.as_deref()),
        ("HealthCheckIntervalSeconds", Some("5"), Some("6"))
    );
}

/// Asks the load balancer without a pause until it is stopped.
struct Load {
    stopped: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    errors: Arc<AtomicUsize>,
    thread: std::thread::JoinHandle<()>,
}

impl Load {
    fn start(repository: &Repository) -> Self {
        let (stopped, asked, errors) = <(Arc<AtomicBool>, Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let shared = (Arc::clone(&stopped), Arc::clone(&asked), Arc::clone(&errors));
        let project = repository.project.clone();
        let thread = std::thread::spawn(move || {
            while !shared.0.load(Ordering::Relaxed) {
                let (code, _) = request(&project, "GET", "/healthz", &[], "");
                shared.1.fetch_add(1, Ordering::Relaxed);
                shared.2.fetch_add(usize::from(code != 200), Ordering::Relaxed);
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        });
        Self { stopped, asked, errors, thread }
    }

    /// How many requests were made, and how many were not answered with 200.
    fn stop(self) -> (usize, usize) {
        self.stopped.store(true, Ordering::Relaxed);
        self.thread.join().expect("no panic");
        (self.asked.load(Ordering::Relaxed), self.errors.load(Ordering::Relaxed))
    }
}

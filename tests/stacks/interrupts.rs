//! Ctrl-C ends what can be ended at once, and waits for what CloudFormation is in the middle of.

use std::path::Path;
use std::time::{Duration, Instant};

use pipeline::event::{Event, Outcome, RunResult};

use super::{GATE, TEMPLATE};
use crate::support::{Cloud, Repository, until};

const PIPELINE: &str = r#"
project: PROJECT
environments:
  local: { region: us-west-2, endpoint: "ENDPOINT" }
stacks:
  gate:
  b: { parameters: { Text: "${workloads.app.image}" } }
workloads:
  app:
    inputs: [Dockerfile]
    repository: 000000000000.dkr.ecr.us-west-2.amazonaws.com/PROJECT-local/app
    build: { command: "sleep 600 & echo $! > build.pid; wait" }
"#;

fn repository() -> (Repository, Cloud) {
    let repository = Repository::with(&[
        ("pipeline.yaml", PIPELINE),
        ("stacks/gate/template.yaml", GATE),
        ("stacks/b/template.yaml", TEMPLATE),
        ("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n"),
        (".gitignore", "build.pid\n"),
    ]);
    let cloud = Cloud::of(&repository.project);
    (repository, cloud)
}

#[test]
fn a_build_is_killed_and_an_operation_followed_to_its_end() {
    let (repository, cloud) = repository();
    let mut running = repository.start_run(&[]);
    running.until_resource("stack/gate", "CREATE_IN_PROGRESS");
    let build = build(&repository);
    running.interrupt();
    running.until("the build's end", |event| {
        matches!(event, Event::StepFinished { step, outcome: Outcome::Interrupted { .. }, .. } if step.to_string() == "image/app")
    });
    gone(&build);
    cloud.open_gate("gate");
    let output = running.end().code(130);
    assert_eq!(output.result(), RunResult::Interrupted);
    assert!(matches!(output.outcomes()["stack/gate"], Outcome::Done { .. }), "{output:?}");
    assert_eq!(output.outcomes()["stack/b"], Outcome::Interrupted { summary: None });
    assert_eq!(cloud.stack_status("gate").as_deref(), Some("CREATE_COMPLETE"));
}

#[test]
fn the_second_time_nothing_is_waited_for() {
    let (repository, cloud) = repository();
    let mut running = repository.start_run(&[]);
    running.until_resource("stack/gate", "CREATE_IN_PROGRESS");
    let build = build(&repository);
    running.interrupt();
    running.until("the build's end", |event| matches!(event, Event::StepFinished { .. }));
    running.interrupt();
    let asked = Instant::now();
    let output = running.end().code(130);
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    assert_eq!(output.result(), RunResult::Interrupted);
    gone(&build);
    // CloudFormation goes on by itself, and the next run waits for it and goes on from there.
    assert_eq!(cloud.stack_status("gate").as_deref(), Some("CREATE_IN_PROGRESS"));
    let mut next = repository.start_run(&["--only", "gate"]);
    next.until(
        "the operation under way",
        |event| matches!(event, Event::Activity { text, .. } if text.contains("CREATE_IN_PROGRESS")),
    );
    cloud.open_gate("gate");
    assert_eq!(next.end().code(0).result(), RunResult::Unchanged);
}

/// Where the system shows the build command's own child, once it runs.
fn build(repository: &Repository) -> String {
    let process = until("the build", || {
        let id = std::fs::read_to_string(repository.path().join("build.pid")).ok()?;
        id.ends_with('\n').then(|| format!("/proc/{}", id.trim()))
    });
    assert!(Path::new(&process).exists());
    process
}

/// A killed process is there until it is reaped.
fn gone(process: &str) {
    until("the build's process to go", || (!Path::new(process).exists()).then_some(()));
}

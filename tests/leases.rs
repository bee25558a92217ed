//! One run at a time: leases in a region of their own, as a region once bootstrapped has them for everybody.

mod support;

use pipeline::event::{Event, Outcome, RunResult};
use rustix::process::Signal;
use support::{Cloud, Output, Proxy, Repository, Running};

const REGION: &str = "eu-west-1";

/// Stack `b` follows `gate`, which is not through before its gate is opened.
const PIPELINE: &str = r#"
project: PROJECT
environments:
  local: { region: eu-west-1, endpoint: "ENDPOINT" }
stacks:
  gate:
  b: { parameters: { Text: "${stacks.gate.Text}" } }
"#;

const GATE: &str = r"
Resources:
  Gate: { Type: AWS::CloudFormation::WaitCondition, CreationPolicy: { ResourceSignal: { Timeout: PT1M } } }
  Kept: { Type: AWS::SSM::Parameter, Properties: { Type: String, Value: first } }
Outputs:
  Text: { Value: !GetAtt Kept.Value }
";

const TEMPLATE: &str = r"
Parameters:
  Text: { Type: String }
Resources:
  Kept: { Type: AWS::SSM::Parameter, Properties: { Type: String, Value: !Ref Text, Description: about it } }
";

fn bootstrapped() -> (Repository, Cloud) {
    let repository = Repository::with(&[
        ("pipeline.yaml", PIPELINE),
        ("stacks/gate/template.yaml", GATE),
        ("stacks/b/template.yaml", TEMPLATE),
    ]);
    repository.pipeline(&["bootstrap", "--env", "local"]).code(0);
    let cloud = Cloud::in_region(&repository.project, REGION);
    (repository, cloud)
}

/// A run that has the lease and waits at the gate.
fn at_the_gate(repository: &Repository) -> Running {
    let mut running = repository.start_run(&[]);
    running.until_resource("stack/gate", "CREATE_IN_PROGRESS");
    running
}

fn waits(running: &mut Running) -> String {
    let event = running.until("a run that waits", |event| matches!(event, Event::Waiting { .. }));
    let Event::Waiting { reason } = event else { unreachable!("it was asked for") };
    reason
}

fn newer(output: &Output) -> Option<String> {
    match output.events().pop() {
        Some(Event::Finished { newer, .. }) => newer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_second_run_says_who_holds_the_lease_and_changes_nothing() {
    let (repository, cloud) = bootstrapped();
    let commit = repository.git(&["rev-parse", "HEAD"]);
    let first = at_the_gate(&repository);
    let output = repository.run(&[]).code(1);
    let told = format!("deploys {}, since ", &commit[..7]);
    assert!(output.stderr.contains("environment local is being deployed to: "), "{}", output.stderr);
    assert!(output.stderr.contains(&told), "{}", output.stderr);
    assert!(output.stderr.contains("`pipeline unlock --env local`"), "{}", output.stderr);
    assert!(output.outcomes().is_empty(), "{output:?}");
    cloud.open_gate("gate");
    assert_eq!(first.end().code(0).changed(), ["stack/b", "stack/gate"]);
    assert_eq!(repository.run(&[]).code(0).result(), RunResult::Unchanged);
}

#[test]
fn a_run_that_waits_goes_on_from_what_the_other_left() {
    let (repository, cloud) = bootstrapped();
    let first = at_the_gate(&repository);
    let mut second = repository.start_run(&["--wait"]);
    assert!(waits(&mut second).contains(" deploys "));
    cloud.open_gate("gate");
    first.end().code(0);
    assert_eq!(second.end().code(0).result(), RunResult::Unchanged);
}

#[test]
fn nothing_to_do_takes_no_lease() {
    let (repository, cloud) = bootstrapped();
    let first = at_the_gate(&repository);
    cloud.open_gate("gate");
    first.end().code(0);
    let proxy = repository.behind_proxy();
    repository.run(&[]).code(0);
    let calls = proxy.take();
    assert_eq!(Proxy::writes(&calls), Vec::<&String>::new());
    // The lease, all stacks, and the template of each.
    assert_eq!(calls.len(), 4, "{calls:?}");
}

#[test]
fn an_older_commit_gives_way_before_its_next_step() {
    let (repository, cloud) = bootstrapped();
    let older = at_the_gate(&repository);
    repository.edit("stacks/b/template.yaml", "about it", "more about it");
    let commit = repository.commit("Say more");
    let mut second = repository.start_run(&["--wait"]);
    waits(&mut second);
    until_wanted(&cloud, &repository.project);
    cloud.open_gate("gate");
    let output = older.end().code(4);
    assert_eq!(output.result(), RunResult::Superseded);
    assert_eq!(newer(&output), Some(commit));
    // What CloudFormation was in the middle of is through, what had not begun has not begun.
    assert!(matches!(output.outcomes()["stack/gate"], Outcome::Done { .. }), "{output:?}");
    assert_eq!(output.outcomes()["stack/b"], Outcome::Interrupted { summary: None });
    assert_eq!(second.end().code(0).changed(), ["stack/b"]);
}

/// Waits until the run that holds the lease is asked to give way, and has had the time to notice.
fn until_wanted(cloud: &Cloud, project: &str) {
    support::until("a wish for the lease", || cloud.lease(project).contains_key("wanted_for").then_some(()));
    let version = cloud.lease(project)["version"].clone();
    support::until("a renewal", || (cloud.lease(project)["version"] != version).then_some(()));
}

#[test]
fn a_newer_commit_that_is_being_deployed_is_not_waited_for() {
    let (repository, cloud) = bootstrapped();
    repository.edit("stacks/b/template.yaml", "about it", "more about it");
    let commit = repository.commit("Say more");
    let first = at_the_gate(&repository);
    let output = repository.run(&["--wait", "--commit", "HEAD~1"]).code(4);
    assert_eq!(newer(&output), Some(commit));
    cloud.open_gate("gate");
    assert_eq!(first.end().code(0).result(), RunResult::Changed);
}

#[test]
fn a_process_that_was_stopped_beyond_its_lease_changes_nothing() {
    let (repository, cloud) = bootstrapped();
    let endpoint = Cloud::endpoint();
    let proxy = repository.behind_proxy();
    let stopped = at_the_gate(&repository);
    stopped.send(Signal::STOP);
    // Another machine, on a way of its own.
    repository.edit("pipeline.yaml", &proxy.endpoint(), &endpoint);
    let mut second = repository.start_run(&["--wait"]);
    waits(&mut second);
    cloud.open_gate("gate");
    // It has to wait until the lease is over, and finds the gate's stack made by then.
    let second = second.end().code(0);
    assert_eq!(second.changed(), ["stack/b"]);
    proxy.take();
    stopped.send(Signal::CONT);
    let output = stopped.end().code(1);
    assert!(output.stderr.contains("the lease of environment local was lost"), "{}", output.stderr);
    let calls = proxy.take();
    // It tries to renew the lease, and is refused.
    let writes: Vec<&String> = Proxy::writes(&calls).into_iter().filter(|call| *call != "PutItem").collect();
    assert_eq!(writes, Vec::<&String>::new());
}

#[test]
fn a_lease_is_ended_by_a_person() {
    let (repository, cloud) = bootstrapped();
    let nobody = repository.pipeline(&["unlock", "--env", "local"]).code(0);
    assert_eq!(nobody.stdout, "nobody holds the lease of local\n");
    let dead = at_the_gate(&repository);
    dead.send(Signal::KILL);
    let output = repository.pipeline(&["unlock", "--env", "local"]).code(2);
    assert!(output.stderr.contains(" deploys "), "{}", output.stderr);
    assert!(output.stderr.contains("there is nobody to ask"), "{}", output.stderr);
    let output = repository.pipeline(&["unlock", "--env", "local", "--yes"]).code(0);
    assert!(output.stdout.contains("the lease of local is free"), "{}", output.stdout);
    // The dead run's operation is waited for, and not begun again.
    let mut next = repository.start_run(&[]);
    next.until(
        "what is waited for",
        |event| matches!(event, Event::Activity { text, .. } if text.contains("under way")),
    );
    cloud.open_gate("gate");
    assert_eq!(next.end().code(0).changed(), ["stack/b"]);
}

#[test]
fn bootstrap_changes_nothing_the_second_time() {
    let (repository, _cloud) = bootstrapped();
    let output = repository.pipeline(&["bootstrap", "--env", "local"]).code(0);
    assert_eq!(output.stdout, "pipeline-bootstrap is as it should be\n");
}

#[test]
fn without_a_table_there_is_nothing_to_unlock() {
    let repository = Repository::with(&[
        ("pipeline.yaml", &PIPELINE.replace("eu-west-1", "ap-south-1")),
        ("stacks/gate/template.yaml", GATE),
        ("stacks/b/template.yaml", TEMPLATE),
    ]);
    let output = repository.pipeline(&["unlock", "--env", "local"]).code(1);
    assert!(output.stderr.contains("`pipeline bootstrap --env local`"), "{}", output.stderr);
}

//! One run at a time: leases in a region of their own, as a region once bootstrapped has them for everybody.

mod support;

use std::sync::mpsc::channel;

use pipeline::event::{Event, Outcome, RunResult};
use rustix::process::Signal;
use support::proxy::Fate;
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

fn repository_in(region: &str) -> Repository {
    Repository::with(&[
        ("pipeline.yaml", &PIPELINE.replace(REGION, region)),
        ("stacks/gate/template.yaml", GATE),
        ("stacks/b/template.yaml", TEMPLATE),
    ])
}

fn bootstrapped() -> (Repository, Cloud) {
    let repository = repository_in(REGION);
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
fn a_run_that_has_to_have_its_plan_makes_it_anew_after_it_has_waited() {
    let (repository, cloud) = bootstrapped();
    let older = repository.git(&["rev-parse", "HEAD"]);
    repository.edit("stacks/b/template.yaml", "about it", "more about it");
    repository.commit("Say more");
    let reviewed = match repository.plan(&[]).code(0).events().pop() {
        Some(Event::Finished { digest: Some(digest), .. }) => digest.to_string(),
        other => panic!("{other:?}"),
    };
    let mut first = repository.start_run(&["--commit", &older]);
    first.until_resource("stack/gate", "CREATE_IN_PROGRESS");
    let output = repository.run(&["--plan-digest", &reviewed]).code(1);
    assert!(output.stderr.contains("environment local is being deployed to: "), "{}", output.stderr);
    let mut second = repository.start_run(&["--wait", "--plan-digest", &reviewed]);
    waits(&mut second);
    cloud.open_gate("gate");
    first.end();
    let output = second.end().code(5);
    assert_eq!(output.result(), RunResult::Refused);
    let differs = |event: &Event| matches!(event, Event::PlanDiffers { steps, .. } if steps.len() == 2);
    assert!(output.events().iter().any(differs), "{output:?}");
    assert_eq!(output.changed(), [""; 0]);
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
    // All stacks, and the template of each: not even the lease.
    assert_eq!(calls.len(), 3, "{calls:?}");
}

#[test]
fn what_was_deployed_while_a_run_looked_around_is_seen() {
    let alone = format!("{}  only:\n", PIPELINE.split("  gate:").next().expect("the beginning"));
    let kept = TEMPLATE.replace("Type: String }", "Type: String, Default: first }");
    let repository = Repository::with(&[("pipeline.yaml", &alone), ("stacks/only/template.yaml", &kept)]);
    repository.pipeline(&["bootstrap", "--env", "local"]).code(0);
    let _cloud = Cloud::in_region(&repository.project, REGION);
    let proxy = repository.behind_proxy();
    let (about_to_take, taking) = channel();
    let (go_on, going) = channel::<()>();
    proxy.plan(move |operation, before| {
        if operation == "GetItem" && before == 0 {
            about_to_take.send(()).expect("somebody who waits for it");
            going.recv().expect("leave to go on");
        }
        Fate::Passed
    });
    let first = repository.start_run(&[]);
    taking.recv().expect("a run that is about to take the lease");
    repository.edit("pipeline.yaml", &proxy.endpoint(), &Cloud::endpoint());
    assert_eq!(repository.run(&[]).code(0).changed(), ["stack/only"]);
    go_on.send(()).expect("a run that waits for it");
    assert_eq!(first.end().code(0).result(), RunResult::Unchanged);
    assert_eq!(Proxy::writes(&proxy.take()), Vec::<&String>::new());
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

/// In a region that nobody else bootstraps, and which is as before at the end.
#[test]
fn several_may_bootstrap_at_once() {
    let region = "sa-east-1";
    let repository = repository_in(region);
    let cloud = Cloud::in_region(&repository.project, region);
    for _ in 0..3 {
        let together: Vec<_> = (0..6).map(|_| repository.start(&["bootstrap", "--env", "local"])).collect();
        for bootstrap in together {
            let output = bootstrap.wait_with_output().expect("its end");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        cloud.delete_bootstrap();
    }
}

#[test]
fn without_a_table_there_is_nothing_to_unlock() {
    let repository = repository_in("ap-south-1");
    let output = repository.pipeline(&["unlock", "--env", "local"]).code(1);
    assert!(output.stderr.contains("`pipeline bootstrap --env local`"), "{}", output.stderr);
}

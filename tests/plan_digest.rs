//! A run that has to have the plan that was reviewed, and does nothing else.

mod support;

use pipeline::event::{Event, RunResult};
use pipeline::plan::{Action, Decided, PlanDigest};
use support::canary::HIDDEN;
use support::system::System;
use support::{Cloud, Output, Proxy, Repository};

const PIPELINE: &str = r#"
project: PROJECT
environments:
  local: { region: us-west-2, endpoint: "ENDPOINT" }
stacks:
  a:
  b: { parameters: { Text: "${stacks.a.Text}" } }
"#;

const TEMPLATE: &str = r"
Parameters:
  Text: { Type: String, Default: first }
  Pin: { Type: String, NoEcho: true, Default: none }
Resources:
  Kept:
    Type: AWS::SSM::Parameter
    Properties: { Type: String, Value: !Ref Text, Description: !Sub 'about ${Pin}' }
Outputs:
  Text: { Value: !GetAtt Kept.Value }
";

fn two_stacks() -> (Repository, Cloud) {
    let repository = Repository::with(&[
        ("pipeline.yaml", PIPELINE),
        ("stacks/a/template.yaml", TEMPLATE),
        ("stacks/b/template.yaml", TEMPLATE),
        ("stacks/environments/local.yaml", &format!("a: {{ Pin: {HIDDEN}-1 }}\n")),
    ]);
    let cloud = Cloud::of(&repository.project);
    (repository, cloud)
}

/// The same, deployed, with a change that is not.
fn a_change() -> (Repository, Cloud) {
    let (repository, cloud) = two_stacks();
    repository.run(&[]).code(0);
    repository.edit("stacks/a/template.yaml", "first", "second");
    repository.commit("Change what is handed on");
    (repository, cloud)
}

fn digest(output: &Output) -> Option<PlanDigest> {
    match output.events().pop() {
        Some(Event::Finished { digest, .. }) => digest,
        other => panic!("the last event is {other:?}"),
    }
}

#[track_caller]
fn planned(repository: &Repository) -> PlanDigest {
    digest(&repository.plan(&[]).code(0)).expect("something to do")
}

fn run(repository: &Repository, required: &PlanDigest) -> Output {
    repository.run(&["--plan-digest", &required.to_string()])
}

/// A run is refused and has changed nothing; the steps that differ.
#[track_caller]
fn refused(repository: &Repository, required: &PlanDigest) -> Vec<(String, Action)> {
    let proxy = repository.behind_proxy();
    let differing = refused_behind(&proxy, repository, required);
    repository.edit("pipeline.yaml", &proxy.endpoint(), &Cloud::endpoint());
    differing
}

#[track_caller]
fn refused_behind(proxy: &Proxy, repository: &Repository, required: &PlanDigest) -> Vec<(String, Action)> {
    proxy.take();
    let output = run(repository, required).code(5);
    let calls = proxy.take();
    let previews = ["CreateChangeSet", "DeleteChangeSet"];
    let others = Proxy::writes(&calls).into_iter().filter(|call| !previews.contains(&call.as_str()));
    assert_eq!(others.count(), 0, "{calls:?}");
    assert_eq!(output.result(), RunResult::Refused);
    assert_ne!(digest(&output).as_ref(), Some(required));
    let differing = output.events().into_iter().find_map(|event| match event {
        Event::PlanDiffers { required: named, steps, .. } if named == *required => Some(steps),
        _ => None,
    });
    let differing = differing.expect("what differs").into_iter();
    differing.map(|Decided { step, decision }| (step.to_string(), decision.action)).collect()
}

#[test]
fn the_plan_that_was_reviewed_is_carried_out() {
    let (repository, cloud) = two_stacks();
    let reviewed = planned(&repository);
    let output = run(&repository, &reviewed).code(0);
    assert_eq!(output.changed(), ["stack/a", "stack/b"]);
    assert_eq!(cloud.stack_status("b").as_deref(), Some("CREATE_COMPLETE"));

    // It is done: a job that is repeated finds nothing to do, and nothing to refuse.
    assert_eq!(digest(&repository.plan(&[]).code(0)), None);
    assert_eq!(run(&repository, &reviewed).code(0).result(), RunResult::Unchanged);
}

#[test]
fn another_commit_with_the_same_effect_will_do() {
    let (repository, _cloud) = a_change();
    let reviewed = planned(&repository);
    repository.write("README.md", "Nothing that is deployed.");
    repository.edit("stacks/a/template.yaml", "Resources:\n", "# Just the one.\nResources:\n");
    repository.commit("Tell more");
    assert_eq!(planned(&repository), reviewed);
    assert_eq!(run(&repository, &reviewed).code(0).changed(), ["stack/a", "stack/b"]);
}

#[test]
fn another_commit_with_another_effect_is_refused() {
    let (repository, cloud) = a_change();
    let reviewed = planned(&repository);
    repository.edit("stacks/a/template.yaml", "second", "third");
    repository.commit("Think again");
    assert_eq!(refused(&repository, &reviewed), [("stack/a".to_owned(), Action::Update)]);
    assert_eq!(cloud.outputs("a")["Text"], "first");
}

#[test]
fn what_was_changed_by_hand_since_is_found() {
    let (repository, cloud) = a_change();
    let reviewed = planned(&repository);
    cloud.delete_stack("b");
    assert_eq!(refused(&repository, &reviewed), [("stack/b".to_owned(), Action::Create)]);
    assert_eq!(cloud.stack_status("b"), None);
}

#[test]
fn a_secret_that_changed_since_is_found() {
    let (repository, _cloud) = a_change();
    let reviewed = planned(&repository);
    repository.edit("stacks/environments/local.yaml", "-1", "-2");
    repository.commit("Change the secret");
    assert_eq!(refused(&repository, &reviewed), [("stack/a".to_owned(), Action::Update)]);
}

#[test]
fn steps_that_came_since_are_found() {
    let (repository, _cloud) = a_change();
    let reviewed = planned(&repository);
    repository.edit("pipeline.yaml", "stacks:\n", "stacks:\n  c:\n");
    repository.write("stacks/c/template.yaml", TEMPLATE);
    repository.commit("Add a stack");
    assert_eq!(refused(&repository, &reviewed), [("stack/c".to_owned(), Action::Create)]);
}

#[test]
fn images_and_rollouts_count_as_stacks_do() {
    let System { repository, proxy, cloud } = &System::new();
    let everything = planned(repository);
    assert_eq!(run(repository, &everything).code(0).result(), RunResult::Changed);

    let remember = |mebibytes| {
        let lambda = aws_sdk_lambda::Client::new(cloud.config());
        let call = lambda.update_function_configuration();
        let call = call.function_name(format!("{}-local", repository.project)).memory_size(mebibytes);
        cloud.block_on(call.send()).expect("a function");
    };
    remember(256);
    let reviewed = planned(repository);
    assert_eq!(planned(repository), reviewed);
    remember(512);
    let rollout = ("rollout/event-processor".to_owned(), Action::Roll);
    assert_eq!(refused_behind(proxy, repository, &reviewed), [rollout]);

    repository.write("api/version", "2");
    repository.commit("Release 2");
    let reviewed = planned(repository);
    repository.write("api/version", "3");
    repository.commit("Release 3");
    assert_eq!(refused_behind(proxy, repository, &reviewed), [("image/api".to_owned(), Action::Build)]);
    assert_eq!(run(repository, &planned(repository)).code(0).result(), RunResult::Changed);
}

#[test]
fn the_difference_is_shown_as_a_plan_is() {
    let (repository, _cloud) = a_change();
    let reviewed = planned(&repository).to_string();
    repository.edit("stacks/a/template.yaml", "second", "third");
    repository.commit("Think again");
    let run = ["run", "--env", "local", "--output", "text", "--plan-digest", &reviewed];
    let output = repository.pipeline(&run).code(5);
    let filters = [
        (repository.project.as_str(), "PROJECT"),
        ("[0-9a-f]{32}-[0-9a-f]+", "DIGEST"),
        ("at [0-9a-f]{7}", "at COMMIT"),
        (r"\d+(\.\d)?m?s\b", "TIME"),
    ];
    insta::with_settings!({ filters => filters }, { insta::assert_snapshot!(output.stdout) });
}

#[test]
fn a_plan_ends_with_its_digest() {
    let (repository, _cloud) = two_stacks();
    let digest = planned(&repository);
    let text = repository.pipeline(&["plan", "--env", "local", "--output", "text"]).code(0).stdout;
    assert_eq!(text.lines().last(), Some(format!("digest: {digest}").as_str()));
}

#[test]
fn what_is_allowed_belongs_to_the_plan() {
    let (repository, cloud) = a_change();
    let allowing = digest(&repository.plan(&["--allow-replace", "a/Kept"]).code(0)).expect("a digest");
    assert!(refused(&repository, &allowing).is_empty());
    let run = ["--allow-replace", "a/Kept", "--plan-digest", &allowing.to_string()];
    assert_eq!(repository.run(&run).code(0).result(), RunResult::Changed);
    assert_eq!(cloud.outputs("a")["Text"], "second");
}

#[test]
fn what_is_no_digest_is_a_mistake_in_the_command() {
    let (repository, _cloud) = two_stacks();
    let output = repository.run(&["--plan-digest", "0123"]).code(2);
    assert!(output.stderr.contains("`0123` is not the digest of a plan"), "{output:?}");
}

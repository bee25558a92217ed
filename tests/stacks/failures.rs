//! What fails says why, stops what depends on it and nothing else, and is mended by the next run.

use std::sync::mpsc::channel;

use pipeline::event::{Outcome, RunResult};
use pipeline::failure::Failure;
use pipeline::plan::{Action, StepId};

use super::support::proxy::Fate;
use super::support::{Cloud, Repository, until};
use super::{GATE, REFUSED, TEMPLATE, failure, three_stacks, with_template_of_a};

#[test]
fn a_failed_creation_blocks_what_depends_on_it_and_is_mended_by_the_next_run() {
    let (repository, cloud) = with_template_of_a(REFUSED);
    let output = repository.run(&[]).code(1);
    assert_eq!(output.result(), RunResult::Failed);
    let failed = failure(&output, "stack/a");
    assert!(
        failed.message.contains(&format!("{}-local-a could not be created", repository.project)),
        "{failed}"
    );
    let cause = &failed.details[0];
    assert!(cause.starts_with("Queue (AWS::SQS::Queue) CREATE_FAILED: "), "{failed}");
    assert!(cause.contains("DelaySeconds"), "{failed}");
    assert_eq!(failed.details[1..], ["at stacks/a/template.yaml:3"]);
    assert_eq!(failed.hint.as_deref(), Some("mend the cause and run again"));
    assert_eq!(output.outcomes()["stack/b"], Outcome::Blocked { by: StepId::stack("a") });
    assert_eq!(output.changed(), ["stack/c"]);
    assert_eq!(cloud.stack_status("a"), None);
    assert_eq!(cloud.stack_status("b"), None);

    repository.write("stacks/a/template.yaml", TEMPLATE);
    repository.commit("Mend a");
    let output = repository.run(&[]).code(0);
    assert_eq!(output.changed(), ["stack/a", "stack/b"]);
    assert_eq!(repository.run(&[]).code(0).result(), RunResult::Unchanged);
}

/// The operation ends between a look at its events and one at the stack.
#[test]
fn the_cause_is_told_of_an_end_that_no_event_had_told_of() {
    let repository = Repository::with(&[
        (
            "pipeline.yaml",
            "project: PROJECT\nenvironments:\n  local: { region: us-west-2, endpoint: \"ENDPOINT\" }\nstacks:\n  gate:\n",
        ),
        ("stacks/gate/template.yaml", GATE),
    ]);
    let cloud = Cloud::of(&repository.project);
    let proxy = repository.behind_proxy();
    let (about_to_look, looking) = channel();
    let (go_on, going) = channel::<()>();
    proxy.plan(move |operation, before| {
        // The first one looks at what is live before the operation.
        if operation == "DescribeStacks" && before == 1 {
            about_to_look.send(()).expect("somebody who waits for it");
            going.recv().expect("leave to go on");
        }
        Fate::Passed
    });
    let run = repository.start_run(&[]);
    looking.recv().expect("a run that is about to look at the stack");
    cloud.fail_gate("gate");
    until("the end of the operation", || cloud.stack_status("gate").is_none().then_some(()));
    go_on.send(()).expect("a run that waits for it");
    let failed = failure(&run.end().code(1), "stack/gate");
    assert!(
        failed.details[0].starts_with("Gate (AWS::CloudFormation::WaitCondition) CREATE_FAILED"),
        "{failed}"
    );
}

#[test]
fn a_failed_update_is_taken_back_and_said() {
    let (repository, cloud) = three_stacks();
    repository.run(&[]).code(0);
    let queue = "Resources:\n  Queue: { Type: AWS::SQS::Queue, Properties: { DelaySeconds: 100000 } }\n";
    repository.edit("stacks/a/template.yaml", "Resources:\n", queue);
    repository.edit("stacks/a/template.yaml", "first", "second");
    repository.commit("Add a queue that can't be");
    let output = repository.run(&[]).code(1);
    let failed = failure(&output, "stack/a");
    assert!(failed.message.ends_with("could not be updated; it is back to what it was"), "{failed}");
    refused_queue(&failed);
    assert_eq!(output.outcomes()["stack/b"], Outcome::Blocked { by: StepId::stack("a") });
    assert_eq!(output.outcomes()["stack/c"], Outcome::Unchanged);
    assert_eq!(cloud.stack_status("a").as_deref(), Some("UPDATE_ROLLBACK_COMPLETE"));
    assert_eq!(cloud.outputs("a")["Text"], "first");

    // What is taken back is no obstacle: neither to going on nor to going back.
    repository.edit("stacks/a/template.yaml", "100000", "10");
    repository.commit("Mend the queue");
    assert_eq!(repository.run(&[]).code(0).changed(), ["stack/a", "stack/b"]);
}

#[test]
fn a_change_that_was_taken_back_by_cloudformation_can_be_taken_back_in_git() {
    let (repository, _cloud) = three_stacks();
    repository.run(&[]).code(0);
    let queue = "Resources:\n  Queue: { Type: AWS::SQS::Queue, Properties: { DelaySeconds: 100000 } }\n";
    repository.edit("stacks/a/template.yaml", "Resources:\n", queue);
    repository.commit("Add a queue that can't be");
    repository.run(&[]).code(1);
    // The same again fails in the same way: a change set that was executed is not met again.
    let again = failure(&repository.run(&[]).code(1), "stack/a");
    refused_queue(&again);
    repository.git(&["revert", "--no-edit", "HEAD"]);
    repository.run(&[]).code(0);
    assert_eq!(repository.run(&[]).code(0).result(), RunResult::Unchanged);
}

#[test]
fn what_a_failed_creation_left_is_deleted_and_made_anew() {
    let (repository, cloud) = three_stacks();
    cloud.create_stack("a", REFUSED);
    assert_eq!(cloud.stack_status("a").as_deref(), Some("ROLLBACK_COMPLETE"));
    let plan = repository.plan(&[]).code(0);
    assert_eq!(plan.action("stack/a"), Action::Recreate);
    assert_eq!(cloud.stack_status("a").as_deref(), Some("ROLLBACK_COMPLETE"));
    let output = repository.run(&[]).code(0);
    assert_eq!(output.changed(), ["stack/a", "stack/b", "stack/c"]);
    assert_eq!(cloud.stack_status("a").as_deref(), Some("CREATE_COMPLETE"));
}

#[test]
fn what_early_validation_finds_names_its_line() {
    let (repository, cloud) = with_template_of_a(
        "Resources:\n  Kept: { Type: AWS::SQS::Queue }\n  Profile:\n    Type: AWS::Signer::SigningProfile\n    \
         Properties: { PlatformId: Paper }\nOutputs:\n  Text: { Value: !GetAtt Kept.QueueName }\n",
    );
    let failed = failure(&repository.run(&[]).code(1), "stack/a");
    let [finding, place] = failed.details.as_slice() else { panic!("{failed}") };
    assert!(finding.starts_with("/Resources/Profile/Properties/PlatformId: Paper is not"), "{failed}");
    assert_eq!(place, "at stacks/a/template.yaml:3");
    assert_eq!(cloud.stack_status("a"), None);
}

#[test]
fn what_cloudformation_refuses_is_said_and_leaves_no_stack() {
    let (repository, cloud) = with_template_of_a(
        "Resources:\n  Odd: { Type: AWS::Nothing::Known }\nOutputs:\n  Text: { Value: !Ref Odd }\n",
    );
    let output = repository.run(&[]).code(1);
    let failed = failure(&output, "stack/a");
    assert!(format!("{failed}").contains("AWS::Nothing::Known"), "{failed}");
    assert_eq!(output.changed(), ["stack/c"]);
    assert_eq!(cloud.stack_status("a"), None);
    assert_eq!(cloud.change_sets("a"), 0);
}

/// CloudFormation calls it `CREATE_FAILED`, the local cloud `UPDATE_FAILED`.
#[track_caller]
fn refused_queue(failure: &Failure) {
    let cause = &failure.details[0];
    assert!(cause.starts_with("Queue (AWS::SQS::Queue) ") && cause.contains("_FAILED: "), "{failure}");
    assert!(cause.contains("DelaySeconds"), "{failure}");
    assert_eq!(failure.details[1], "at stacks/a/template.yaml:5");
}

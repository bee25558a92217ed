//! Parts of a system, and commits other than the one that is checked out.

use pipeline::event::{Event, Revision, RunResult};

use super::{failure, three_stacks};
use crate::support::{Output, Repository};

#[test]
fn a_step_alone_takes_what_is_live_of_the_others() {
    let (repository, cloud) = three_stacks();
    let output = repository.run(&["--only", "stack/b"]).code(1);
    let failed = failure(&output, "stack/b");
    assert_eq!(failed.message, "stacks.a.Text is not live, and stack/a is not among the selected steps");
    assert_eq!(failed.hint.as_deref(), Some("add `--only stack/a`, or run without --only"));
    assert_eq!(cloud.stack_status("b"), None);

    assert_eq!(repository.run(&["--only", "a", "stack/b"]).code(0).changed(), ["stack/a", "stack/b"]);
    assert_eq!(cloud.stack_status("c"), None);

    repository.edit("stacks/a/template.yaml", "first", "second");
    repository.edit("stacks/b/template.yaml", "about it", "more about it");
    repository.commit("Change both");
    let output = repository.run(&["--only", "stack/b"]).code(0);
    assert_eq!(output.outcomes().len(), 1);
    assert_eq!(cloud.outputs("b")["Text"], "first");
}

#[test]
fn a_step_that_does_not_exist_is_a_mistake_of_usage() {
    let (repository, _cloud) = three_stacks();
    let output = repository.run(&["--only", "stack/x"]).code(2);
    assert_eq!(output.stdout, "");
    assert!(output.stderr.contains("--only stack/x: there is no such step"), "{}", output.stderr);
    assert!(output.stderr.contains("choose from: stack/a, stack/b, stack/c"), "{}", output.stderr);
}

#[test]
fn an_older_commit_is_deployed_as_it_was() {
    let (repository, cloud) = three_stacks();
    let first = repository.git(&["rev-parse", "HEAD"]);
    repository.edit("stacks/a/template.yaml", "first", "second");
    let second = repository.commit("Change what is handed on");
    let output = repository.run(&[]).code(0);
    assert_eq!((revision(&output).commit, revision(&output).dirty), (second, false));
    assert_eq!(cloud.outputs("b")["Text"], "second");

    let output = repository.run(&["--commit", "HEAD~1"]).code(0);
    assert_eq!((revision(&output).commit, revision(&output).dirty), (first, false));
    assert_eq!(output.changed(), ["stack/a", "stack/b"]);
    assert_eq!(cloud.outputs("b")["Text"], "first");
    assert_eq!(repository.git(&["status", "--porcelain"]), "");
    let output = repository.run(&["--commit", "nothing"]).code(2);
    assert!(output.stderr.contains("there is no revision `nothing`"), "{}", output.stderr);
}

#[test]
fn changes_that_are_in_no_commit_are_deployed_and_named() {
    let (repository, cloud) = three_stacks();
    repository.run(&[]).code(0);
    repository.edit("stacks/a/template.yaml", "first", "tried");
    let text =
        repository.pipeline(&["run", "--env", "local", "--only", "a", "--output", "text"]).code(0).stdout;
    assert!(text.contains(&named(&repository)), "{text}");
    assert_eq!(cloud.outputs("a")["Text"], "tried");
    let output = repository.run(&["--only", "a"]).code(0);
    assert!(revision(&output).dirty);
    assert_eq!(output.result(), RunResult::Unchanged);
    // The commit itself is still there to be deployed.
    let output = repository.run(&["--only", "a", "--commit", "HEAD"]).code(0);
    assert!(!revision(&output).dirty);
    assert_eq!(cloud.outputs("a")["Text"], "first");
}

fn named(repository: &Repository) -> String {
    format!("{}+changes", &repository.git(&["rev-parse", "HEAD"])[..7])
}

fn revision(output: &Output) -> Revision {
    match output.events().into_iter().next() {
        Some(Event::Started { revision, .. }) => revision,
        other => panic!("the first event is {other:?}"),
    }
}

//! What is deployed, and what a change reaches.

use std::collections::BTreeMap;

use pipeline::event::RunResult;
use pipeline::plan::{Action, ChangeKind, Replacement};

use super::three_stacks;
use crate::support::{Output, Proxy};

#[test]
fn outputs_are_handed_on_and_a_second_run_writes_nothing() {
    let (repository, cloud) = three_stacks();
    let output = repository.run(&[]).code(0);
    assert_eq!(output.result(), RunResult::Changed);
    assert_eq!(output.changed(), ["stack/a", "stack/b", "stack/c"]);
    assert_eq!(cloud.stack_status("b").as_deref(), Some("CREATE_COMPLETE"));
    assert_eq!(cloud.outputs("b"), BTreeMap::from([("Text".to_owned(), "first".to_owned())]));

    let proxy = repository.behind_proxy();
    let output = repository.run(&[]).code(0);
    assert_eq!(output.result(), RunResult::Unchanged);
    assert!(output.changed().is_empty());
    let calls = proxy.take();
    // One look at all stacks, and one at the template of each.
    assert_eq!(calls.len(), 4, "{calls:?}");
    assert_eq!(Proxy::writes(&calls), Vec::<&String>::new());
}

#[test]
fn a_change_reaches_the_stacks_whose_inputs_change() {
    let (repository, cloud) = three_stacks();
    repository.run(&[]).code(0);

    repository.edit("stacks/a/template.yaml", "about it", "more about it");
    repository.commit("Describe");
    assert_eq!(repository.run(&[]).code(0).changed(), ["stack/a"]);

    repository.edit("stacks/a/template.yaml", "first", "second");
    repository.commit("Change what is handed on");
    assert_eq!(repository.run(&[]).code(0).changed(), ["stack/a", "stack/b"]);
    assert_eq!(cloud.outputs("b")["Text"], "second");
    assert_eq!(repository.run(&[]).code(0).result(), RunResult::Unchanged);
}

#[test]
fn comments_and_the_order_of_keys_change_nothing() {
    let (repository, _cloud) = three_stacks();
    repository.run(&[]).code(0);
    repository.edit("stacks/a/template.yaml", "Resources:\n", "# Just the one.\nResources:\n");
    repository.edit(
        "stacks/a/template.yaml",
        "Type: String, Default: first",
        "Default: first, Type: 'String'",
    );
    repository.commit("Write it in another way");
    assert_eq!(repository.run(&[]).code(0).result(), RunResult::Unchanged);
    repository.plan(&["--exit-code"]).code(0);
}

#[test]
fn parameters_and_tags_are_compared_too() {
    let (repository, cloud) = three_stacks();
    repository.run(&[]).code(0);
    repository.write("stacks/environments/local.yaml", "c: { Text: of this environment }\n");
    repository.commit("Give c a value here");
    assert_eq!(repository.run(&[]).code(0).changed(), ["stack/c"]);
    assert_eq!(cloud.outputs("c")["Text"], "of this environment");
    repository.edit("pipeline.yaml", "  c:\n", "  c: { tags: { owner: someone } }\n");
    repository.commit("Tag c");
    let output = repository.run(&[]).code(0);
    assert_eq!(output.changed(), ["stack/c"]);
    assert_eq!(output.decisions()["stack/c"].reason, "tags changed");
    assert_eq!(repository.run(&[]).code(0).result(), RunResult::Unchanged);
}

#[test]
fn a_plan_shows_each_property_and_leaves_nothing_behind() {
    let (repository, cloud) = three_stacks();
    let plan = repository.plan(&["--exit-code"]).code(3);
    assert_eq!(plan.result(), RunResult::Changed);
    for step in ["stack/a", "stack/b", "stack/c"] {
        let decision = &plan.decisions()[step];
        assert_eq!(decision.action, Action::Create, "{step}");
        assert_eq!(decision.changes[0].kind, ChangeKind::Add, "{step}");
    }
    assert_eq!(plan.decisions()["stack/b"].waiting_for, ["stacks.a.Text"]);
    assert_eq!(cloud.stack_status("a"), None);
    repository.plan(&[]).code(0);

    repository.run(&[]).code(0);
    repository.edit("stacks/a/template.yaml", "first", "second");
    repository.commit("Change what is handed on");
    let before = cloud.change_sets("a");
    let plan = repository.plan(&["--exit-code"]).code(3);
    assert_eq!(property(&plan, "stack/a"), "Value: first → second");
    assert_eq!(plan.action("stack/b"), Action::Unknown);
    assert_eq!(plan.decisions()["stack/b"].waiting_for, ["stacks.a.Text"]);
    assert_eq!(plan.action("stack/c"), Action::Nothing);
    assert_eq!(cloud.change_sets("a"), before);
    assert_eq!(cloud.stack_status("a").as_deref(), Some("CREATE_COMPLETE"));
    assert_eq!(cloud.outputs("a")["Text"], "first");
}

/// The one property of the one resource that changes in place: `Value: old → new`.
#[track_caller]
fn property(output: &Output, step: &str) -> String {
    let changes = output.decisions().remove(step).expect("a decision").changes;
    let [change] = changes.as_slice() else { panic!("{changes:?}") };
    assert_eq!((change.kind, change.replacement), (ChangeKind::Modify, Replacement::Never));
    let [property] = change.properties.as_slice() else { panic!("{change:?}") };
    let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
    format!("{}: {} → {}", property.path, shown(&property.before), shown(&property.after))
}

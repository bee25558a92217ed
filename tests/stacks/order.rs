//! What does not wait for each other goes side by side.

use pipeline::event::Event;

use crate::support::{Cloud, Output, Repository};

use super::{GATE, TEMPLATE};

const PIPELINE: &str = r#"
project: PROJECT
environments:
  local: { region: us-west-2, endpoint: "ENDPOINT" }
stacks:
  a:
  b:
"#;

#[test]
fn independent_stacks_are_created_side_by_side() {
    let repository = Repository::with(&[
        ("pipeline.yaml", PIPELINE),
        ("stacks/a/template.yaml", GATE),
        ("stacks/b/template.yaml", GATE),
    ]);
    let cloud = Cloud::of(&repository.project);
    let running = repository.start_run(&[]);
    // Neither ends before it is let through, and only what waits can be let through.
    cloud.until_waiting("a");
    cloud.until_waiting("b");
    cloud.open_gate("a");
    cloud.open_gate("b");
    assert_eq!(running.end().code(0).changed(), ["stack/a", "stack/b"]);
}

#[test]
fn one_after_the_other_if_that_is_asked_for() {
    let repository = Repository::with(&[
        ("pipeline.yaml", PIPELINE),
        ("stacks/a/template.yaml", TEMPLATE),
        ("stacks/b/template.yaml", TEMPLATE),
    ]);
    let _cloud = Cloud::of(&repository.project);
    let output = repository.run(&["--concurrency", "1"]).code(0);
    let mut acting = acting(&output);
    acting.dedup();
    assert_eq!(acting.len(), 2, "{acting:?}");
}

/// The steps in the order in which they did something.
fn acting(output: &Output) -> Vec<String> {
    let acts = |event| match event {
        Event::Activity { step, .. } | Event::Resource { step, .. } => Some(step.to_string()),
        _ => None,
    };
    output.events().into_iter().filter_map(acts).collect()
}

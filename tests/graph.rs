//! Whatever steps need of each other, the graph orders them, or says which wait for each other in a circle.

use std::collections::{BTreeMap, BTreeSet};

use pipeline::plan::{Cycle, Graph, StepId};
use proptest::prelude::*;

type Needs = BTreeMap<StepId, BTreeSet<StepId>>;

/// One of nine steps.
fn step(number: usize) -> StepId {
    let name = format!("s{}", number / 3);
    match number % 3 {
        0 => StepId::image(name),
        1 => StepId::stack(name),
        _ => StepId::rollout(name),
    }
}

/// Any of the steps, needing whatever of each other: often a circle.
fn any_needs() -> impl Strategy<Value = Needs> {
    let needed = || prop::collection::btree_set((0..9_usize).prop_map(step), 0..3);
    prop::collection::btree_map((0..9_usize).prop_map(step), needed(), 0..9)
}

/// Steps that need only those before them.
fn ordered_needs() -> impl Strategy<Value = Needs> {
    let numbers = prop::collection::vec(prop::collection::btree_set(0..9_usize, 0..4), 0..9);
    numbers.prop_map(|numbers| {
        let needs = |(number, needed): (usize, BTreeSet<usize>)| {
            (step(number), needed.into_iter().filter(|other| *other < number).map(step).collect())
        };
        numbers.into_iter().enumerate().map(needs).collect()
    })
}

proptest! {
    #[test]
    fn steps_come_once_each_and_behind_all_that_they_need(needs in ordered_needs()) {
        let graph = Graph::new(needs.clone()).expect("no circle");
        let mut done = BTreeSet::new();
        for step in graph.steps() {
            prop_assert!(step.needs.iter().all(|need| done.contains(need)));
            prop_assert_eq!(step.needs.iter().cloned().collect::<BTreeSet<_>>(), needs[&step.id].clone());
            prop_assert!(done.insert(step.id));
        }
        prop_assert_eq!(done, needs.into_keys().collect());
    }

    #[test]
    fn a_circle_is_named_and_is_one(needs in any_needs()) {
        match Graph::new(needs.clone()) {
            Ok(graph) => prop_assert_eq!(graph.steps().len(), needs.len()),
            Err(Cycle(circle)) => {
                let next = circle.iter().cycle().skip(1);
                prop_assert!(circle.iter().zip(next).all(|(step, next)| needs[step].contains(next)));
                prop_assert_eq!(circle.iter().collect::<BTreeSet<_>>().len(), circle.len());
            }
        }
    }

    #[test]
    fn a_selection_is_a_part_with_the_edges_within(needs in ordered_needs(), picked in prop::collection::btree_set(0..9_usize, 0..5)) {
        let graph = Graph::new(needs.clone()).expect("no circle");
        let picked: BTreeSet<StepId> = picked.into_iter().map(step).filter(|step| needs.contains_key(step)).collect();
        let words: Vec<String> = picked.iter().map(ToString::to_string).collect();
        let selected = graph.select(&words).expect("known steps");
        if picked.is_empty() {
            prop_assert_eq!(selected, graph);
        } else {
            let steps = selected.steps();
            prop_assert_eq!(steps.iter().map(|step| step.id.clone()).collect::<BTreeSet<_>>(), picked.clone());
            for step in steps {
                let within: BTreeSet<StepId> = needs[&step.id].intersection(&picked).cloned().collect();
                prop_assert_eq!(step.needs.into_iter().collect::<BTreeSet<_>>(), within);
            }
        }
    }

    #[test]
    fn every_step_and_every_need_is_drawn(needs in ordered_needs()) {
        let graph = Graph::new(needs.clone()).expect("no circle");
        let edges: usize = needs.values().map(BTreeSet::len).sum();
        prop_assert_eq!(graph.dot().matches("->").count(), edges);
        prop_assert_eq!(graph.mermaid().matches("-->").count(), edges);
        prop_assert_eq!(graph.dot().lines().count(), needs.len() + edges + 3);
        prop_assert_eq!(graph.mermaid().lines().count(), needs.len() + edges + 1);
    }

    #[test]
    fn a_steps_name_reads_back(number in 0..9_usize) {
        prop_assert_eq!(step(number).to_string().parse(), Ok(step(number)));
    }
}

#[test]
fn a_rollout_waits_for_the_stacks_that_make_its_alarms() {
    let text = r#"
project: shop
environments: { test: { region: eu-west-1 } }
stacks: { ecs: , lambda: , alarms: , more: }
workloads:
  api:
    inputs: [api]
    repository: r
    rollout:
      ecs: { cluster: c, service: s, task_definition: "${stacks.ecs.Task}", alarms: ["${stacks.alarms.Api}"], watch: 2m }
  processor:
    inputs: [processor]
    repository: r
    rollout:
      lambda:
        function: "${stacks.lambda.Name}"
        alias: live
        strategy:
          canary: { steps: [{ weight: 0.1, for: 5m }], alarms: ["${stacks.alarms.Errors}", "${stacks.more.Lag}"] }
"#;
    let config = pipeline::config::load("pipeline.yaml", text).expect("a configuration");
    let graph = Graph::of(&config, &BTreeMap::new()).expect("no circle");
    let needs = |step| graph.needs(&step).map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(needs(StepId::rollout("api")), ["stack/alarms", "stack/ecs"]);
    assert_eq!(needs(StepId::rollout("processor")), ["stack/alarms", "stack/lambda", "stack/more"]);
}

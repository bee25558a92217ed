use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::{Step, StepId, StepKind};
use crate::config::{Config, Reference, Rollout, Text, Workload};
use crate::failure::Failure;

/// Every step and the steps whose results it needs. Never holds a cycle.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    needs: BTreeMap<StepId, BTreeSet<StepId>>,
}

/// Steps that wait for each other in a circle, each needing the next, the last needing the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cycle(pub Vec<StepId>);

impl Graph {
    /// The graph of what every step needs. What is needed and not a step itself is left out.
    ///
    /// # Errors
    /// If steps wait for each other in a circle.
    pub fn new(mut needs: BTreeMap<StepId, BTreeSet<StepId>>) -> Result<Self, Cycle> {
        let known: BTreeSet<StepId> = needs.keys().cloned().collect();
        for needed in needs.values_mut() {
            needed.retain(|step| known.contains(step));
        }
        let graph = Self { needs };
        match graph.cycle() {
            Some(cycle) => Err(cycle),
            None => Ok(graph),
        }
    }

    /// The graph of a configuration, its edges inferred from the references in it.
    ///
    /// `parameters` are each stack's parameters in the environment.
    ///
    /// # Errors
    /// If steps wait for each other in a circle.
    pub fn of(config: &Config, parameters: &BTreeMap<String, BTreeMap<String, Text>>) -> Result<Self, Cycle> {
        let mut needs = BTreeMap::new();
        for name in config.stacks.keys() {
            let texts = parameters.get(name).into_iter().flat_map(BTreeMap::values);
            needs.insert(StepId::stack(name), needed_by(texts));
        }
        for (name, workload) in &config.workloads {
            needs.insert(StepId::image(name), needed_by(image_texts(workload)));
            if let Some(rollout) = &workload.rollout {
                needs.insert(StepId::rollout(name), needed_by(rollout_texts(rollout)));
            }
        }
        Self::new(needs)
    }

    /// The steps that a step needs.
    pub fn needs(&self, step: &StepId) -> impl Iterator<Item = &StepId> {
        self.needs.get(step).into_iter().flatten()
    }

    /// Whether the step is in the graph.
    #[must_use]
    pub fn contains(&self, step: &StepId) -> bool {
        self.needs.contains_key(step)
    }

    /// Every step, each behind all that it needs; steps that could go side by side in the order of their names.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        let mut ordered: Vec<(usize, &StepId)> =
            self.levels().into_iter().map(|(id, level)| (level, id)).collect();
        ordered.sort_unstable();
        let step = |(_, id): (usize, &StepId)| Step {
            id: id.clone(),
            needs: self.needs[id].iter().cloned().collect(),
        };
        ordered.into_iter().map(step).collect()
    }

    /// How many steps the longest way to each step has. Steps in a circle, and what waits for them, have no level.
    fn levels(&self) -> BTreeMap<&StepId, usize> {
        let mut waiting: BTreeMap<&StepId, usize> =
            self.needs.iter().map(|(id, needs)| (id, needs.len())).collect();
        let mut needed_by: BTreeMap<&StepId, Vec<&StepId>> = BTreeMap::new();
        for (from, to) in self.edges() {
            needed_by.entry(from).or_default().push(to);
        }
        let mut level = 0;
        let mut levels = BTreeMap::new();
        let mut ready: Vec<&StepId> =
            waiting.iter().filter(|(_, count)| **count == 0).map(|(id, _)| *id).collect();
        while !ready.is_empty() {
            levels.extend(ready.iter().map(|id| (*id, level)));
            level += 1;
            let freed = ready.iter().flat_map(|id| needed_by.remove(id).unwrap_or_default());
            ready = freed.filter(|id| is_last(waiting.get_mut(id))).collect();
        }
        levels
    }

    /// The part of the graph that `--only` asks for: each word is a step (`stack/ecs`) or a name, which stands
    /// for all its steps (`api`: `image/api` and `rollout/api`). No words: everything.
    ///
    /// # Errors
    /// If a word names nothing; the failure lists what there is.
    pub fn select(&self, only: &[String]) -> Result<Self, Failure> {
        if only.is_empty() {
            return Ok(self.clone());
        }
        let mut selected = BTreeSet::new();
        for word in only {
            let named: Vec<_> =
                self.needs.keys().filter(|id| id.name == *word || id.to_string() == *word).collect();
            if named.is_empty() {
                return Err(self.unknown(word));
            }
            selected.extend(named.into_iter().cloned());
        }
        let needs = selected.iter().map(|id| {
            let needs = self.needs(id).filter(|need| selected.contains(need)).cloned().collect();
            (id.clone(), needs)
        });
        Ok(Self { needs: needs.collect() })
    }

    fn unknown(&self, word: &str) -> Failure {
        let steps: Vec<String> = self.needs.keys().map(ToString::to_string).collect();
        Failure::new(format!("--only {word}: there is no such step"))
            .hint(format!("choose from: {}", steps.join(", ")))
    }

    /// The graph in Mermaid's notation, as GitHub renders it.
    #[must_use]
    pub fn mermaid(&self) -> String {
        let mut text = String::from("flowchart LR\n");
        for id in self.needs.keys() {
            let (open, close) = match id.kind {
                StepKind::Image => ("[/", "/]"),
                StepKind::Stack => ("[", "]"),
                StepKind::Rollout => ("([", "])"),
            };
            let _ = writeln!(text, "  {}{open}\"{id}\"{close}", node(id));
        }
        for (from, to) in self.edges() {
            let _ = writeln!(text, "  {} --> {}", node(from), node(to));
        }
        text
    }

    /// The graph in Graphviz's notation.
    #[must_use]
    pub fn dot(&self) -> String {
        let mut text = String::from("digraph pipeline {\n  rankdir=LR;\n");
        for id in self.needs.keys() {
            let shape = match id.kind {
                StepKind::Image => "parallelogram",
                StepKind::Stack => "box",
                StepKind::Rollout => "oval",
            };
            let _ = writeln!(text, "  \"{id}\" [shape={shape}];");
        }
        for (from, to) in self.edges() {
            let _ = writeln!(text, "  \"{from}\" -> \"{to}\";");
        }
        text.push_str("}\n");
        text
    }

    fn edges(&self) -> impl Iterator<Item = (&StepId, &StepId)> {
        self.needs.iter().flat_map(|(to, needs)| needs.iter().map(move |from| (from, to)))
    }

    /// What has no level is a circle, or waits for one.
    fn cycle(&self) -> Option<Cycle> {
        let levels = self.levels();
        let left: BTreeMap<&StepId, &BTreeSet<StepId>> =
            self.needs.iter().filter(|(id, _)| !levels.contains_key(id)).collect();
        let mut path: Vec<&StepId> = vec![left.keys().next()?];
        loop {
            let next = left[path.last()?].iter().find(|need| left.contains_key(need))?;
            if let Some(start) = path.iter().position(|step| *step == next) {
                return Some(Cycle(path[start..].iter().copied().cloned().collect()));
            }
            path.push(next);
        }
    }
}

/// Whether this was the last step that was waited for.
fn is_last(waiting: Option<&mut usize>) -> bool {
    waiting.is_some_and(|count| {
        *count -= 1;
        *count == 0
    })
}

fn node(id: &StepId) -> String {
    // Mermaid takes `end` and punctuation in identities for its own.
    format!("{}_{}", id.kind.as_str(), id.name.replace(|c: char| !c.is_ascii_alphanumeric(), "_"))
}

fn image_texts(workload: &Workload) -> impl Iterator<Item = &Text> {
    workload.build.args.values().chain([&workload.repository])
}

fn rollout_texts(rollout: &Rollout) -> Vec<&Text> {
    match rollout {
        Rollout::Ecs { cluster, service, task_definition, alarms, watch: _ } => {
            [cluster, service, task_definition].into_iter().chain(alarms).collect()
        }
        Rollout::Lambda { function, alias: _, strategy } => {
            let alarms = strategy.iter().flat_map(|strategy| &strategy.canary.alarms);
            [function].into_iter().chain(alarms).collect()
        }
    }
}

fn needed_by<'a>(texts: impl IntoIterator<Item = &'a Text>) -> BTreeSet<StepId> {
    texts.into_iter().flat_map(Text::references).filter_map(source_of).collect()
}

/// The step whose result a reference names.
#[must_use]
pub fn source_of(reference: &Reference) -> Option<StepId> {
    match reference {
        Reference::StackOutput { stack, .. } => Some(StepId::stack(stack)),
        Reference::WorkloadImage { workload } => Some(StepId::image(workload)),
        Reference::Project | Reference::Environment => None,
    }
}

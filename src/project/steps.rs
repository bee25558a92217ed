use std::collections::BTreeMap;
use std::fmt;

use super::contents::{Contents, Written};
use crate::config::Reference;
use crate::diagnostic::{Mistake, Mistakes, Place};
use crate::plan::{Cycle, Graph, StepId, source_of};

/// Every environment's graph of steps. Steps that wait for each other are a mistake.
pub(super) fn graphs(contents: &Contents<'_>, mistakes: &mut Mistakes) -> BTreeMap<String, Graph> {
    let mut graphs = BTreeMap::new();
    for environment in contents.config.environments.keys() {
        let stacks = contents.config.stacks.keys();
        let parameters =
            stacks.map(|stack| (stack.clone(), contents.parameters(environment, stack))).collect();
        match Graph::of(&contents.config, &parameters) {
            Ok(graph) => {
                graphs.insert(environment.clone(), graph);
            }
            Err(cycle) => mistakes.push(mistake(contents, environment, &cycle)),
        }
    }
    graphs
}

/// The mistake is shown where the first step of the circle needs the next; the least step is the first, so that it
/// reads the same in every environment.
fn mistake(contents: &Contents<'_>, environment: &str, Cycle(steps): &Cycle) -> Mistake {
    let least = steps.iter().enumerate().min_by_key(|(_, step)| *step).map_or(0, |(index, _)| index);
    let round: Vec<&StepId> = steps.iter().cycle().skip(least).take(steps.len() + 1).collect();
    let path: Vec<String> = round.iter().map(ToString::to_string).collect();
    let message = format!("these steps wait for each other: {}", path.join(" → "));
    let all = contents.written();
    let needs: Vec<Need<'_>> =
        round.windows(2).filter_map(|pair| need(&all, environment, pair[0], pair[1])).collect();
    let why: Vec<String> = needs.iter().map(ToString::to_string).collect();
    let mistake = match needs.first() {
        Some(need) => need.written.source.mistake(need.place(), message),
        None => contents.source.mistake(contents.node.place, message),
    };
    mistake.hint(format!("{}; one of these has to go", why.join(", ")))
}

/// A step needs another because of a reference.
struct Need<'a> {
    step: &'a StepId,
    reference: &'a Reference,
    written: &'a Written<'a>,
}

impl Need<'_> {
    fn place(&self) -> Place {
        self.written.place(self.reference)
    }
}

impl fmt::Display for Need<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, reference, written } = self;
        write!(f, "{step} needs {reference} ({}:{})", written.source.file, self.place().line)
    }
}

fn need<'a>(
    all: &'a [Written<'a>],
    environment: &str,
    step: &'a StepId,
    needed: &StepId,
) -> Option<Need<'a>> {
    let of_step = all.iter().filter(|written| {
        written.step.as_ref() == Some(step) && written.environment.is_none_or(|own| own == environment)
    });
    of_step.into_iter().find_map(|written| {
        let reference =
            written.text.references().find(|reference| source_of(reference).as_ref() == Some(needed))?;
        Some(Need { step, reference, written })
    })
}

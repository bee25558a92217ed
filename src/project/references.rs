use std::collections::BTreeSet;

use super::contents::{Contents, Written};
use crate::config::Reference;
use crate::diagnostic::{Mistake, Mistakes};

/// Checks that what is referred to is there.
pub(super) fn check(contents: &Contents<'_>, mistakes: &mut Mistakes) {
    for written in contents.written() {
        // One that is written a thousand times is one mistake.
        let references: BTreeSet<&Reference> = written.text.references().collect();
        mistakes
            .extend(references.into_iter().filter_map(|reference| dangling(contents, &written, reference)));
    }
}

/// What is wrong with a reference's target.
fn dangling(contents: &Contents<'_>, written: &Written<'_>, reference: &Reference) -> Option<Mistake> {
    let missing = |message: String, name: &str, known: Vec<&str>| {
        let mistake = written.source.mistake(written.place(reference), message);
        Some(mistake.instead_of(name, known))
    };
    match reference {
        Reference::Project | Reference::Environment => None,
        Reference::WorkloadImage { workload } if contents.config.workloads.contains_key(workload) => None,
        Reference::WorkloadImage { workload } => {
            let known = contents.config.workloads.keys().map(String::as_str).collect();
            missing(format!("there is no workload `{workload}`"), workload, known)
        }
        Reference::StackOutput { stack, output } => {
            let Some(declared) = contents.config.stacks.get(stack) else {
                let known = contents.config.stacks.keys().map(String::as_str).collect();
                return missing(format!("there is no stack `{stack}`"), stack, known);
            };
            let template = contents.templates.get(stack)?;
            if template.outputs.contains_key(output) || template.has_macros {
                return None;
            }
            let known = template.outputs.keys().map(String::as_str).collect();
            missing(format!("{} has no output `{output}`", declared.template), output, known)
        }
    }
}

use std::collections::{BTreeMap, BTreeSet};

use super::find::{Found, Module, Workload};
use crate::config::Reference;
use crate::plan::{StepId, source_of};
use crate::template::Value;

/// What goes where.
#[derive(Default)]
pub(super) struct Wires {
    /// The values of parameters, by stack and parameter; `None` where a person has to know it.
    pub(super) parameters: BTreeMap<(String, String), Option<String>>,
    /// The output that names a workload's repository.
    pub(super) repositories: BTreeMap<String, Reference>,
    /// What runs a workload.
    pub(super) rollouts: BTreeMap<String, Rollout>,
    needs: BTreeMap<StepId, BTreeSet<StepId>>,
}

/// What runs a workload, as far as the outputs of the stack that takes its image tell.
pub(super) enum Rollout {
    Ecs { cluster: Reference, service: Reference, task_definition: Reference },
    Lambda { function: Reference, alias: Option<String> },
}

/// Finds out what goes where. Parameters that every environment has a value for are left alone.
pub(super) fn wire(found: &Found) -> Wires {
    let mut wires = Wires::default();
    for workload in &found.workloads {
        if let Some(reference) = repository(found, workload) {
            wires.need(&StepId::image(&workload.name), &reference);
            wires.repositories.insert(workload.name.clone(), reference);
        }
    }
    for module in &found.modules {
        let parameters = module.template.parameters.iter();
        for (name, _) in parameters
            .filter(|(name, parameter)| parameter.default.is_none() && !is_given(found, module, name))
        {
            let value = wires.value(found, module, name);
            wires.parameters.insert((module.name.clone(), name.clone()), value);
        }
    }
    for workload in &found.workloads {
        let rollout = found.modules.iter().find_map(|module| rollout(&wires, module, workload));
        wires.rollouts.extend(rollout.map(|rollout| (workload.name.clone(), rollout)));
    }
    wires
}

fn is_given(found: &Found, module: &Module, parameter: &str) -> bool {
    let mut environments = found.environments.values();
    !found.environments.is_empty()
        && environments
            .all(|values| values.get(&module.name).is_some_and(|given| given.contains_key(parameter)))
}

impl Wires {
    fn value(&mut self, found: &Found, module: &Module, parameter: &str) -> Option<String> {
        let step = StepId::stack(&module.name);
        let reference = image(found, parameter).or_else(|| output(found, module, parameter));
        if let Some(reference) = reference.filter(|reference| !self.would_circle(&step, reference)) {
            self.need(&step, &reference);
            return Some(reference.to_string());
        }
        constant(parameter).map(str::to_owned)
    }

    fn need(&mut self, step: &StepId, reference: &Reference) {
        self.needs.entry(step.clone()).or_default().extend(source_of(reference));
    }

    /// Whether what the reference names needs the step itself.
    fn would_circle(&self, step: &StepId, reference: &Reference) -> bool {
        let mut open: Vec<StepId> = source_of(reference).into_iter().collect();
        let mut seen = BTreeSet::new();
        while let Some(next) = open.pop() {
            if next == *step {
                return true;
            }
            if seen.insert(next.clone()) {
                open.extend(self.needs.get(&next).into_iter().flatten().cloned());
            }
        }
        false
    }
}

/// What a name like this usually stands for.
fn constant(parameter: &str) -> Option<&'static str> {
    match parameter {
        "Name" | "Prefix" | "NamePrefix" | "ResourcePrefix" => Some("${project}-${environment}"),
        "Project" | "ProjectName" | "App" | "AppName" | "ApplicationName" => Some("${project}"),
        "Env" | "Environment" | "EnvironmentName" | "Stage" => Some("${environment}"),
        _ => None,
    }
}

/// `ApiImage` is the image of `api`; `Image` is the image of the only workload.
fn image(found: &Found, parameter: &str) -> Option<Reference> {
    let name =
        ["ImageUri", "ImageUrl", "Image"].into_iter().find_map(|suffix| parameter.strip_suffix(suffix))?;
    let of = |workload: &Workload| Reference::WorkloadImage { workload: workload.name.clone() };
    match found.workloads.as_slice() {
        [only] if name.is_empty() || name == "Container" => Some(of(only)),
        workloads => workloads.iter().find(|workload| same(&workload.name, name)).map(of),
    }
}

/// The output of the same name of another stack.
fn output(found: &Found, module: &Module, name: &str) -> Option<Reference> {
    let mut others = found.modules.iter().filter(|other| other.name != module.name);
    let other = others.find(|other| other.template.outputs.contains_key(name))?;
    Some(Reference::StackOutput { stack: other.name.clone(), output: name.to_owned() })
}

/// `ApiRepositoryUri` is the repository of `api`; the only `RepositoryUri` is everybody's.
fn repository(found: &Found, workload: &Workload) -> Option<Reference> {
    let outputs: Vec<(&Module, &str, &str)> = found
        .modules
        .iter()
        .flat_map(|module| module.template.outputs.keys().map(move |output| (module, output.as_str())))
        .filter_map(|(module, output)| Some((module, output, output.strip_suffix("RepositoryUri")?)))
        .collect();
    let of = |(module, output, _): &(&Module, &str, &str)| Reference::StackOutput {
        stack: module.name.clone(),
        output: (*output).to_owned(),
    };
    match outputs.as_slice() {
        [only] if only.2.is_empty() || found.workloads.len() == 1 => Some(of(only)),
        outputs => outputs.iter().find(|(_, _, name)| same(&workload.name, name)).map(of),
    }
}

/// What runs the workload, if this is the stack that takes its image.
fn rollout(wires: &Wires, module: &Module, workload: &Workload) -> Option<Rollout> {
    let image = Reference::WorkloadImage { workload: workload.name.clone() }.to_string();
    let takes_image = module.template.parameters.keys().any(|parameter| {
        let key = (module.name.clone(), parameter.clone());
        wires.parameters.get(&key).is_some_and(|value| value.as_deref() == Some(image.as_str()))
    });
    let output = |suffixes: [&str; 2]| {
        let mut ending =
            module.template.outputs.keys().filter(|name| suffixes.iter().any(|end| name.ends_with(end)));
        let name = ending.clone().find(|name| is_of(name, &workload.name)).or_else(|| ending.next())?;
        Some(Reference::StackOutput { stack: module.name.clone(), output: name.clone() })
    };
    if !takes_image {
        return None;
    }
    if let Some(function) = output(["FunctionName", "FunctionArn"]) {
        return Some(Rollout::Lambda { function, alias: alias(module) });
    }
    Some(Rollout::Ecs {
        cluster: output(["ClusterName", "ClusterArn"])?,
        service: output(["ServiceName", "ServiceArn"])?,
        task_definition: output(["TaskDefinitionArn", "TaskDefinition"])?,
    })
}

/// The name of the alias that the template makes.
fn alias(module: &Module) -> Option<String> {
    let resources = module.template.resources.iter();
    let mut aliases = resources.filter(|(_, resource)| resource.resource_type == "AWS::Lambda::Alias");
    let (id, _) = aliases.next()?;
    match module.template.body.get("Resources")?.get(id)?.get("Properties")?.get("Name")? {
        Value::Scalar(name) => Some(name.clone()),
        Value::Null | Value::List(_) | Value::Map(_) => None,
    }
}

/// Whether a workload's name and a part of a parameter's name are the same word: `event-processor`, `EventProcessor`.
fn same(workload: &str, word: &str) -> bool {
    workload.replace('-', "") == word.to_lowercase()
}

fn is_of(output: &str, workload: &str) -> bool {
    output.to_lowercase().starts_with(&workload.replace('-', ""))
}

use std::fmt::{self, Write as _};

use super::find::{Found, Module, Workload};
use super::wire::{Rollout, Wires};
use crate::config::Build;

/// The configuration as a text, with a comment wherever a person has to say something.
pub(super) fn write(found: &Found, wires: &Wires) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = all(&mut text, found, wires);
    text
}

fn all(out: &mut String, found: &Found, wires: &Wires) -> fmt::Result {
    writeln!(
        out,
        "# What is deployed, and where to. `pipeline validate` checks this file, `pipeline plan` shows what"
    )?;
    writeln!(
        out,
        "# would be done. A line that begins with `# Fill in` is for you.\nproject: {}\n",
        found.project
    )?;
    environments(out, found)?;
    if !found.modules.is_empty() || !found.broken.is_empty() {
        writeln!(out, "\nstacks:{}", if found.modules.is_empty() { " {}" } else { "" })?;
    }
    for module in &found.modules {
        stack(out, module, wires)?;
    }
    for (path, mistake) in &found.broken {
        writeln!(out, "  # Left out: {path}, because {mistake}. Correct it, and add its stack here.")?;
    }
    if !found.workloads.is_empty() {
        writeln!(out, "\nworkloads:")?;
    }
    found.workloads.iter().try_for_each(|it| workload(out, it, wires))
}

fn environments(out: &mut String, found: &Found) -> fmt::Result {
    writeln!(out, "# Fill in each environment's region, and the account's twelve digits as a safeguard.")?;
    writeln!(out, "environments:")?;
    let default = "production".to_owned();
    let mut names: Vec<&String> = found.environments.keys().collect();
    if names.is_empty() {
        names.push(&default);
    }
    for name in names {
        writeln!(
            out,
            "  {name}:\n    region: us-east-1\n    # account: \"123456789012\"\n    # branch: main"
        )?;
    }
    Ok(())
}

fn stack(out: &mut String, module: &Module, wires: &Wires) -> fmt::Result {
    let parameters: Vec<(&String, &Option<String>)> = wires
        .parameters
        .iter()
        .filter(|((stack, _), _)| *stack == module.name)
        .map(|((_, parameter), value)| (parameter, value))
        .collect();
    let capabilities = module.template.required_capabilities();
    let elsewhere = module.path != format!("stacks/{}/template.yaml", module.name);
    let is_empty = !elsewhere && capabilities.is_empty() && parameters.is_empty();
    writeln!(out, "  {}:{}", module.name, if is_empty { " {}" } else { "" })?;
    if elsewhere {
        writeln!(out, "    template: {}", quoted(&module.path))?;
    }
    if !parameters.is_empty() {
        writeln!(out, "    parameters:")?;
    }
    for (name, value) in parameters {
        match value {
            Some(value) => writeln!(out, "      {name}: {}", quoted(value))?,
            None => unknown(out, module, name)?,
        }
    }
    if !capabilities.is_empty() {
        let words: Vec<&str> = capabilities.iter().map(|capability| capability.as_str()).collect();
        writeln!(out, "    capabilities: [{}]", words.join(", "))?;
    }
    Ok(())
}

/// A parameter that only a person has a value for.
fn unknown(out: &mut String, module: &Module, parameter: &str) -> fmt::Result {
    let kind = module.template.parameters.get(parameter).map(|it| it.type_name.as_str()).unwrap_or_default();
    writeln!(
        out,
        "      # Fill in `{parameter}` ({kind}) here, or under `{}` in stacks/environments/ENVIRONMENT.yaml.",
        module.name
    )
}

fn workload(out: &mut String, workload: &Workload, wires: &Wires) -> fmt::Result {
    let inputs: Vec<String> = workload.inputs.iter().map(|input| quoted(input)).collect();
    writeln!(out, "  {}:\n    inputs: [{}]", workload.name, inputs.join(", "))?;
    build(out, workload)?;
    match wires.repositories.get(&workload.name) {
        Some(reference) => writeln!(out, "    repository: \"{reference}\"")?,
        None => writeln!(
            out,
            "    # Fill in where to push to, such as the output of a stack:\n    # repository: \"${{stacks.ecr.RepositoryUri}}\""
        )?,
    }
    match wires.rollouts.get(&workload.name) {
        Some(rollout) => self::rollout(out, rollout),
        None => writeln!(
            out,
            "    # Without a `rollout` (`ecs` or `lambda`) the image is pushed and nothing else."
        ),
    }
}

fn build(out: &mut String, workload: &Workload) -> fmt::Result {
    let default = Build::in_context(workload.context.clone());
    let (context, dockerfile) = (workload.context != ".", workload.dockerfile != default.dockerfile);
    if context || dockerfile {
        writeln!(out, "    build:")?;
    }
    if context {
        writeln!(out, "      context: {}", quoted(&workload.context))?;
    }
    if dockerfile {
        writeln!(out, "      dockerfile: {}", quoted(&workload.dockerfile))?;
    }
    if !workload.made.is_empty() {
        let made = workload.made.join(", ");
        writeln!(
            out,
            "    # Fill in under `build` the `command` that makes {made}, which the Dockerfile copies."
        )?;
    }
    Ok(())
}

fn rollout(out: &mut String, rollout: &Rollout) -> fmt::Result {
    writeln!(out, "    rollout:")?;
    match rollout {
        Rollout::Ecs { cluster, service, task_definition } => {
            writeln!(out, "      ecs:\n        cluster: \"{cluster}\"\n        service: \"{service}\"")?;
            writeln!(out, "        task_definition: \"{task_definition}\"")
        }
        Rollout::Lambda { function, alias } => {
            writeln!(out, "      lambda:\n        function: \"{function}\"")?;
            match alias {
                Some(alias) => writeln!(out, "        alias: {}", quoted(alias)),
                None => writeln!(out, "        # Fill in the alias that callers use, such as `alias: live`."),
            }
        }
    }
}

/// The text as a scalar: in quotes where it might be read as something else.
fn quoted(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_'))
        && !["true", "false", "null", "yes", "no"].contains(&text.to_lowercase().as_str());
    // What JSON writes, YAML reads.
    if is_plain || text == "." { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

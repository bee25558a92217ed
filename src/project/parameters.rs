use std::collections::{BTreeMap, BTreeSet};

use super::contents::{Contents, Given};
use super::stack_name;
use crate::config::{Capability, Text};
use crate::diagnostic::{Mistake, Mistakes, nearest};
use crate::template::{Parameter, Template};

/// How long a stack's name may be.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html>
const MAX_STACK_NAME: usize = 128;

/// Checks what is given to the stacks against what their templates take.
pub(super) fn check(contents: &Contents<'_>, mistakes: &mut Mistakes) {
    unknown_stacks(contents, mistakes);
    for given in contents.given() {
        if mistakes.is_full() {
            return;
        }
        let Some(template) = contents.templates.get(given.stack) else { continue };
        match template.parameters.get(given.parameter) {
            Some(parameter) => mistakes.extend(unfit(&given, parameter)),
            None => mistakes.push(unknown_parameter(contents, &given, template)),
        }
    }
    for (stack, template) in &contents.templates {
        missing(contents, stack, template, mistakes);
        capabilities(contents, stack, template, mistakes);
        long_name(contents, stack, mistakes);
    }
}

/// Stacks that a file of values knows and `pipeline.yaml` does not.
fn unknown_stacks(contents: &Contents<'_>, mistakes: &mut Mistakes) {
    let known = || contents.config.stacks.keys().map(String::as_str);
    for document in contents.values.values() {
        for (key, _) in
            document.node.entries().iter().filter(|(key, _)| !known().any(|name| name == key.name))
        {
            let message = format!("there is no stack `{}` in {}", key.name, contents.source.file);
            let mistake = document.source().mistake(key.place, message);
            mistakes.push(mistake.instead_of(&key.name, known()));
        }
    }
}

fn unknown_parameter(contents: &Contents<'_>, given: &Given<'_>, template: &Template) -> Mistake {
    let known = || template.parameters.keys().map(String::as_str);
    let file = &contents.config.stacks[given.stack].template;
    let message = format!("{file} has no parameter `{}`", given.parameter);
    let mistake = given.written.source.mistake(given.key, message);
    mistake.instead_of(given.parameter, known())
}

/// A value that the template will refuse. What contains references is not known yet.
fn unfit(given: &Given<'_>, parameter: &Parameter) -> Option<Mistake> {
    let value = given.written.text.resolve(|_| None).ok()?;
    let is_list = parameter.type_name == "CommaDelimitedList" || parameter.type_name.starts_with("List<");
    let items: Vec<&str> = if is_list { value.split(',').map(str::trim).collect() } else { vec![&value] };
    let mistake = |message: String| given.written.source.mistake(given.written.node.place, message);
    let allowed = || parameter.allowed_values.iter().map(String::as_str);
    let is_number = matches!(parameter.type_name.as_str(), "Number" | "List<Number>");
    items.into_iter().find_map(|item| {
        if parameter.allowed_values.is_empty() || allowed().any(|value| value == item) {
            return (is_number && item.parse::<f64>().is_err()).then(|| {
                mistake(format!("`{item}` is no number, which `{}` has to be", given.parameter))
                    .expected("a number")
            });
        }
        let message = format!("`{}` can't be `{item}`", given.parameter);
        Some(mistake(message).instead_of(item, allowed()))
    })
}

/// Parameters without a default that get no value in some environment.
fn missing(contents: &Contents<'_>, stack: &str, template: &Template, mistakes: &mut Mistakes) {
    let environments = &contents.config.environments;
    let given: BTreeMap<&String, BTreeMap<String, Text>> =
        environments.keys().map(|name| (name, contents.parameters(name, stack))).collect();
    for (name, _) in template.parameters.iter().filter(|(_, parameter)| parameter.default.is_none()) {
        let without: Vec<&str> = given
            .iter()
            .filter(|(_, parameters)| !parameters.contains_key(name))
            .map(|(environment, _)| environment.as_str())
            .collect();
        let is_misspelled = given.values().flat_map(BTreeMap::keys).any(|given| {
            !template.parameters.contains_key(given) && nearest(given, [name.as_str()]).is_some()
        });
        if without.is_empty() || is_misspelled {
            continue;
        }
        let everywhere = without.len() == environments.len();
        let somewhere = if everywhere { String::new() } else { format!(" in {}", listed(&without)) };
        let message = format!("the stack `{stack}` needs a value for the parameter `{name}`{somewhere}");
        let place = contents.node.at(&["stacks", stack]).place;
        let mistake = contents.source.mistake(place, message);
        mistakes.push(mistake.hint(where_from(contents, stack, name, &without, everywhere)));
    }
}

fn where_from(
    contents: &Contents<'_>,
    stack: &str,
    name: &str,
    without: &[&str],
    everywhere: bool,
) -> String {
    let others = contents.templates.iter().filter(|(other, _)| *other != stack);
    let source = others.into_iter().find(|(_, template)| template.outputs.contains_key(name));
    match (source, without) {
        (Some((other, _)), _) if everywhere => {
            format!(
                "`{other}` has such an output; add `{name}: \"${{stacks.{other}.{name}}}\"` to the parameters"
            )
        }
        (_, [environment]) => {
            format!(
                "add it to the stack's `parameters`, or under `{stack}` in stacks/environments/{environment}.yaml"
            )
        }
        _ if everywhere => {
            "add it to the stack's `parameters`, or to each file in stacks/environments/".to_owned()
        }
        _ => format!("add it under `{stack}` in the files of these environments in stacks/environments/"),
    }
}

fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => quoted.join(""),
    }
}

fn capabilities(contents: &Contents<'_>, stack: &str, template: &Template, mistakes: &mut Mistakes) {
    let declared = &contents.config.stacks[stack];
    let is_given = |needed: &Capability| {
        // Whoever may name IAM resources may make them.
        declared.capabilities.contains(needed)
            || (*needed == Capability::Iam && declared.capabilities.contains(&Capability::NamedIam))
    };
    let missing: BTreeSet<Capability> =
        template.required_capabilities().into_iter().filter(|needed| !is_given(needed)).collect();
    if missing.is_empty() {
        return;
    }
    let mut all: BTreeSet<Capability> = declared.capabilities.union(&missing).copied().collect();
    if all.contains(&Capability::NamedIam) {
        all.remove(&Capability::Iam);
    }
    let all: Vec<&str> = all.into_iter().map(Capability::as_str).collect();
    let why: Vec<&str> = missing.iter().map(|capability| reason(*capability)).collect();
    let place = contents.node.at(&["stacks", stack, "capabilities"]).place;
    let message = format!("{} {}", declared.template, why.join(" and "));
    let hint = format!("allow it: `capabilities: [{}]`", all.join(", "));
    mistakes.push(contents.source.mistake(place, message).hint(hint));
}

fn reason(capability: Capability) -> &'static str {
    match capability {
        Capability::Iam => "makes IAM resources",
        Capability::NamedIam => "makes IAM resources with names of their own",
        Capability::AutoExpand => "uses macros",
    }
}

fn long_name(contents: &Contents<'_>, stack: &str, mistakes: &mut Mistakes) {
    let names = contents.config.environments.keys().map(|name| stack_name(&contents.config, name, stack));
    let Some(name) = names.max_by_key(String::len).filter(|name| name.len() > MAX_STACK_NAME) else { return };
    let place = contents.node.at(&["stacks", stack]).place;
    let message = format!("the stack would be called `{name}`, which has {} characters", name.len());
    mistakes.push(contents.source.mistake(place, message).hint(format!(
        "CloudFormation takes {MAX_STACK_NAME}: shorten the project's, environment's or stack's name"
    )));
}

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use crate::config::{Values, load_values};
use crate::diagnostic::Source;
use crate::project::{Dockerfile, Files, VALUES, within};
use crate::template::Template;

/// The directories in which any YAML or JSON file may be a template.
const STACK_DIRECTORIES: [&str; 4] = ["stacks", "infrastructure", "cloudformation", "infra"];
/// The directories whose content comes from elsewhere.
const FOREIGN_DIRECTORIES: [&str; 4] = ["node_modules", "vendor", "target", "third_party"];

/// What there is in a repository.
pub(super) struct Found {
    pub(super) project: String,
    /// The environments that have a file of values.
    pub(super) environments: BTreeMap<String, Values>,
    pub(super) modules: Vec<Module>,
    pub(super) workloads: Vec<Workload>,
    /// What looks like a template and has mistakes: its path, and the first of them.
    pub(super) broken: Vec<(String, String)>,
}

/// A template, and what its stack is going to be called.
pub(super) struct Module {
    pub(super) name: String,
    pub(super) path: String,
    pub(super) template: Template,
}

/// A Dockerfile, and what its workload is going to be called.
pub(super) struct Workload {
    pub(super) name: String,
    pub(super) dockerfile: String,
    pub(super) context: String,
    pub(super) inputs: Vec<String>,
    /// What goes into the image and is not in the repository.
    pub(super) made: Vec<String>,
}

pub(super) fn find(project: &str, files: &dyn Files) -> Result<Found> {
    let project = name(project);
    let paths: Vec<String> = files.paths()?.into_iter().filter(|path| !is_foreign(path)).collect();
    let mut found = Found {
        environments: environments(&paths, files)?,
        modules: Vec::new(),
        workloads: Vec::new(),
        broken: Vec::new(),
        project,
    };
    for path in paths.iter().filter(|path| may_be_template(path)) {
        find_template(path, files, &mut found)?;
    }
    for path in paths.iter().filter(|path| file_name(path) == "Dockerfile") {
        if let Some(text) = text(path, files)? {
            let workload = workload(path, &text, files, &found)?;
            found.workloads.push(workload);
        }
    }
    Ok(found)
}

fn text(path: &str, files: &dyn Files) -> Result<Option<String>> {
    Ok(files.read(path)?.and_then(|bytes| String::from_utf8(bytes).ok()))
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn directory(path: &str) -> &str {
    path.rsplit_once('/').map_or(".", |(directory, _)| directory)
}

fn is_foreign(path: &str) -> bool {
    directory(path)
        .split('/')
        .any(|part| FOREIGN_DIRECTORIES.contains(&part) || (part.starts_with('.') && part != "."))
}

fn may_be_template(path: &str) -> bool {
    let Some((stem, "yaml" | "yml" | "json")) = file_name(path).rsplit_once('.') else { return false };
    let in_stacks = directory(path).split('/').any(|part| STACK_DIRECTORIES.contains(&part));
    (stem == "template" || in_stacks) && directory(path) != VALUES
}

fn find_template(path: &str, files: &dyn Files, found: &mut Found) -> Result<()> {
    let Some(text) = text(path, files)? else { return Ok(()) };
    match Template::parse(path, &text) {
        Ok(template) => {
            let stem = file_name(path).rsplit_once('.').map_or(path, |(stem, _)| stem);
            let called = if stem == "template" { file_name(directory(path)) } else { stem };
            let name = unique(&name(called), found.modules.iter().map(|module| module.name.as_str()));
            found.modules.push(Module { name, path: path.to_owned(), template });
        }
        Err(mistakes) if text.contains("Resources") => {
            let first = mistakes.iter().next().map(|mistake| mistake.message.clone());
            found.broken.push((path.to_owned(), first.unwrap_or_default()));
        }
        Err(_) => {}
    }
    Ok(())
}

fn environments(paths: &[String], files: &dyn Files) -> Result<BTreeMap<String, Values>> {
    let mut environments = BTreeMap::new();
    for path in paths.iter().filter(|path| directory(path) == VALUES) {
        let Some(environment) = file_name(path).strip_suffix(".yaml") else { continue };
        let text = text(path, files)?.unwrap_or_default();
        let values = load_values(&Source { file: path, text: &text }).map(|(values, _)| values);
        environments.insert(environment.to_owned(), values.unwrap_or_default());
    }
    Ok(environments)
}

fn workload(path: &str, text: &str, files: &dyn Files, found: &Found) -> Result<Workload> {
    let directory = directory(path);
    let called = if directory == "." { found.project.as_str() } else { file_name(directory) };
    let name = unique(&name(called), found.workloads.iter().map(|workload| workload.name.as_str()));
    let copied: BTreeSet<String> =
        Dockerfile::parse(text).copied.into_iter().map(|(_, source)| source).collect();
    let exists = |context: &str| -> Result<Vec<(String, bool)>> {
        let paths = copied.iter().filter_map(|source| within(context, source));
        paths.map(|path| files.exists(&path).map(|exists| (path, exists))).collect()
    };
    // Whatever of what is copied is there tells which directory the Dockerfile is meant for.
    let (beside, in_root) = (exists(directory)?, exists(".")?);
    let count = |sources: &[(String, bool)]| sources.iter().filter(|(_, exists)| *exists).count();
    let (context, sources) =
        if count(&in_root) > count(&beside) { (".", in_root) } else { (directory, beside) };
    let inputs = inputs(path, context, &sources);
    let made = sources.into_iter().filter(|(_, exists)| !exists).map(|(path, _)| path).collect();
    Ok(Workload { name, dockerfile: path.to_owned(), context: context.to_owned(), inputs, made })
}

/// The directory that is sent to Docker, or what of the whole repository goes into the image.
fn inputs(dockerfile: &str, context: &str, sources: &[(String, bool)]) -> Vec<String> {
    if context != "." {
        return vec![context.to_owned()];
    }
    if directory(dockerfile) == "." || sources.iter().any(|(path, _)| path == ".") {
        return vec![".".to_owned()];
    }
    let existing = sources.iter().filter(|(_, exists)| *exists).map(|(path, _)| path.as_str());
    let beside = directory(dockerfile);
    let outside =
        existing.filter(|path| !path.strip_prefix(beside).is_some_and(|rest| rest.starts_with('/')));
    let inputs: BTreeSet<&str> = outside.chain([beside]).collect();
    inputs.into_iter().map(str::to_owned).collect()
}

/// What is left of a word when it is made a name.
fn name(word: &str) -> String {
    let lower: String =
        word.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let name: String = lower.trim_start_matches(|c: char| !c.is_ascii_lowercase()).chars().take(63).collect();
    let name = name.trim_end_matches('-');
    if name.is_empty() { "app".to_owned() } else { name.to_owned() }
}

fn unique<'a>(name: &str, taken: impl Iterator<Item = &'a str>) -> String {
    let taken: BTreeSet<&str> = taken.collect();
    let mut numbered = (2..).map(|number| format!("{name}-{number}"));
    if taken.contains(name) {
        numbered.find(|name| !taken.contains(name.as_str())).unwrap_or_default()
    } else {
        name.to_owned()
    }
}

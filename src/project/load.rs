use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;

use super::contents::{Contents, Document};
use super::{Files, Project, images, merged, parameters, references, steps};
use crate::config::{self, Config, Values};
use crate::diagnostic::{Mistake, Mistakes, Source};
use crate::redact::keep_secret;
use crate::template::Template;
use crate::yaml::Node;

/// Where the environments' files of values are.
pub(crate) const VALUES: &str = "stacks/environments";

/// Why a project can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Its files have mistakes.
    #[error(transparent)]
    Mistakes(#[from] Mistakes),
    /// Its files can't be read.
    #[error("{0:#}")]
    Read(#[from] anyhow::Error),
}

pub(super) fn load(config_path: &str, files: &dyn Files) -> Result<Project, LoadError> {
    let files = &Limited::new(files);
    let text = text(config_path, files)?.ok_or_else(|| no_config(config_path))?;
    let source = Source { file: config_path, text: &text };
    let (config, node) = config::load_located(&source)?;
    let mut mistakes = Mistakes::default();
    let templates = templates(&config, &source, &node, files, &mut mistakes)?;
    let values = values(&config, files, &mut mistakes)?;
    let contents = Contents { config, source, node, templates, values };
    // Before anything is said about them.
    contents.keep_secrets();
    parameters::check(&contents, &mut mistakes);
    references::check(&contents, &mut mistakes);
    images::check(&contents, files, &mut mistakes)?;
    let graphs = steps::graphs(&contents, &mut mistakes);
    let Contents { config, templates, values, .. } = contents;
    let values = values.into_iter().map(|(name, document)| (name, document.values)).collect();
    Ok(mistakes.or(Project { config, templates, values, graphs })?)
}

/// How many bytes the files of a project may have in all. A hundred stacks have about a fifth of it, and it takes some
/// fifty times as much memory to hold what is in them.
const MAX_ALL: usize = 4 * 1024 * 1024;

/// What a single file counts at most: a larger one is refused, or read without being kept.
const MAX_ONE: usize = 1024 * 1024;

/// Files of which only so much is read: a repository can hold one file under a thousand names.
struct Limited<'a> {
    files: &'a dyn Files,
    left: Cell<usize>,
}

impl<'a> Limited<'a> {
    fn new(files: &'a dyn Files) -> Self {
        Self { files, left: Cell::new(MAX_ALL) }
    }
}

impl Files for Limited<'_> {
    fn read(&self, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let bytes = self.files.read(path)?;
        let size = bytes.as_ref().map_or(0, |bytes| bytes.len().min(MAX_ONE));
        let left = self.left.get().checked_sub(size);
        self.left.set(left.with_context(|| {
            format!("with {path}, the project's configuration, templates, values and Dockerfiles have more than {MAX_ALL} bytes in all")
        })?);
        Ok(bytes)
    }

    fn exists(&self, path: &str) -> anyhow::Result<bool> {
        self.files.exists(path)
    }

    fn paths(&self) -> anyhow::Result<Vec<String>> {
        self.files.paths()
    }

    fn names_in(&self, directory: &str) -> anyhow::Result<Vec<String>> {
        self.files.names_in(directory)
    }
}

/// A file's text; a file that is no text is a mistake.
pub(super) fn text(path: &str, files: &dyn Files) -> Result<Option<String>, LoadError> {
    let Some(bytes) = files.read(path)? else { return Ok(None) };
    let text = String::from_utf8(bytes).map_err(|error| {
        let (text, _) = error.as_bytes().split_at(error.utf8_error().valid_up_to());
        let line = text.split(|byte| *byte == b'\n').count();
        let message = format!("the file is no text: line {line} has bytes that are not UTF-8");
        Mistakes::from(Mistake::about_file(path, message).hint("save it as UTF-8"))
    })?;
    Ok(Some(text))
}

fn no_config(path: &str) -> LoadError {
    let mistake = Mistake::about_file(path, "there is no such file in the repository");
    Mistakes::from(mistake.hint("`pipeline init` writes one; a new file has to be known to git")).into()
}

/// Reads every stack's template. Those that are missing or have mistakes are left out.
fn templates(
    config: &Config,
    source: &Source<'_>,
    node: &Node,
    files: &dyn Files,
    mistakes: &mut Mistakes,
) -> Result<BTreeMap<String, Arc<Template>>, LoadError> {
    let mut templates: BTreeMap<String, Arc<Template>> = BTreeMap::new();
    // Stacks of the same template share it.
    let mut known: BTreeMap<&str, Arc<Template>> = BTreeMap::new();
    for (name, stack) in &config.stacks {
        if let Some(template) = known.get(stack.template.as_str()) {
            templates.insert(name.clone(), Arc::clone(template));
            continue;
        }
        match text(&stack.template, files) {
            Ok(Some(text)) => match Template::parse(&stack.template, &text) {
                Ok(template) => {
                    let template = known.entry(&stack.template).or_insert(Arc::new(template));
                    templates.insert(name.clone(), Arc::clone(template));
                }
                Err(more) => mistakes.extend(more),
            },
            Ok(None) => {
                let place = node.at(&["stacks", name, "template"]).place;
                let message = format!("the stack's template `{}` is missing", stack.template);
                let hint = "write it there, or say where it is: `template: PATH`";
                mistakes.push(source.mistake(place, message).hint(hint));
            }
            Err(LoadError::Mistakes(more)) => mistakes.extend(more),
            Err(error) => return Err(error),
        }
    }
    Ok(templates)
}

/// Reads every environment's file of values, where there is one.
fn values(
    config: &Config,
    files: &dyn Files,
    mistakes: &mut Mistakes,
) -> Result<BTreeMap<String, Document>, LoadError> {
    mistakes.extend(orphans(config, files)?);
    let mut documents = BTreeMap::new();
    for environment in config.environments.keys() {
        let path = format!("{VALUES}/{environment}.yaml");
        let read =
            text(&path, files).and_then(|text| Ok(text.map(|text| document(path, text)).transpose()?));
        match read {
            Ok(document) => documents.extend(document.map(|document| (environment.clone(), document))),
            Err(LoadError::Mistakes(more)) => mistakes.extend(more),
            Err(error) => return Err(error),
        }
    }
    Ok(documents)
}

/// Files of values that belong to no environment, and so are read by nobody.
fn orphans(config: &Config, files: &dyn Files) -> anyhow::Result<Vec<Mistake>> {
    let known = || config.environments.keys().map(String::as_str);
    let names = files.names_in(VALUES)?;
    let orphans = names.iter().filter_map(|name| {
        let (stem, ending) = name.rsplit_once('.')?;
        if !matches!(ending, "yaml" | "yml" | "json")
            || (ending == "yaml" && known().any(|name| name == stem))
        {
            return None;
        }
        let mistake = Mistake::about_file(format!("{VALUES}/{name}"), "the file is read for no environment");
        let files: Vec<String> = known().map(|name| format!("{name}.yaml")).collect();
        Some(mistake.instead_of(name, files.iter().map(String::as_str)))
    });
    Ok(orphans.collect())
}

fn document(path: String, text: String) -> Result<Document, Mistakes> {
    let (values, node): (Values, Node) = config::load_values(&Source { file: &path, text: &text })?;
    Ok(Document { path, text, node, values })
}

impl Contents<'_> {
    /// Notes the values of `NoEcho` parameters, which are shown nowhere, not even as a mistake.
    fn keep_secrets(&self) {
        let hidden = |stack: &str, name: &str| {
            let template = self.templates.get(stack);
            template.and_then(|it| it.parameters.get(name)).is_some_and(|parameter| parameter.no_echo)
        };
        let given = self.given();
        for given in given.iter().filter(|given| hidden(given.stack, given.parameter)) {
            given.written.text.resolve(|_| None).iter().for_each(|value| keep_secret(value));
        }
        let parameters = self.templates.values().flat_map(|template| template.parameters.values());
        let defaults = parameters.filter(|parameter| parameter.no_echo).filter_map(|it| it.default.as_ref());
        defaults.for_each(|default| keep_secret(default));
    }

    /// What is given to a stack in an environment.
    pub(super) fn parameters(&self, environment: &str, stack: &str) -> BTreeMap<String, config::Text> {
        merged(&self.config, self.values.get(environment).map(|document| &document.values), stack)
    }
}

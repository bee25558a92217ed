use super::contents::Contents;
use super::dockerfile::{Dockerfile, Instruction, within};
use super::load::text;
use super::{Files, LoadError};
use crate::config::Workload;
use crate::diagnostic::{Mistake, Mistakes, Place, Source};
use crate::yaml::Node;

/// Checks that what images are built from is there, and that a change of it builds them anew.
pub(super) fn check(
    contents: &Contents<'_>,
    files: &dyn Files,
    mistakes: &mut Mistakes,
) -> Result<(), LoadError> {
    for (name, workload) in &contents.config.workloads {
        let node = contents.node.at(&["workloads", name]);
        let checked = Checked { workload, node, source: contents.source, files };
        match checked.mistakes() {
            Ok(found) | Err(LoadError::Mistakes(found)) => mistakes.extend(found),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A workload and what is needed to check it.
struct Checked<'a> {
    workload: &'a Workload,
    node: &'a Node,
    source: Source<'a>,
    files: &'a dyn Files,
}

impl Checked<'_> {
    fn mistakes(&self) -> Result<Mistakes, LoadError> {
        let mut mistakes = Mistakes::default();
        mistakes.extend(self.missing_inputs()?);
        mistakes.extend(self.missing_context()?);
        let path = &self.workload.build.dockerfile;
        let Some(text) = text(path, self.files)? else {
            let hint = "write it there, or say where it is: `build: { dockerfile: PATH }`";
            mistakes.push(
                self.mistake(&["build", "dockerfile"], format!("the Dockerfile `{path}` is missing"))
                    .hint(hint),
            );
            return Ok(mistakes);
        };
        let dockerfile = Dockerfile::parse(&text);
        let source = Source { file: path, text: &text };
        mistakes.extend(no_stage(&source, &dockerfile));
        mistakes.extend(self.unknown_target(&dockerfile));
        mistakes.extend(self.uncovered_dockerfile());
        for (line, copied) in &dockerfile.copied {
            if mistakes.is_full() {
                break;
            }
            mistakes.extend(self.copied(&source, *line, copied)?);
        }
        Ok(mistakes)
    }

    fn mistake(&self, path: &[&str], message: String) -> Mistake {
        self.source.mistake(self.node.at(path).place, message)
    }

    fn missing_inputs(&self) -> Result<Vec<Mistake>, LoadError> {
        let mut missing = Vec::new();
        for (input, item) in self.workload.inputs.iter().zip(self.node.at(&["inputs"]).items()) {
            if !self.files.exists(input)? {
                let message = format!("the input `{input}` is missing");
                let hint =
                    "inputs are files and directories that git knows, relative to the repository's root";
                missing.push(self.source.mistake(item.place, message).hint(hint));
            }
        }
        Ok(missing)
    }

    /// A command may make the directory; without one it has to be there.
    fn missing_context(&self) -> Result<Option<Mistake>, LoadError> {
        let build = &self.workload.build;
        if build.command.is_some() || self.files.exists(&build.context)? {
            return Ok(None);
        }
        let mistake =
            self.mistake(&["build", "context"], format!("the context `{}` is missing", build.context));
        Ok(Some(
            mistake.hint("the context is a directory that git knows, or that the build's `command` makes"),
        ))
    }

    fn unknown_target(&self, dockerfile: &Dockerfile) -> Option<Mistake> {
        let target = self.workload.build.target.as_ref()?;
        let known = || dockerfile.stages.iter().map(String::as_str);
        let is_known = known().any(|stage| stage == target.to_lowercase()) || target.parse::<usize>().is_ok();
        if is_known || !dockerfile.has_from {
            return None;
        }
        let message = format!("{} has no stage `{target}`", self.workload.build.dockerfile);
        let mistake = self.mistake(&["build", "target"], message);
        Some(mistake.instead_of(target, known()))
    }

    fn uncovered_dockerfile(&self) -> Option<Mistake> {
        let path = &self.workload.build.dockerfile;
        (!self.is_input(path)).then(|| {
            let message = format!(
                "the Dockerfile `{path}` is in none of the inputs: a change of it would not be deployed"
            );
            self.mistake(&["inputs"], message).hint(format!("add `{path}` to the inputs"))
        })
    }

    /// A `COPY` whose source can't be found, or whose change would not be noticed. What git does not know may be made
    /// by the build's command.
    fn copied(
        &self,
        dockerfile: &Source<'_>,
        line: usize,
        copied: &str,
    ) -> Result<Option<Mistake>, LoadError> {
        let build = &self.workload.build;
        let Some(path) = within(&build.context, copied) else { return Ok(None) };
        if !self.files.exists(&path)? {
            let place = Place { line, column: 1, length: usize::MAX };
            let hint = "git has to know it, or the build's `command` has to make it";
            let missing = || dockerfile.mistake(place, format!("`{path}` is missing")).hint(hint);
            return Ok(build.command.is_none().then(missing));
        }
        if self.is_input(&path) || (path == build.context && self.has_ignore_file()?) {
            return Ok(None);
        }
        let message = format!(
            "`{path}` goes into the image and is in none of the inputs: a change of it would not be deployed"
        );
        let hint = format!("{}:{line} copies it; add `{path}` to the inputs", dockerfile.file);
        Ok(Some(self.mistake(&["inputs"], message).hint(hint)))
    }

    fn has_ignore_file(&self) -> Result<bool, LoadError> {
        let build = &self.workload.build;
        let beside = format!("{}.dockerignore", build.dockerfile);
        let within = within(&build.context, ".dockerignore").unwrap_or_default();
        Ok(self.files.exists(&beside)? || self.files.exists(&within)?)
    }

    fn is_input(&self, path: &str) -> bool {
        self.workload.inputs.iter().any(|input| {
            input == "."
                || path == input
                || path.strip_prefix(input).is_some_and(|rest| rest.starts_with('/'))
        })
    }
}

fn no_stage(source: &Source<'_>, dockerfile: &Dockerfile) -> Option<Mistake> {
    let hint = "a Dockerfile begins with `FROM image`, before which only `ARG` may stand";
    match &dockerfile.before_from {
        Some(Instruction { line, name, .. }) => {
            let place = Place { line: *line, column: 1, length: name.len() };
            Some(source.mistake(place, format!("`{name}` stands before the first `FROM`")).hint(hint))
        }
        None if !dockerfile.has_from => {
            Some(Mistake::about_file(source.file, "the Dockerfile has no `FROM`").hint(hint))
        }
        None => None,
    }
}

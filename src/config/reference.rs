use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::diagnostic::nearest;

/// A value that is only known later, written `${…}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reference {
    /// An output of another stack: `${stacks.vpc.VpcId}`.
    StackOutput {
        /// The stack's name in `pipeline.yaml`.
        stack: String,
        /// The output's name in the stack's template.
        output: String,
    },
    /// A workload's image with its digest, `repository@sha256:…`: `${workloads.api.image}`.
    WorkloadImage {
        /// The workload's name in `pipeline.yaml`.
        workload: String,
    },
    /// The project's name: `${project}`.
    Project,
    /// The environment's name: `${environment}`.
    Environment,
}

impl Reference {
    /// What is between `${` and `}`: `stacks.vpc.VpcId`.
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            Self::StackOutput { stack, output } => format!("stacks.{stack}.{output}"),
            Self::WorkloadImage { workload } => format!("workloads.{workload}.image"),
            Self::Project => "project".to_owned(),
            Self::Environment => "environment".to_owned(),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${{{}}}", self.path())
    }
}

/// What to write, where it can't be told what was meant.
const KNOWN: &str = "there are ${stacks.NAME.OUTPUT}, ${workloads.NAME.image}, ${project} and ${environment}; `$${` stands for `${`";

/// What is between `${` and `}`.
impl FromStr for Reference {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.split('.').collect();
        match parts.as_slice() {
            ["project"] => Ok(Self::Project),
            ["environment"] => Ok(Self::Environment),
            ["stacks", stack, output] if is_name(stack) && is_output(output) => {
                Ok(Self::StackOutput { stack: (*stack).to_owned(), output: (*output).to_owned() })
            }
            ["workloads", workload, "image"] if is_name(workload) => {
                Ok(Self::WorkloadImage { workload: (*workload).to_owned() })
            }
            [first, ..] => Err(match nearest(first, ["stacks", "workloads", "project", "environment"]) {
                Some("stacks") => "write ${stacks.NAME.OUTPUT}".to_owned(),
                Some("workloads") => "write ${workloads.NAME.image}".to_owned(),
                Some(word) => format!("did you mean `${{{word}}}`?"),
                None => KNOWN.to_owned(),
            }),
            [] => Err(KNOWN.to_owned()),
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

fn is_output(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric())
}

/// A piece of a [`Text`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Stands for itself.
    Literal(String),
    /// Stands for a value that is known later.
    Reference(Reference),
}

/// A text that may contain references, as `pipeline.yaml` has it. `$${` stands for `${` itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Vec<Part>);

impl Text {
    /// Reads a text.
    ///
    /// # Errors
    /// A `${` without its `}`, or something between them that is no reference.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(dollar) = rest.find('$') {
            literal.push_str(&rest[..dollar]);
            rest = &rest[dollar..];
            if let Some(after) = rest.strip_prefix("$${") {
                literal.push_str("${");
                rest = after;
            } else if let Some(after) = rest.strip_prefix("${") {
                let (reference, behind) = parse_reference(after, text.len() - rest.len())?;
                push_literal(&mut parts, &mut literal);
                parts.push(Part::Reference(reference));
                rest = behind;
            } else {
                literal.push('$');
                rest = &rest[1..];
            }
        }
        literal.push_str(rest);
        push_literal(&mut parts, &mut literal);
        Ok(Self(parts))
    }

    /// A text that stands for itself, whatever is in it.
    #[must_use]
    pub fn literal(text: impl Into<String>) -> Self {
        let mut parts = Vec::new();
        push_literal(&mut parts, &mut text.into());
        Self(parts)
    }

    /// Several texts with a separator between them.
    #[must_use]
    pub fn join(texts: impl IntoIterator<Item = Self>, separator: &str) -> Self {
        let mut parts = Vec::new();
        let mut literal = String::new();
        for (index, text) in texts.into_iter().enumerate() {
            if index > 0 {
                literal.push_str(separator);
            }
            for part in text.0 {
                match part {
                    Part::Literal(more) => literal.push_str(&more),
                    Part::Reference(_) => {
                        push_literal(&mut parts, &mut literal);
                        parts.push(part);
                    }
                }
            }
        }
        push_literal(&mut parts, &mut literal);
        Self(parts)
    }

    /// The pieces, in their order; no literal is empty and no two follow each other.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.0
    }

    /// The references in it, in their order.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.0.iter().filter_map(|part| match part {
            Part::Reference(reference) => Some(reference),
            Part::Literal(_) => None,
        })
    }

    /// The text with a value in the place of each reference.
    ///
    /// # Errors
    /// The references that `value` has no value for, in their order.
    pub fn resolve(&self, value: impl Fn(&Reference) -> Option<String>) -> Result<String, Vec<Reference>> {
        let mut resolved = String::new();
        let mut missing = Vec::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => resolved.push_str(literal),
                Part::Reference(reference) => match value(reference) {
                    Some(value) => resolved.push_str(&value),
                    None => missing.push(reference.clone()),
                },
            }
        }
        if missing.is_empty() { Ok(resolved) } else { Err(missing) }
    }
}

fn push_literal(parts: &mut Vec<Part>, literal: &mut String) {
    if !literal.is_empty() {
        parts.push(Part::Literal(std::mem::take(literal)));
    }
}

/// Reads a reference up to its `}`; gives it and what is behind it.
fn parse_reference(after: &str, offset: usize) -> Result<(Reference, &str), ReferenceError> {
    let Some((inner, behind)) = after.split_once('}') else {
        let message = "`${` without a `}`".to_owned();
        return Err(ReferenceError {
            offset,
            message,
            hint: "add the `}`; or, to write `${` itself, write `$${`".to_owned(),
        });
    };
    match inner.parse() {
        Ok(reference) => Ok((reference, behind)),
        Err(hint) => Err(ReferenceError { offset, message: format!("`${{{inner}}}` is no reference"), hint }),
    }
}

/// Written the way it is read.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.0 {
            match part {
                Part::Literal(literal) => f.write_str(&literal.replace("${", "$${"))?,
                Part::Reference(reference) => write!(f, "{reference}")?,
            }
        }
        Ok(())
    }
}

/// Why something is no [`Text`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}: {hint}")]
pub struct ReferenceError {
    /// Where in the text the trouble begins, in bytes.
    pub offset: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

impl JsonSchema for Text {
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A text that may contain ${stacks.NAME.OUTPUT}, ${workloads.NAME.image}, ${project} and ${environment}. $${ stands for ${ itself."
        })
    }
}

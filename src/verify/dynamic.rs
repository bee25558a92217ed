//! What templates refer to in Parameter Store and Secrets Manager.

use std::fmt;

use super::subject::Stack;
use crate::template::{Found, Value, function};

/// Something outside of the stacks that a template needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A parameter of Parameter Store, by its name.
    Parameter(String),
    /// A secret of Secrets Manager, by its name or ARN.
    Secret(String),
    /// It can't be told which: what is written.
    Unknown(String),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parameter(name) => write!(f, "the parameter {name}"),
            Self::Secret(id) => write!(f, "the secret {id}"),
            Self::Unknown(written) => f.write_str(written),
        }
    }
}

/// Everything that the stack's template refers to, with the place of each.
pub fn targets(stack: &Stack<'_>) -> Vec<(String, Target)> {
    let mut found = Vec::new();
    for (name, parameter) in &stack.template.parameters {
        let is_name = parameter.type_name.starts_with("AWS::SSM::Parameter::");
        if let Some(value) = stack.known.get(name).filter(|_| is_name) {
            found.push((format!("{}:{}", stack.file, parameter.line), Target::Parameter(value.clone())));
        }
    }
    let made = stack.template.resources.keys().filter(|name| stack.scope().may_exist(name));
    for name in made {
        let properties =
            stack.template.body.get("Resources").and_then(|all| all.get(name)?.get("Properties"));
        if let Some(properties) = properties {
            walk(stack, name, &mut Vec::new(), properties, &mut found);
        }
    }
    found
}

/// Goes down to the texts. Of an `Fn::If` only what may be taken counts.
fn walk<'a>(
    stack: &Stack<'_>,
    resource: &str,
    path: &mut Vec<&'a str>,
    value: &'a Value,
    found: &mut Vec<(String, Target)>,
) {
    let scope = stack.scope();
    if let Some(text) = scope.text(Found::Value(value)) {
        found.extend(in_text(&text).into_iter().map(|target| (stack.place(resource, path), target)));
        return;
    }
    match (value, function(value)) {
        (_, Some(("Fn::Sub" | "Fn::Join", argument))) => {
            let written =
                in_unknown(argument).into_iter().map(|target| (stack.place(resource, path), target));
            found.extend(written);
        }
        (_, Some(("Fn::If", Value::List(branches)))) => {
            let taken = scope.below(Found::Value(value), &[]);
            match taken {
                Found::Value(taken) => walk(stack, resource, path, taken, found),
                Found::Absent => {}
                Found::Unknown => {
                    branches.iter().skip(1).for_each(|branch| walk(stack, resource, path, branch, found));
                }
            }
        }
        (Value::Map(entries), _) => {
            for (key, value) in entries {
                path.push(key);
                walk(stack, resource, path, value, found);
                path.pop();
            }
        }
        (Value::List(items), _) => items.iter().for_each(|item| walk(stack, resource, path, item, found)),
        (Value::Null | Value::Scalar(_), _) => {}
    }
}

/// Within a text that is put together from something unknown: a reference that is whole in one of its pieces is told.
fn in_unknown(value: &Value) -> Vec<Target> {
    match value {
        Value::Null => Vec::new(),
        Value::Scalar(text) => in_text(text),
        Value::List(items) => items.iter().flat_map(in_unknown).collect(),
        Value::Map(entries) => entries.values().flat_map(in_unknown).collect(),
    }
}

/// The dynamic references in a text.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html>
fn in_text(text: &str) -> Vec<Target> {
    let starts = text.match_indices("{{resolve:").map(|(start, _)| &text[start..]);
    starts
        .map(|rest| match rest.find("}}") {
            // The first of three closes a `${…}`.
            Some(end) => target(&rest[..end + 2 + usize::from(rest[end + 2..].starts_with('}'))]),
            None => Target::Unknown(rest.to_owned()),
        })
        .collect()
}

/// One reference, `{{resolve:SERVICE:…}}`.
fn target(written: &str) -> Target {
    let unknown = || Target::Unknown(written.to_owned());
    let content = written.trim_start_matches("{{resolve:").trim_end_matches("}}").trim();
    let Some((service, rest)) = content.split_once(':').filter(|_| !content.contains("${")) else {
        return unknown();
    };
    match service {
        "ssm" | "ssm-secure" if !rest.is_empty() => {
            Target::Parameter(rest.split(':').next().unwrap_or(rest).to_owned())
        }
        // An ARN has seven parts itself.
        "secretsmanager" if rest.starts_with("arn:") => {
            Target::Secret(rest.split(':').take(7).collect::<Vec<_>>().join(":"))
        }
        "secretsmanager" if !rest.is_empty() => {
            Target::Secret(rest.split(':').next().unwrap_or(rest).to_owned())
        }
        _ => unknown(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Template;

    #[test]
    fn every_form_of_reference_is_found() {
        let parameter = |name: &str| Target::Parameter(name.to_owned());
        let secret = |id: &str| Target::Secret(id.to_owned());
        assert_eq!(
            in_text("{{resolve:ssm:/a/b:3}}-{{resolve:ssm-secure:c}}"),
            [parameter("/a/b"), parameter("c")]
        );
        assert_eq!(in_text("{{resolve:secretsmanager:db:SecretString:password::}}"), [secret("db")]);
        let arn = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:db-AbCdEf";
        assert_eq!(in_text(&format!("{{{{resolve:secretsmanager:{arn}:SecretString:x}}}}")), [secret(arn)]);
        assert_eq!(
            in_text("{{resolve:ssm:/${Stage}/x}}"),
            [Target::Unknown("{{resolve:ssm:/${Stage}/x}}".into())]
        );
        assert_eq!(
            in_text("{{resolve:other:x}} {{resolve:ssm"),
            [Target::Unknown("{{resolve:other:x}}".into()), Target::Unknown("{{resolve:ssm".into())]
        );
        let nested = "{{resolve:ssm:/${Stage}}}";
        assert_eq!(in_text(nested), [Target::Unknown(nested.into())]);
        assert_eq!(in_text("nothing"), []);
    }

    #[test]
    fn references_are_put_together_from_what_is_known() {
        let text = r#"
Parameters:
  Stage: { Type: String }
  Later: { Type: String }
  Image: { Type: "AWS::SSM::Parameter::Value<String>" }
Conditions: { Prod: !Equals [!Ref Stage, prod] }
Resources:
  A:
    Type: AWS::X
    Properties:
      One: !Sub "{{resolve:ssm:/${Stage}/one}}"
      Two: !Join [":", ["{{resolve", secretsmanager, !Sub "${Stage}/two}}"]]
      Three: !Sub "{{resolve:ssm:/${Later}/three}}"
      Four: !If [Prod, "{{resolve:ssm:prod}}", { Deep: ["{{resolve:ssm:four}}"] }]
"#;
        let template = Template::parse("t.yaml", text).unwrap();
        let known = [("Stage", "test"), ("Image", "/image")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        let stack = Stack { file: "t.yaml", template: &template, known: known.into() };
        let found: Vec<String> =
            targets(&stack).iter().map(|(place, target)| format!("{place} {target}")).collect();
        assert_eq!(
            found,
            [
                "t.yaml:5 the parameter /image",
                "t.yaml:14 the parameter four",
                "t.yaml:11 the parameter /test/one",
                "t.yaml:13 {{resolve:ssm:/${Later}/three}}",
                "t.yaml:12 the secret test/two",
            ]
        );
    }
}

use std::collections::{BTreeMap, BTreeSet};

use super::{Value, body, capabilities, functions, sections, targets};
use crate::config::Capability;
use crate::diagnostic::{Mistake, Mistakes, Source};
use crate::location::Location;
use crate::yaml::{self, Reader};

/// How large a template may be, in bytes, to be sent within a request; a larger one would need a bucket.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html>
const MAX_SIZE: usize = 51_200;

/// A CloudFormation template in which every reference has a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Its path in the repository.
    pub file: String,
    /// The text, as it is sent to CloudFormation.
    pub text: String,
    /// What the template says about itself.
    pub description: Option<String>,
    /// What can be given to it, by name.
    pub parameters: BTreeMap<String, Parameter>,
    /// What it makes, by logical ID.
    pub resources: BTreeMap<String, Resource>,
    /// What it gives, by name, with the line of each.
    pub outputs: BTreeMap<String, usize>,
    /// Whether it has macros: then more comes out of it than is written in it.
    pub has_macros: bool,
    /// What it says, to be compared.
    pub body: Value,
}

/// Something that can be given to a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// `String`, `CommaDelimitedList`, `AWS::EC2::VPC::Id`…
    pub type_name: String,
    /// The value if none is given.
    pub default: Option<String>,
    /// Whether its value is not to be shown.
    pub no_echo: bool,
    /// The values it may have; any if there are none.
    pub allowed_values: Vec<String>,
    /// The line it is declared in, counted from 1.
    pub line: usize,
}

/// Something that a template makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// `AWS::EC2::VPC`.
    pub resource_type: String,
    /// What happens to it when it leaves the template or the stack is deleted: `Delete`, `Retain`…
    pub deletion_policy: Option<String>,
    /// What happens to the old one when it is replaced: `Delete`, `Retain`…
    pub update_replace_policy: Option<String>,
    /// The line it is declared in, counted from 1.
    pub line: usize,
}

impl Template {
    /// Reads a template; `file` is its path, for the messages.
    ///
    /// # Errors
    /// Everything that is wrong with it, or the one place at which it is no YAML or JSON.
    pub fn parse(file: &str, text: &str) -> Result<Self, Mistakes> {
        let source = Source { file, text };
        if text.len() > MAX_SIZE {
            return Err(too_large(&source).into());
        }
        let mut reader = Reader::new(source);
        let root = functions::long_form(&mut reader, yaml::read(&source)?);
        let sections = sections::read(&mut reader, &root);
        if let Some(template) = &sections {
            targets::check(&mut reader, &root, template);
        }
        reader.finish(sections)
    }

    /// Where a resource is declared: `stacks/msk/template.yaml:42`.
    #[must_use]
    pub fn location(&self, logical_id: &str) -> Option<Location> {
        Some(Location { file: self.file.clone(), line: self.resources.get(logical_id)?.line })
    }

    /// What CloudFormation must be told to allow for this template.
    #[must_use]
    pub fn required_capabilities(&self) -> BTreeSet<Capability> {
        capabilities::required(self)
    }

    /// The line at which something stands, counted from 1: the deepest key on the path through maps that exists.
    #[must_use]
    pub fn line_of(&self, path: &[&str]) -> usize {
        let root = yaml::read(&Source { file: "the template", text: &self.text });
        root.map_or(1, |root| root.at(path).place.line)
    }

    /// What a template says, without a check of whether it makes sense: to compare it with the live one.
    ///
    /// # Errors
    /// The place at which the text is no YAML or JSON.
    pub fn body_of(text: &str) -> Result<Value, Mistakes> {
        let source = Source { file: "the template", text };
        let mut reader = Reader::new(source);
        let root = functions::long_form(&mut reader, yaml::read(&source)?);
        Ok(body::value(&root))
    }
}

fn too_large(source: &Source<'_>) -> Mistake {
    let message = format!(
        "the template has {} bytes; CloudFormation takes at most {MAX_SIZE} without a bucket",
        source.text.len()
    );
    Mistake::about_file(source.file, message).hint("split it into two stacks that are wired by references")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> String {
        Template::parse("template.yaml", text).unwrap_err().to_string()
    }

    #[test]
    fn form_order_and_comments_make_no_difference() {
        let short = "Resources:\n  A: # comment\n    Type: AWS::X\n    Properties:\n      One: 1\n      On: true\n      \
                     R: !Ref B\n      G: !GetAtt B.Arn.X\n      S: !Sub ['${x}', {x: !Select [0, !GetAZs '']}]\n  B: {Type: AWS::Y}\n";
        let long = r#"{"Resources": {"B": {"Type": "AWS::Y"}, "A": {"Properties": {"On": "true", "One": "1",
            "G": {"Fn::GetAtt": ["B", "Arn.X"]}, "R": {"Ref": "B"},
            "S": {"Fn::Sub": ["${x}", {"x": {"Fn::Select": ["0", {"Fn::GetAZs": ""}]}}]}}, "Type": "AWS::X"}}}"#;
        let body = |text| Template::parse("template", text).unwrap().body;
        assert_eq!(body(short), body(long));
        assert_eq!(Template::body_of(short).unwrap(), body(long));
        assert_ne!(body(short), body(&long.replace("Arn.X", "Arn.Y")));
    }

    #[test]
    fn a_template_that_needs_a_bucket_is_refused() {
        let text = format!("Description: {}\n", "x".repeat(MAX_SIZE));
        insta::assert_snapshot!(mistakes(&text), @r"
        error: the template has 51214 bytes; CloudFormation takes at most 51200 without a bucket
        --> template.yaml
         = help: split it into two stacks that are wired by references
        ");
    }

    #[test]
    fn capabilities_follow_from_the_resources() {
        let capabilities =
            |text: &str| Template::parse("template.yaml", text).unwrap().required_capabilities();
        let role = "Resources: {R: {Type: AWS::IAM::Role, Properties: {Path: /}}}";
        let named =
            "Resources: {R: {Type: AWS::IAM::Role, Properties: {RoleName: x}}, P: {Type: AWS::IAM::Policy}}";
        let serverless =
            "Transform: AWS::Serverless-2016-10-31\nResources: {F: {Type: AWS::Serverless::Function}}";
        let policy = "Resources: {P: {Type: AWS::IAM::Policy, Properties: {PolicyName: x}}}";
        assert_eq!(capabilities(role), [Capability::Iam].into());
        assert_eq!(capabilities(named), [Capability::NamedIam].into());
        assert_eq!(capabilities(serverless), [Capability::AutoExpand].into());
        assert_eq!(capabilities(policy), [Capability::Iam].into());
        assert_eq!(capabilities("Resources: {R: {Type: AWS::S3::Bucket}}"), [].into());
    }

    #[test]
    fn substitutions_are_checked_but_literals_are_not() {
        let text = "Parameters: {Name: {Type: String}}\nResources:\n  A:\n    Type: AWS::X\n    Properties:\n      \
                    Ok: !Sub '${Name} ${!Nmae} ${A.Arn} ${AWS::Region}'\n      Own: !Sub ['${x.y}', {x.y: 1}]\n      \
                    Bad: !Sub '${Nmae} and ${B.Arn}'\n";
        insta::assert_snapshot!(mistakes(text), @r"
        error: there is no parameter or resource `Nmae` in this template
         --> template.yaml:8:20
          |
        8 |       Bad: !Sub '${Nmae} and ${B.Arn}'
          |                    ^^^^
          |
          = help: did you mean `Name`?

        error: there is no resource `B` in this template
         --> template.yaml:8:32
          |
        8 |       Bad: !Sub '${Nmae} and ${B.Arn}'
          |                                ^^^^^ expected `A`
        ");
    }
}

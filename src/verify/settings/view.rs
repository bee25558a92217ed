use crate::template::{Found, Resource, Scope, Value, function};
use crate::verify::subject::Stack;

/// A resource as rules look at it.
pub struct View<'a> {
    pub resource: &'a Resource,
    stack: &'a Stack<'a>,
    scope: Scope<'a>,
    name: &'a str,
}

impl<'a> View<'a> {
    pub fn new(stack: &'a Stack<'a>, name: &'a str, resource: &'a Resource) -> Self {
        Self { resource, stack, scope: stack.scope(), name }
    }

    /// Whether a property is certainly not there.
    pub fn lacks(&self, path: &[&str]) -> bool {
        self.scope.property(self.name, path) == Found::Absent
    }

    /// What a property comes to: the default if it is not there, `None` if it can't be told.
    pub fn text(&self, path: &[&str], default: &str) -> Option<String> {
        match self.scope.property(self.name, path) {
            Found::Absent => Some(default.to_owned()),
            found => self.scope.text(found),
        }
    }

    pub fn number(&self, path: &[&str], default: u64) -> Option<u64> {
        self.text(path, &default.to_string())?.parse().ok()
    }

    /// The value of an attribute in a list of `{ Key, Value }`, as [`Self::text`].
    pub fn attribute(&self, path: &[&str], key: &str, default: &str) -> Option<String> {
        let found = self.scope.property(self.name, path);
        if found == Found::Absent {
            return Some(default.to_owned());
        }
        for item in self.scope.items(found)? {
            if self.scope.text(self.scope.below(item, &["Key"]))? == key {
                return self.scope.text(self.scope.below(item, &["Value"]));
            }
        }
        Some(default.to_owned())
    }

    /// The resource that a property refers to, by `Ref` or `Fn::GetAtt`.
    pub fn referred(&self, path: &[&str]) -> Option<&'a str> {
        let Found::Value(value) = self.scope.property(self.name, path) else { return None };
        match function(value)? {
            ("Ref", Value::Scalar(name)) => Some(name),
            ("Fn::GetAtt", Value::List(path)) => match path.first()? {
                Value::Scalar(name) => Some(name),
                _ => None,
            },
            _ => None,
        }
    }

    /// The resources of a type in the same template.
    pub fn others(&self, resource_type: &str) -> Vec<View<'a>> {
        let others = self.stack.resources(resource_type);
        others.map(|(name, resource)| View::new(self.stack, name, resource)).collect()
    }

    pub fn name(&self) -> &'a str {
        self.name
    }
}

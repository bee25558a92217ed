use std::collections::BTreeMap;

use super::{Template, Value};

/// A template with what is known of its parameters: says what a value comes to, as far as that can be told.
///
/// Parameters, conditions, mappings and texts put together from them are followed; what only AWS knows is not.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    template: &'a Template,
    /// Values of parameters, and of pseudo parameters such as `AWS::Region`, that are known.
    known: &'a BTreeMap<String, String>,
}

/// What is found at a place of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found<'a> {
    /// There is nothing.
    Absent,
    /// Whether there is something, or what, follows from what is not known.
    Unknown,
    /// This, which may contain functions itself.
    Value(&'a Value),
}

impl<'a> Scope<'a> {
    /// A template with the values that are known.
    #[must_use]
    pub fn new(template: &'a Template, known: &'a BTreeMap<String, String>) -> Self {
        Self { template, known }
    }

    /// Whether a resource is made at all; one whose condition is not known may be.
    #[must_use]
    pub fn may_exist(&self, resource: &str) -> bool {
        let condition = self.resource(resource).and_then(|resource| resource.get("Condition"));
        match condition {
            Some(Value::Scalar(name)) => self.named_condition(name) != Some(false),
            _ => true,
        }
    }

    /// What a resource's property is; the path goes down through maps.
    #[must_use]
    pub fn property(&self, resource: &str, path: &[&str]) -> Found<'a> {
        let properties = self.resource(resource).and_then(|resource| resource.get("Properties"));
        self.below(properties.map_or(Found::Absent, Found::Value), path)
    }

    /// What is at a path below something.
    #[must_use]
    pub fn below<'b>(&self, start: Found<'b>, path: &[&str]) -> Found<'b> {
        path.iter().fold(self.chosen(start), |found, key| match found {
            Found::Value(value) if function(value).is_some() => Found::Unknown,
            Found::Value(value) => self.chosen(value.get(key).map_or(Found::Absent, Found::Value)),
            other => other,
        })
    }

    /// The items of a list, without those that are left out; `None` if it is no list or not known.
    #[must_use]
    pub fn items<'b>(&self, found: Found<'b>) -> Option<Vec<Found<'b>>> {
        let Found::Value(Value::List(items)) = self.chosen(found) else { return None };
        let items = items.iter().map(|item| self.chosen(Found::Value(item)));
        Some(items.filter(|item| *item != Found::Absent).collect())
    }

    /// The text that something comes to, if that can be told.
    #[must_use]
    pub fn text(&self, found: Found<'_>) -> Option<String> {
        match self.chosen(found) {
            Found::Value(value) => self.text_of(value),
            Found::Absent | Found::Unknown => None,
        }
    }

    /// Follows `Fn::If` to the branch that is taken.
    fn chosen<'b>(&self, found: Found<'b>) -> Found<'b> {
        let Found::Value(value) = found else { return found };
        match function(value) {
            Some(("Fn::If", Value::List(parts))) => match parts.as_slice() {
                [Value::Scalar(name), yes, no] => match self.named_condition(name) {
                    Some(true) => self.chosen(Found::Value(yes)),
                    Some(false) => self.chosen(Found::Value(no)),
                    None => Found::Unknown,
                },
                _ => Found::Unknown,
            },
            Some(("Ref", Value::Scalar(name))) if name == "AWS::NoValue" => Found::Absent,
            _ => found,
        }
    }

    fn text_of(&self, value: &Value) -> Option<String> {
        match (value, function(value)) {
            (Value::Scalar(text), _) => Some(text.clone()),
            (_, Some(("Ref", Value::Scalar(name)))) => self.known.get(name).cloned(),
            (_, Some(("Fn::Sub", argument))) => self.substituted(argument),
            (_, Some(("Fn::If", _))) => self.text(Found::Value(value)),
            (_, Some(("Fn::Join", Value::List(parts)))) => match parts.as_slice() {
                [Value::Scalar(separator), Value::List(items)] => {
                    let texts: Option<Vec<String>> = items.iter().map(|item| self.text_of(item)).collect();
                    Some(texts?.join(separator))
                }
                _ => None,
            },
            (_, Some(("Fn::FindInMap", Value::List(path)))) => {
                let mappings = self.template.body.get("Mappings")?;
                let found = path.iter().try_fold(mappings, |map, key| map.get(&self.text_of(key)?))?;
                self.text_of(found)
            }
            _ => None,
        }
    }

    /// `${Name}` with its value; `${!Name}` stands for `${Name}` itself.
    fn substituted(&self, argument: &Value) -> Option<String> {
        let (text, own) = match argument {
            Value::Scalar(text) => (text, None),
            Value::List(parts) => match parts.as_slice() {
                [Value::Scalar(text), own @ ..] => (text, own.first()),
                _ => return None,
            },
            Value::Null | Value::Map(_) => return None,
        };
        let mut parts = text.split("${");
        let mut whole = parts.next()?.to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}')?;
            if let Some(literal) = name.strip_prefix('!') {
                whole.extend(["${", literal, "}"]);
            } else if let Some(value) = own.and_then(|own| own.get(name.trim())) {
                whole.push_str(&self.text_of(value)?);
            } else {
                whole.push_str(self.known.get(name.trim())?);
            }
            whole.push_str(rest);
        }
        Some(whole)
    }

    fn named_condition(&self, name: &str) -> Option<bool> {
        self.condition(self.template.body.get("Conditions")?.get(name)?)
    }

    /// What is decided by one side alone does not need the other.
    fn condition(&self, value: &Value) -> Option<bool> {
        match function(value)? {
            ("Condition", Value::Scalar(name)) => self.named_condition(name),
            ("Fn::Equals", Value::List(sides)) => match sides.as_slice() {
                [one, other] => Some(self.text_of(one)? == self.text_of(other)?),
                _ => None,
            },
            ("Fn::Not", Value::List(items)) => self.condition(items.first()?).map(|known| !known),
            ("Fn::And", Value::List(items)) => self.all(items, true),
            ("Fn::Or", Value::List(items)) => self.all(items, false),
            _ => None,
        }
    }

    /// `wanted` if every condition is, the opposite if one is the opposite.
    fn all(&self, items: &[Value], wanted: bool) -> Option<bool> {
        let known: Vec<Option<bool>> = items.iter().map(|item| self.condition(item)).collect();
        if known.contains(&Some(!wanted)) {
            return Some(!wanted);
        }
        (!known.contains(&None)).then_some(wanted)
    }

    fn resource(&self, name: &str) -> Option<&'a Value> {
        self.template.body.get("Resources")?.get(name)
    }
}

/// A map with one key that is a function's name, with its argument.
#[must_use]
pub fn function(value: &Value) -> Option<(&str, &Value)> {
    let Value::Map(entries) = value else { return None };
    let (name, argument) = entries.iter().next()?;
    let is_function = matches!(name.as_str(), "Ref" | "Condition") || name.starts_with("Fn::");
    (entries.len() == 1 && is_function).then_some((name.as_str(), argument))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = r#"
Parameters: { Domain: { Type: String }, Size: { Type: String }, Open: { Type: String } }
Mappings: { Sizes: { small: { Days: 3 } } }
Conditions:
  HasDomain: !Not [!Equals [!Ref Domain, ""]]
  Both: !And [!Condition HasDomain, !Equals [!Ref Open, "x"]]
  Either: !Or [!Condition HasDomain, !Equals [!Ref Open, "x"]]
  Neither: !Not [!Condition Either]
Resources:
  A:
    Type: AWS::X
    Condition: HasDomain
    Properties:
      Text: !Sub ["${Domain}/${own}/${!kept}", { own: !FindInMap [Sizes, !Ref Size, Days] }]
      Joined: !Join ["-", [a, !Ref Size]]
      Gone: !If [HasDomain, !Ref AWS::NoValue, there]
      Open: !If [Both, yes, no]
      Deep: { List: [!If [HasDomain, one, two], !Ref Open, { Key: k }] }
  B: { Type: AWS::X, Condition: Both }
  C: { Type: AWS::X, Condition: Either }
  D: { Type: AWS::X, Condition: Neither }
"#;

    fn known() -> BTreeMap<String, String> {
        [("Domain", "example.com"), ("Size", "small")].map(|(k, v)| (k.to_owned(), v.to_owned())).into()
    }

    #[test]
    fn what_follows_from_known_values_is_told() {
        let (template, known) = (Template::parse("t", TEMPLATE).unwrap(), known());
        let scope = Scope::new(&template, &known);
        let text = |path: &[&str]| scope.text(scope.property("A", path));
        assert_eq!(text(&["Text"]).as_deref(), Some("example.com/3/${kept}"));
        assert_eq!(text(&["Joined"]).as_deref(), Some("a-small"));
        assert_eq!(scope.property("A", &["Gone"]), Found::Absent);
        assert_eq!(scope.property("A", &["Open"]), Found::Unknown);
        assert_eq!(scope.property("A", &["Nothing", "Below"]), Found::Absent);
        let items = scope.items(scope.property("A", &["Deep", "List"])).unwrap();
        assert_eq!(scope.text(items[0]).as_deref(), Some("one"));
        assert_eq!(scope.text(items[1]), None);
        assert_eq!(scope.text(scope.below(items[2], &["Key"])).as_deref(), Some("k"));
    }

    #[test]
    fn conditions_are_told_from_what_is_known() {
        let (template, mut known) = (Template::parse("t", TEMPLATE).unwrap(), known());
        let exists =
            |known: &_| ["A", "B", "C", "D"].map(|name| Scope::new(&template, known).may_exist(name));
        assert_eq!(exists(&known), [true, true, true, false]);
        known.insert("Open".to_owned(), "y".to_owned());
        assert_eq!(exists(&known), [true, false, true, false]);
        known.insert("Domain".to_owned(), String::new());
        assert_eq!(exists(&known), [false, false, false, true]);
    }
}

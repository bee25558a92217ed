use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use super::fingerprint::Fingerprint;
use super::{Action, Change, Decided, Decision, PlanDigest, PropertyChange, StepId};

/// Goes into every digest: another number makes all of them different, as when something else is to count.
const VERSION: &str = "1";

/// A plan as a whole: what every step would do, and on which terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Where, and what is allowed, by name: `project`, `region`…
    pub terms: BTreeMap<&'static str, String>,
    /// The steps.
    pub steps: BTreeMap<StepId, Planned>,
}

/// What a step would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// What is to be done.
    pub decision: Decision,
    /// What is to be there then.
    pub wanted: Wanted,
}

/// What is to be there after a step, by names that only have to differ from each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted(BTreeMap<String, Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Secret {
        value: String,
        /// Something that nobody knows who may not know the secret either.
        key: String,
    },
}

impl Wanted {
    /// The same, with a text.
    #[must_use]
    pub fn text(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.0.insert(name.into(), Part::Text(text.into()));
        self
    }

    /// The same, with a secret. The digest is seen by many, and of most secrets one can try all that are likely; so it
    /// counts together with a `key` that only those know who may know the secret.
    #[must_use]
    pub fn secret(
        mut self,
        name: impl Into<String>,
        value: impl Into<String>,
        key: impl Into<String>,
    ) -> Self {
        self.0.insert(name.into(), Part::Secret { value: value.into(), key: key.into() });
        self
    }
}

impl Plan {
    /// What the plan comes to: equal for two plans that have the same effect, whatever the words and the commit.
    ///
    /// `hide` takes out of texts what is secret, as it may have got there by way of a service's answer.
    #[must_use]
    pub fn digest(&self, hide: impl Fn(&str) -> Cow<'_, str>) -> PlanDigest {
        let steps: Vec<Fingerprint> = self.steps.iter().map(|(id, step)| of_step(id, step, &hide)).collect();
        let terms = self.terms.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
        let version = [VERSION.as_bytes()].into_iter();
        let whole = Fingerprint::of(version.chain(terms).chain(steps.iter().map(Fingerprint::bytes)));
        PlanDigest::new(&whole, steps.iter())
    }

    /// What the steps do that do something else than in a plan of which the digest alone is known, or that are not in
    /// it, as far as that can be told.
    #[must_use]
    pub fn unlike(&self, other: &PlanDigest, own: &PlanDigest) -> Vec<Decided> {
        let steps: Vec<(&StepId, &Planned)> = self.steps.iter().collect();
        let found = other.differing(own).into_iter().filter_map(|place| steps.get(place));
        found.map(|(id, step)| Decided { step: (*id).clone(), decision: step.decision.clone() }).collect()
    }
}

/// Secrets are taken out of texts by this.
type Hide<'a> = &'a dyn Fn(&str) -> Cow<'_, str>;

/// What has an effect: reasons are words, and where a template declares something does not matter. Of a step that has
/// nothing to do no more counts than that.
fn of_step(id: &StepId, step: &Planned, hide: Hide<'_>) -> Fingerprint {
    let Decision { action, reason: _, changes, waiting_for, strategy: _ } = &step.decision;
    let (id, action_word) = (id.to_string(), word(action));
    if *action == Action::Nothing {
        return Fingerprint::of([id.as_bytes(), action_word.as_bytes()]);
    }
    Fingerprint::of([
        id.as_bytes(),
        action_word.as_bytes(),
        Fingerprint::of_set(waiting_for.iter().map(|value| of_text(Some(value), hide))).bytes(),
        Fingerprint::of_set(changes.iter().map(|change| of_change(change, hide))).bytes(),
        Fingerprint::of_set(step.wanted.0.iter().map(|(name, part)| of_part(name, part, hide))).bytes(),
    ])
}

fn of_change(change: &Change, hide: Hide<'_>) -> Fingerprint {
    let Change { kind, logical_id, resource_type, physical_id, replacement, properties, location: _ } =
        change;
    Fingerprint::of([
        logical_id.as_bytes(),
        word(kind).as_bytes(),
        resource_type.as_bytes(),
        of_text(physical_id.as_ref(), hide).bytes(),
        word(replacement).as_bytes(),
        Fingerprint::of_set(properties.iter().map(|property| of_property(property, hide))).bytes(),
    ])
}

fn of_property(property: &PropertyChange, hide: Hide<'_>) -> Fingerprint {
    let PropertyChange { path, before, after, replacement } = property;
    Fingerprint::of([
        path.as_bytes(),
        of_text(before.as_ref(), hide).bytes(),
        of_text(after.as_ref(), hide).bytes(),
        word(replacement).as_bytes(),
    ])
}

fn of_part(name: &str, part: &Part, hide: Hide<'_>) -> Fingerprint {
    match part {
        Part::Text(text) => Fingerprint::of([name.as_bytes(), of_text(Some(text), hide).bytes()]),
        Part::Secret { value, key } => Fingerprint::of([name.as_bytes(), key.as_bytes(), value.as_bytes()]),
    }
}

/// A text that is there, even if it is empty, is another one than none.
fn of_text(text: Option<&String>, hide: Hide<'_>) -> Fingerprint {
    match text {
        Some(text) => Fingerprint::of([hide(text).as_bytes()]),
        None => Fingerprint::of([]),
    }
}

/// The word for it in events, which stays what it is.
fn word(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
#[path = "planned_tests.rs"]
mod tests;

use proptest::prelude::*;

use super::*;
use crate::location::Location;
use crate::plan::{ChangeKind, Replacement};

fn as_it_is(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text)
}

fn digest(plan: &Plan) -> PlanDigest {
    plan.digest(as_it_is)
}

fn any_replacement() -> impl Strategy<Value = Replacement> {
    prop_oneof![Just(Replacement::Never), Just(Replacement::Conditional), Just(Replacement::Always)]
}

fn any_change() -> impl Strategy<Value = Change> {
    let property = ("[a-c]", prop::option::of("[a-c]?"), prop::option::of("[a-c]?"), any_replacement());
    let properties = prop::collection::btree_map("[a-c]", property, 0..3);
    let kind = prop_oneof![Just(ChangeKind::Add), Just(ChangeKind::Modify), Just(ChangeKind::Remove)];
    (kind, "[a-c]", prop::option::of("[a-c]"), any_replacement(), properties).prop_map(
        |(kind, logical_id, physical_id, replacement, properties)| Change {
            kind,
            logical_id,
            resource_type: "AWS::SNS::Topic".to_owned(),
            physical_id,
            replacement,
            properties: properties
                .into_values()
                .map(|(path, before, after, replacement)| PropertyChange { path, before, after, replacement })
                .collect(),
            location: None,
        },
    )
}

fn any_planned() -> impl Strategy<Value = Planned> {
    let action =
        prop_oneof![Just(Action::Build), Just(Action::Create), Just(Action::Update), Just(Action::Roll)];
    let waiting = prop::collection::vec("[a-c]", 0..3);
    let wanted = prop::collection::btree_map("[a-c]", "[a-c]?", 0..3);
    (action, waiting, prop::collection::vec(any_change(), 0..3), wanted).prop_map(
        |(action, waiting, changes, wanted)| Planned {
            decision: Decision::new(action, "because").waiting_for(waiting).with_changes(changes),
            wanted: wanted.into_iter().fold(Wanted::default(), |all, (name, text)| all.text(name, text)),
        },
    )
}

fn any_plan() -> impl Strategy<Value = Plan> {
    let names = prop::collection::btree_map("[a-f]", any_planned(), 1..5);
    names.prop_map(|steps| Plan {
        terms: BTreeMap::from([("environment", "prod".to_owned())]),
        steps: steps.into_iter().map(|(name, step)| (StepId::stack(name), step)).collect(),
    })
}

/// Ways to change a step that change what it does.
const EFFECTS: [fn(&mut Planned); 13] = [
    |step| step.decision.action = Action::Recreate,
    |step| step.decision.action = Action::Nothing,
    |step| step.decision.waiting_for.push("new".to_owned()),
    |step| step.decision.changes.push(a_change()),
    |step| with_change(step, |change| change.kind = ChangeKind::Dynamic),
    |step| with_change(step, |change| change.logical_id.push('x')),
    |step| with_change(step, |change| change.resource_type.push('x')),
    |step| with_change(step, |change| change.physical_id = Some("x".to_owned())),
    |step| {
        with_change(step, |change| {
            change.replacement = match change.replacement {
                Replacement::Never => Replacement::Always,
                _ => Replacement::Never,
            };
        });
    },
    |step| with_change(step, |change| change.properties.push(a_property(Some("")))),
    |step| with_change(step, |change| change.properties.push(a_property(None))),
    |step| step.wanted = step.wanted.clone().text("new", ""),
    |step| step.wanted = step.wanted.clone().secret("new", "secret", "key"),
];

fn a_property(after: Option<&str>) -> PropertyChange {
    let (path, after) = ("new".to_owned(), after.map(str::to_owned));
    PropertyChange { path, before: None, after, replacement: Replacement::Never }
}

fn a_change() -> Change {
    Change {
        kind: ChangeKind::Add,
        logical_id: "New".to_owned(),
        resource_type: "AWS::SNS::Topic".to_owned(),
        physical_id: None,
        replacement: Replacement::Never,
        properties: Vec::new(),
        location: None,
    }
}

fn with_change(step: &mut Planned, edit: impl Fn(&mut Change)) {
    if step.decision.changes.is_empty() {
        step.decision.changes.push(a_change());
    }
    step.decision.changes.iter_mut().take(1).for_each(edit);
}

proptest! {
    #[test]
    fn words_places_and_order_do_not_count(plan in any_plan(), at in any::<prop::sample::Index>()) {
        let mut other = plan.clone();
        for step in other.steps.values_mut() {
            let decision = &mut step.decision;
            decision.reason = "for another reason".to_owned();
            decision.waiting_for.reverse();
            decision.changes.reverse();
            let turn = at.index(decision.changes.len().max(1));
            decision.changes.rotate_left(turn);
            for change in &mut decision.changes {
                change.location = Some(Location { file: "elsewhere".to_owned(), line: 7 });
                change.properties.reverse();
            }
        }
        prop_assert_eq!(digest(&plan), digest(&other));
        prop_assert!(plan.unlike(&digest(&other), &digest(&plan)).is_empty());
    }

    #[test]
    fn every_effect_counts_and_the_step_is_named(
        plan in any_plan(), at in any::<prop::sample::Index>(), effect in 0..EFFECTS.len(),
    ) {
        let mut other = plan.clone();
        let step = at.index(plan.steps.len());
        let (id, planned) = other.steps.iter_mut().nth(step).expect("a step");
        let id = id.clone();
        EFFECTS[effect](planned);
        prop_assume!(other != plan);
        let (before, now) = (digest(&plan), digest(&other));
        prop_assert_ne!(&before, &now);
        let named: Vec<StepId> = other.unlike(&before, &now).into_iter().map(|it| it.step).collect();
        // One in 4096 looks the same by its twelve bits; no more than that one is ever named.
        prop_assert!(named.is_empty() || named == [id], "{:?}", named);
    }

    #[test]
    fn another_place_is_another_plan(plan in any_plan()) {
        let mut other = plan.clone();
        other.terms.insert("environment", "staging".to_owned());
        prop_assert_ne!(digest(&plan), digest(&other));
        prop_assert!(other.unlike(&digest(&plan), &digest(&other)).is_empty());
    }

    #[test]
    fn steps_that_came_are_named(plan in any_plan()) {
        let mut other = plan.clone();
        let planned = Planned { decision: Decision::new(Action::Create, ""), wanted: Wanted::default() };
        other.steps.insert(StepId::image("new"), planned);
        let named = other.unlike(&digest(&plan), &digest(&other));
        prop_assert!(named.len() <= 1 && named.iter().all(|it| it.step == StepId::image("new")));
    }
}

fn plan_of(planned: Planned) -> Plan {
    Plan { terms: BTreeMap::new(), steps: BTreeMap::from([(StepId::stack("a"), planned)]) }
}

#[test]
fn the_digest_stays_what_it_was_in_earlier_versions() {
    let wanted = Wanted::default().text("template", "{}").secret("parameter Key", "secret", "arn");
    let planned =
        Planned { decision: Decision::new(Action::Update, "x").with_changes(vec![a_change()]), wanted };
    assert_eq!(digest(&plan_of(planned)).to_string(), "31dad260365e9d97743e719735c36a41-20b");
}

#[test]
fn what_is_wanted_does_not_count_where_nothing_is_done() {
    let planned = |text| Planned {
        decision: Decision::new(Action::Nothing, ""),
        wanted: Wanted::default().text("template", text),
    };
    assert_eq!(digest(&plan_of(planned("a"))), digest(&plan_of(planned("b"))));
}

#[test]
fn a_secret_counts_and_can_not_be_tried_out_without_its_key() {
    let of = |value, key| {
        let wanted = Wanted::default().secret("parameter Pin", value, key);
        digest(&plan_of(Planned { decision: Decision::new(Action::Update, ""), wanted }))
    };
    assert_ne!(of("1234", "arn"), of("1235", "arn"));
    assert_ne!(of("1234", "arn"), of("1234", "another"));
}

#[test]
fn a_secret_within_a_text_does_not_count() {
    let of = |text: &str| {
        let wanted = Wanted::default().text("parameter Url", text);
        let plan = plan_of(Planned { decision: Decision::new(Action::Update, ""), wanted });
        plan.digest(|text| Cow::Owned(text.replace("hunter2", "***").replace("hunter3", "***")))
    };
    assert_eq!(of("https://hunter2@x"), of("https://hunter3@x"));
}

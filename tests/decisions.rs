//! What is decided about a stack, for stacks in every state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pipeline::config::Reference;
use pipeline::plan::{Action, Change, ChangeKind, Replacement};
use pipeline::stack::{
    AllowReplace, Difference, Live, ParameterValue, Spec, Status, Verdict, decide, guard, holds_data,
};
use pipeline::template::Template;
use proptest::prelude::*;

const TEMPLATE: &str = "
Parameters:
  A: { Type: String, Default: a }
  B: { Type: String }
  Secret: { Type: String, NoEcho: true, Default: s }
Resources:
  Queue: { Type: AWS::SQS::Queue, Properties: { QueueName: !Ref A } }
";

fn template(text: &str) -> Arc<Template> {
    Arc::new(Template::parse("template.yaml", text).expect("a template"))
}

/// Without the parameter that can't be compared.
fn comparable() -> Arc<Template> {
    template(&TEMPLATE.replace("  Secret: { Type: String, NoEcho: true, Default: s }\n", ""))
}

fn spec(template: Arc<Template>) -> impl Strategy<Value = Spec> {
    let value = || "[ab]{0,2}";
    let tags = prop::collection::btree_map("[a-c]", "[a-c]", 0..3);
    (prop::option::of(value()), value(), tags).prop_map(move |(a, b, tags)| {
        let a = a.map(|a| ("A".to_owned(), ParameterValue::Known(a)));
        let b = ("B".to_owned(), ParameterValue::Known(b));
        Spec {
            stack_name: "shop-prod-queue".to_owned(),
            template: Arc::clone(&template),
            parameters: a.into_iter().chain([b]).collect(),
            capabilities: BTreeSet::new(),
            tags,
        }
    })
}

/// A stack that is as it should be.
fn applied(spec: &Spec, status: &str) -> Live {
    let value = |name: &String| match spec.effective(name) {
        Some(ParameterValue::Known(value)) => value,
        other => panic!("{name}: {other:?}"),
    };
    Live {
        id: "arn:aws:cloudformation:eu-west-1:1:stack/shop-prod-queue/1".to_owned(),
        status: Status(status.to_owned()),
        change_set: None,
        parameters: spec.template.parameters.keys().map(|name| (name.clone(), value(name))).collect(),
        tags: spec.tags.clone(),
        outputs: BTreeMap::new(),
        template: Some(spec.template.body.clone()),
    }
}

/// Every status that the API reference of `Stack` lists.
const STATUSES: [&str; 23] = [
    "CREATE_IN_PROGRESS",
    "CREATE_FAILED",
    "CREATE_COMPLETE",
    "ROLLBACK_IN_PROGRESS",
    "ROLLBACK_FAILED",
    "ROLLBACK_COMPLETE",
    "DELETE_IN_PROGRESS",
    "DELETE_FAILED",
    "DELETE_COMPLETE",
    "UPDATE_IN_PROGRESS",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
    "UPDATE_COMPLETE",
    "UPDATE_FAILED",
    "UPDATE_ROLLBACK_IN_PROGRESS",
    "UPDATE_ROLLBACK_FAILED",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
    "UPDATE_ROLLBACK_COMPLETE",
    "REVIEW_IN_PROGRESS",
    "IMPORT_IN_PROGRESS",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_IN_PROGRESS",
    "IMPORT_ROLLBACK_FAILED",
    "IMPORT_ROLLBACK_COMPLETE",
];

fn name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Unchanged => "nothing to do",
        Verdict::Create => "create",
        Verdict::Recreate { .. } => "delete, then create",
        Verdict::Update { .. } => "update",
        Verdict::Recover { .. } => "finish the rollback, then decide anew",
        Verdict::Busy { .. } => "wait",
        Verdict::Stuck(_) => "needs a person",
    }
}

#[test]
fn every_status_has_its_answer() {
    let wanted = Spec {
        stack_name: "shop-prod-queue".to_owned(),
        template: comparable(),
        parameters: BTreeMap::from([("B".to_owned(), ParameterValue::Known("b".to_owned()))]),
        capabilities: BTreeSet::new(),
        tags: BTreeMap::new(),
    };
    let answers = STATUSES
        .map(|status| format!("{status:<44} {}", name(&decide(&wanted, Some(&applied(&wanted, status))))));
    insta::assert_snapshot!(answers.join("\n"));
}

/// The page says what is decided, state by state.
#[test]
fn every_status_is_documented() {
    let wanted = Spec {
        stack_name: "shop-prod-queue".to_owned(),
        template: comparable(),
        parameters: BTreeMap::from([("B".to_owned(), ParameterValue::Known("b".to_owned()))]),
        capabilities: BTreeSet::new(),
        tags: BTreeMap::new(),
    };
    let mut documented = BTreeMap::new();
    for row in include_str!("../docs/states.md").lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        for status in cells[1].split(", ") {
            assert_eq!(documented.insert(status.trim_matches('`'), cells[2]), None, "{status} twice");
        }
    }
    assert_eq!(documented.len(), STATUSES.len(), "{documented:?}");
    for status in STATUSES {
        let same = decide(&wanted, Some(&applied(&wanted, status)));
        let other = Spec { tags: BTreeMap::from([("a".to_owned(), "b".to_owned())]), ..wanted.clone() };
        let differs = decide(&other, Some(&applied(&wanted, status)));
        let answer = match (&same, &differs) {
            (Verdict::Unchanged, Verdict::Update { .. }) => "update, if it differs",
            (same, differs) => {
                assert_eq!(name(same), name(differs), "{status}");
                name(same)
            }
        };
        assert_eq!(documented.get(status), Some(&answer), "{status}");
    }
}

fn change(kind: ChangeKind, replacement: Replacement, resource_type: &str) -> Change {
    Change {
        kind,
        logical_id: "Thing".to_owned(),
        resource_type: resource_type.to_owned(),
        physical_id: None,
        replacement,
        properties: Vec::new(),
        location: None,
    }
}

fn any_change() -> impl Strategy<Value = Change> {
    use ChangeKind::{Add, Dynamic, Import, Modify, Remove};
    use Replacement::{Always, Conditional, Never};
    let kinds = prop::sample::select(vec![Add, Modify, Remove, Import, Dynamic]);
    let replacements = prop::sample::select(vec![Never, Conditional, Always]);
    let types = prop::sample::select(vec!["AWS::MSK::Cluster", "AWS::Logs::LogGroup", "AWS::EC2::Subnet"]);
    (kinds, replacements, types).prop_map(|(kind, replacement, of_type)| change(kind, replacement, of_type))
}

proptest! {
    #[test]
    fn what_was_applied_needs_nothing(spec in spec(comparable())) {
        for status in ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"] {
            prop_assert_eq!(decide(&spec, Some(&applied(&spec, status))), Verdict::Unchanged);
        }
        prop_assert_eq!(decide(&spec, None), Verdict::Create);
    }

    #[test]
    fn two_wishes_that_differ_are_told_apart(one in spec(comparable()), other in spec(comparable())) {
        let live = applied(&one, "UPDATE_COMPLETE");
        let same = live.parameters == applied(&other, "").parameters && one.tags == other.tags;
        match decide(&other, Some(&live)) {
            Verdict::Unchanged => prop_assert!(same),
            Verdict::Update { differences } => {
                prop_assert!(!same);
                prop_assert_eq!(differences.contains(&Difference::Tags), one.tags != other.tags);
                for difference in differences {
                    if let Difference::Parameter { name, before, after } = difference {
                        prop_assert_eq!(live.parameters.get(&name).cloned(), before.clone());
                        prop_assert_ne!(Some(after), before);
                    }
                }
            }
            verdict => prop_assert!(false, "{:?}", verdict),
        }
    }

    #[test]
    fn another_template_is_noticed(spec in spec(comparable())) {
        let live = applied(&spec, "UPDATE_COMPLETE");
        let wanted = Spec { template: template(&comparable().text.replace("SQS::Queue", "SNS::Topic")), ..spec };
        prop_assert_eq!(
            decide(&wanted, Some(&live)),
            Verdict::Update { differences: vec![Difference::Template] }
        );
    }

    #[test]
    fn what_is_hidden_is_never_taken_for_the_same(spec in spec(template(TEMPLATE))) {
        let verdict = decide(&spec, Some(&applied(&spec, "UPDATE_COMPLETE")));
        let hidden = Difference::Hidden { name: "Secret".to_owned() };
        prop_assert_eq!(verdict, Verdict::Update { differences: vec![hidden] });
    }

    #[test]
    fn what_is_not_known_yet_is_not_decided(mut spec in spec(comparable())) {
        let live = applied(&spec, "UPDATE_COMPLETE");
        let reference = Reference::StackOutput { stack: "vpc".to_owned(), output: "VpcId".to_owned() };
        spec.parameters.insert("B".to_owned(), ParameterValue::Pending(vec![reference]));
        let decision = decide(&spec, Some(&live)).decision();
        prop_assert_eq!((decision.action, decision.reason.as_str()), (Action::Unknown, "B not known yet"));
    }

    #[test]
    fn only_a_settled_stack_is_changed(spec in spec(comparable()), status in prop::sample::select(STATUSES.to_vec())) {
        let verdict = decide(&spec, Some(&applied(&spec, status)));
        if status.ends_with("_IN_PROGRESS") && status != "REVIEW_IN_PROGRESS" {
            let is_busy = matches!(verdict, Verdict::Busy { .. });
            prop_assert!(is_busy);
        }
        if matches!(verdict, Verdict::Unchanged) {
            prop_assert!(status.ends_with("_COMPLETE") && status != "ROLLBACK_COMPLETE" && status != "DELETE_COMPLETE");
        }
    }

    #[test]
    fn nothing_that_holds_data_is_lost_without_leave(change in any_change(), retained in any::<bool>()) {
        let kept = BTreeSet::from_iter(retained.then(|| change.logical_id.clone()));
        let changes = std::slice::from_ref(&change);
        let violations = guard("msk", changes, &kept, &[]);
        let lost = match change.kind {
            ChangeKind::Remove => !retained,
            ChangeKind::Modify => change.replacement != Replacement::Never,
            ChangeKind::Dynamic => true,
            ChangeKind::Add | ChangeKind::Import => false,
        };
        prop_assert_eq!(violations.len(), usize::from(lost && holds_data(&change.resource_type)));
        let leave: AllowReplace = "msk/Thing".parse().expect("a resource");
        prop_assert!(guard("msk", changes, &kept, std::slice::from_ref(&leave)).is_empty());
        let elsewhere: AllowReplace = "alb/Thing".parse().expect("a resource");
        prop_assert_eq!(guard("msk", changes, &kept, &[elsewhere]), violations);
    }
}

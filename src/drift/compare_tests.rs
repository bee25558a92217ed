use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::config::Weight;
use crate::rollout::Tasks;
use crate::rollout::ecs::{Deployment, RolloutState, TaskDefinition};
use crate::rollout::lambda::{Alias, Setting, Snapshot, Status};
use crate::stack::PropertyDrift;

const SERVICE: &str = "arn:aws:ecs:eu-west-1:1:service/events/api";
const ALIAS: &str = "arn:aws:lambda:eu-west-1:1:function:processor:live";

fn drift(resource_type: &str, physical_id: &str, paths: &[&str]) -> ResourceDrift {
    let property = |path: &&str| PropertyDrift {
        path: (*path).to_owned(),
        expected: None,
        actual: Some("1".to_owned()),
    };
    ResourceDrift {
        logical_id: "Thing".to_owned(),
        resource_type: resource_type.to_owned(),
        physical_id: physical_id.to_owned(),
        deleted: false,
        properties: paths.iter().map(property).collect(),
    }
}

fn targets() -> [Target; 2] {
    [
        Target::Ecs(ecs::Target::new("events", "api", "api:5").expect("a target")),
        Target::Lambda { target: lambda::Target::new("processor", "live"), image: None },
    ]
}

/// The paths that are left.
fn left(drift: ResourceDrift, members: &[&str]) -> Vec<String> {
    let members = members.iter().map(|member| (*member).to_owned()).collect();
    let own = own(drift, &targets(), &members);
    own.into_iter().flat_map(|drift| drift.properties).map(|property| property.path).collect()
}

#[test]
fn what_a_release_moves_is_no_drift_of_the_stack() {
    let service =
        |id| drift("AWS::ECS::Service", id, &["TaskDefinition", "DeploymentConfiguration.MaximumPercent"]);
    assert_eq!(left(service(SERVICE), &[]), ["DeploymentConfiguration.MaximumPercent"]);
    assert_eq!(left(service("arn:aws:ecs:eu-west-1:1:service/events/other"), &[]).len(), 2);
    let alias = |id| {
        drift("AWS::Lambda::Alias", id, &["FunctionVersion", "RoutingConfig.AdditionalVersionWeights.0"])
    };
    assert!(left(alias(ALIAS), &[]).is_empty());
    assert_eq!(left(alias("arn:aws:lambda:eu-west-1:1:function:processor:other"), &[]).len(), 2);
}

#[test]
fn how_many_tasks_run_is_drift_only_where_nothing_scales() {
    let service = || drift("AWS::ECS::Service", SERVICE, &["DesiredCount"]);
    assert_eq!(left(service(), &[]), ["DesiredCount"]);
    assert!(left(service(), &["service/events/api|ecs:service:DesiredCount|ecs"]).is_empty());
    assert_eq!(left(service(), &["service/events/other-api|ecs:service:DesiredCount|ecs"]), ["DesiredCount"]);
}

fn running(revision: &str, state: RolloutState, tasks: Tasks) -> Service {
    Service {
        target_groups: Vec::new(),
        name: "api".to_owned(),
        tasks,
        primary: Deployment {
            id: "ecs-svc/1".to_owned(),
            task_definition: TaskDefinition::parse(revision).expect("a revision"),
            state,
            reason: None,
            tasks,
            created_at: 0,
        },
        others: Vec::new(),
        breaker: true,
        events: Vec::new(),
    }
}

#[test]
fn only_another_revision_is_drift_of_a_service() {
    let target = ecs::Target::new("events", "api", "api:5").expect("a target");
    let all = Tasks { running: 2, desired: 2 };
    let told = |revision, state, tasks| {
        let found = service("api", &running(revision, state, tasks), &target);
        format!("{:?} {:?} {:?}", found.state, found.differences, found.note)
    };
    insta::assert_snapshot!([
        told("api:5", RolloutState::Completed, all),
        told("api:4", RolloutState::Completed, all),
        told("api:5", RolloutState::InProgress, all),
        told("api:5", RolloutState::Completed, Tasks { running: 1, desired: 2 }),
    ].join("\n"), @r#"
    InSync [] None
    Drifted ["service runs revision 4, stack defines 5"] None
    InSync [] Some("deployment of revision 5 is under way")
    InSync [] Some("revision 5 is to run, and 1 of 2 tasks do")
    "#);
}

fn snapshot(version: &str, code: &str, memory: &str) -> Snapshot {
    Snapshot {
        version: version.to_owned(),
        code: Code::Digest(format!("sha256:{}", code.repeat(64))),
        settings: BTreeMap::from([("MemorySize".to_owned(), Setting::Shown(memory.to_owned()))]),
        code_sha256: None,
        revision_id: None,
        status: Status::default(),
        description: None,
    }
}

fn found(live: Snapshot, latest: Snapshot, weights: &[(&str, f64)]) -> Function {
    let weights =
        weights.iter().map(|(version, weight)| ((*version).to_owned(), Weight::of(*weight))).collect();
    let alias = Alias { name: "live".to_owned(), version: live.version.clone(), weights, revision_id: None };
    Function { latest, live, alias }
}

#[test]
fn an_alias_and_the_code_behind_it_are_compared() {
    let image = |code: &str| ("Image".to_owned(), format!("repo@sha256:{}", code.repeat(64)));
    let told = |function: &Function, given: &str| {
        let found = super::function("processor", function, Some(&image(given)));
        let marks = [(found.canary, " canary"), (found.by_hand.is_some(), " by hand")];
        let marks: String = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect();
        format!("{:?}{marks}: {}", found.state, found.differences.join("; "))
    };
    let seven = || snapshot("7", "a", "128");
    insta::assert_snapshot!([
        told(&found(seven(), seven(), &[]), "a"),
        told(&found(seven(), snapshot("$LATEST", "a", "256"), &[]), "a"),
        told(&found(seven(), seven(), &[("8", 0.1)]), "a"),
        told(&found(seven(), snapshot("$LATEST", "b", "128"), &[("8", 0.1)]), "b"),
        told(&found(snapshot("$LATEST", "a", "128"), seven(), &[]), "a"),
        told(&found(seven(), seven(), &[]), "b"),
    ].join("\n"), @"
    InSync: 
    Drifted: alias live points at version 7, the stack defines another: configuration changed: MemorySize 128 → 256
    Drifted canary: alias live sends 10 % of the calls to version 8
    Drifted canary: alias live points at version 7, the stack defines another: code changed: sha256:aaaaaaaaaaaa → sha256:bbbbbbbbbbbb; alias live sends 10 % of the calls to version 8
    Drifted: alias live points at $LATEST, not at a version
    Drifted by hand: the function runs sha256:aaaaaaaaaaaa, the stack's Image says sha256:bbbbbbbbbbbb
    ");
}

#[test]
fn an_image_without_a_digest_tells_nothing() {
    let by_tag = ("Image".to_owned(), "repo:latest".to_owned());
    let function = found(snapshot("7", "a", "128"), snapshot("$LATEST", "a", "128"), &[]);
    assert_eq!(super::function("processor", &function, Some(&by_tag)).state, State::InSync);
}

proptest! {
    #[test]
    fn nothing_but_what_others_write_is_left_out(
        kind in prop::sample::select(vec!["AWS::ECS::Service", "AWS::Lambda::Alias", "AWS::SQS::Queue"]),
        id in prop::sample::select(vec![SERVICE, ALIAS, "https://sqs/queue"]),
        paths in prop::collection::vec(
            prop::sample::select(vec!["TaskDefinition", "DesiredCount", "FunctionVersion", "RoutingConfig.A", "Name"]),
            1..5,
        ),
        deleted in any::<bool>(),
    ) {
        let given = ResourceDrift { deleted, ..drift(kind, id, &paths) };
        let kept = own(given.clone(), &targets(), &BTreeSet::new());
        let others = |path: &str| match (kind, id) {
            ("AWS::ECS::Service", SERVICE) => path == "TaskDefinition",
            ("AWS::Lambda::Alias", ALIAS) => path == "FunctionVersion" || path.starts_with("RoutingConfig"),
            _ => false,
        };
        let wanted: Vec<_> = given.properties.iter().filter(|property| !others(&property.path)).cloned().collect();
        match kept {
            Some(kept) if deleted => prop_assert_eq!(kept, given),
            Some(kept) => prop_assert_eq!(kept.properties, wanted),
            None => prop_assert!(!deleted && wanted.is_empty()),
        }
    }
}

//! Plans as they are commented on pull requests.

use pipeline::event::{Command, Event, Outcome, RunResult};
use pipeline::location::Location;
use pipeline::plan::{Action, Change, ChangeKind, Decision, PropertyChange, Replacement};

use super::scenarios::{
    Timed, add, begin, change, decide, done, end, finish, finish_plan, id, property, started, started_with,
    unchanged,
};

/// Steps of a plan that are decided, and end as planned.
fn planned<'a>(decisions: impl IntoIterator<Item = (&'a str, Decision)>) -> Vec<Timed> {
    let events = |(step, decision): (&str, Decision)| {
        [begin(900, step), decide(2_000, step, decision), end(2_100, step, done("planned"), 1_200)]
    };
    decisions.into_iter().flat_map(events).collect()
}

fn plan(of: (&str, &str), steps: &[&str], same: &[&str], decisions: Vec<(&str, Decision)>) -> Vec<Timed> {
    let steps: Vec<(&str, &[&str])> = steps.iter().map(|step| (*step, [].as_slice())).collect();
    let mut events = vec![started_with(Command::Plan, of, &steps)];
    events.extend(unchanged(100, same));
    events.extend(planned(decisions));
    events.push(finish_plan(2_400));
    events
}

fn at(change: Change, file: &str, line: usize) -> Change {
    Change { location: Some(Location { file: file.to_owned(), line }), ..change }
}

fn modified(name: &str, properties: Vec<PropertyChange>) -> Change {
    change(ChangeKind::Modify, name, Some("live-name"), Replacement::Never, properties)
}

const COMMIT: &str = "9b1d0c5e2f1a4b3c8d7e6f5a4b3c2d1e0f9a8b7c";

const STEPS: [&str; 8] = [
    "stack/vpc",
    "stack/ecr",
    "stack/alb",
    "image/api",
    "stack/msk",
    "stack/ecs",
    "rollout/api",
    "rollout/event-processor",
];

pub fn first_deployment() -> Vec<Timed> {
    let create =
        |changes: Vec<Change>| Decision::new(Action::Create, "stack does not exist").with_changes(changes);
    let waits = |reason: &str, values: &[&str]| {
        Decision::new(Action::Unknown, reason).waiting_for(values.iter().map(ToString::to_string).collect())
    };
    let subnets = (b'A'..=b'F').map(|n| add(&format!("AWS::EC2::Subnet Private{}", char::from(n))));
    let vpc = [add("AWS::EC2::VPC Vpc"), add("AWS::EC2::InternetGateway Gateway")].into_iter().chain(subnets);
    let mut events = vec![started(Command::Plan)];
    events.extend(planned([
        ("stack/vpc", create(vpc.collect())),
        ("stack/ecr", create(vec![add("AWS::ECR::Repository ApiRepository")])),
        ("image/api", Decision::new(Action::Build, "no image of these inputs is in the repository")),
        ("stack/alb", waits("stack does not exist", &["stacks.vpc.VpcId", "stacks.vpc.PublicSubnetIds"])),
        ("stack/msk", waits("stack does not exist", &["stacks.vpc.PrivateSubnetIds"])),
        ("stack/ecs", waits("stack does not exist", &["stacks.alb.TargetGroupArn", "workloads.api.image"])),
        (
            "rollout/api",
            waits("follows what its stack defines", &["stacks.ecs.TaskDefinitionArn"])
                .with_strategy("rolling deployment".to_owned()),
        ),
    ]));
    events.push(finish_plan(3_200));
    events
}

pub fn nothing_to_do() -> Vec<Timed> {
    let mut events = vec![started(Command::Plan)];
    events.extend(unchanged(
        100,
        &["stack/vpc", "stack/ecr", "image/api", "stack/alb", "stack/msk", "stack/ecs", "rollout/api"],
    ));
    events.push(finish(640, RunResult::Unchanged));
    events
}

pub fn one_line_of_the_api() -> Vec<Timed> {
    let ecs = Decision::new(Action::Unknown, "ApiImage not known yet")
        .waiting_for(vec!["workloads.api.image".into()]);
    let rollout = Decision::new(Action::Unknown, "follows what its stack defines")
        .waiting_for(vec!["stacks.ecs.TaskDefinitionArn".into()])
        .with_strategy("rolling deployment, taken back on an alarm within 2m after it".to_owned());
    plan(
        (COMMIT, "Answer 202 to events that are taken"),
        &STEPS,
        &["stack/vpc", "stack/ecr", "stack/alb", "stack/msk", "rollout/event-processor"],
        vec![
            ("image/api", Decision::new(Action::Build, "no image of these inputs is in the repository")),
            ("stack/ecs", ecs),
            ("rollout/api", rollout),
        ],
    )
}

pub fn one_property_of_ecs() -> Vec<Timed> {
    let task = change(
        ChangeKind::Modify,
        "AWS::ECS::TaskDefinition TaskDefinition",
        Some("events-prod-api:7"),
        Replacement::Always,
        vec![property("Memory", Some("512"), Some("1024"), Replacement::Always)],
    );
    let ecs = Decision::new(Action::Update, "template changed").with_changes(vec![at(
        task,
        "stacks/ecs/template.yaml",
        142,
    )]);
    let rollout = Decision::new(Action::Unknown, "follows what its stack defines")
        .waiting_for(vec!["stacks.ecs.TaskDefinitionArn".into()])
        .with_strategy("rolling deployment".to_owned());
    plan(
        (COMMIT, "Give the API a gigabyte"),
        &STEPS,
        &["stack/vpc", "stack/ecr", "stack/alb", "image/api", "stack/msk", "rollout/event-processor"],
        vec![("stack/ecs", ecs), ("rollout/api", rollout)],
    )
}

pub fn canary_of_a_function() -> Vec<Timed> {
    let image = |end: &str| {
        format!("111111111111.dkr.ecr.eu-west-1.amazonaws.com/events@sha256:{}{end}", "ab".repeat(30))
    };
    let function = modified(
        "AWS::Lambda::Function Function",
        vec![property("Code.ImageUri", Some(&image("0001")), Some(&image("0002")), Replacement::Never)],
    );
    let lambda = Decision::new(Action::Update, "parameter EventProcessorImage changed")
        .with_changes(vec![at(function, "stacks/lambda/template.yaml", 88)]);
    let rollout = Decision::new(Action::Unknown, "follows what its stack defines")
        .waiting_for(vec!["stack/lambda".into()])
        .with_strategy("canary: 10 % for 5m, 50 % for 5m, then all, taken back on an alarm".to_owned());
    plan(
        (COMMIT, "Process orders twice as fast"),
        &["image/event-processor", "stack/lambda", "rollout/event-processor"],
        &["image/event-processor"],
        vec![("stack/lambda", lambda), ("rollout/event-processor", rollout)],
    )
}

pub fn values_not_known_yet() -> Vec<Timed> {
    let group = change(
        ChangeKind::Dynamic,
        "AWS::EC2::SecurityGroup Tasks",
        Some("sg-0a1b"),
        Replacement::Conditional,
        vec![property("VpcId", Some("vpc-1"), None, Replacement::Conditional)],
    );
    let listener = change(
        ChangeKind::Dynamic,
        "AWS::ElasticLoadBalancingV2::ListenerRule Rule",
        Some("arn:rule"),
        Replacement::Never,
        vec![property("Actions", None, None, Replacement::Never)],
    );
    let alb = Decision::new(Action::Update, "template changed; parameters VpcId and SubnetIds not known yet")
        .with_changes(vec![group, listener])
        .waiting_for(vec!["stacks.vpc.VpcId".into(), "stacks.vpc.PublicSubnetIds".into()]);
    plan((COMMIT, "Move to another network"), &["stack/alb"], &[], vec![("stack/alb", alb)])
}

/// A plan that no comment holds: 60 stacks with 60 changed resources each, some of which are lost.
pub fn very_large() -> Vec<Timed> {
    let names: Vec<String> = (0..60).map(|n| format!("stack/service-{n:02}")).collect();
    let steps: Vec<&str> = names.iter().map(String::as_str).collect();
    let resource = |n: usize| match n % 20 {
        0 => change(
            ChangeKind::Modify,
            &format!("AWS::RDS::DBInstance Database{n}"),
            Some(&format!("database-{n}")),
            Replacement::Always,
            vec![
                property("DBSubnetGroupName", Some("old"), Some("new"), Replacement::Always),
                property("BackupRetentionPeriod", Some("7"), Some("14"), Replacement::Never),
            ],
        ),
        1..10 => add(&format!("AWS::SQS::Queue Queue{n}")),
        _ => modified(
            &format!("AWS::Lambda::Function Function{n}"),
            (0..12)
                .map(|p| {
                    property(&format!("Environment.Variables.V{p}"), Some("a"), Some("b"), Replacement::Never)
                })
                .collect(),
        ),
    };
    let update =
        || Decision::new(Action::Update, "template changed").with_changes((0..60).map(resource).collect());
    plan((COMMIT, "Move everything"), &steps, &[], steps.iter().map(|step| (*step, update())).collect())
}

/// A text in every place where texts come from outside.
pub fn hostile(text: &str) -> Vec<Timed> {
    let failure = pipeline::failure::Failure::new(text).detail(text).detail(format!("at {text}")).hint(text);
    let name = || format!("AWS::{text} {text}");
    let gone = Change {
        kind: ChangeKind::Remove,
        logical_id: text.to_owned(),
        resource_type: format!("AWS::{text}"),
        physical_id: Some(format!("{text}!")),
        replacement: Replacement::Never,
        properties: vec![
            property(text, Some(text), Some(&format!("{text}.")), Replacement::Always),
            property(text, None, Some(text), Replacement::Conditional),
        ],
        location: Some(Location { file: text.to_owned(), line: 3 }),
    };
    let update = Decision::new(Action::Update, text)
        .with_changes(vec![gone, Change { logical_id: name(), ..add("AWS::SQS::Queue Queue") }])
        .waiting_for(vec![text.to_owned()]);
    let mut events =
        vec![started_with(Command::Plan, (COMMIT, text), &[("stack/ecs", &[]), ("image/api", &[])])];
    events.extend([
        begin(1, "stack/ecs"),
        decide(2, "stack/ecs", update.clone()),
        (3, Event::Log { step: id("stack/ecs"), line: text.to_owned() }),
        end(4, "stack/ecs", Outcome::Failed { failure }, 3),
        begin(5, "image/api"),
        decide(6, "image/api", update),
        end(7, "image/api", done(text), 2),
        (8, Event::Warning { step: None, message: text.to_owned() }),
        (
            9,
            Event::Finished {
                result: RunResult::Failed,
                millis: 9,
                url: Some(text.to_owned()),
                newer: Some(text.to_owned()),
                digest: None,
            },
        ),
    ]);
    events
}

//! Plans and runs as the executor tells of them.

use pipeline::event::{Command, Event, Outcome, Revision, RunResult, Unit};
use pipeline::failure::Failure;
use pipeline::plan::Step;
use pipeline::plan::{Action, Change, ChangeKind, Decided, Decision, PropertyChange, Replacement, StepId};

/// An event and when it comes, in milliseconds since the start.
pub type Timed = (i64, Event);

pub fn id(text: &str) -> StepId {
    text.parse().unwrap()
}

pub fn started(command: Command) -> Timed {
    let commit = ("3f2a91c0d1e2f3a4b5c6d7e8f90a1b2c3d4e5f60", "Give the brokers more memory");
    let steps = [
        ("stack/vpc", [].as_slice()),
        ("stack/ecr", &[]),
        ("image/api", &["stack/ecr"]),
        ("stack/alb", &["stack/vpc"]),
        ("stack/msk", &["stack/vpc"]),
        ("stack/ecs", &["stack/alb", "stack/msk", "image/api"]),
        ("rollout/api", &["stack/ecs"]),
    ];
    started_with(command, commit, &steps)
}

/// The first event for a commit, its subject, and steps with what they need.
pub fn started_with(command: Command, (commit, subject): (&str, &str), steps: &[(&str, &[&str])]) -> Timed {
    let step =
        |name: &str, needs: &[&str]| Step { id: id(name), needs: needs.iter().map(|n| id(n)).collect() };
    let steps = steps.iter().map(|(name, needs)| step(name, needs)).collect();
    let revision = Revision {
        commit: commit.to_owned(),
        subject: subject.to_owned(),
        tree: "9b1d0c".to_owned(),
        dirty: false,
    };
    (0, Event::Started { command, project: "events".into(), environment: "prod".into(), revision, steps })
}

pub fn begin(at: i64, step: &str) -> Timed {
    (at, Event::StepStarted { step: id(step) })
}

pub fn decide(at: i64, step: &str, decision: Decision) -> Timed {
    (at, Event::StepDecided { step: id(step), decision })
}

pub fn act(at: i64, step: &str, text: &str) -> Timed {
    (at, Event::Activity { step: id(step), text: text.into() })
}

pub fn progress(at: i64, step: &str, done: u64, total: u64, unit: Unit) -> Timed {
    (at, Event::Progress { step: id(step), done, total: Some(total), unit })
}

pub fn log(at: i64, step: &str, line: &str) -> Timed {
    (at, Event::Log { step: id(step), line: line.into() })
}

pub fn resource(at: i64, step: &str, name: &str, status: &str, reason: Option<&str>) -> Timed {
    let (resource_type, logical_id) = name.split_once(' ').unwrap();
    let (resource_type, logical_id) = (resource_type.to_owned(), logical_id.to_owned());
    let (status, reason) = (status.to_owned(), reason.map(ToOwned::to_owned));
    (at, Event::Resource { step: id(step), logical_id, resource_type, status, reason })
}

pub fn end(at: i64, step: &str, outcome: Outcome, millis: u64) -> Timed {
    (at, Event::StepFinished { step: id(step), outcome, millis })
}

pub fn done(summary: &str) -> Outcome {
    Outcome::Done { summary: summary.into() }
}

pub fn finish(at: i64, result: RunResult) -> Timed {
    (at, Event::Finished { result, millis: at.unsigned_abs(), url: None, newer: None, digest: None })
}

const DIGEST: &str = "0123456789abcdef0123456789abcdef-000111222333444555666";

/// The end of a plan that found something to do.
pub fn finish_plan(at: i64) -> Timed {
    finish_with_digest(at, RunResult::Changed)
}

fn finish_with_digest(at: i64, result: RunResult) -> Timed {
    let digest = Some(DIGEST.parse().expect("a digest"));
    (at, Event::Finished { result, millis: at.unsigned_abs(), url: None, newer: None, digest })
}

pub fn add(name: &str) -> Change {
    change(ChangeKind::Add, name, None, Replacement::Never, vec![])
}

pub fn change(
    kind: ChangeKind,
    name: &str,
    physical_id: Option<&str>,
    replacement: Replacement,
    properties: Vec<PropertyChange>,
) -> Change {
    let (resource_type, logical_id) = name.split_once(' ').unwrap();
    Change {
        kind,
        logical_id: logical_id.into(),
        resource_type: resource_type.into(),
        physical_id: physical_id.map(Into::into),
        replacement,
        properties,
        location: None,
    }
}

pub fn property(
    path: &str,
    before: Option<&str>,
    after: Option<&str>,
    replacement: Replacement,
) -> PropertyChange {
    let (before, after) = (before.map(Into::into), after.map(Into::into));
    PropertyChange { path: path.into(), before, after, replacement }
}

pub fn first_deployment() -> Vec<Timed> {
    let create = || Decision::new(Action::Create, "stack does not exist");
    let vpc = create().with_changes(vec![
        add("AWS::EC2::VPC Vpc"),
        add("AWS::EC2::Subnet PublicA"),
        add("AWS::EC2::Subnet PublicB"),
        add("AWS::EC2::NatGateway Nat"),
    ]);
    vec![
        started(Command::Run),
        begin(10, "stack/vpc"),
        begin(10, "stack/ecr"),
        begin(10, "image/api"),
        decide(400, "stack/vpc", vpc),
        decide(420, "stack/ecr", create()),
        decide(430, "image/api", Decision::new(Action::Build, "4be0c2d is not in the registry")),
        act(440, "image/api", "building"),
        act(440, "stack/vpc", "creating"),
        resource(1_000, "stack/vpc", "AWS::EC2::VPC Vpc", "CREATE_IN_PROGRESS", None),
        resource(
            1_900,
            "stack/vpc",
            "AWS::EC2::VPC Vpc",
            "CREATE_IN_PROGRESS",
            Some("Resource creation Initiated"),
        ),
        log(2_000, "image/api", "\u{1b}[32m   Compiling\u{1b}[0m serde v1.0.229"),
        log(4_000, "image/api", "   Compiling api v0.1.0 (/src/workloads/api)"),
        resource(5_000, "stack/vpc", "AWS::EC2::VPC Vpc", "CREATE_COMPLETE", None),
        progress(5_000, "stack/vpc", 1, 4, Unit::Resources),
        end(5_100, "stack/ecr", done("2 resources created"), 5_090),
        resource(6_000, "stack/vpc", "AWS::EC2::Subnet PublicA", "CREATE_IN_PROGRESS", None),
        resource(6_000, "stack/vpc", "AWS::EC2::Subnet PublicB", "CREATE_IN_PROGRESS", None),
        act(7_000, "image/api", "pushing"),
        progress(7_500, "image/api", 12_582_912, 83_886_080, Unit::Bytes),
        resource(9_500, "stack/vpc", "AWS::EC2::Subnet PublicA", "CREATE_COMPLETE", None),
        resource(9_600, "stack/vpc", "AWS::EC2::Subnet PublicB", "CREATE_COMPLETE", None),
        progress(9_600, "stack/vpc", 3, 4, Unit::Resources),
        resource(9_900, "stack/vpc", "AWS::EC2::NatGateway Nat", "CREATE_IN_PROGRESS", None),
        end(11_000, "image/api", done("api@sha256:8d1f…"), 10_990),
        // A gateway takes its time: the outputs have to say that something is still going on.
        resource(95_000, "stack/vpc", "AWS::EC2::NatGateway Nat", "CREATE_COMPLETE", None),
        end(96_300, "stack/vpc", done("4 resources created"), 96_290),
        begin(96_310, "stack/alb"),
        begin(96_310, "stack/msk"),
        decide(96_400, "stack/alb", create()),
        decide(96_400, "stack/msk", create()),
        (
            97_000,
            Event::Warning {
                step: Some(id("stack/alb")),
                message: "no certificate given: the listener speaks plain HTTP".into(),
            },
        ),
        end(140_000, "stack/alb", done("5 resources created"), 43_690),
        end(150_000, "stack/msk", done("3 resources created"), 53_690),
        begin(150_010, "stack/ecs"),
        decide(150_200, "stack/ecs", create()),
        end(170_000, "stack/ecs", done("9 resources created"), 19_990),
        begin(170_010, "rollout/api"),
        decide(170_300, "rollout/api", Decision::new(Action::Nothing, "the service runs events-prod-api:1")),
        end(170_310, "rollout/api", Outcome::Unchanged, 300),
        (
            170_400,
            Event::Finished {
                result: RunResult::Changed,
                millis: 170_400,
                url: Some("https://events.example.com".into()),
                newer: None,
                digest: None,
            },
        ),
    ]
}

const ALL: [&str; 7] =
    ["stack/vpc", "stack/ecr", "image/api", "stack/alb", "stack/msk", "stack/ecs", "rollout/api"];

pub fn unchanged(at: i64, steps: &[&str]) -> Vec<Timed> {
    let nothing = || Decision::new(Action::Nothing, "as wanted");
    let events = |step: &&str| {
        let look = act(at, step, "looking at what is live");
        [
            begin(at, step),
            look,
            decide(at + 100, step, nothing()),
            end(at + 100, step, Outcome::Unchanged, 100),
        ]
    };
    steps.iter().flat_map(events).collect()
}

pub fn nothing_to_do() -> Vec<Timed> {
    let mut events = vec![started(Command::Run)];
    events.extend(unchanged(200, &ALL));
    events.push(finish(850, RunResult::Unchanged));
    events
}

pub fn failed_stack() -> Vec<Timed> {
    let service = "AWS::ECS::Service Service";
    let image = "events-api@sha256:";
    let image =
        |end: &str| format!("123456789012.dkr.ecr.eu-west-1.amazonaws.com/{image}{}{end}", "ab".repeat(30));
    let image = property("Image", Some(&image("0001")), Some(&image("0002")), Replacement::Always);
    let update = Decision::new(Action::Update, "parameter ApiImage changed").with_changes(vec![
        change(ChangeKind::Modify, service, Some("events-prod-api"), Replacement::Never, vec![]),
        change(
            ChangeKind::Modify,
            "AWS::ECS::TaskDefinition Task",
            Some("events-prod-api:7"),
            Replacement::Always,
            vec![image],
        ),
    ]);
    let failure =
        Failure::new("update of events-prod-ecs failed and was rolled back: Service did not become stable")
            .detail("Service (AWS::ECS::Service) UPDATE_FAILED: ECS Deployment Circuit Breaker was triggered")
            .detail("task 4f0c stopped: Essential container in task exited with code 101")
            .detail("its log: thread 'main' panicked at src/main.rs:14: KAFKA_BROKERS is not set")
            .hint("give KAFKA_BROKERS to the task in stacks/ecs/template.yaml, commit, and run again");
    let mut events = vec![started(Command::Run)];
    events.extend(unchanged(200, &["stack/vpc", "stack/ecr", "stack/alb", "stack/msk"]));
    events.extend([
        begin(400, "image/api"),
        decide(600, "image/api", Decision::new(Action::Build, "workloads/api changed")),
        end(31_000, "image/api", done("events-api@sha256:abab…"), 30_600),
        begin(31_010, "stack/ecs"),
        decide(33_000, "stack/ecs", update),
        act(33_100, "stack/ecs", "updating"),
        resource(36_000, "stack/ecs", "AWS::ECS::TaskDefinition Task", "UPDATE_COMPLETE", None),
        resource(38_000, "stack/ecs", service, "UPDATE_IN_PROGRESS", None),
        resource(
            190_000,
            "stack/ecs",
            service,
            "UPDATE_FAILED",
            Some("ECS Deployment Circuit Breaker was triggered"),
        ),
        resource(
            190_100,
            "stack/ecs",
            "AWS::ECS::Service Other",
            "UPDATE_FAILED",
            Some("Resource update cancelled"),
        ),
        act(190_500, "stack/ecs", "rolling back"),
        resource(191_000, "stack/ecs", service, "UPDATE_IN_PROGRESS", None),
        end(250_000, "stack/ecs", Outcome::Failed { failure }, 218_990),
        end(250_000, "rollout/api", Outcome::Blocked { by: id("stack/ecs") }, 0),
        finish(250_010, RunResult::Failed),
    ]);
    events
}

pub fn failed_build() -> Vec<Timed> {
    let failure = Failure::new("building image/api failed: `cargo build --release -p api` exited with 101")
        .hint("see its log above; the same command reproduces it in the checkout");
    let mut events = vec![started(Command::Run)];
    events.extend(unchanged(200, &["stack/vpc", "stack/ecr", "stack/alb", "stack/msk"]));
    events.push(begin(400, "image/api"));
    events.push(decide(500, "image/api", Decision::new(Action::Build, "workloads/api changed")));
    events
        .extend((0..30).map(|n| log(1_000 + n, "image/api", &format!("   Compiling dependency-{n} v0.1.0"))));
    let error =
        ["error[E0425]: cannot find value `brokers` in this scope", "  --> workloads/api/src/main.rs:14:9"];
    events.extend(error.map(|line| log(2_000, "image/api", line)));
    events.extend([
        end(2_500, "image/api", Outcome::Failed { failure }, 2_100),
        end(2_500, "stack/ecs", Outcome::Blocked { by: id("image/api") }, 0),
        end(2_500, "rollout/api", Outcome::Blocked { by: id("stack/ecs") }, 0),
        finish(2_510, RunResult::Failed),
    ]);
    events
}

pub fn plan_with_replacement() -> Vec<Timed> {
    let policy = |effect: &str| {
        let padding = r#""Principal":{"AWS":"*"},"Action":["kafka:DescribeCluster"],"Resource":"arn:aws:kafka:eu-west-1:123456789012:cluster/*""#;
        format!(r#"{{"Version":"2012-10-17","Statement":[{{{padding},"Effect":"{effect}",{padding}}}]}}"#)
    };
    let msk = Decision::new(Action::Update, "template changed").with_changes(vec![
        add("AWS::MSK::Topic Clicks"),
        add("AWS::MSK::Topic Orders"),
        change(
            ChangeKind::Modify,
            "AWS::EC2::SecurityGroup Brokers",
            Some("sg-0a1b"),
            Replacement::Conditional,
            vec![
                property("VpcId", Some("vpc-1"), None, Replacement::Conditional),
                property("GroupDescription", None, Some("Who may reach\nthe brokers"), Replacement::Never),
            ],
        ),
        change(
            ChangeKind::Modify,
            "AWS::MSK::ClusterPolicy Policy",
            None,
            Replacement::Never,
            vec![property("Policy", Some(&policy("Allow")), Some(&policy("Deny")), Replacement::Never)],
        ),
        change(ChangeKind::Remove, "AWS::MSK::Topic Audit", Some("audit"), Replacement::Never, vec![]),
        change(
            ChangeKind::Modify,
            "AWS::MSK::Cluster Cluster",
            Some("arn:aws:kafka:eu-west-1:123456789012:cluster/events-prod/8a1c"),
            Replacement::Always,
            vec![property(
                "BrokerNodeGroupInfo.InstanceType",
                Some("kafka.m5.large"),
                Some("express.m7g.large"),
                Replacement::Always,
            )],
        ),
    ]);
    let subnets = (b'A'..=b'F').map(|n| add(&format!("AWS::EC2::Subnet Private{}", char::from(n))));
    let alb = Decision::new(Action::Create, "stack does not exist").with_changes(
        subnets
            .chain([
                add("AWS::ElasticLoadBalancingV2::LoadBalancer LoadBalancer"),
                add("AWS::ElasticLoadBalancingV2::Listener Http"),
                add("AWS::ElasticLoadBalancingV2::Listener Https"),
                add("AWS::EC2::SecurityGroup Public"),
            ])
            .collect(),
    );
    let ecs = Decision::new(Action::Unknown, "")
        .waiting_for(vec!["stacks.msk.BootstrapBrokers".into(), "workloads.api.image".into()]);
    let mut events = vec![started(Command::Plan)];
    events.extend(unchanged(100, &["stack/vpc", "stack/ecr"]));
    let decided = [
        ("image/api", Decision::new(Action::Build, "workloads/api/src/main.rs changed")),
        ("stack/alb", alb),
        ("stack/msk", msk),
        ("stack/ecs", ecs),
        (
            "rollout/api",
            Decision::new(Action::Unknown, "").waiting_for(vec!["stacks.ecs.TaskDefinitionArn".into()]),
        ),
    ];
    for (step, decision) in decided {
        let planned =
            [begin(900, step), decide(2_000, step, decision), end(2_100, step, done("planned"), 1_200)];
        events.extend(planned);
    }
    events.push((
        2_500,
        Event::Warning { step: None, message: "the branch is 2 commits behind origin/main".into() },
    ));
    events.push(finish_plan(3_200));
    events
}

/// A run that has to have a plan which has changed since.
pub fn refused() -> Vec<Timed> {
    let property = property("HealthCheckIntervalSeconds", Some("5"), Some("6"), Replacement::Never);
    let group = "AWS::ElasticLoadBalancingV2::TargetGroup TargetGroup";
    let alb = Decision::new(Action::Update, "template changed").with_changes(vec![change(
        ChangeKind::Modify,
        group,
        Some("targetgroup/api/1"),
        Replacement::Never,
        vec![property],
    )]);
    let decided = |step: &str, decision| Decided { step: id(step), decision };
    let required = DIGEST.replace('a', "b").parse().expect("a digest");
    let steps = vec![
        decided("stack/alb", alb),
        decided("rollout/api", Decision::new(Action::Nothing, "service runs revision 7")),
    ];
    vec![
        started(Command::Run),
        (2_900, Event::PlanDiffers { required, steps, gone_or_new: 0 }),
        finish_with_digest(3_000, RunResult::Refused),
    ]
}

pub fn failed_plan() -> Vec<Timed> {
    let failure = Failure::new("change set of events-prod-msk could not be made: 2 validation errors")
        .detail("Cluster: property NumberOfBrokerNodes has to be a multiple of 3, is 4")
        .detail("Cluster: KafkaVersion 2.1 is not supported")
        .hint("correct stacks/msk/template.yaml");
    let mut events = vec![started(Command::Plan)];
    events.extend(unchanged(100, &["stack/vpc", "stack/ecr", "stack/alb", "image/api"]));
    events.extend([
        begin(300, "stack/msk"),
        decide(900, "stack/msk", Decision::new(Action::Update, "template changed")),
        end(3_000, "stack/msk", Outcome::Failed { failure }, 2_700),
        end(3_000, "stack/ecs", Outcome::Blocked { by: id("stack/msk") }, 0),
        end(3_000, "rollout/api", Outcome::Blocked { by: id("stack/ecs") }, 0),
        finish(3_100, RunResult::Failed),
    ]);
    events
}

pub fn interrupted_canary() -> Vec<Timed> {
    let summary = Some("alias live is back at version 6; the next run begins again".to_owned());
    let mut events = vec![started(Command::Run)];
    events.extend(unchanged(
        100,
        &["stack/vpc", "stack/ecr", "stack/alb", "image/api", "stack/msk", "stack/ecs"],
    ));
    events.extend([
        begin(300, "rollout/api"),
        decide(400, "rollout/api", Decision::new(Action::Roll, "code changed: sha256:a1 → sha256:b2")),
        act(900, "rollout/api", "version 7 gets 10 % of the calls for 5m (step 1 of 2)"),
        act(300_900, "rollout/api", "version 7 gets 50 % of the calls for 5m (step 2 of 2)"),
        act(420_000, "rollout/api", "going back to version 6"),
        end(420_300, "rollout/api", Outcome::Interrupted { summary }, 420_000),
        finish(420_310, RunResult::Interrupted),
    ]);
    events
}

pub fn interrupted() -> Vec<Timed> {
    let mut events = vec![started(Command::Run)];
    events.extend(unchanged(100, &["stack/vpc", "stack/ecr", "stack/alb"]));
    events.extend([
        begin(300, "image/api"),
        begin(300, "stack/msk"),
        decide(900, "stack/msk", Decision::new(Action::Update, "template changed")),
        act(950, "stack/msk", "updating events-prod-msk"),
        decide(1_000, "image/api", Decision::new(Action::Build, "workloads/api changed")),
        end(20_000, "image/api", done("events-api@sha256:abab…"), 19_700),
        end(61_000, "stack/msk", Outcome::Interrupted { summary: None }, 60_700),
        end(61_000, "stack/ecs", Outcome::Interrupted { summary: None }, 0),
        end(61_000, "rollout/api", Outcome::Interrupted { summary: None }, 0),
        finish(61_010, RunResult::Interrupted),
    ]);
    events
}

//! Runs that are told and did not happen: what a server would have stored of them, in its own store. For what can't be had
//! from the local cloud in a test's time, and to be the same each time.

use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pipeline::event::RunResult;
use pipeline::store::{Cause, Claim, Ending, Place, Request, Store};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

pub(crate) const COMMIT: &str = "3f2a91c4d5e6f708192a3b4c5d6e7f8091a2b3c4";
pub(crate) const NEWER: &str = "9b04e7712233445566778899aabbccddeeff0011";

/// A store that runs are told to.
pub(crate) struct Teller {
    store: Store,
    runtime: Runtime,
}

impl Teller {
    pub(crate) fn open(state: &Path) -> Self {
        std::fs::create_dir_all(state).expect("a directory");
        let runtime = Runtime::new().expect("a runtime");
        let place = Place::Sqlite(state.join("pipeline.db"));
        Self { store: runtime.block_on(Store::open(&place)).expect("a store"), runtime }
    }

    /// Has a run wait.
    pub(crate) fn queue(&self, environment: &str, commit: &str) -> i64 {
        let request = Request {
            repository: "octo/shop".to_owned(),
            environment: environment.to_owned(),
            branch: "main".to_owned(),
            commit: commit.to_owned(),
            cause: Cause::Push,
            priority: 0,
        };
        self.runtime.block_on(self.store.enqueue(&[request], &[])).expect("a run")[0].run()
    }

    /// Has a run be carried out by another server, as far as these events tell.
    pub(crate) fn run(&self, environment: &str, commit: &str, events: &[Value]) -> Claim {
        let id = self.queue(environment, commit);
        let claim = self.runtime.block_on(self.store.claim("elsewhere", Duration::from_hours(1)));
        let claim = claim.expect("a store").expect("a run");
        assert_eq!(claim.run.id, id);
        assert!(self.runtime.block_on(self.store.deploys(&claim, commit, None)).expect("a store"));
        self.tell(&claim, events);
        claim
    }

    pub(crate) fn tell(&self, claim: &Claim, events: &[Value]) {
        let lines: Vec<String> = events.iter().map(Value::to_string).collect();
        assert!(self.runtime.block_on(self.store.append(claim, &lines)).expect("a store"));
    }

    pub(crate) fn end(&self, claim: &Claim, result: RunResult, reason: Option<&str>) {
        let ending = Ending { result, reason: reason.map(str::to_owned) };
        assert!(self.runtime.block_on(self.store.end(claim, &ending)).expect("a store"));
    }

    /// Says when a run was asked for, how long it waited, and how long it took if it has ended.
    pub(crate) fn date(&self, state: &Path, run: i64, created: Timestamp, took: Option<Duration>) {
        let file = state.join("pipeline.db").display().to_string();
        let created = created.as_millisecond();
        let ended = took.map(|took| created + 900 + i64::try_from(took.as_millis()).expect("a number"));
        let update = "UPDATE runs SET created = $1, started = CASE WHEN started IS NULL THEN NULL ELSE $2 END, \
                      ended = COALESCE($3, ended) WHERE id = $4";
        let dated = async {
            let pool = sqlx::AnyPool::connect(&format!("sqlite://{file}")).await?;
            sqlx::query(update)
                .bind(created)
                .bind(created + 900)
                .bind(ended)
                .bind(run)
                .execute(&pool)
                .await?;
            pool.close().await;
            Ok::<(), sqlx::Error>(())
        };
        self.runtime.block_on(dated).expect("a store");
    }

    pub(crate) fn close(self) {
        self.runtime.block_on(self.store.close());
    }
}

/// The steps of a shop, and what each needs.
const STEPS: [(&str, &[&str]); 11] = [
    ("stack/ecr", &[]),
    ("stack/vpc", &[]),
    ("stack/tables", &[]),
    ("image/api", &["stack/ecr"]),
    ("image/worker", &["stack/ecr"]),
    ("stack/alb", &["stack/vpc"]),
    ("stack/msk", &["stack/vpc"]),
    ("stack/ecs", &["stack/vpc", "stack/alb", "stack/msk", "stack/tables", "image/api"]),
    ("stack/lambda", &["stack/vpc", "stack/msk", "image/worker"]),
    ("rollout/api", &["stack/ecs", "image/api"]),
    ("rollout/worker", &["stack/lambda", "image/worker"]),
];

/// Events with their times, counted in milliseconds from a beginning.
struct Told {
    begin: Timestamp,
    events: Vec<Value>,
}

impl Told {
    fn at(&mut self, millis: i64, mut event: Value) {
        event["time"] = (self.begin + SignedDuration::from_millis(millis)).to_string().into();
        self.events.push(event);
    }

    fn begin(begin: Timestamp, commit: &str, subject: &str) -> Self {
        let mut told = Self { begin, events: Vec::new() };
        let steps: Vec<Value> = STEPS.iter().map(|(id, needs)| json!({ "id": id, "needs": needs })).collect();
        let revision = json!({ "commit": commit, "subject": subject, "tree": commit, "dirty": false });
        told.at(0, json!({
            "event": "started", "command": "run", "project": "shop", "environment": "prod", "revision": revision,
            "steps": steps,
        }));
        told
    }

    fn started(&mut self, millis: i64, step: &str) {
        self.at(millis, json!({ "event": "step_started", "step": step }));
    }

    fn decided(&mut self, millis: i64, step: &str, action: &str, reason: &str, changes: &Value) {
        let decision = json!({ "action": action, "reason": reason, "changes": changes });
        self.at(millis, json!({ "event": "step_decided", "step": step, "decision": decision }));
    }

    fn unchanged(&mut self, from: i64, step: &str) {
        self.started(from, step);
        self.ended(from, from + 240, step, &json!({ "kind": "unchanged" }));
    }

    fn ended(&mut self, from: i64, to: i64, step: &str, outcome: &Value) {
        self.at(
            to,
            json!({ "event": "step_finished", "step": step, "outcome": outcome, "millis": to - from }),
        );
    }

    fn log(&mut self, millis: i64, step: &str, lines: &[&str]) {
        for line in lines {
            self.at(millis, json!({ "event": "log", "step": step, "line": line }));
        }
    }

    fn resource(&mut self, millis: i64, step: &str, logical_id: &str, kind: &str, status: &str) {
        self.at(millis, json!({
            "event": "resource", "step": step, "logical_id": logical_id, "resource_type": kind, "status": status,
        }));
    }

    /// What is the same in each: an image is built, what is broker and balancer is looked at.
    fn first_half(&mut self) {
        for step in ["stack/ecr", "stack/vpc", "stack/tables"] {
            self.unchanged(120, step);
        }
        self.started(400, "image/api");
        self.decided(460, "image/api", "build", "inputs changed", &json!([]));
        self.log(
            900,
            "image/api",
            &[
                "Step 1/6 : FROM rust:1.95-slim AS build",
                "\u{1b}[36m ---> 4c1f0d2f9a11\u{1b}[0m",
                "Step 2/6 : COPY . .",
                "Step 3/6 : RUN cargo build --release --locked",
                "\u{1b}[1;32m   Compiling\u{1b}[0m shop-api v1.8.0",
                "\u{1b}[1;33mwarning\u{1b}[0m: unused variable: `attempt`",
                "\u{1b}[1;32m    Finished\u{1b}[0m `release` profile in 38.11s",
                "Step 4/6 : COPY --from=build /app/api /api",
                "Successfully built 91ab2c0e77d4",
            ],
        );
        self.ended(
            400,
            46_200,
            "image/api",
            &json!({ "kind": "done", "summary": "shop/api@sha256:91ab2c0e77d4" }),
        );
        self.unchanged(420, "image/worker");
        self.unchanged(440, "stack/alb");
        self.started(450, "stack/msk");
        self.decided(2_100, "stack/msk", "update", "template changed", &msk_changes());
        self.at(
            2_200,
            json!({ "event": "activity", "step": "stack/msk", "text": "executing the change set" }),
        );
        self.resource(
            6_000,
            "stack/msk",
            "ClusterConfiguration",
            "AWS::MSK::Configuration",
            "UPDATE_COMPLETE",
        );
        self.resource(
            9_000,
            "stack/msk",
            "BrokerSecurityGroup",
            "AWS::EC2::SecurityGroup",
            "UPDATE_COMPLETE",
        );
        self.resource(11_000, "stack/msk", "Cluster", "AWS::MSK::Cluster", "UPDATE_IN_PROGRESS");
    }
}

fn msk_changes() -> Value {
    json!([
        {
            "kind": "modify", "logical_id": "Cluster", "resource_type": "AWS::MSK::Cluster",
            "physical_id": "arn:aws:kafka:eu-west-1:111122223333:cluster/shop/8d1c", "replacement": "always",
            "location": { "file": "stacks/msk/template.yaml", "line": 42 },
            "properties": [
                { "path": "BrokerNodeGroupInfo.InstanceType", "before": "express.m7g.large", "after": "express.m7g.xlarge", "replacement": "never" },
                { "path": "ClusterName", "before": "shop", "after": "shop-events", "replacement": "always" },
            ],
        },
        {
            "kind": "remove", "logical_id": "LegacyTopic", "resource_type": "AWS::MSK::Topic",
            "physical_id": "orders.v1", "replacement": "never", "properties": [],
        },
        {
            "kind": "modify", "logical_id": "BrokerSecurityGroup", "resource_type": "AWS::EC2::SecurityGroup",
            "physical_id": "sg-0a1b2c", "replacement": "never",
            "location": { "file": "stacks/msk/template.yaml", "line": 17 },
            "properties": [{
                "path": "SecurityGroupIngress", "before": r#"[{"FromPort":9098,"CidrIp":"10.0.0.0/16"}]"#,
                "after": r#"[{"FromPort":9098,"CidrIp":"10.0.0.0/20"}]"#, "replacement": "never",
            }],
        },
        {
            "kind": "add", "logical_id": "ClusterConfiguration", "resource_type": "AWS::MSK::Configuration",
            "replacement": "never", "location": { "file": "stacks/msk/template.yaml", "line": 29 }, "properties": [],
        },
    ])
}

/// A run that is under way: the image is there, the brokers are being replaced.
pub(crate) fn under_way(begin: Timestamp) -> Vec<Value> {
    let mut told = Told::begin(begin, NEWER, "Raise the broker size before the sale");
    told.first_half();
    let progress =
        json!({ "event": "progress", "step": "stack/msk", "done": 2, "total": 4, "unit": "resources" });
    told.at(11_500, progress);
    told.events
}

/// A run that went well.
pub(crate) fn done(begin: Timestamp) -> Vec<Value> {
    let mut told = Told::begin(begin, COMMIT, "Answer with the order's state");
    for (index, (step, _)) in (0..).zip(STEPS) {
        match step {
            "image/api" => {
                told.started(400, step);
                told.ended(
                    400,
                    31_000,
                    step,
                    &json!({ "kind": "done", "summary": "shop/api@sha256:0c33d19e" }),
                );
            }
            "stack/ecs" => {
                told.started(31_100, step);
                told.ended(31_100, 58_000, step, &json!({ "kind": "done", "summary": "1 resource changed" }));
            }
            "rollout/api" => {
                told.started(58_100, step);
                told.ended(58_100, 97_000, step, &json!({ "kind": "done", "summary": "revision 42 runs" }));
            }
            _ => told.unchanged(120 + index, step),
        }
    }
    told.at(97_100, json!({ "event": "finished", "result": "changed", "millis": 97_100, "url": "https://shop.example.com" }));
    told.events
}

/// A run that failed: a service can't be updated, and what needs it can't begin.
pub(crate) fn failed(begin: Timestamp) -> Vec<Value> {
    let mut told = Told::begin(begin, NEWER, "Raise the broker size before the sale");
    told.first_half();
    told.resource(160_000, "stack/msk", "Cluster", "AWS::MSK::Cluster", "UPDATE_COMPLETE");
    told.resource(161_000, "stack/msk", "LegacyTopic", "AWS::MSK::Topic", "DELETE_COMPLETE");
    told.ended(450, 162_000, "stack/msk", &json!({ "kind": "done", "summary": "4 resources changed" }));
    told.started(162_100, "stack/ecs");
    told.started(162_150, "stack/lambda");
    told.ended(162_150, 190_000, "stack/lambda", &json!({ "kind": "done", "summary": "1 resource changed" }));
    told.resource(171_000, "stack/ecs", "ApiService", "AWS::ECS::Service", "UPDATE_FAILED");
    let failure = json!({
        "message": "updating the stack shop-prod-ecs: ApiService: UPDATE_FAILED: the deployment's circuit breaker was triggered",
        "details": [
            "task 5f1c stopped: essential container in task exited (exit code 1)",
            "its last lines: Error: KAFKA_BROKERS is not set",
            "at stacks/ecs/template.yaml:88",
        ],
        "hint": "set KAFKA_BROKERS in the container's environment, or look at the task's log group /shop/api; then push again",
        "location": { "file": "stacks/ecs/template.yaml", "line": 88 },
    });
    told.ended(162_100, 214_000, "stack/ecs", &json!({ "kind": "failed", "failure": failure }));
    told.at(214_050, json!({
        "event": "step_finished", "step": "rollout/api", "outcome": { "kind": "blocked", "by": "stack/ecs" }, "millis": 0,
    }));
    told.started(190_100, "rollout/worker");
    told.ended(
        190_100,
        205_000,
        "rollout/worker",
        &json!({ "kind": "done", "summary": "version 17 has all traffic" }),
    );
    told.at(214_100, json!({ "event": "warning", "step": "stack/msk", "message": "the cluster's configuration has a newer revision" }));
    told.at(214_200, json!({ "event": "finished", "result": "failed", "millis": 214_200 }));
    told.events
}

use pipeline::event::RunResult;
use pipeline::store::{Cause, Run, State};
use serde_json::{Value, json};

use crate::container::{Daemon, endpoint, image};
use crate::server::{PIPELINE, Place, TEMPLATE, sign};
use crate::support::http::{self, Answer};
use crate::support::{Cloud, Repository, until};

const API: &str = "127.0.0.1:4566";
/// The one in which the local cloud finds load balancers by their names alone.
const REGION: &str = "us-east-1";

const ZONE: &str = "Resources: { Zone: { Type: AWS::Route53::HostedZone, Properties: { Name: example.com } } }\n\
     Outputs: { Id: { Value: !GetAtt Zone.Id } }\n";

/// The server's own system, as `examples/serve/pipeline.yaml` says it, in the local cloud.
///
/// Its values are those of the example, but for the repository and the image; and nothing stays when its stacks are deleted.
/// Who wants to reach it leaves its domain out, as nobody would resolve it.
struct OnAws {
    name: String,
    cloud: Cloud,
    repository: Repository,
}

impl OnAws {
    fn serving(url: &str, executor: &str, domain: bool) -> Self {
        let read = |path: &str| {
            std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).expect("a file")
        };
        let template = |stack: &str| {
            read(&format!("stacks/{stack}/template.yaml"))
                .replace("DeletionPolicy: RetainExceptOnCreate", "DeletionPolicy: Delete")
                .replace("DeletionPolicy: Snapshot", "DeletionPolicy: Delete")
        };
        let repository = Repository::with(&[
            ("pipeline.yaml", &read("examples/serve/pipeline.yaml")),
            ("stacks/vpc/template.yaml", &template("vpc")),
            ("stacks/alb/template.yaml", &template("alb")),
            ("stacks/pipeline/template.yaml", &template("pipeline")),
        ]);
        let cloud = Cloud::of_environment(&repository.project, "serve", REGION);
        let name = format!("{}-serve", repository.project);
        let image = image(&cloud, &format!("{name}/pipeline"));
        let lines = |text: &str| format!("      {text}\n");
        let local = format!("endpoint: {}\n    registry: {API}", Cloud::endpoint());
        for (from, to) in [
            ("project: deployer", format!("project: {}", repository.project)),
            ("region: eu-west-1", format!("region: {REGION}")),
            ("account: \"333333333333\"", local),
            (&lines("DeletionProtection: \"true\""), String::new()),
            ("https://github.com/octo/shop", format!("\"octo/shop={url}\"")),
            (
                "      DeployRoleArns:",
                format!(
                    "      Executor: {executor}\n      DeletionProtection: \"false\"\n      DeployRoleArns:"
                ),
            ),
        ] {
            repository.edit("pipeline.yaml", from, &to);
        }
        if domain {
            cloud.create_stack("data", ZONE);
            repository.edit("pipeline.yaml", "Z0000000000EXAMPLE", &cloud.outputs("data")["Id"]);
        } else {
            repository.edit("pipeline.yaml", &lines("DomainName: deploy.example.com"), "");
            repository.edit("pipeline.yaml", &lines("HostedZoneId: Z0000000000EXAMPLE"), "");
        }
        let line = read("examples/serve/pipeline.yaml");
        let line = line.lines().find(|line| line.contains(" Image: ")).expect("an image").to_owned();
        repository.edit("pipeline.yaml", &line, &format!("      Image: {image}"));
        repository.commit("Serve in the local cloud");
        Self { name, cloud, repository }
    }

    fn deploy(&self) -> RunResult {
        self.repository.pipeline(&["run", "--env", "serve", "--output", "json"]).code(0).result()
    }

    /// Asks the server, through its load balancer.
    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let path = format!("/_alb/{}{path}", self.name);
        http::ask(API, method, &path, headers, body.as_bytes()).expect("an answer")
    }

    /// What `verify` says of the templates with these values.
    fn settings(&self) -> String {
        let output = self.repository.pipeline(&["verify", "--env", "serve"]);
        output.stdout.lines().filter(|line| line.contains(" settings ")).collect()
    }

    fn secret(&self, output: &str) -> String {
        let body = json!({ "SecretId": self.cloud.outputs("pipeline")[output] }).to_string();
        let headers = [
            ("X-Amz-Target", "secretsmanager.GetSecretValue"),
            ("Content-Type", "application/x-amz-json-1.1"),
            (
                "Authorization",
                "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/secretsmanager/aws4_request, \
                 SignedHeaders=host, Signature=0",
            ),
        ];
        let answer = http::ask(API, "POST", "/", &headers, body.as_bytes()).expect("an answer");
        answer.json()["SecretString"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
    }

    fn api(&self, path: &str) -> Value {
        let token = format!("Bearer {}", self.secret("ApiTokenSecretArn"));
        self.ask("GET", path, &[("Authorization", &token)], "").json()
    }

    fn until_run(&self, commit: &str, state: State) -> Run {
        until(&format!("a run of {commit} that is {state:?}"), || {
            let runs: Vec<Run> = serde_json::from_value(self.api("/api/runs")).ok()?;
            runs.into_iter().find(|run| run.commit == commit && run.state == state)
        })
    }

    fn tell(&self, commit: &str) {
        let body = Place::told(commit, "");
        let signature = sign(&self.secret("WebhookSecretArn"), body.as_bytes());
        let headers =
            [("X-GitHub-Event", "push"), ("X-GitHub-Delivery", commit), ("X-Hub-Signature-256", &signature)];
        let answer = self.ask("POST", "/webhooks/github", &headers, &body);
        assert_eq!((answer.status, answer.body.as_str()), (202, "accepted"));
    }
}

fn deploys_on_a_push(executor: &str) {
    let place = Place::with(&[
        ("pipeline.yaml", &PIPELINE.replace("ENDPOINT", &endpoint())),
        ("stacks/a/template.yaml", TEMPLATE),
    ]);
    let daemon = Daemon::of(place.directory());
    let server = OnAws::serving(&daemon.url("remote.git"), executor, false);
    assert_eq!(server.deploy(), RunResult::Changed);
    assert_eq!(server.deploy(), RunResult::Unchanged);
    let health = server.ask("GET", "/healthz", &[], "");
    assert_eq!((health.status, health.body.as_str()), (200, "alive\n"));
    assert_eq!(server.ask("GET", "/metrics", &[], "").status, 404);
    server.until_run(&place.head(), State::Ended);

    let commit = place.push("second");
    server.tell(&commit);
    let run = server.until_run(&commit, State::Ended);
    let events = server.api(&format!("/api/runs/{}/events", run.id));
    assert_eq!((run.cause, run.result), (Cause::Push, Some(RunResult::Changed)), "{run:?} {events}");
    assert_eq!(place.cloud.outputs("a")["Value"], "second-first");
    let last = events.as_array().and_then(|events| events.last()).expect("events");
    assert_eq!(last["event"]["event"], "finished", "{events}");
}

#[test]
fn in_a_container_behind_the_load_balancer_a_push_is_deployed_by_a_process() {
    deploys_on_a_push("process");
}

#[test]
fn in_a_container_behind_the_load_balancer_a_push_is_deployed_by_a_task() {
    deploys_on_a_push("ecs");
}

#[test]
fn the_example_is_made_whole() {
    // A server whose remote is away lives, and looks again.
    let server = OnAws::serving("https://127.0.0.1:9/shop.git", "ecs", true);
    assert_eq!(server.deploy(), RunResult::Changed);
    assert_eq!(server.cloud.outputs("alb")["Url"], "https://deploy.example.com");
    // The one thing that is so on purpose: CloudFormation rolls the server.
    let settings = server.settings();
    let expected = "Service: the service follows every revision of TaskDefinition";
    assert!(
        settings.trim_end().ends_with(expected) && settings.matches(" settings ").count() == 1,
        "{settings}"
    );
}

//! Runs that are tasks of ECS: each is a real container.

use aws_sdk_ecs::types::DesiredStatus;
use pipeline::event::{Event, RunResult};
use pipeline::store::{Run, State};
use serde_json::Value;
use sqlx::{Connection as _, Executor as _, SqliteConnection};

use crate::container::{Daemon, endpoint, image};
use crate::server::{GATE, PIPELINE, Place, Server, TEMPLATE};
use crate::support::{Cloud, until};

const ECS: &str = r"
Parameters: { Name: { Type: String, Default: NAME }, Image: { Type: String, Default: IMAGE } }
Resources:
  Cluster: { Type: AWS::ECS::Cluster, Properties: { ClusterName: !Ref Name } }
  Logs: { Type: AWS::Logs::LogGroup, Properties: { LogGroupName: !Ref Name } }
  Run:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: !Ref Name
      NetworkMode: awsvpc
      Volumes: [{ Name: state }]
      ContainerDefinitions:
        - Name: run
          Image: !Ref Image
          Essential: true
          Memory: 256
          StopTimeout: 30
          ReadonlyRootFilesystem: true
          MountPoints: [{ SourceVolume: state, ContainerPath: /var/lib/pipeline }]
          LogConfiguration:
            LogDriver: awslogs
            Options: { awslogs-group: !Ref Logs, awslogs-region: us-west-2, awslogs-stream-prefix: run }
";

/// A place, a cluster with the pipeline's image, and a remote that tasks reach.
struct Tasks {
    place: Place,
    daemon: Daemon,
    name: String,
}

impl Tasks {
    fn of(files: &[(&str, &str)]) -> Self {
        let files: Vec<(&str, String)> =
            files.iter().map(|(path, text)| (*path, text.replace("ENDPOINT", &endpoint()))).collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let place = Place::with(&files);
        let daemon = Daemon::of(place.directory());
        let name = format!("{}-local", place.author.project);
        let image = image(&place.cloud, &format!("{name}/pipeline"));
        place.cloud.create_stack("ecs", &ECS.replace("NAME", &name).replace("IMAGE", &image));
        Self { place, daemon, name }
    }

    /// One stack waits at its gate, and another one for it.
    fn gated() -> Self {
        let waiting = "  gate:\n  b: { parameters: { Value: \"${stacks.gate.Value}\" } }\n";
        Self::of(&[
            ("pipeline.yaml", &format!("{PIPELINE}{waiting}")),
            ("stacks/a/template.yaml", TEMPLATE),
            ("stacks/gate/template.yaml", &format!("{GATE}Outputs: {{ Value: {{ Value: through }} }}\n")),
            ("stacks/b/template.yaml", &format!("Parameters: {{ Value: {{ Type: String }} }}{TEMPLATE}")),
        ])
    }

    fn serve(&self) -> Server {
        let served = format!("octo/shop={}", self.daemon.url("remote.git"));
        self.place.serve_from(&served, |command| {
            command.args(["--executor", "ecs", "--ecs-cluster", &self.name]);
            command.args(["--ecs-task-definition", &self.name, "--ecs-subnets", "subnet-1"]);
            // It is the server itself that has to do with AWS.
            command.env("AWS_ENDPOINT_URL", Cloud::endpoint()).env("AWS_REGION", "us-west-2");
        })
    }

    fn ecs(&self) -> aws_sdk_ecs::Client {
        aws_sdk_ecs::Client::new(self.place.cloud.config())
    }

    /// Makes the store not know which task carries the run out, only that it was asked for.
    fn forget_which(&self) {
        let address = format!("sqlite://{}", self.place.state().join("pipeline.db").display());
        self.place.cloud.block_on(async {
            let mut store = SqliteConnection::connect(&address).await.expect("the store");
            let forgotten = store.execute("UPDATE runs SET task = NULL").await.expect("a change");
            assert_eq!(forgotten.rows_affected(), 1);
        });
    }

    /// All tasks that there ever were.
    fn tasks(&self) -> Vec<String> {
        let (ecs, cloud) = (self.ecs(), &self.place.cloud);
        let list = |status: DesiredStatus| {
            let call = ecs.list_tasks().cluster(&self.name).desired_status(status);
            cloud.block_on(call.send()).expect("tasks").task_arns.unwrap_or_default()
        };
        [DesiredStatus::Running, DesiredStatus::Stopped].into_iter().flat_map(list).collect()
    }
}

/// That each event is there once: `started` and `finished`, and numbers without gaps.
fn is_whole(server: &Server, run: &Run) {
    let events = server.events(run.id, 0);
    assert!(
        events.iter().map(|(sequence, _)| *sequence).eq(1..=i64::try_from(events.len()).expect("a number"))
    );
    let starts = events.iter().filter(|(_, event)| matches!(event, Event::Started { .. })).count();
    let ends = events.iter().filter(|(_, event)| matches!(event, Event::Finished { .. })).count();
    assert_eq!((starts, ends), (1, 1), "{events:?}");
    let history = server.api("GET", &format!("/api/runs/{}", run.id), &Value::Null);
    assert_eq!(history.status, 200);
}

#[test]
fn a_task_goes_on_without_its_server_and_the_next_one_follows_it() {
    let tasks = Tasks::gated();
    let server = tasks.serve();
    let commit = tasks.place.head();
    tasks.place.cloud.until_waiting("gate");
    let run = server.until_run(&commit, State::Running);
    until("events", || (!server.events(run.id, 0).is_empty()).then_some(()));
    server.kill();

    let server = tasks.serve();
    server.until_said("is carried out by arn:aws:ecs:");
    // Told to end, it does not wait for the task either, which goes on.
    server.stop();
    // As if an earlier one had been killed after it asked for the task, and before it noted which one it is.
    tasks.forget_which();
    let server = tasks.serve();
    server.until_said("is carried out by arn:aws:ecs:");
    tasks.place.cloud.open_gate("gate");
    let run = server.until_run(&commit, State::Ended);
    assert_eq!(run.result, Some(RunResult::Changed), "{run:?}");
    is_whole(&server, &run);
    assert_eq!((tasks.tasks().len(), server.runs().len()), (1, 1));
    assert_eq!(tasks.place.cloud.change_sets("gate"), 1);
    server.stop();
}

#[test]
fn a_task_that_is_stopped_ends_gracefully_and_says_why() {
    let tasks = Tasks::gated();
    let server = tasks.serve();
    let commit = tasks.place.head();
    tasks.place.cloud.until_waiting("gate");
    let run = server.until_run(&commit, State::Running);
    let [task] = tasks.tasks().try_into().expect("one task");
    let stop = tasks.ecs().stop_task().cluster(&tasks.name).task(task).reason("maintenance");
    tasks.place.cloud.block_on(stop.send()).expect("a stopped task");
    // What CloudFormation is doing is followed to its end, and nothing is begun after it.
    tasks.place.cloud.open_gate("gate");
    let ended = server.until_run(&commit, State::Ended);
    assert_eq!((ended.id, ended.result), (run.id, Some(RunResult::Interrupted)), "{ended:?}");
    assert_eq!(ended.reason.as_deref(), Some("maintenance"), "{ended:?}");
    assert_eq!(tasks.place.cloud.stack_status("gate").as_deref(), Some("CREATE_COMPLETE"));
    assert_eq!(tasks.place.cloud.stack_status("b"), None);
    is_whole(&server, &ended);
    server.stop();
}

#[test]
fn who_builds_images_is_told_that_tasks_can_not() {
    let workload = "workloads:\n  api: { inputs: [api], repository: nowhere/api }\n";
    let tasks = Tasks::of(&[
        ("pipeline.yaml", &format!("{PIPELINE}{workload}")),
        ("stacks/a/template.yaml", TEMPLATE),
        ("api/Dockerfile", "FROM scratch\n"),
    ]);
    let server = tasks.serve();
    let run = server.until_run(&tasks.place.head(), State::Ended);
    assert_eq!(run.result, Some(RunResult::Failed));
    let reason = run.reason.unwrap_or_default();
    assert!(
        reason.starts_with("tasks can't build the images of api: there is no Docker in Fargate"),
        "{reason}"
    );
    assert_eq!(tasks.tasks().len(), 0);
    server.stop();
}

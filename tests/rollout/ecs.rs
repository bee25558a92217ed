//! A service is made as a stack makes it: it names the family of its task definition only.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::{
    ContainerDefinition, DeploymentCircuitBreaker, DeploymentConfiguration, KeyValuePair, LogConfiguration,
    LogDriver,
};
use futures::FutureExt as _;
use pipeline::plan::Action;
use pipeline::rollout::ecs::{RolloutState, Target, Witnesses, decide, live, observe, observe_all, roll};
use pipeline::rollout::{Proof, Tasks};

use crate::alarm::{Alarm, none};
use crate::cloud::{config, listen, timing, unique};
use crate::images::{Image, Repository};
use crate::outage::Cable;

fn witnesses(config: &SdkConfig) -> Witnesses {
    Witnesses {
        load_balancing: aws_sdk_elasticloadbalancingv2::Client::new(config),
        logs: aws_sdk_cloudwatchlogs::Client::new(config),
    }
}

/// A service that runs revision 1 of a task definition.
struct Fixture {
    client: Client,
    witnesses: Witnesses,
    repository: Repository,
    name: String,
    first: Image,
}

impl Fixture {
    async fn new(breaker: bool) -> Self {
        let repository = Repository::new().await;
        let first = repository.push("1");
        let witnesses = witnesses(&config());
        let fixture =
            Self { client: Client::new(&config()), witnesses, repository, name: unique("ecs"), first };
        fixture.client.create_cluster().cluster_name(&fixture.name).send().await.expect("a cluster");
        fixture.register(&fixture.first, None).await;
        let breaker = DeploymentCircuitBreaker::builder().enable(breaker).rollback(breaker).build();
        let create = fixture.client.create_service().cluster(&fixture.name).service_name(&fixture.name);
        create
            .task_definition(&fixture.name)
            .desired_count(1)
            .deployment_configuration(
                DeploymentConfiguration::builder().deployment_circuit_breaker(breaker).build(),
            )
            .send()
            .await
            .expect("a service");
        fixture.wait_until_it_is_steady().await;
        fixture
    }

    /// As a stack does before it calls the service created.
    async fn wait_until_it_is_steady(&self) {
        let target = Target::new(&self.name, &self.name, &format!("{}:1", self.name)).expect("a target");
        for _ in 0..100 {
            let service = observe(&self.client, &target).await.expect("a service");
            if service.primary.state == RolloutState::Completed && service.tasks.all_run() {
                return;
            }
            tokio::time::sleep(timing().poll).await;
        }
        panic!("service {} does not start", self.name);
    }

    /// Registers a revision, as a stack does; one with an exit code ends at once.
    async fn register(&self, image: &Image, exit_code: Option<&str>) -> Target {
        let exit = exit_code.map(|code| KeyValuePair::builder().name("EXIT_CODE").value(code).build());
        let container =
            ContainerDefinition::builder().name("app").image(&image.uri).essential(true).memory(32);
        let log = LogConfiguration::builder()
            .log_driver(LogDriver::Awslogs)
            .options("awslogs-group", &self.name)
            .options("awslogs-create-group", "true")
            .options("awslogs-region", "us-west-2")
            .options("awslogs-stream-prefix", "api");
        let container = container.log_configuration(log.build().expect("a log"));
        let answer = self
            .client
            .register_task_definition()
            .family(&self.name)
            .container_definitions(container.set_environment(exit.map(|exit| vec![exit])).build())
            .send()
            .await
            .expect("a revision");
        let arn = answer.task_definition().and_then(|definition| definition.task_definition_arn());
        Target::new(&self.name, &self.name, arn.expect("an ARN")).expect("a target")
    }

    async fn deployment(&self, target: &Target) -> String {
        observe(&self.client, target).await.expect("a service").primary.id
    }

    async fn decided(&self, target: &Target) -> String {
        let service = observe(&self.client, target).await.expect("a service");
        let decision = decide(&service, &target.task_definition);
        format!("{:?}: {}", decision.action, decision.reason)
    }

    async fn clean(self) {
        let delete = self.client.delete_service().cluster(&self.name).service(&self.name).force(true);
        delete.send().await.expect("to delete the service");
        self.client.delete_cluster().cluster(&self.name).send().await.expect("to delete the cluster");
        let revisions =
            self.client.list_task_definitions().family_prefix(&self.name).send().await.expect("revisions");
        for revision in revisions.task_definition_arns() {
            let deregister = self.client.deregister_task_definition().task_definition(revision);
            deregister.send().await.expect("to deregister");
        }
        // It is there once a task has written something.
        let _ = self.witnesses.logs.delete_log_group().log_group_name(&self.name).send().await;
        self.repository.clean().await;
    }
}

/// Runs a test and cleans up behind it, whether it succeeds or not.
async fn with_service(breaker: bool, test: impl AsyncFnOnce(&Fixture)) {
    let fixture = Fixture::new(breaker).await;
    let result = AssertUnwindSafe(test(&fixture)).catch_unwind().await;
    fixture.clean().await;
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

#[tokio::test]
async fn a_service_moves_to_the_new_revision_and_its_digest_proves_it() {
    with_service(true, async |fixture| {
        let image = fixture.repository.push("2");
        let target = fixture.register(&image, None).await;
        assert_eq!(fixture.decided(&target).await, "Roll: service runs revision 1, stack defines 2");

        let (events, mut told) = listen();
        let running =
            roll(&fixture.client, &fixture.witnesses, &target, &none(), Duration::ZERO, timing(), &events)
                .await
                .expect("to roll");

        assert_eq!(running.version, format!("{}:2", fixture.name));
        assert_eq!(running.digests, [image.digest.clone()].into());
        assert_eq!(running.tasks, Some(Tasks { running: 1, desired: 1 }));
        assert_eq!(running.proof, Proof::Digest);
        let told = told.lines();
        assert_eq!(told.first(), Some(&format!("{0}:1 → {0}:2", fixture.name)), "{told:#?}");
        assert!(told.contains(&"1 of Some(1)".to_owned()), "{told:#?}");

        assert_eq!(fixture.decided(&target).await, "Nothing: service runs revision 2");
        let service = observe(&fixture.client, &target).await.expect("a service");
        let live = live(&fixture.client, &target, &service).await.expect("what is live");
        assert!(live.digests.contains(&image.digest), "{live:?}");
    })
    .await;
}

#[tokio::test]
async fn a_service_that_runs_the_revision_already_is_left_alone() {
    with_service(true, async |fixture| {
        let target =
            Target::new(&fixture.name, &fixture.name, &format!("{}:1", fixture.name)).expect("a target");
        let deployment = fixture.deployment(&target).await;
        assert_eq!(fixture.decided(&target).await, "Nothing: service runs revision 1");
        let (events, _told) = listen();
        let running =
            roll(&fixture.client, &fixture.witnesses, &target, &none(), Duration::ZERO, timing(), &events)
                .await
                .expect("nothing to roll");
        assert_eq!(running.digests, [fixture.first.digest.clone()].into());
        assert_eq!(fixture.deployment(&target).await, deployment, "no new deployment");
    })
    .await;
}

#[tokio::test]
async fn a_deployment_that_is_under_way_is_followed_not_started_twice() {
    with_service(true, async |fixture| {
        let target = fixture.register(&fixture.repository.push("2"), None).await;
        let update = fixture.client.update_service().cluster(&fixture.name).service(&fixture.name);
        update.task_definition(target.task_definition.to_string()).send().await.expect("an update");
        let deployment = fixture.deployment(&target).await;
        assert_eq!(fixture.decided(&target).await, "Roll: deployment of revision 2 is under way");

        let (events, _told) = listen();
        let running =
            roll(&fixture.client, &fixture.witnesses, &target, &none(), Duration::ZERO, timing(), &events)
                .await
                .expect("to follow");
        assert_eq!(running.proof, Proof::Digest);
        assert_eq!(fixture.deployment(&target).await, deployment);
    })
    .await;
}

/// Rolls to a revision whose tasks end at once; what is said, with names that are the same in every run.
async fn fail(fixture: &Fixture, witnesses: &Witnesses) -> (String, Vec<String>) {
    let target = fixture.register(&fixture.repository.push("2"), Some("3")).await;
    let (events, mut told) = listen();
    let failure = roll(&fixture.client, witnesses, &target, &none(), Duration::ZERO, timing(), &events)
        .await
        .expect_err("tasks that end at once");
    let service = observe(&fixture.client, &target).await.expect("a service");
    assert_eq!(service.primary.task_definition.revision(), 1);
    assert_eq!(service.primary.state, RolloutState::Completed);
    assert_eq!(service.primary.tasks.running, 1);
    assert_eq!(decide(&service, &target.task_definition).action, Action::Roll);
    (failure.to_string().replace(&fixture.name, "api"), told.lines())
}

#[tokio::test]
async fn tasks_that_end_at_once_trip_the_breaker_and_the_old_revision_serves_again() {
    with_service(true, async |fixture| {
        let (said, told) = fail(fixture, &fixture.witnesses).await;
        let filters = vec![(r"\d+ tasks stopped:", "N tasks stopped:"), (r"task [0-9a-f-]{32,36}", "task ID")];
        insta::with_settings!({ filters => filters }, {
            insta::assert_snapshot!(said, @"
            service api could not be moved to api:2: ECS deployment circuit breaker was triggered after 3 consecutive task failures.
              N tasks stopped: Essential container exited; container app: exit code 3
              task ID, container app wrote last:
                starting
                the broker does not answer
              the service runs api:1 again, 1 of 1 tasks
              next: `aws logs tail api --since 15m` shows what its tasks wrote; fix it, commit, and run again
            ");
        });
        assert!(told.iter().any(|line| line.ends_with("container app: exit code 3")), "{told:#?}");
    })
    .await;
}

#[tokio::test]
async fn without_a_breaker_tasks_that_keep_ending_are_not_waited_for_and_neither_are_their_logs() {
    with_service(false, async |fixture| {
        let unplugged = config().into_builder().endpoint_url("http://127.0.0.1:1");
        let (said, told) = fail(fixture, &witnesses(&unplugged.build())).await;
        insta::with_settings!({ filters => vec![(r"\d+ tasks stopped", "N tasks stopped")] }, {
            insta::assert_snapshot!(said, @"
            service api could not be moved to api:2: N tasks stopped and none stayed up
              N tasks stopped: Essential container exited; container app: exit code 3
              the service runs api:1 again, 1 of 1 tasks
              next: `aws logs tail api --since 15m` shows what its tasks wrote; fix it, commit, and run again
            ");
        });
        let missing = told.iter().filter(|line| line.starts_with("warning: not everything about"));
        assert_eq!(missing.count(), 1, "{told:#?}");
        assert!(told.contains(&format!("going back to {}:1", fixture.name)), "{told:#?}");
    })
    .await;
}

#[tokio::test]
async fn a_lost_connection_does_not_fail_a_deployment() {
    with_service(true, async |fixture| {
        let target = fixture.register(&fixture.repository.push("2"), None).await;
        let cable = Cable::new();
        let config = config().into_builder().endpoint_url(&cable.endpoint);
        let client = Client::new(&config.retry_config(RetryConfig::disabled()).build());
        let (events, mut told) = listen();
        let witnesses = fixture.witnesses.clone();
        let rolling = tokio::spawn(async move {
            roll(&client, &witnesses, &target, &none(), Duration::ZERO, timing(), &events).await
        });

        told.progress().await;
        cable.cut();
        tokio::time::sleep(timing().poll * 5).await;
        cable.mend();

        let running = rolling.await.expect("no panic").expect("to roll");
        assert_eq!((running.version, running.proof), (format!("{}:2", fixture.name), Proof::Digest));
        let told = told.lines();
        let warnings = told.iter().filter(|line| line.starts_with("warning: DescribeServices of "));
        assert!(warnings.count() > 0, "{told:#?}");
    })
    .await;
}

#[tokio::test]
async fn many_services_are_observed_in_the_order_of_the_targets() {
    with_service(true, async |fixture| {
        let target = |service: &str| Target::new(&fixture.name, service, "api:1").expect("a target");
        let targets: Vec<_> =
            (0..12).map(|index| target(if index == 11 { &fixture.name } else { "missing" })).collect();
        let observed = observe_all(&fixture.client, &targets).await;
        assert_eq!(observed.len(), 12);
        let failure = observed[0].as_ref().expect_err("no such service").to_string();
        insta::assert_snapshot!(failure.replace(&fixture.name, "main"), @"
        there is no service missing in cluster main
          next: check rollout.ecs.cluster and rollout.ecs.service in pipeline.yaml against the stack's outputs
        ");
        assert_eq!(observed[11].as_ref().expect("a service").name, fixture.name);
    })
    .await;
}

#[tokio::test]
async fn an_alarm_while_a_steady_service_is_watched_moves_it_back() {
    let alarm = Alarm::new().await;
    with_service(true, async |fixture| {
        let target = fixture.register(&fixture.repository.push("2"), None).await;
        let (alarms, (events, mut told)) = (alarm.watched(), listen());
        let (client, rolled) = (fixture.client.clone(), target.clone());
        let watch = Duration::from_hours(1);
        let witnesses = fixture.witnesses.clone();
        let rolling =
            tokio::spawn(async move { roll(&client, &witnesses, &rolled, &alarms, watch, timing(), &events).await });
        told.until("steady; watching alarms for 1h").await;
        alarm.set(true).await;
        let failure = rolling.await.expect("no panic").expect_err("an alarm");
        let said = failure.to_string().replace(&fixture.name, "api").replace(&alarm.name, "errors");
        insta::assert_snapshot!(said, @"
        service api could not be moved to api:2: alarm errors went off: 5 errors in a minute
          the service runs api:1 again, 1 of 1 tasks
          next: `aws logs tail api --since 15m` shows what its tasks wrote; fix it, commit, and run again
        ");
        // As long as it is on, nothing is tried again.
        let (events, _told) = listen();
        let deployment = fixture.deployment(&target).await;
        let again = roll(&fixture.client, &fixture.witnesses, &target, &alarm.watched(), Duration::ZERO, timing(), &events).await;
        let said = again.expect_err("still on").to_string();
        insta::assert_snapshot!(said.replace(&fixture.name, "api").replace(&alarm.name, "errors"), @"
        alarm errors is on already, so nothing could be told from it
          alarm errors went off: 5 errors in a minute
          service api still runs api:1
          next: see to the alarm, then run again; if this release is what mends it, leave it out of `alarms` in pipeline.yaml this once
        ");
        assert_eq!(fixture.deployment(&target).await, deployment, "nothing was changed");
    })
    .await;
    alarm.delete().await;
}

#[tokio::test]
async fn alarms_that_stay_quiet_let_a_service_through() {
    let alarm = Alarm::new().await;
    with_service(true, async |fixture| {
        let target = fixture.register(&fixture.repository.push("2"), None).await;
        let (events, _told) = listen();
        let watch = timing().poll * 2;
        let running =
            roll(&fixture.client, &fixture.witnesses, &target, &alarm.watched(), watch, timing(), &events)
                .await;
        assert_eq!(running.expect("to roll").version, format!("{}:2", fixture.name));
    })
    .await;
    alarm.delete().await;
}

//! Canaries of a function: what is waited for is seen through the API, never slept for.

use aws_config::retry::RetryConfig;
use aws_sdk_cloudwatch::Client;
use pipeline::config::{self, CanaryStep};
use pipeline::failure::Failure;
use pipeline::rollout::Alarms;
use pipeline::rollout::lambda::{Canary, Rolled, live, observe, roll};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::alarm::{Alarm, none};
use crate::cloud::{Told, config as cloud, listen, timing};
use crate::images::Image;
use crate::lambda::{Fixture, release, with_function};
use crate::outage::Cable;

/// A canary of these steps (weight and time) that nothing ends early.
fn canary(steps: &[(&str, &str)], alarms: Alarms) -> Canary {
    let steps = steps.iter().map(|(weight, hold)| CanaryStep {
        weight: weight.parse().expect("a weight"),
        hold: hold.parse().expect("a time"),
    });
    Canary {
        plan: config::Canary { steps: steps.collect(), alarms: Vec::new(), minimum_invocations: 0 },
        alarms,
        metrics: Client::new(&cloud()),
        interrupted: CancellationToken::new(),
    }
}

/// A step that no test waits for.
const FOREVER: &[(&str, &str)] = &[("0.1", "1h"), ("0.5", "1h")];

/// A rollout under way.
struct Rolling {
    task: JoinHandle<Result<Rolled, Failure>>,
    told: Told,
}

impl Rolling {
    async fn end(self) -> Result<Rolled, Failure> {
        self.task.await.expect("no panic")
    }

    async fn version(self) -> String {
        match self.end().await.expect("to roll") {
            Rolled::Runs(running) => running.version,
            Rolled::TakenBack(outcome) => panic!("{outcome}"),
        }
    }

    async fn failure(self, fixture: &Fixture) -> String {
        let failure = self.end().await.expect_err("something speaks against it");
        failure.to_string().replace(&fixture.target.function, "processor")
    }

    /// What a killed process leaves.
    async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.expect_err("it was under way").is_cancelled());
    }
}

impl Fixture {
    /// The alias on version 1, and the image of what is to become version 2.
    async fn two_versions(&self) -> Image {
        self.roll(&self.first).await.expect("to roll");
        let image = self.repository.push("2");
        self.update(&image).await;
        image
    }

    fn start(&self, image: &Image, canary: &Canary) -> Rolling {
        let (client, target, release, canary) =
            (self.client.clone(), self.target.clone(), release(image), canary.clone());
        let (events, told) = listen();
        let rolling = async move { roll(&client, &target, &release, Some(&canary), timing(), &events).await };
        Rolling { task: tokio::spawn(rolling), told }
    }

    /// Where the calls go, as the API tells it: `version 1, 10 % version 2`.
    async fn calls(&self) -> String {
        observe(&self.client, &self.target).await.expect("a function").alias.to_string()
    }

    async fn until_calls(&self, wanted: &str) {
        for _ in 0..300 {
            if self.calls().await == wanted {
                return;
            }
            tokio::time::sleep(timing().poll / 4).await;
        }
        panic!("the calls do not go to {wanted} but to {}", self.calls().await);
    }

    /// Calls a version or the alias, and gives the version that answered.
    async fn invoke(&self, qualifier: &str) -> String {
        let invoke = self.client.invoke().function_name(&self.target.function).qualifier(qualifier);
        let answer = invoke.send().await.expect("an answer");
        assert_eq!(answer.function_error(), None);
        answer.executed_version().unwrap_or_default().to_owned()
    }

    async fn versions(&self) -> usize {
        let list = self.client.list_versions_by_function().function_name(&self.target.function);
        list.send().await.expect("versions").versions().len()
    }
}

#[tokio::test]
async fn the_new_version_gets_more_and_more_of_the_calls_and_then_all() {
    let alarm = Alarm::new().await;
    with_function(async |fixture| {
        let image = fixture.two_versions().await;
        let canary = canary(&[("0.1", "1s"), ("0.5", "500ms")], alarm.watched());
        let mut rolling = fixture.start(&image, &canary);
        fixture.until_calls("version 1, 10 % version 2").await;
        rolling.told.until("version 2 gets 50 % of the calls for 500ms (step 2 of 2)").await;
        assert_eq!(rolling.version().await, "version 2");
        assert_eq!(fixture.calls().await, "version 2");
        assert_eq!(fixture.decided().await, "Nothing: alias live runs version 2");
    })
    .await;
    alarm.delete().await;
}

#[tokio::test]
async fn an_alarm_in_the_middle_gives_the_old_version_all_calls_again() {
    let alarm = Alarm::new().await;
    with_function(async |fixture| {
        let image = fixture.two_versions().await;
        let rolling = fixture.start(&image, &canary(FOREVER, alarm.watched()));
        fixture.until_calls("version 1, 10 % version 2").await;
        alarm.set(true).await;
        let said = rolling.failure(fixture).await.replace(&alarm.name, "errors");
        insta::assert_snapshot!(said, @"
        alias live of function processor could not be moved to version 2: alarm errors went off at 10 % of the calls
          5 errors in a minute
          alias live points again at version 1
          next: `aws logs tail /aws/lambda/processor --since 15m` shows what the function wrote; fix it, commit, and run again
        ");
        assert_eq!(fixture.calls().await, "version 1");

        alarm.set(false).await;
        let again = canary(&[("0.1", "100ms")], alarm.watched());
        assert_eq!(fixture.start(&image, &again).version().await, "version 2");
    })
    .await;
    alarm.delete().await;
}

#[tokio::test]
async fn an_alarm_that_is_on_before_it_begins_refuses_it() {
    let alarm = Alarm::new().await;
    alarm.set(true).await;
    with_function(async |fixture| {
        let image = fixture.two_versions().await;
        let before = (fixture.calls().await, fixture.versions().await);
        let rolling = fixture.start(&image, &canary(FOREVER, alarm.watched()));
        let said = rolling.failure(fixture).await.replace(&alarm.name, "errors");
        insta::assert_snapshot!(said, @"
        alarm errors is on already, so nothing could be told from it
          alarm errors went off: 5 errors in a minute
          alias live still points at version 1
          next: see to the alarm, then run again; if this release is what mends it, leave it out of `alarms` in pipeline.yaml this once
        ");
        assert_eq!((fixture.calls().await, fixture.versions().await), before, "nothing was changed");
    })
    .await;
    alarm.delete().await;
}

#[tokio::test]
async fn an_alarm_that_does_not_exist_is_told_before_anything_is_changed() {
    with_function(async |fixture| {
        let image = fixture.two_versions().await;
        let versions = fixture.versions().await;
        let absent = Alarms::new(Client::new(&cloud()), vec!["absent-errors".to_owned()]);
        let said = fixture.start(&image, &canary(FOREVER, absent)).failure(fixture).await;
        insta::assert_snapshot!(said, @"
        there is no alarm absent-errors
          alias live still points at version 1
          next: check `alarms` in pipeline.yaml against the stack's outputs: the names of alarms in this account and region
        ");
        assert_eq!(fixture.versions().await, versions);
    })
    .await;
}

#[tokio::test]
async fn too_few_invocations_to_tell_anything_take_it_back() {
    with_function(async |fixture| {
        let image = fixture.two_versions().await;
        let mut canary = canary(&[("0.1", "200ms")], none());
        canary.plan.minimum_invocations = 20;
        let said = fixture.start(&image, &canary).failure(fixture).await;
        insta::assert_snapshot!(said, @"
        alias live of function processor could not be moved to version 2: 0 of 20 invocations within 600ms at 10 % of the calls, too few to tell anything
          alias live points again at version 1
          next: run again when more calls come in; or give the step a larger weight or more time, or lower minimum_invocations, in pipeline.yaml
        ");
        assert_eq!(fixture.calls().await, "version 1");
    })
    .await;
}

#[tokio::test]
async fn enough_invocations_of_the_new_version_let_it_through() {
    with_function(async |fixture| {
        let image = fixture.two_versions().await;
        // A version's first call waits for its container.
        let publish = fixture.client.publish_version().function_name(&fixture.target.function);
        publish.send().await.expect("a version");
        for version in ["1", "2"] {
            assert_eq!(fixture.invoke(version).await, version);
        }
        let mut canary = canary(&[("0.5", "4s")], none());
        canary.plan.minimum_invocations = 2;
        let rolling = fixture.start(&image, &canary);
        fixture.until_calls("version 1, 50 % version 2").await;
        let mut calls = 0;
        while calls < 2 {
            calls += usize::from(fixture.invoke("live").await == "2");
        }
        assert_eq!(rolling.version().await, "version 2");
    })
    .await;
}

#[tokio::test]
async fn an_interruption_takes_it_back_at_once() {
    with_function(async |fixture| {
        let image = fixture.two_versions().await;
        let canary = canary(FOREVER, none());
        let rolling = fixture.start(&image, &canary);
        fixture.until_calls("version 1, 10 % version 2").await;
        canary.interrupted.cancel();
        let taken_back = "alias live is back at version 1; the next run begins again";
        assert_eq!(rolling.end().await, Ok(Rolled::TakenBack(taken_back.to_owned())));
        assert_eq!(fixture.calls().await, "version 1");
    })
    .await;
}

#[tokio::test]
async fn one_that_was_killed_in_the_middle_goes_on_from_its_step() {
    with_function(async |fixture| {
        let image = fixture.two_versions().await;
        let rolling = fixture.start(&image, &canary(&[("0.1", "100ms"), ("0.5", "1h")], none()));
        fixture.until_calls("version 1, 50 % version 2").await;
        rolling.kill().await;

        let function = observe(&fixture.client, &fixture.target).await.expect("a function");
        let shown =
            live(&fixture.target, &function).to_string().replace(&fixture.target.function, "processor");
        assert!(shown.starts_with("processor:live runs version 1, 50 % version 2, sha256:"), "{shown}");
        let decided = fixture.decided().await;
        assert!(decided.ends_with("; alias live sends 50 % of the calls to version 2"), "{decided}");

        let versions = fixture.versions().await;
        let mut rolling = fixture.start(&image, &canary(&[("0.1", "1h"), ("0.5", "100ms")], none()));
        rolling.told.until("version 2 gets 50 % of the calls for 100ms (step 2 of 2)").await;
        assert_eq!(rolling.version().await, "version 2");
        assert_eq!(fixture.versions().await, versions, "no other version was published");
    })
    .await;
}

#[tokio::test]
async fn one_that_was_killed_and_is_out_of_date_is_taken_back_first() {
    with_function(async |fixture| {
        let image = fixture.two_versions().await;
        let rolling = fixture.start(&image, &canary(FOREVER, none()));
        fixture.until_calls("version 1, 10 % version 2").await;
        rolling.kill().await;

        let image = fixture.repository.push("3");
        fixture.update(&image).await;
        let mut rolling = fixture.start(&image, &canary(&[("0.1", "500ms")], none()));
        rolling.told.until("taking another canary back: version 1, 10 % version 2").await;
        rolling.told.until("version 3 gets 10 % of the calls for 500ms (step 1 of 1)").await;
        assert_eq!(rolling.version().await, "version 3");
        assert_eq!(fixture.calls().await, "version 3");
    })
    .await;
}

#[tokio::test]
async fn what_somebody_else_does_with_the_alias_stays() {
    with_function(async |fixture| {
        let image = fixture.two_versions().await;
        let canary = canary(FOREVER, none());
        let rolling = fixture.start(&image, &canary);
        fixture.until_calls("version 1, 10 % version 2").await;
        let shift = fixture.client.update_alias().function_name(&fixture.target.function).name("live");
        let weights = aws_sdk_lambda::types::AliasRoutingConfiguration::builder();
        let shift = shift.routing_config(weights.additional_version_weights("2", 0.25).build());
        shift.send().await.expect("a shift");
        canary.interrupted.cancel();
        let said = rolling.failure(fixture).await;
        assert!(said.starts_with("going back to version 1 failed: UpdateAlias of alias live"), "{said}");
        assert!(
            said.contains("\n  by hand: `aws lambda update-alias --function-name processor --name live"),
            "{said}"
        );
        assert!(said.contains("\n  alias live points at version 1, 25 % version 2\n"), "{said}");
        assert_eq!(fixture.calls().await, "version 1, 25 % version 2");
    })
    .await;
}

#[tokio::test]
async fn alarms_that_can_not_be_read_for_a_while_end_nothing() {
    let alarm = Alarm::new().await;
    with_function(async |fixture| {
        let image = fixture.two_versions().await;
        let cable = Cable::new();
        let config = cloud().into_builder().endpoint_url(&cable.endpoint);
        let client = Client::new(&config.retry_config(RetryConfig::disabled()).build());
        let canary =
            canary(&[("0.1", "1s"), ("0.5", "100ms")], Alarms::new(client, vec![alarm.name.clone()]));
        let mut rolling = fixture.start(&image, &canary);
        fixture.until_calls("version 1, 10 % version 2").await;
        cable.cut();
        let warned = rolling.told.warning().await;
        assert!(warned.starts_with(&format!("DescribeAlarms of {}: ", alarm.name)), "{warned}");
        cable.mend();
        assert_eq!(rolling.version().await, "version 2");
    })
    .await;
    alarm.delete().await;
}

//! A function is made as a stack makes it: its alias is never changed by the stack again.

use std::panic::AssertUnwindSafe;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::{FunctionCode, PackageType};
use futures::FutureExt as _;
use pipeline::failure::Failure;
use pipeline::rollout::lambda::{Readiness, Release, Rolled, Target, decide, live, observe, roll};
use pipeline::rollout::{Proof, Running};

use crate::cloud::{config, listen, timing, unique};
use crate::images::{Image, Repository};

/// A function whose alias `live` points at `$LATEST`, as on a stack's first deployment.
pub(crate) struct Fixture {
    pub(crate) client: Client,
    pub(crate) repository: Repository,
    pub(crate) target: Target,
    pub(crate) first: Image,
}

impl Fixture {
    async fn new() -> Self {
        let repository = Repository::new().await;
        let first = repository.push("1");
        let target = Target::new(unique("lambda"), "live");
        let fixture = Self { client: Client::new(&config()), repository, target, first };
        let create = fixture.client.create_function().function_name(&fixture.target.function);
        create
            .package_type(PackageType::Image)
            .code(FunctionCode::builder().image_uri(&fixture.first.uri).build())
            .role("arn:aws:iam::000000000000:role/function")
            .send()
            .await
            .expect("a function");
        let alias = fixture.client.create_alias().function_name(&fixture.target.function).name("live");
        alias.function_version("$LATEST").send().await.expect("an alias");
        fixture
    }

    /// Gives the function another image, as a stack's update does.
    pub(crate) async fn update(&self, image: &Image) {
        let update = self.client.update_function_code().function_name(&self.target.function);
        update.image_uri(&image.uri).send().await.expect("an update");
    }

    pub(crate) async fn roll(&self, image: &Image) -> Result<Running, Failure> {
        let release = release(image);
        // In a task of its own, as the executor does.
        let (client, target) = (self.client.clone(), self.target.clone());
        let rolling = async move { roll(&client, &target, &release, None, timing(), &listen().0).await };
        tokio::spawn(rolling).await.expect("no panic").map(|rolled| match rolled {
            Rolled::Runs(running) => running,
            Rolled::TakenBack(outcome) => panic!("{outcome}"),
        })
    }

    pub(crate) async fn decided(&self) -> String {
        let decision = decide(&observe(&self.client, &self.target).await.expect("a function"));
        format!("{:?}: {}", decision.action, decision.reason)
    }

    async fn clean(self) {
        let delete = self.client.delete_function().function_name(&self.target.function);
        delete.send().await.expect("to delete the function");
        self.repository.clean().await;
    }
}

pub(crate) fn release(image: &Image) -> Release {
    Release { description: "1a2b3c4 Say hello".to_owned(), digest: Some(image.digest.clone()) }
}

/// Runs a test and cleans up behind it, whether it succeeds or not.
pub(crate) async fn with_function(test: impl AsyncFnOnce(&Fixture)) {
    let fixture = Fixture::new().await;
    let result = AssertUnwindSafe(test(&fixture)).catch_unwind().await;
    fixture.clean().await;
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

#[tokio::test]
async fn a_version_is_published_and_the_alias_moved_to_it() {
    with_function(async |fixture| {
        assert_eq!(fixture.decided().await, "Roll: alias live points at $LATEST, not at a version");
        let first = fixture.roll(&fixture.first).await.expect("to roll");
        assert_eq!((first.version.as_str(), first.proof), ("version 1", Proof::Digest));

        let image = fixture.repository.push("2");
        fixture.update(&image).await;
        let decided = fixture.decided().await;
        assert!(decided.starts_with("Roll: code changed: sha256:"), "{decided}");
        let second = fixture.roll(&image).await.expect("to roll");
        assert_eq!(second.version, "version 2");
        assert_eq!(second.digests, [image.digest.clone()].into());

        let function = observe(&fixture.client, &fixture.target).await.expect("a function");
        assert_eq!(function.live.status.readiness(), Readiness::Ready);
        let live = live(&fixture.target, &function);
        assert_eq!(
            (live.version.as_str(), live.description.as_deref()),
            ("version 2", Some("1a2b3c4 Say hello"))
        );
    })
    .await;
}

#[tokio::test]
async fn an_alias_on_the_right_version_is_left_alone() {
    with_function(async |fixture| {
        fixture.roll(&fixture.first).await.expect("to roll");
        assert_eq!(fixture.decided().await, "Nothing: alias live runs version 1");
        let before = observe(&fixture.client, &fixture.target).await.expect("a function").alias;
        let again = fixture.roll(&fixture.first).await.expect("nothing to roll");
        assert_eq!(again.version, "version 1");
        let after = observe(&fixture.client, &fixture.target).await.expect("a function").alias;
        assert_eq!(after, before, "no write");
    })
    .await;
}

#[tokio::test]
async fn a_changed_setting_alone_makes_a_new_version() {
    with_function(async |fixture| {
        fixture.roll(&fixture.first).await.expect("to roll");
        let update = fixture.client.update_function_configuration().function_name(&fixture.target.function);
        update.memory_size(256).send().await.expect("an update");
        assert_eq!(fixture.decided().await, "Roll: configuration changed: MemorySize 128 → 256");
        assert_eq!(fixture.roll(&fixture.first).await.expect("to roll").version, "version 2");
        assert_eq!(fixture.decided().await, "Nothing: alias live runs version 2");
    })
    .await;
}

#[tokio::test]
async fn a_version_that_an_interrupted_run_has_published_is_used() {
    with_function(async |fixture| {
        fixture.roll(&fixture.first).await.expect("to roll");
        let image = fixture.repository.push("2");
        fixture.update(&image).await;
        let publish = fixture.client.publish_version().function_name(&fixture.target.function);
        publish.send().await.expect("a version");
        assert_eq!(fixture.roll(&image).await.expect("to roll").version, "version 2");
    })
    .await;
}

#[tokio::test]
async fn an_image_that_the_stack_does_not_pass_on_is_refused_and_the_alias_stays() {
    with_function(async |fixture| {
        fixture.roll(&fixture.first).await.expect("to roll");
        let image = fixture.repository.push("2");
        let failure = fixture.roll(&image).await.expect_err("the stack still defines the first image");
        let said = failure
            .to_string()
            .replace(&fixture.target.function, "processor")
            .replace(&fixture.first.digest, "sha256:first")
            .replace(&image.digest, "sha256:second");
        insta::assert_snapshot!(said, @"
        function processor is defined with another image than the one that was built
          defined: sha256:first
          built:   sha256:second
          alias live still points at version 1
          next: pass ${workloads.NAME.image} to the function's stack as a parameter, and use that in Code.ImageUri
        ");
    })
    .await;
}

#[tokio::test]
async fn calls_that_a_half_finished_shift_sends_elsewhere_come_back() {
    with_function(async |fixture| {
        fixture.roll(&fixture.first).await.expect("to roll");
        let image = fixture.repository.push("2");
        fixture.update(&image).await;
        fixture.roll(&image).await.expect("to roll");
        let weights = aws_sdk_lambda::types::AliasRoutingConfiguration::builder();
        let shift = fixture.client.update_alias().function_name(&fixture.target.function).name("live");
        shift
            .routing_config(weights.additional_version_weights("1", 0.1).build())
            .send()
            .await
            .expect("a shift");
        assert_eq!(fixture.decided().await, "Roll: alias live sends 10 % of the calls to version 1");
        assert_eq!(fixture.roll(&image).await.expect("to roll").version, "version 2");
        assert_eq!(fixture.decided().await, "Nothing: alias live runs version 2");
    })
    .await;
}

#[tokio::test]
async fn a_missing_alias_says_where_it_belongs() {
    with_function(async |fixture| {
        let target = Target::new(&fixture.target.function, "absent");
        let failure = observe(&fixture.client, &target).await.expect_err("no such alias").to_string();
        assert!(failure.contains("declare it in the stack (AWS::Lambda::Alias)"), "{failure}");
    })
    .await;
}

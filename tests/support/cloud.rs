use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_cloudformation::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_cloudformation::types::ResourceSignalStatus;

/// The local cloud, seen from outside. What a project left in it is removed at the end.
pub(crate) struct Cloud {
    project: String,
    environment: String,
    runtime: tokio::runtime::Runtime,
    config: SdkConfig,
}

impl Cloud {
    pub(crate) fn endpoint() -> String {
        "http://127.0.0.1:4566".to_owned()
    }

    /// In a region without leases: `make demo` makes some in the one of this repository's own system.
    pub(crate) fn of(project: &str) -> Self {
        Self::in_region(project, "us-west-2")
    }

    pub(crate) fn in_region(project: &str, region: &str) -> Self {
        Self::of_environment(project, "local", region)
    }

    /// Another environment than `local`.
    pub(crate) fn of_environment(project: &str, environment: &str, region: &str) -> Self {
        let credentials = Credentials::new("test", "test", None, None, "test");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(Self::endpoint())
            .build();
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        Self { project: project.to_owned(), environment: environment.to_owned(), runtime, config }
    }

    fn stack_name(&self, stack: &str) -> String {
        format!("{}-{}-{stack}", self.project, self.environment)
    }

    /// CloudFormation's status of a stack; `None` if there is no such stack.
    pub(crate) fn stack_status(&self, stack: &str) -> Option<String> {
        let client = aws_sdk_cloudformation::Client::new(&self.config);
        let name = self.stack_name(stack);
        let answer = self.runtime.block_on(client.describe_stacks().stack_name(name).send()).ok()?;
        let status = answer.stacks().first()?.stack_status()?.as_str().to_owned();
        (status != "DELETE_COMPLETE").then_some(status)
    }

    /// What a stack hands on.
    pub(crate) fn outputs(&self, stack: &str) -> BTreeMap<String, String> {
        let client = aws_sdk_cloudformation::Client::new(&self.config);
        let name = self.stack_name(stack);
        let answer =
            self.runtime.block_on(client.describe_stacks().stack_name(name).send()).expect("a stack");
        let outputs = answer.stacks().first().expect("a stack").outputs().iter();
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        outputs.map(|output| (text(output.output_key()), text(output.output_value()))).collect()
    }

    /// The lease of the project's environment, by attribute.
    pub(crate) fn lease(&self, project: &str) -> BTreeMap<String, String> {
        let client = aws_sdk_dynamodb::Client::new(&self.config);
        let key = aws_sdk_dynamodb::types::AttributeValue::S(format!("{project}/local"));
        let call =
            client.get_item().table_name("pipeline-leases").key("environment", key).consistent_read(true);
        let item = self.runtime.block_on(call.send()).expect("a table").item.unwrap_or_default();
        let text = |value: &aws_sdk_dynamodb::types::AttributeValue| {
            value.as_s().or(value.as_n()).cloned().unwrap_or_default()
        };
        item.iter().map(|(name, value)| (name.clone(), text(value))).collect()
    }

    /// What a stack was given.
    pub(crate) fn parameters(&self, stack: &str) -> BTreeMap<String, String> {
        let client = aws_sdk_cloudformation::Client::new(&self.config);
        let name = self.stack_name(stack);
        let answer = self.block_on(client.describe_stacks().stack_name(name).send()).expect("a stack");
        let parameters = answer.stacks().first().expect("a stack").parameters().iter();
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        parameters
            .map(|parameter| (text(parameter.parameter_key()), text(parameter.parameter_value())))
            .collect()
    }

    /// How to reach it with a client of one's own.
    pub(crate) fn config(&self) -> &SdkConfig {
        &self.config
    }

    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// How many change sets were ever left at a stack.
    pub(crate) fn change_sets(&self, stack: &str) -> usize {
        let client = aws_sdk_cloudformation::Client::new(&self.config);
        let name = self.stack_name(stack);
        let answer = self.runtime.block_on(client.list_change_sets().stack_name(name).send());
        answer.map_or(0, |answer| answer.summaries().len())
    }

    /// Makes a stack without the pipeline, whatever comes of it.
    pub(crate) fn create_stack(&self, stack: &str, template: &str) {
        let client = aws_sdk_cloudformation::Client::new(&self.config);
        let name = self.stack_name(stack);
        self.runtime.block_on(async {
            client.create_stack().stack_name(&name).template_body(template).send().await.expect("a stack");
            settled(&client, &name).await;
        });
    }

    /// Makes a stack without the pipeline, and leaves it as it is where that fails.
    pub(crate) fn create_without_rollback(&self, stack: &str, template: &str) {
        let client = aws_sdk_cloudformation::Client::new(&self.config);
        let name = self.stack_name(stack);
        self.runtime.block_on(async {
            let create = client.create_stack().stack_name(&name).template_body(template);
            create.disable_rollback(true).send().await.expect("a stack");
            settled(&client, &name).await;
        });
    }

    /// Updates a stack without the pipeline, and leaves it as it is where that fails.
    pub(crate) fn update_without_rollback(&self, stack: &str, template: &str) {
        let client = aws_sdk_cloudformation::Client::new(&self.config);
        let name = self.stack_name(stack);
        self.runtime.block_on(async {
            let update = client.update_stack().stack_name(&name).template_body(template);
            update.disable_rollback(true).send().await.expect("an update");
            settled(&client, &name).await;
        });
    }

    /// Makes a stack's first change set and goes away.
    pub(crate) fn review_stack(&self, stack: &str, template: &str) {
        let client = aws_sdk_cloudformation::Client::new(&self.config);
        let name = self.stack_name(stack);
        let create = client
            .create_change_set()
            .stack_name(name)
            .change_set_name("somebody-elses")
            .change_set_type(aws_sdk_cloudformation::types::ChangeSetType::Create)
            .template_body(template);
        self.runtime.block_on(create.send()).expect("a change set");
    }

    /// Deletes a stack by hand, whatever comes of it.
    pub(crate) fn delete_stack(&self, stack: &str) {
        self.delete(&self.stack_name(stack));
    }

    /// Deletes what `pipeline bootstrap` made in the region.
    pub(crate) fn delete_bootstrap(&self) {
        self.delete("pipeline-bootstrap");
    }

    fn delete(&self, name: &str) {
        let client = aws_sdk_cloudformation::Client::new(&self.config);
        self.runtime.block_on(async {
            client.delete_stack().stack_name(name).send().await.expect("a deletion");
            settled(&client, name).await;
        });
    }

    /// Waits until a stack waits at a wait condition named `Gate`.
    pub(crate) fn until_waiting(&self, stack: &str) {
        let client = aws_sdk_cloudformation::Client::new(&self.config);
        let name = self.stack_name(stack);
        super::until("a stack that waits at its gate", || {
            let answer =
                self.runtime.block_on(client.describe_stack_events().stack_name(&name).send()).ok()?;
            answer
                .stack_events()
                .iter()
                .any(|event| event.logical_resource_id() == Some("Gate"))
                .then_some(())
        });
    }

    /// Lets a wait condition named `Gate` through, as soon as its stack waits for it.
    pub(crate) fn open_gate(&self, stack: &str) {
        self.signal_gate(stack, &ResourceSignalStatus::Success);
    }

    /// Lets a wait condition named `Gate` fail, as soon as its stack waits for it.
    pub(crate) fn fail_gate(&self, stack: &str) {
        self.signal_gate(stack, &ResourceSignalStatus::Failure);
    }

    fn signal_gate(&self, stack: &str, status: &ResourceSignalStatus) {
        let client = aws_sdk_cloudformation::Client::new(&self.config);
        let name = self.stack_name(stack);
        super::until("a stack that waits at its gate", || {
            let signal = client
                .signal_resource()
                .stack_name(&name)
                .logical_resource_id("Gate")
                .unique_id("test")
                .status(status.clone());
            self.runtime.block_on(signal.send()).ok()
        });
    }

    /// Changes by hand how long a log group keeps its lines.
    pub(crate) fn keep_logs(&self, group: &str, days: i32) {
        let client = aws_sdk_cloudwatchlogs::Client::new(&self.config);
        let put = client.put_retention_policy().log_group_name(group).retention_in_days(days);
        self.runtime.block_on(put.send()).expect("a log group");
    }

    /// Makes a log group by hand.
    pub(crate) fn make_logs(&self, group: &str) {
        let client = aws_sdk_cloudwatchlogs::Client::new(&self.config);
        self.runtime.block_on(client.create_log_group().log_group_name(group).send()).expect("a log group");
    }

    /// Deletes a log group by hand.
    pub(crate) fn delete_logs(&self, group: &str) {
        let client = aws_sdk_cloudwatchlogs::Client::new(&self.config);
        let delete = client.delete_log_group().log_group_name(group);
        self.runtime.block_on(delete.send()).expect("a log group");
    }

    /// Makes an alarm go off.
    pub(crate) fn raise_alarm(&self, alarm: &str, reason: &str) {
        let client = aws_sdk_cloudwatch::Client::new(&self.config);
        let set = client.set_alarm_state().alarm_name(alarm).state_reason(reason);
        let set = set.state_value(aws_sdk_cloudwatch::types::StateValue::Alarm);
        self.runtime.block_on(set.send()).expect("to set the alarm");
    }

    /// Deletes stacks as somebody outside of the pipeline would.
    pub(crate) fn delete_stacks(&self) {
        let client = aws_sdk_cloudformation::Client::new(&self.config);
        for stack in [
            "pipeline", "lambda", "ecs", "msk", "alb", "ecr", "vpc", "logs", "data", "a", "b", "c", "d",
            "gate",
        ] {
            let name = self.stack_name(stack);
            self.runtime.block_on(async {
                if client.delete_stack().stack_name(&name).send().await.is_ok() {
                    while exists(&client, &name).await {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
            });
        }
    }

    fn empty_repositories(&self) {
        let client = aws_sdk_ecr::Client::new(&self.config);
        for workload in ["api", "event-processor", "pipeline"] {
            let name = format!("{}-{}/{workload}", self.project, self.environment);
            self.runtime.block_on(async {
                let Ok(images) = client.list_images().repository_name(&name).send().await else { return };
                let delete = client.batch_delete_image().repository_name(&name);
                drop(delete.set_image_ids(images.image_ids).send().await);
            });
        }
    }
}

/// Waits until nothing is under way on a stack.
async fn settled(client: &aws_sdk_cloudformation::Client, name: &str) {
    while exists(client, name).await {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn exists(client: &aws_sdk_cloudformation::Client, name: &str) -> bool {
    match client.describe_stacks().stack_name(name).send().await {
        Ok(answer) => answer.stacks().iter().any(|stack| {
            stack.stack_status().is_some_and(|status| status.as_str().ends_with("IN_PROGRESS"))
                && stack.stack_status().is_some_and(|status| status.as_str() != "REVIEW_IN_PROGRESS")
        }),
        Err(_) => false,
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.empty_repositories();
        self.delete_stacks();
        // Functions' containers outlive their stack in the emulator.
        let script = format!(
            "docker ps --all --format '{{{{.ID}}}} {{{{.Image}}}}' | grep '/{0}-{1}/' | cut -d' ' -f1 | xargs -r docker rm -f;
             docker images --format '{{{{.ID}}}} {{{{.Repository}}}}' | grep '/{0}-{1}/' | cut -d' ' -f1 | sort -u | xargs -r docker rmi -f",
            self.project, self.environment
        );
        let _ = Command::new("sh").args(["-c", &script]).output();
    }
}

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_cloudwatchlogs::error::ProvideErrorMetadata as _;
use aws_sdk_ecs::error::SdkError;
use aws_sdk_ecs::operation::run_task::RunTaskError;
use aws_sdk_ecs::types::{
    AssignPublicIp, AwsVpcConfiguration, ContainerOverride, KeyValuePair, LaunchType, LogDriver,
    NetworkConfiguration, TaskDefinition, TaskOverride,
};

use super::origin::Served;
use crate::aws::failure;
use crate::failure::Failure;

/// Who asked for a task, as ECS shows it.
const STARTED_BY: &str = "pipeline-serve";

/// Where runs are carried out as tasks of Fargate.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// The cluster's name or ARN.
    pub name: String,
    /// The task definition: one container, which is the pipeline, and whose output `awslogs` keeps under a prefix.
    pub task_definition: String,
    /// Where tasks are placed; they have no addresses of their own outside.
    pub subnets: Vec<String>,
    /// What they may reach.
    pub security_groups: Vec<String>,
}

/// The way to tasks, and to what they write.
#[derive(Debug)]
pub(super) struct Tasks {
    cluster: Cluster,
    ecs: aws_sdk_ecs::Client,
    logs: aws_sdk_cloudwatchlogs::Client,
    output: Output,
}

/// Where a task's container writes to.
#[derive(Debug, PartialEq, Eq)]
struct Output {
    container: String,
    group: String,
    prefix: String,
}

/// What became of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Task {
    /// It has not ended.
    UnderWay,
    /// It has, with this exit code if its container ever ran, and for these reasons.
    Stopped { code: Option<i32>, reasons: Vec<String> },
    /// ECS does not know it: not yet, or no longer, as it forgets tasks an hour after their end.
    Unknown,
}

/// Why a task could not be asked for.
#[derive(Debug)]
pub(super) enum Refused {
    /// It may go well the next time.
    ForNow(Failure),
    /// It will not.
    ForGood(Failure),
}

/// The lines of a task from a place on, and the place behind them.
pub(super) type Lines = (Vec<String>, Option<String>);

impl Tasks {
    /// Looks at the task definition.
    ///
    /// # Errors
    /// If it is not there or of no use, or a repository is somewhere that tasks don't reach.
    pub(super) async fn open(cluster: &Cluster, served: &[Served]) -> Result<Self, Failure> {
        served.iter().try_for_each(reachable)?;
        let config: SdkConfig = aws_config::load_defaults(BehaviorVersion::latest()).await;
        let ecs = aws_sdk_ecs::Client::new(&config);
        let name = &cluster.task_definition;
        let call = ecs.describe_task_definition().task_definition(name).send().await;
        let answer = call.map_err(|error| failure(format!("DescribeTaskDefinition of {name}"), error))?;
        let output = answer.task_definition().and_then(Output::of).ok_or_else(|| {
            Failure::new(format!("the task definition {name} is none that runs can be followed in")).hint(
                "give it one container, whose log driver is `awslogs` with awslogs-group and awslogs-stream-prefix",
            )
        })?;
        let logs = aws_sdk_cloudwatchlogs::Client::new(&config);
        Ok(Self { cluster: cluster.clone(), ecs, logs, output })
    }

    /// Asks for a task and gives its ARN. Asked again with the same token, it is the same task.
    pub(super) async fn start(
        &self,
        token: &str,
        command: &[String],
        variables: &[(&str, String)],
    ) -> Result<String, Refused> {
        let network = AwsVpcConfiguration::builder()
            .set_subnets(Some(self.cluster.subnets.clone()))
            .set_security_groups(Some(self.cluster.security_groups.clone()))
            .assign_public_ip(AssignPublicIp::Disabled)
            .build()
            .map_err(|error| Refused::ForGood(Failure::new(error.to_string())))?;
        let container = ContainerOverride::builder()
            .name(&self.output.container)
            .set_command(Some(command.to_vec()))
            .set_environment(Some(variables.iter().map(variable).collect()))
            .build();
        let call = self
            .ecs
            .run_task()
            .cluster(&self.cluster.name)
            .task_definition(&self.cluster.task_definition)
            .launch_type(LaunchType::Fargate)
            .client_token(token)
            .started_by(STARTED_BY)
            .network_configuration(NetworkConfiguration::builder().awsvpc_configuration(network).build())
            .overrides(TaskOverride::builder().container_overrides(container).build());
        let answer = call.send().await.map_err(refused)?;
        if let Some(arn) = answer.tasks().first().and_then(aws_sdk_ecs::types::Task::task_arn) {
            return Ok(arn.to_owned());
        }
        let reasons: Vec<&str> = answer.failures().iter().filter_map(|failure| failure.reason()).collect();
        Err(Refused::ForNow(Failure::new(format!("RunTask gave no task: {}", reasons.join(", ")))))
    }

    /// Looks what became of a task.
    pub(super) async fn look(&self, arn: &str) -> Result<Task, Failure> {
        let call = self.ecs.describe_tasks().cluster(&self.cluster.name).tasks(arn).send().await;
        let answer = call.map_err(|error| failure(format!("DescribeTasks of {arn}"), error))?;
        let Some(task) = answer.tasks().first() else { return Ok(Task::Unknown) };
        if task.last_status() != Some("STOPPED") {
            return Ok(Task::UnderWay);
        }
        let containers = task.containers();
        let reasons = task.stopped_reason().into_iter().chain(containers.iter().filter_map(|it| it.reason()));
        Ok(Task::Stopped {
            code: containers.first().and_then(aws_sdk_ecs::types::Container::exit_code),
            reasons: reasons.filter(|reason| !reason.is_empty()).map(str::to_owned).collect(),
        })
    }

    /// What a task wrote from a place on, from its beginning without one.
    pub(super) async fn lines(&self, arn: &str, from: Option<&str>) -> Result<Lines, Failure> {
        let (group, stream) = (&self.output.group, self.output.stream(arn));
        let call = self.logs.get_log_events().log_group_name(group).log_stream_name(&stream);
        let call = call.start_from_head(true).set_next_token(from.map(str::to_owned)).send().await;
        match call {
            Ok(answer) => {
                let lines = answer.events().iter().filter_map(|event| event.message()).map(str::to_owned);
                Ok((lines.collect(), answer.next_forward_token().map(str::to_owned)))
            }
            // It has not written anything yet.
            Err(error)
                if error.as_service_error().and_then(|error| error.code())
                    == Some("ResourceNotFoundException") =>
            {
                Ok((Vec::new(), from.map(str::to_owned)))
            }
            Err(error) => Err(failure(format!("GetLogEvents of {stream} in {group}"), error)),
        }
    }
}

impl Output {
    fn of(definition: &TaskDefinition) -> Option<Self> {
        let [container] = definition.container_definitions() else { return None };
        let log = container.log_configuration().filter(|log| *log.log_driver() == LogDriver::Awslogs)?;
        let option = |name: &str| log.options()?.get(name).cloned();
        Some(Self {
            container: container.name()?.to_owned(),
            group: option("awslogs-group")?,
            prefix: option("awslogs-stream-prefix")?,
        })
    }

    /// The stream of a task: `PREFIX/CONTAINER/ID`.
    fn stream(&self, arn: &str) -> String {
        let id = arn.rsplit('/').next().unwrap_or(arn);
        format!("{}/{}/{id}", self.prefix, self.container)
    }
}

fn variable((name, value): &(&str, String)) -> KeyValuePair {
    KeyValuePair::builder().name(*name).value(value).build()
}

/// A task has no files of this machine, and whoever may look at it sees its command.
fn reachable(served: &Served) -> Result<(), Failure> {
    let Served { name, url } = served;
    if url.starts_with('/') {
        return Err(Failure::new(format!(
            "{name} is in a directory of this machine, which tasks don't reach"
        ))
        .hint("name the address that it is fetched from, or leave out --executor ecs"));
    }
    let address = url::Url::parse(url).ok().filter(|url| url.scheme() != "ssh");
    if address.is_some_and(|url| url.password().is_some() || !url.username().is_empty()) {
        return Err(Failure::new(format!(
            "{name} has a password in its address, which whoever sees tasks would see"
        ))
        .hint("leave it out, and give the task definition GITHUB_TOKEN as a secret"));
    }
    Ok(())
}

/// What `RunTask` answers if it would answer so again. All else passes, as throttling does.
const FOR_GOOD: [&str; 9] = [
    "AccessDeniedException",
    "BlockedException",
    "ClientException",
    "ClusterNotFoundException",
    "ConflictException",
    "InvalidParameterException",
    "PlatformTaskDefinitionIncompatibilityException",
    "PlatformUnknownException",
    "UnsupportedFeatureException",
];

fn refused(error: SdkError<RunTaskError>) -> Refused {
    let code = error.as_service_error().and_then(|error| error.code());
    let for_good = code.is_some_and(|code| FOR_GOOD.contains(&code));
    let failure = failure("RunTask", error);
    if for_good { Refused::ForGood(failure) } else { Refused::ForNow(failure) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_that_tasks_do_not_reach_is_refused() {
        let served = |url: &str| Served { name: "octo/shop".to_owned(), url: url.to_owned() };
        for good in ["https://github.com/octo/shop", "git@github.com:octo/shop.git", "ssh://git@host/shop"] {
            assert!(reachable(&served(good)).is_ok(), "{good}");
        }
        for bad in ["/srv/git/shop.git", "https://me:pass@host/shop", "https://t0ken@host/shop"] {
            let error = reachable(&served(bad)).unwrap_err().to_string();
            assert!(!error.contains("pass@") && !error.contains("t0ken"), "{error}");
        }
    }

    #[test]
    fn a_stream_is_named_after_its_task() {
        let output = Output { container: "run".to_owned(), group: "g".to_owned(), prefix: "p".to_owned() };
        assert_eq!(output.stream("arn:aws:ecs:eu-west-1:1:task/main/1a2b"), "p/run/1a2b");
    }
}

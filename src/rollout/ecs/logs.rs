use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::error::ProvideErrorMetadata as _;

use super::definition::Log;
use super::tasks::{Container, Task};
use crate::aws::failure;
use crate::failure::Failure;

/// How many lines of a container are shown.
const LINES: i32 = 10;

/// The streams that the failed containers of a task wrote to, with the containers' names. None if the task has no
/// container that ever ran, or none whose streams are named after the task.
pub(super) fn streams<'a>(logs: &'a [Log], task: &Task) -> Vec<(&'a Log, String)> {
    let failed = |container: &&Container| container.exit_code.is_some_and(|code| code != 0);
    let ended = |container: &&Container| container.exit_code.is_some();
    let mut containers: Vec<&Container> = task.containers.iter().filter(failed).collect();
    if containers.is_empty() {
        containers = task.containers.iter().filter(ended).collect();
    }
    let stream = |container: &Container| {
        let log = logs.iter().find(|log| log.container == container.name)?;
        Some((log, format!("{}/{}/{}", log.prefix.as_ref()?, log.container, task.id())))
    };
    containers.into_iter().filter_map(stream).collect()
}

/// The last lines of a stream; none if there is no such stream yet.
pub(super) async fn last_lines(client: &Client, group: &str, stream: &str) -> Result<Vec<String>, Failure> {
    let call = client.get_log_events().log_group_name(group).log_stream_name(stream).limit(LINES);
    match call.start_from_head(false).send().await {
        Ok(answer) => Ok(answer.events().iter().filter_map(|event| event.message()).map(one_line).collect()),
        Err(error)
            if error.as_service_error().and_then(|error| error.code())
                == Some("ResourceNotFoundException") =>
        {
            Ok(Vec::new())
        }
        Err(error) => Err(failure(format!("GetLogEvents of {stream} in {group}"), error)),
    }
}

/// An event of several lines stays one detail.
fn one_line(message: &str) -> String {
    message.lines().collect::<Vec<_>>().join(" ⏎ ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(exit_codes: [(&str, Option<i32>); 2]) -> Task {
        let container = |(name, exit_code): (&str, Option<i32>)| Container {
            name: name.to_owned(),
            digest: None,
            exit_code,
            reason: None,
        };
        Task {
            arn: "arn:aws:ecs:eu-west-1:1:task/main/1a2b".to_owned(),
            revision: None,
            running: false,
            healthy: false,
            created_at: 0.0,
            started_at: None,
            stopped_at: Some(1.0),
            stop_code: None,
            stopped_reason: None,
            containers: exit_codes.map(container).into(),
            addresses: Vec::new(),
        }
    }

    fn names(logs: &[Log], task: &Task) -> Vec<String> {
        streams(logs, task).into_iter().map(|(_, stream)| stream).collect()
    }

    fn log(container: &str, prefix: Option<&str>) -> Log {
        Log {
            container: container.to_owned(),
            group: "/ecs/api".to_owned(),
            prefix: prefix.map(str::to_owned),
        }
    }

    #[test]
    fn the_container_that_failed_is_listened_to() {
        let logs = [log("app", Some("api")), log("proxy", Some("api"))];
        assert_eq!(names(&logs, &task([("app", Some(3)), ("proxy", Some(0))])), ["api/app/1a2b"]);
        let both = ["api/app/1a2b", "api/proxy/1a2b"];
        assert_eq!(names(&logs, &task([("app", Some(0)), ("proxy", Some(0))])), both);
    }

    #[test]
    fn what_never_ran_or_has_no_stream_of_its_own_wrote_nothing() {
        let logs = [log("app", Some("api")), log("proxy", None)];
        assert!(names(&logs, &task([("app", None), ("proxy", None)])).is_empty());
        assert!(names(&logs, &task([("app", None), ("proxy", Some(1))])).is_empty());
    }
}

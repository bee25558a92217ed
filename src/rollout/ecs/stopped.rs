use std::collections::BTreeMap;
use std::fmt::Write as _;

use aws_sdk_ecs::types::TaskStopCode;

use super::tasks::Task;

/// So many stopped tasks are a pattern, not an accident.
const TOO_MANY: usize = 3;

/// A task that no longer starts up has to outlive those that stopped by this many seconds to count.
const MARGIN: f64 = 5.0;

/// Whether a task stopped because something is wrong with it, and not because it was told to.
pub(super) fn failed(task: &Task) -> bool {
    let reason = task.stopped_reason.as_deref().unwrap_or_default();
    match &task.stop_code {
        Some(TaskStopCode::EssentialContainerExited | TaskStopCode::TaskFailedToStart) => true,
        // `Task failed ELB health checks in (target-group …)`, `Task failed container health checks`.
        Some(TaskStopCode::ServiceSchedulerInitiated) => reason.contains("failed"),
        _ => false,
    }
}

/// Whether enough tasks of the revision have failed to look whether any stays up.
///
/// A circuit breaker gets its chance first. It does not see everything: a task that reaches `RUNNING` and ends later
/// sets its count back.
pub(super) fn many(failed: &[Task], desired: u32, breaker: bool) -> bool {
    let enough = TOO_MANY.max(desired.try_into().unwrap_or(usize::MAX));
    failed.len() >= if breaker { enough.saturating_mul(2) } else { enough }
}

/// Whether one of the running tasks is healthy, or has run for longer than any of those that failed.
pub(super) fn any_stays_up(failed: &[Task], running: &[Task], now: f64) -> bool {
    let lifetime = |task: &Task| Some(task.stopped_at? - task.started_at?);
    let longest = failed.iter().filter_map(lifetime).fold(0.0, f64::max);
    running
        .iter()
        .filter(|task| task.running)
        .any(|task| task.healthy || task.started_at.is_some_and(|started| now - started > longest + MARGIN))
}

/// Why a task stopped: `Essential container exited; container app: exit code 3`.
pub(super) fn why(task: &Task) -> String {
    let mut text = task.stopped_reason.clone().unwrap_or_else(|| "stopped without a reason".to_owned());
    for container in &task.containers {
        let exit = container.exit_code.map(|code| format!("exit code {code}"));
        let facts: Vec<String> = exit.into_iter().chain(container.reason.clone()).collect();
        if !facts.is_empty() {
            let _ = write!(text, "; container {}: {}", container.name, facts.join(", "));
        }
    }
    text
}

/// Why tasks stopped, each cause once with how many it stopped, the most frequent first.
pub(super) fn causes(failed: &[Task]) -> Vec<String> {
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    for task in failed {
        *counted.entry(why(task)).or_default() += 1;
    }
    let mut counted: Vec<(String, usize)> = counted.into_iter().collect();
    counted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let line = |(why, count): (String, usize)| {
        let tasks = if count == 1 { "1 task".to_owned() } else { format!("{count} tasks") };
        format!("{tasks} stopped: {why}")
    };
    counted.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::ecs::TaskDefinition;
    use crate::rollout::ecs::tasks::Container;

    fn task(started_at: f64, stopped_at: Option<f64>, exit_code: Option<i32>) -> Task {
        Task {
            arn: "arn:aws:ecs:eu-west-1:1:task/main/1a2b".to_owned(),
            revision: TaskDefinition::parse("api:5"),
            running: stopped_at.is_none(),
            healthy: false,
            created_at: started_at,
            started_at: Some(started_at),
            stopped_at,
            stop_code: stopped_at.map(|_| TaskStopCode::EssentialContainerExited),
            stopped_reason: stopped_at.map(|_| "Essential container exited".to_owned()),
            containers: vec![Container {
                name: "app".to_owned(),
                digest: None,
                exit_code,
                reason: exit_code.filter(|code| *code == 137).map(|_| "OutOfMemoryError".to_owned()),
            }],
            addresses: Vec::new(),
        }
    }

    #[test]
    fn causes_are_counted_and_name_exit_codes() {
        let tasks =
            [task(0.0, Some(1.0), Some(3)), task(0.0, Some(1.0), Some(137)), task(2.0, Some(3.0), Some(3))];
        insta::assert_snapshot!(causes(&tasks).join("\n"), @"
        2 tasks stopped: Essential container exited; container app: exit code 3
        1 task stopped: Essential container exited; container app: exit code 137, OutOfMemoryError
        ");
    }

    #[test]
    fn a_task_that_was_told_to_stop_has_not_failed() {
        let mut told = task(0.0, Some(1.0), Some(143));
        told.stop_code = Some(TaskStopCode::ServiceSchedulerInitiated);
        told.stopped_reason = Some("Scaling activity initiated by deployment ecs-svc/1".to_owned());
        assert!(!failed(&told));
        told.stopped_reason = Some("Task failed ELB health checks in (target-group tg)".to_owned());
        assert!(failed(&told));
    }

    #[test]
    fn three_failures_are_many_but_every_wanted_task_gets_its_chance() {
        let three = vec![task(0.0, Some(1.0), Some(1)); 3];
        assert!(many(&three, 1, false));
        assert!(!many(&three, 4, false));
        assert!(!many(&three[..2], 1, false));
    }

    #[test]
    fn a_breaker_gets_its_chance_first() {
        let failed = vec![task(0.0, Some(1.0), Some(1)); 6];
        assert!(!many(&failed[..5], 1, true));
        assert!(many(&failed, 1, true));
    }

    #[test]
    fn a_task_stays_up_once_it_has_outlived_those_that_failed() {
        let failed = [task(0.0, Some(10.0), Some(1))];
        let running = [task(20.0, None, None)];
        assert!(!any_stays_up(&failed, &running, 30.0), "as old as the one that failed");
        assert!(any_stays_up(&failed, &running, 36.0), "older than the one that failed");
        assert!(!any_stays_up(&failed, &[], 36.0), "nothing runs");
    }

    #[test]
    fn a_health_check_settles_it() {
        let mut healthy = task(20.0, None, None);
        healthy.healthy = true;
        assert!(any_stays_up(&[task(0.0, Some(10.0), Some(1))], &[healthy], 21.0));
    }
}

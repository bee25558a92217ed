use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_ecs::types::DesiredStatus;
use tokio::time::timeout;

use super::definition::Log;
use super::follow::Rollout;
use super::tasks::Task;
use super::watch::Watch;
use super::{Service, health, logs, record, tasks};
use crate::failure::Failure;

/// So many failed tasks are listened to: the others mostly say the same.
const TASKS: usize = 2;

/// A witness that takes longer is not waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// Services that know why tasks fail.
#[derive(Debug, Clone)]
pub struct Witnesses {
    /// Target groups.
    pub load_balancing: aws_sdk_elasticloadbalancingv2::Client,
    /// What containers wrote.
    pub logs: aws_sdk_cloudwatchlogs::Client,
}

/// Why a deployment fails, taken down while it runs: going back can delete what would tell.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// The last lines of containers, by the streams that hold them.
    wrote: BTreeMap<String, Said>,
    /// What load balancers last said of this deployment's targets, by the targets' addresses.
    targets: BTreeMap<String, String>,
    /// What ECS has on record of the deployment, if it took it back.
    pub(super) record: Option<String>,
    /// Whether a load balancer, or the logs, gave no answer: they are not asked again.
    no_health: bool,
    no_logs: bool,
}

/// The end of what a container wrote.
#[derive(Debug)]
struct Said {
    /// `task 1a2b, container app`.
    who: String,
    lines: Vec<String>,
}

impl Evidence {
    /// What is known, a line each.
    pub(super) fn details(&self) -> Vec<String> {
        let mut details: Vec<String> = self.record.iter().cloned().collect();
        details.extend(self.targets.values().cloned());
        let mut shown: Vec<&[String]> = Vec::new();
        for said in self.wrote.values().filter(|said| !said.lines.is_empty()) {
            if !shown.contains(&said.lines.as_slice()) {
                shown.push(&said.lines);
                details.push(format!("{} wrote last:", said.who));
                details.extend(said.lines.iter().map(|line| format!("  {line}")));
            }
        }
        details
    }
}

impl Rollout<'_> {
    /// Takes down what load balancers say of the deployment's targets.
    pub(super) async fn ask_load_balancers(&self, service: &Service, watch: &Watch, evidence: &mut Evidence) {
        for group in &service.target_groups {
            if !evidence.no_health {
                match self.ask(self.unhealthy_targets(group, watch)).await {
                    Some(found) => evidence.targets.extend(found),
                    None => evidence.no_health = true,
                }
            }
        }
    }

    /// Takes down the last lines of tasks that failed, as soon as there are any; their containers write to `logs`.
    pub(super) async fn read_logs(&self, failed: &[Task], logs: &[Log], evidence: &mut Evidence) {
        for task in failed.iter().take(TASKS) {
            for (log, stream) in logs::streams(logs, task) {
                let heard = evidence.wrote.get(&stream).is_some_and(|said| !said.lines.is_empty());
                if evidence.no_logs || heard {
                    continue;
                }
                match self.ask(logs::last_lines(&self.witnesses.logs, &log.group, &stream)).await {
                    Some(lines) => {
                        let who = format!("task {}, container {}", task.id(), log.container);
                        evidence.wrote.insert(stream, Said { who, lines });
                    }
                    None => evidence.no_logs = true,
                }
            }
        }
    }

    /// What ECS has on record of the deployment, if it took it back.
    pub(super) async fn taken_back(&self, watch: &Watch) -> Option<String> {
        self.ask(record::taken_back(self.client, self.target, watch)).await?
    }

    /// Unhealthy targets that are tasks of this deployment.
    async fn unhealthy_targets(
        &self,
        group: &str,
        watch: &Watch,
    ) -> Result<BTreeMap<String, String>, Failure> {
        let mut unhealthy = health::unhealthy(&self.witnesses.load_balancing, group).await?;
        if !unhealthy.is_empty() {
            let mut running = tasks::read(self.client, self.target, DesiredStatus::Running, &[]).await?;
            running.retain(|task| watch.started(task));
            unhealthy.retain(|target| target.belongs_to(&running));
        }
        Ok(unhealthy.into_iter().map(|target| (target.id, target.sentence)).collect())
    }

    /// An answer that fails or takes long is missing, and said to be.
    async fn ask<T>(&self, question: impl Future<Output = Result<T, Failure>>) -> Option<T> {
        let why = match timeout(PATIENCE, question).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(failure)) => failure.message,
            Err(_) => format!("no answer within {} seconds", PATIENCE.as_secs()),
        };
        self.events.warning(format!("not everything about this deployment will be known: {why}"));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_that_wrote_the_same_are_heard_once() {
        let said = |task: &str, line: &str| Said {
            who: format!("task {task}, container app"),
            lines: vec!["starting".to_owned(), line.to_owned()],
        };
        let wrote = BTreeMap::from([
            ("api/app/1".to_owned(), said("1", "no broker")),
            ("api/app/2".to_owned(), said("2", "no broker")),
            ("api/app/3".to_owned(), Said { who: "task 3".to_owned(), lines: Vec::new() }),
        ]);
        let targets = BTreeMap::from([("10.0.0.5".to_owned(), "target 10.0.0.5:80 is unhealthy".to_owned())]);
        let evidence = Evidence { wrote, targets, ..Evidence::default() };
        insta::assert_snapshot!(evidence.details().join("\n"), @"
        target 10.0.0.5:80 is unhealthy
        task 1, container app wrote last:
          starting
          no broker
        ");
    }
}

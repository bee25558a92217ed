use super::tasks::Task;
use super::{RolloutState, Service, TaskDefinition};

/// The deployment that is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Watch {
    /// What it moves the service to.
    pub(super) wanted: TaskDefinition,
    /// Its identity.
    pub(super) deployment: String,
    /// When it began, in whole seconds since 1970 by the clock of ECS.
    pub(super) began: i64,
    /// The deployment that was primary before it: an answer that still shows that one alone is merely old.
    pub(super) before: String,
    /// Whether an answer has shown it.
    pub(super) seen: bool,
}

/// What an observation says about the deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is under way.
    Going,
    /// The service reached a steady state with it.
    Steady,
    /// It won't succeed any more.
    Failed(String),
}

impl Watch {
    /// What an observation says about the deployment. Pure.
    pub(super) fn verdict(&self, service: &Service) -> Verdict {
        if service.primary.task_definition != self.wanted {
            return self.not_primary(service);
        }
        let idle = || service.others.iter().all(|other| other.tasks.running == 0);
        match service.primary.state {
            RolloutState::Completed if service.tasks.all_run() => Verdict::Steady,
            RolloutState::Failed => {
                let reason = service.primary.reason.as_deref();
                Verdict::Failed(reason.unwrap_or("ECS gave the deployment up").to_owned())
            }
            RolloutState::Unknown if service.tasks.running == service.tasks.desired && idle() => {
                Verdict::Steady
            }
            RolloutState::Completed | RolloutState::InProgress | RolloutState::Unknown => Verdict::Going,
        }
    }

    /// Whether the deployment started this task: others of the same revision may have stopped before.
    pub(super) fn started(&self, task: &Task) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
        let began = self.began as f64;
        task.revision.as_ref() == Some(&self.wanted) && task.created_at >= began
    }

    fn not_primary(&self, service: &Service) -> Verdict {
        let ours = service.others.iter().find(|other| other.id == self.deployment);
        if ours.is_none() && !self.seen && service.primary.id == self.before {
            return Verdict::Going;
        }
        let reason =
            ours.filter(|ours| ours.state == RolloutState::Failed).and_then(|ours| ours.reason.clone());
        Verdict::Failed(
            reason
                .unwrap_or_else(|| format!("a deployment of {} took over", service.primary.task_definition)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::Tasks;
    use crate::rollout::ecs::Deployment;

    fn deployment(id: &str, revision: &str, state: RolloutState, running: u32) -> Deployment {
        Deployment {
            id: id.to_owned(),
            task_definition: TaskDefinition::parse(revision).expect("a revision"),
            state,
            reason: (state == Failed).then(|| "circuit breaker".to_owned()),
            tasks: Tasks { running, desired: 1 },
            created_at: 100,
        }
    }

    fn verdict(seen: bool, mut deployments: Vec<Deployment>) -> Verdict {
        let watch = Watch {
            wanted: TaskDefinition::parse("api:5").expect("a revision"),
            deployment: "new".to_owned(),
            began: 100,
            before: "old".to_owned(),
            seen,
        };
        let running = deployments.iter().map(|deployment| deployment.tasks.running).sum();
        let primary = deployments.remove(0);
        watch.verdict(&Service {
            name: "api".to_owned(),
            tasks: Tasks { running, desired: 1 },
            primary,
            others: deployments,
            breaker: true,
            events: Vec::new(),
            target_groups: Vec::new(),
        })
    }

    use RolloutState::{Completed, Failed, InProgress, Unknown};

    #[test]
    fn the_rollout_state_settles_it() {
        let old = deployment("old", "api:4", Completed, 1);
        assert_eq!(
            verdict(true, vec![deployment("new", "api:5", InProgress, 1), old.clone()]),
            Verdict::Going
        );
        assert_eq!(
            verdict(true, vec![deployment("new", "api:5", Completed, 1), old.clone()]),
            Verdict::Steady
        );
        let failed = verdict(true, vec![deployment("new", "api:5", Failed, 0), old]);
        assert_eq!(failed, Verdict::Failed("circuit breaker".to_owned()));
    }

    #[test]
    fn without_a_state_the_old_tasks_have_to_be_gone() {
        let old = deployment("old", "api:4", Unknown, 1);
        assert_eq!(verdict(true, vec![deployment("new", "api:5", Unknown, 1), old]), Verdict::Going);
        assert_eq!(verdict(true, vec![deployment("new", "api:5", Unknown, 1)]), Verdict::Steady);
    }

    #[test]
    fn the_breaker_going_back_is_a_failure_with_its_reason() {
        let rolled_back =
            vec![deployment("old", "api:4", InProgress, 1), deployment("new", "api:5", Failed, 0)];
        assert_eq!(verdict(true, rolled_back), Verdict::Failed("circuit breaker".to_owned()));
    }

    #[test]
    fn a_deployment_that_vanished_was_replaced() {
        let replaced = verdict(true, vec![deployment("old", "api:4", Completed, 1)]);
        assert_eq!(replaced, Verdict::Failed("a deployment of api:4 took over".to_owned()));
        let by_another = verdict(false, vec![deployment("third", "api:6", InProgress, 0)]);
        assert_eq!(by_another, Verdict::Failed("a deployment of api:6 took over".to_owned()));
    }

    #[test]
    fn an_answer_from_before_the_update_is_merely_old() {
        assert_eq!(verdict(false, vec![deployment("old", "api:4", Completed, 1)]), Verdict::Going);
    }

    #[test]
    fn a_deployment_to_the_same_revision_that_somebody_forced_is_as_good() {
        assert_eq!(verdict(true, vec![deployment("forced", "api:5", Completed, 1)]), Verdict::Steady);
    }
}

use super::follow::Rollout;
use super::{RolloutState, Service, TaskDefinition, observe};
use crate::aws::failure;
use crate::failure::Failure;
use crate::rollout::patience::{Overdue, Patience};

/// How the service comes back after a failed deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Way {
    /// It has to be moved.
    Move(TaskDefinition),
    /// It is on its way already: the circuit breaker, or somebody, moved it.
    Wait(TaskDefinition),
    /// There is nothing to go back to.
    Stay,
}

fn way(service: &Service, failed: &TaskDefinition, previous: Option<&TaskDefinition>) -> Way {
    if service.primary.task_definition != *failed {
        return Way::Wait(service.primary.task_definition.clone());
    }
    previous.map_or(Way::Stay, |previous| Way::Move(previous.clone()))
}

/// Brings the service back to what it ran, waits until that is true, and says so in a sentence.
pub(super) async fn retreat(rollout: &Rollout<'_>, previous: Option<&TaskDefinition>) -> String {
    let failed = &rollout.target.task_definition;
    let way = match wait(rollout, |service| Some(way(service, failed, previous))).await {
        Ok(way) => way,
        Err(overdue) => return unsure(failed, overdue),
    };
    let to = match way {
        Way::Stay => return format!("nothing ran before {failed}: the service is left on it"),
        Way::Wait(to) => to,
        Way::Move(to) => match move_back(rollout, &to).await {
            Ok(()) => to,
            Err(failure) => return format!("the service is still on {failed}: {}", failure.message),
        },
    };
    rollout.events.activity(format!("going back to {to}"));
    match wait(rollout, |service| settled(service, &to)).await {
        Ok(sentence) => sentence,
        Err(overdue) => unsure(&to, overdue),
    }
}

/// Observes the service until that tells something.
async fn wait<T>(rollout: &Rollout<'_>, tells: impl Fn(&Service) -> Option<T>) -> Result<T, Overdue> {
    let mut patience = Patience::new(rollout.timing, rollout.events);
    loop {
        let look = observe(rollout.client, rollout.target).await.map(|service| tells(&service));
        if let Some(told) = patience.after(look).await? {
            return Ok(told);
        }
    }
}

async fn move_back(rollout: &Rollout<'_>, to: &TaskDefinition) -> Result<(), Failure> {
    let Rollout { client, target, .. } = rollout;
    let call = client.update_service().cluster(&target.cluster).service(target.service_name());
    let answer = call.task_definition(to.to_string()).send().await;
    answer.map(drop).map_err(|error| failure(format!("UpdateService back to {to}"), error))
}

/// What to say once the way back has ended; `None` while it goes on.
fn settled(service: &Service, to: &TaskDefinition) -> Option<String> {
    let primary = &service.primary;
    if primary.task_definition != *to {
        return None;
    }
    let all_run = primary.tasks.running >= service.tasks.desired;
    match primary.state {
        RolloutState::Completed => Some(format!("the service runs {to} again, {}", primary.tasks)),
        RolloutState::Unknown if all_run => Some(format!("the service runs {to} again, {}", primary.tasks)),
        RolloutState::Failed => Some(format!("going back to {to} failed too, {} run", primary.tasks)),
        RolloutState::InProgress | RolloutState::Unknown => None,
    }
}

fn unsure(to: &TaskDefinition, overdue: Overdue) -> String {
    match overdue {
        Overdue::Waiting => format!("the service was moved back to {to}, but is not steady yet"),
        Overdue::Blind(failure) => format!("it is not known what the service runs: {}", failure.message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::Tasks;
    use crate::rollout::ecs::Deployment;

    fn revision(text: &str) -> TaskDefinition {
        TaskDefinition::parse(text).expect("a revision")
    }

    fn service(primary: &str, state: RolloutState) -> Service {
        let tasks = Tasks { running: 2, desired: 2 };
        let primary = Deployment {
            id: "ecs-svc/1".to_owned(),
            task_definition: revision(primary),
            state,
            reason: None,
            tasks,
            created_at: 0,
        };
        Service {
            name: "api".to_owned(),
            tasks,
            primary,
            others: Vec::new(),
            breaker: true,
            events: Vec::new(),
            target_groups: Vec::new(),
        }
    }

    #[test]
    fn a_service_that_is_still_on_the_failed_revision_is_moved() {
        let stuck = service("api:5", RolloutState::InProgress);
        assert_eq!(way(&stuck, &revision("api:5"), Some(&revision("api:4"))), Way::Move(revision("api:4")));
        assert_eq!(way(&stuck, &revision("api:5"), None), Way::Stay);
    }

    #[test]
    fn a_service_that_somebody_moved_is_left_to_them() {
        let moved = service("api:6", RolloutState::InProgress);
        assert_eq!(way(&moved, &revision("api:5"), Some(&revision("api:4"))), Way::Wait(revision("api:6")));
    }

    #[test]
    fn only_a_steady_service_is_said_to_run_the_old_revision() {
        let to = revision("api:4");
        assert_eq!(settled(&service("api:4", RolloutState::InProgress), &to), None);
        assert_eq!(settled(&service("api:5", RolloutState::Completed), &to), None);
        insta::assert_snapshot!(
            settled(&service("api:4", RolloutState::Completed), &to).expect("settled"),
            @"the service runs api:4 again, 2 of 2 tasks"
        );
    }
}

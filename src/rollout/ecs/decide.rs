use super::{RolloutState, Service, TaskDefinition};
use crate::plan::{Action, Decision};

/// Whether the service has to be moved to the revision that the stack defines.
///
/// A deployment to that revision that is still under way is `Roll`: it is followed to its end, not started twice. So is
/// a service whose tasks do not all run, as right after its creation: what does not run is not deployed.
#[must_use]
pub fn decide(service: &Service, wanted: &TaskDefinition) -> Decision {
    let primary = &service.primary;
    if primary.task_definition != *wanted {
        return Decision::new(Action::Roll, moves(&primary.task_definition, wanted));
    }
    let revision = wanted.revision();
    match primary.state {
        RolloutState::InProgress => {
            Decision::new(Action::Roll, format!("deployment of revision {revision} is under way"))
        }
        RolloutState::Failed => {
            Decision::new(Action::Roll, format!("deployment of revision {revision} failed"))
        }
        RolloutState::Completed | RolloutState::Unknown if !service.tasks.all_run() => {
            Decision::new(Action::Roll, format!("revision {revision} is to run, and {} do", service.tasks))
        }
        RolloutState::Completed | RolloutState::Unknown => {
            Decision::new(Action::Nothing, format!("service runs revision {revision}"))
        }
    }
}

fn moves(running: &TaskDefinition, wanted: &TaskDefinition) -> String {
    if running.family() == wanted.family() {
        format!("service runs revision {}, stack defines {}", running.revision(), wanted.revision())
    } else {
        format!("service runs {running}, stack defines {wanted}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::Tasks;
    use crate::rollout::ecs::Deployment;
    use proptest::prelude::*;

    fn service(running: &str, state: RolloutState) -> Service {
        let tasks = Tasks { running: 1, desired: 1 };
        Service {
            name: "api".to_owned(),
            tasks,
            primary: Deployment {
                id: "ecs-svc/1".to_owned(),
                task_definition: TaskDefinition::parse(running).expect("a revision"),
                state,
                reason: None,
                tasks,
                created_at: 0,
            },
            others: Vec::new(),
            breaker: true,
            events: Vec::new(),
            target_groups: Vec::new(),
        }
    }

    fn decided(running: &str, state: RolloutState, wanted: &str) -> String {
        let decision = decide(&service(running, state), &TaskDefinition::parse(wanted).expect("a revision"));
        format!("{:?}: {}", decision.action, decision.reason)
    }

    #[test]
    fn reasons_read_well() {
        use RolloutState::{Completed, Failed, InProgress};
        insta::assert_snapshot!([
            decided("api:5", Completed, "api:5"),
            decided("api:4", Completed, "api:5"),
            decided("api:4", InProgress, "api:5"),
            decided("api:5", InProgress, "api:5"),
            decided("api:5", Failed, "api:5"),
            decided("old:9", Completed, "api:1"),
        ].join("\n"), @"
        Nothing: service runs revision 5
        Roll: service runs revision 4, stack defines 5
        Roll: service runs revision 4, stack defines 5
        Roll: deployment of revision 5 is under way
        Roll: deployment of revision 5 failed
        Roll: service runs old:9, stack defines api:1
        ");
    }

    proptest! {
        #[test]
        fn nothing_to_do_means_settled_on_the_wanted_revision(
            running in 1u32..9, wanted in 1u32..9, state in 0usize..4,
        ) {
            use RolloutState::{Completed, Failed, InProgress, Unknown};
            let state = [InProgress, Completed, Failed, Unknown][state];
            let decision = decide(
                &service(&format!("api:{running}"), state),
                &TaskDefinition::parse(&format!("api:{wanted}")).expect("a revision"),
            );
            let settled = running == wanted && matches!(state, Completed | Unknown);
            prop_assert_eq!(decision.action == Action::Nothing, settled);
        }
    }
}

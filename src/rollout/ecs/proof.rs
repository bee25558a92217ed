use super::TaskDefinition;
use super::definition::Definition;
use super::tasks::Task;
use crate::rollout::Proof;

/// What the running tasks say about what they run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    /// Every running task is of the wanted revision.
    Proven(Proof),
    /// Tasks of another revision still run, or none runs yet.
    NotYet,
    /// A task of the wanted revision reports another digest than the revision names.
    Differs(String),
}

/// Compares the running tasks with the revision that they should be of.
pub(super) fn prove(
    tasks: &[Task],
    desired: u32,
    wanted: &TaskDefinition,
    definition: &Definition,
) -> Finding {
    let running: Vec<&Task> = tasks.iter().filter(|task| task.running).collect();
    let of_wanted = |task: &&Task| task.revision.as_ref() == Some(wanted);
    if (running.is_empty() && desired > 0) || !running.iter().all(of_wanted) {
        return Finding::NotYet;
    }
    let mut compared = Vec::new();
    for task in running {
        for (container, digest) in &definition.digests {
            let reported = task.containers.iter().find(|found| found.name == *container);
            match reported.and_then(|found| found.digest.as_ref()) {
                Some(found) if found != digest => {
                    return Finding::Differs(format!(
                        "task {} runs {found} in container {container}, {wanted} names {digest}",
                        task.id()
                    ));
                }
                reported => compared.push(reported.is_some()),
            }
        }
    }
    let all_reported = !compared.is_empty() && compared.iter().all(|reported| *reported);
    Finding::Proven(if all_reported { Proof::Digest } else { Proof::Version })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::ecs::tasks::Container;

    fn task(revision: &str, digest: Option<&str>) -> Task {
        Task {
            arn: "arn:aws:ecs:eu-west-1:1:task/main/1a2b".to_owned(),
            revision: TaskDefinition::parse(revision),
            running: true,
            healthy: false,
            created_at: 0.0,
            started_at: Some(1.0),
            stopped_at: None,
            stop_code: None,
            stopped_reason: None,
            containers: vec![Container {
                name: "app".to_owned(),
                digest: digest.map(str::to_owned),
                exit_code: None,
                reason: None,
            }],
            addresses: Vec::new(),
        }
    }

    fn proven(tasks: &[Task], desired: u32) -> Finding {
        let definition = Definition {
            digests: [("app".to_owned(), "sha256:new".to_owned())].into(),
            ..Definition::default()
        };
        prove(tasks, desired, &TaskDefinition::parse("api:5").expect("a revision"), &definition)
    }

    #[test]
    fn every_task_with_the_right_digest_is_proof() {
        let tasks = [task("api:5", Some("sha256:new")), task("api:5", Some("sha256:new"))];
        assert_eq!(proven(&tasks, 2), Finding::Proven(Proof::Digest));
    }

    #[test]
    fn one_task_without_a_digest_makes_it_a_proof_by_version() {
        let tasks = [task("api:5", Some("sha256:new")), task("api:5", None)];
        assert_eq!(proven(&tasks, 2), Finding::Proven(Proof::Version));
    }

    #[test]
    fn a_task_of_the_old_revision_is_waited_for() {
        let tasks = [task("api:5", Some("sha256:new")), task("api:4", Some("sha256:old"))];
        assert_eq!(proven(&tasks, 1), Finding::NotYet);
    }

    #[test]
    fn no_task_proves_nothing_unless_none_is_wanted() {
        assert_eq!(proven(&[], 1), Finding::NotYet);
        assert_eq!(proven(&[], 0), Finding::Proven(Proof::Version));
    }

    #[test]
    fn another_digest_is_named() {
        assert_eq!(
            proven(&[task("api:5", Some("sha256:other"))], 1),
            Finding::Differs(
                "task 1a2b runs sha256:other in container app, api:5 names sha256:new".to_owned()
            )
        );
    }
}

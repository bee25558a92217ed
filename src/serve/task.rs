use super::child::Followed;
use crate::event::RunResult;
use crate::plan::PlanDigest;
use crate::store::{Ending, Run};

/// What a process does for a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Task {
    /// It finds out what there is to do.
    Plan,
    /// It deploys: this plan and no other, if there is one.
    Deploy(Option<PlanDigest>),
}

/// What follows when a process has ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The run has ended.
    Ended(Ending),
    /// It waits for somebody to approve this plan.
    Planned(PlanDigest),
    /// The world has changed since its plan was approved: another process plans anew.
    PlanAgain,
}

impl Task {
    /// What a run begins with: what was approved is deployed, whatever is required by now.
    pub(super) fn first(run: &Run, approval: bool) -> Self {
        let approved = run.plan.as_ref().filter(|_| run.approved_by.is_some());
        match approved.and_then(|plan| plan.parse().ok()) {
            Some(plan) => Self::Deploy(Some(plan)),
            None if approval => Self::Plan,
            None => Self::Deploy(None),
        }
    }

    /// What follows from how its process ended.
    pub(super) fn next(&self, followed: Followed) -> Next {
        let Followed { ending, plan } = followed;
        match (self, ending.result, plan) {
            (Self::Plan, RunResult::Changed, Some(plan)) => Next::Planned(plan),
            (Self::Plan, RunResult::Changed, None) => {
                let reason = Some("its plan has no digest, and so can't be approved".to_owned());
                Next::Ended(Ending { result: RunResult::Failed, reason })
            }
            (Self::Deploy(Some(_)), RunResult::Refused, _) => Next::PlanAgain,
            _ => Next::Ended(ending),
        }
    }

    /// The arguments that tell a process so.
    pub(super) fn arguments(&self, environment: &str, commit: &str) -> Vec<String> {
        let verb: &[&str] = match self {
            Self::Plan => &["plan"],
            Self::Deploy(_) => &["run", "--wait"],
        };
        let rest = ["--env", environment, "--commit", commit, "--output", "json"];
        let mut arguments: Vec<String> = verb.iter().chain(&rest).map(|word| (*word).to_owned()).collect();
        if let Self::Deploy(Some(plan)) = self {
            arguments.extend(["--plan-digest".to_owned(), plan.to_string()]);
        }
        arguments
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RESULTS: [RunResult; 6] = [
        RunResult::Unchanged,
        RunResult::Changed,
        RunResult::Failed,
        RunResult::Interrupted,
        RunResult::Superseded,
        RunResult::Refused,
    ];

    fn plan() -> PlanDigest {
        format!("{}-abc", "0".repeat(32)).parse().unwrap()
    }

    proptest! {
        #[test]
        fn only_a_plan_with_something_to_do_waits_and_only_a_refused_one_is_made_again(
            task in prop::sample::select(vec![Task::Plan, Task::Deploy(None), Task::Deploy(Some(plan()))]),
            result in prop::sample::select(RESULTS.to_vec()),
            has_digest: bool,
        ) {
            let ending = Ending { result, reason: None };
            let next = task.next(Followed { ending: ending.clone(), plan: has_digest.then(plan) });
            let waits = task == Task::Plan && result == RunResult::Changed && has_digest;
            prop_assert_eq!(next == Next::Planned(plan()), waits);
            let again = task == Task::Deploy(Some(plan())) && result == RunResult::Refused;
            prop_assert_eq!(next == Next::PlanAgain, again);
            // A plan alone has changed nothing.
            if let (Task::Plan, Next::Ended(ended)) = (&task, &next) {
                prop_assert!(ended.result != RunResult::Changed);
            }
        }
    }
}

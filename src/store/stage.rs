use std::fmt;

use super::{Run, State};

/// What happens to a run in an environment that requires approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move<'a> {
    /// Its plan has this digest, and something to do. The run behind it that waits for its turn, if there is one, is of a
    /// newer commit.
    Planned { digest: &'a str, behind: Option<i64> },
    /// Somebody approves the plan with this digest.
    Approved { digest: &'a str, by: &'a str },
    /// Somebody rejects the plan, with this digest if they say which.
    Rejected { digest: Option<&'a str> },
}

/// Where a move leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stage {
    pub(super) state: State,
    pub(super) plan: Option<String>,
    pub(super) approved_by: Option<String>,
    pub(super) superseded_by: Option<i64>,
}

/// Why somebody can't approve or reject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// The run does not wait for it.
    NotWaiting(State),
    /// Another plan waits than the one that was named.
    OtherPlan,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotWaiting(state) => {
                let state = super::run::word(state);
                write!(f, "the run does not wait for approval: it is {state}")
            }
            Self::OtherPlan => {
                f.write_str("the plan that waits for approval has another digest: look at it again")
            }
        }
    }
}

/// What a move makes of a run.
///
/// # Errors
/// If the run is not there for it.
pub(super) fn go(run: &Run, step: Move<'_>) -> Result<Stage, Unfit> {
    let stage = |state, plan: Option<&str>, by: Option<&str>| Stage {
        state,
        plan: plan.map(str::to_owned),
        approved_by: by.map(str::to_owned),
        superseded_by: None,
    };
    let is_waiting = |digest: Option<&str>| match (run.state, digest) {
        (State::Waiting, None) => Ok(()),
        (State::Waiting, digest) if digest == run.plan.as_deref() => Ok(()),
        (State::Waiting, _) => Err(Unfit::OtherPlan),
        (other, _) => Err(Unfit::NotWaiting(other)),
    };
    match step {
        Move::Planned { .. } if run.state != State::Running => Err(Unfit::NotWaiting(run.state)),
        // A newer commit is not held up by a plan that nobody has looked at.
        Move::Planned { digest, behind: Some(newer) } => {
            Ok(Stage { superseded_by: Some(newer), ..stage(State::Superseded, Some(digest), None) })
        }
        Move::Planned { digest, behind: None } => Ok(stage(State::Waiting, Some(digest), None)),
        Move::Approved { digest, by } => {
            is_waiting(Some(digest)).map(|()| stage(State::Queued, Some(digest), Some(by)))
        }
        Move::Rejected { digest } => {
            is_waiting(digest).map(|()| stage(State::Ended, run.plan.as_deref(), None))
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::super::Cause;
    use super::*;

    fn begun() -> Run {
        Run {
            id: 7,
            repository: "octo/shop".to_owned(),
            environment: "prod".to_owned(),
            branch: "main".to_owned(),
            commit: "a".to_owned(),
            cause: Cause::Push,
            priority: 0,
            state: State::Queued,
            result: None,
            reason: None,
            superseded_by: None,
            created: Timestamp::UNIX_EPOCH,
            started: None,
            ended: None,
            plan: None,
            approved_by: None,
        }
    }

    /// What can happen to a run, in any order.
    #[derive(Debug, Clone)]
    enum Happening {
        Turn,
        Planned(String),
        Newer(String),
        Approved(String),
        Rejected(Option<String>),
        Killed,
    }

    fn happening() -> impl Strategy<Value = Happening> {
        let digest = || "[ab]";
        prop_oneof![
            3 => Just(Happening::Turn),
            3 => digest().prop_map(Happening::Planned),
            1 => digest().prop_map(Happening::Newer),
            3 => digest().prop_map(Happening::Approved),
            1 => proptest::option::of(digest()).prop_map(Happening::Rejected),
            1 => Just(Happening::Killed),
        ]
    }

    fn take(run: &mut Run, step: Move<'_>) -> Result<(), Unfit> {
        let Stage { state, plan, approved_by, superseded_by } = go(run, step)?;
        *run = Run { state, superseded_by, plan, approved_by, ..run.clone() };
        Ok(())
    }

    proptest! {
        #[test]
        fn only_the_plan_that_waits_is_approved_and_only_what_is_approved_is_deployed(
            happenings in proptest::collection::vec(happening(), 1..20)
        ) {
            let mut run = begun();
            // The digest that was approved last, unless the run has waited again since.
            let mut agreed: Option<String> = None;
            for happening in happenings {
                let before = run.clone();
                let done = match &happening {
                    Happening::Turn if run.state == State::Queued => {
                        run.state = State::Running;
                        // What a process may deploy is what was agreed to.
                        prop_assert_eq!(run.approved_by.as_ref().and(run.plan.clone()), agreed.clone());
                        Ok(())
                    }
                    Happening::Killed if run.state == State::Running => {
                        run.state = State::Queued;
                        Ok(())
                    }
                    Happening::Turn | Happening::Killed => continue,
                    Happening::Planned(digest) => take(&mut run, Move::Planned { digest, behind: None }),
                    Happening::Newer(digest) => take(&mut run, Move::Planned { digest, behind: Some(8) }),
                    Happening::Approved(digest) => take(&mut run, Move::Approved { digest, by: "ada" }),
                    Happening::Rejected(digest) => take(&mut run, Move::Rejected { digest: digest.as_deref() }),
                };
                if done.is_err() {
                    prop_assert_eq!(&run, &before, "what is refused changes nothing");
                    continue;
                }
                match run.state {
                    State::Queued if before.state == State::Waiting => agreed.clone_from(&before.plan),
                    State::Queued | State::Running => {}
                    _ => agreed = None,
                }
                prop_assert_eq!(run.state == State::Waiting, matches!(happening, Happening::Planned(_)));
                prop_assert!(run.state != State::Waiting || run.approved_by.is_none() && run.plan.is_some());
                // Who waits got there by a plan, and what has ended stays so.
                prop_assert!(!matches!(before.state, State::Ended | State::Superseded), "{before:?} {run:?}");
            }
        }
    }

    #[test]
    fn another_plan_than_the_one_that_waits_is_not_approved() {
        let run = Run { state: State::Waiting, plan: Some("a".to_owned()), ..begun() };
        assert_eq!(go(&run, Move::Approved { digest: "b", by: "ada" }), Err(Unfit::OtherPlan));
        assert_eq!(go(&run, Move::Rejected { digest: Some("b") }), Err(Unfit::OtherPlan));
        let ended = Run { state: State::Ended, ..run };
        let late = go(&ended, Move::Approved { digest: "a", by: "ada" });
        assert_eq!(late, Err(Unfit::NotWaiting(State::Ended)));
    }
}

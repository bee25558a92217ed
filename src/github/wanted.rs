//! What GitHub should show of a plan or run, told from its events: pure.

use std::collections::BTreeSet;

use jiff::Timestamp;
use octocrab::models::StatusState;

use super::post::{
    Check, CheckState, Comment, Commit, Conclusion, Deployment, DeploymentState, Post, Status,
};
use crate::event::{Event, Outcome, RunResult};
use crate::plan::{Action, StepId};
use crate::report::{
    Board, Phase, StepState, annotations, is_grave, paint, plan_comment, plan_title, step_text, words,
};

/// GitHub refuses longer descriptions.
const MAX_DESCRIPTION: usize = 140;

/// GitHub refuses longer texts, in characters.
const MAX_TEXT: usize = 65_000;

/// What is posted of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A run that deploys a commit.
    Run {
        /// The commit.
        sha: String,
        /// Tells runs apart: no two have the same.
        run: String,
    },
    /// A plan of what a pull request would change, by the pull request's number.
    PullRequest(u64),
}

/// Makes posts of events.
#[derive(Debug)]
pub struct Follower {
    subject: Subject,
    environment: String,
    /// The page of the run.
    page: Option<String>,
    board: Board,
    /// The steps whose checks are in progress: what is begun on GitHub has to be ended there.
    in_progress: BTreeSet<StepId>,
}

impl Follower {
    /// A follower that knows nothing yet.
    #[must_use]
    pub fn new(subject: Subject, environment: String, page: Option<String>) -> Self {
        Self { subject, environment, page, board: Board::default(), in_progress: BTreeSet::new() }
    }

    /// What GitHub should show after this event, as far as that is something new.
    pub fn posts(&mut self, at: Timestamp, event: &Event) -> Vec<Post> {
        self.board.apply(at, event);
        match (&self.subject, event) {
            (Subject::Run { .. }, Event::Started { .. }) => {
                let doing = format!("deploying to {}", self.environment);
                self.run_posts(StatusState::Pending, DeploymentState::InProgress, &doing, None)
            }
            (Subject::Run { .. }, Event::StepDecided { step, .. } | Event::StepFinished { step, .. }) => {
                self.check(at, step).into_iter().collect()
            }
            (Subject::Run { .. }, Event::Finished { result, millis, url, .. }) => {
                let (status, deployment, text) = self.verdict(*result, *millis);
                self.run_posts(status, deployment, &text, url.clone())
            }
            (Subject::PullRequest(number), Event::Finished { result, .. }) => {
                self.plan_posts(at, *number, *result)
            }
            _ => Vec::new(),
        }
    }

    /// What GitHub should show of a run whose last event does not come.
    #[must_use]
    pub fn end(&mut self, at: Timestamp) -> Vec<Post> {
        let text = "the run ended without a result";
        let mut posts = self.run_posts(StatusState::Error, DeploymentState::Error, text, None);
        for id in std::mem::take(&mut self.in_progress) {
            let state = CheckState::Completed { conclusion: Conclusion::Cancelled, at };
            posts.extend(self.board.step(&id).and_then(|step| self.check_of(step, state, began(step, at))));
        }
        posts
    }

    fn commit(&self) -> Commit {
        match &self.subject {
            Subject::Run { sha, .. } => Commit::Sha(sha.clone()),
            Subject::PullRequest(number) => Commit::HeadOf(*number),
        }
    }

    /// The status of the commit, and the deployment.
    fn run_posts(
        &self,
        state: StatusState,
        deployment: DeploymentState,
        text: &str,
        url: Option<String>,
    ) -> Vec<Post> {
        let Subject::Run { sha, run } = &self.subject else { return Vec::new() };
        let description = paint::cut(text, MAX_DESCRIPTION);
        let status = Status {
            commit: self.commit(),
            context: format!("pipeline/{}", self.environment),
            state,
            description: description.clone(),
            // Without a page of the run, what is deployed is the next best to look at.
            target_url: self.page.clone().or_else(|| url.clone()),
        };
        let deployment = Deployment {
            sha: sha.clone(),
            environment: self.environment.clone(),
            run: run.clone(),
            state: deployment,
            description,
            environment_url: url,
            log_url: self.page.clone(),
        };
        vec![Post::Status(status), Post::Deployment(deployment)]
    }

    /// How a run ended.
    fn verdict(&self, result: RunResult, millis: u64) -> (StatusState, DeploymentState, String) {
        let time = words::duration(millis);
        let steps = words::tally(&self.board.tally());
        match result {
            RunResult::Unchanged => {
                (StatusState::Success, DeploymentState::Success, format!("nothing to do: {steps} in {time}"))
            }
            RunResult::Changed => {
                (StatusState::Success, DeploymentState::Success, format!("{steps} in {time}"))
            }
            RunResult::Failed => {
                (StatusState::Failure, DeploymentState::Failure, self.failure().unwrap_or(steps))
            }
            RunResult::Interrupted => {
                (StatusState::Error, DeploymentState::Error, format!("interrupted after {time}: {steps}"))
            }
            RunResult::Refused => (
                StatusState::Failure,
                DeploymentState::Inactive,
                "refused: the plan is not the one that was reviewed".to_owned(),
            ),
            RunResult::Superseded => (
                StatusState::Error,
                DeploymentState::Inactive,
                format!("gave way to a newer commit after {time}: {steps}"),
            ),
        }
    }

    /// `stack/ecs failed: …`, and how many others did.
    fn failure(&self) -> Option<String> {
        let mut failures = self.board.failures();
        let (step, failure) = failures.next()?;
        let others = failures.count();
        let others = if others == 0 { String::new() } else { format!(" (and {others} more)") };
        Some(format!("{} failed{others}: {}", step.id, words::clean(&failure.message)))
    }

    /// The check of a step. Steps that find nothing to do have none, what did not change is told in one line, unless they
    /// seemed to have something to do.
    fn check(&mut self, at: Timestamp, id: &StepId) -> Option<Post> {
        let step = self.board.step(id)?;
        let acts = !matches!(step.action(), Action::Nothing | Action::Unknown);
        let state = match &step.phase {
            Phase::Ended { outcome, .. } => {
                let begun = self.in_progress.remove(id);
                if *outcome == Outcome::Unchanged && !begun {
                    return None;
                }
                CheckState::Completed { conclusion: conclusion(outcome), at }
            }
            Phase::Running { .. } if acts => CheckState::InProgress,
            _ => return None,
        };
        let post = self.check_of(step, state, began(step, at))?;
        if state == CheckState::InProgress {
            self.in_progress.insert(id.clone());
        }
        Some(post)
    }

    fn check_of(&self, step: &StepState, state: CheckState, began: Timestamp) -> Option<Post> {
        let Subject::Run { run, .. } = &self.subject else { return None };
        let (title, summary) = step_text(step, MAX_TEXT);
        Some(Post::Check(Check {
            commit: self.commit(),
            name: format!("pipeline/{}/{}", self.environment, step.id),
            run: run.clone(),
            state,
            started_at: began,
            details_url: self.page.clone(),
            title,
            summary,
            // GitHub adds annotations up: only what is final is said.
            annotations: if step.ended() { annotations(step) } else { Vec::new() },
        }))
    }

    /// The comment, and a check of the pull request's newest commit.
    fn plan_posts(&self, at: Timestamp, number: u64, result: RunResult) -> Vec<Post> {
        let body = plan_comment(&self.board, result, MAX_TEXT, self.page.as_deref());
        let title = paint::cut(&plan_title(&self.board, result), MAX_DESCRIPTION);
        let conclusion = match result {
            RunResult::Changed if is_grave(&self.board) => Conclusion::Neutral,
            RunResult::Unchanged | RunResult::Changed => Conclusion::Success,
            RunResult::Failed => Conclusion::Failure,
            RunResult::Interrupted | RunResult::Superseded | RunResult::Refused => Conclusion::Cancelled,
        };
        let comment =
            Comment { pull_request: number, environment: self.environment.clone(), body: body.clone() };
        let check = Check {
            commit: self.commit(),
            name: format!("pipeline/plan/{}", self.environment),
            run: self.page.clone().unwrap_or_else(|| at.to_string()),
            state: CheckState::Completed { conclusion, at },
            started_at: self.board.started.unwrap_or(at),
            details_url: self.page.clone(),
            title,
            summary: body,
            annotations: self.board.steps.iter().flat_map(annotations).collect(),
        };
        vec![Post::Comment(comment), Post::Check(check)]
    }
}

/// When a step began, as far as that is known.
fn began(step: &StepState, at: Timestamp) -> Timestamp {
    match &step.phase {
        Phase::Running { since } => *since,
        Phase::Ended { millis, .. } => {
            let taken = jiff::SignedDuration::from_millis(i64::try_from(*millis).unwrap_or(0));
            at.checked_sub(taken).unwrap_or(at)
        }
        Phase::Waiting => at,
    }
}

fn conclusion(outcome: &Outcome) -> Conclusion {
    match outcome {
        Outcome::Done { .. } | Outcome::Unchanged => Conclusion::Success,
        Outcome::Failed { .. } => Conclusion::Failure,
        Outcome::Blocked { .. } => Conclusion::Skipped,
        Outcome::Interrupted { .. } => Conclusion::Cancelled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Command, Revision};
    use crate::plan::{Decision, Step};

    /// A follower of a run whose only step seems to have something to do, with that step.
    fn at_work() -> (Follower, StepId) {
        let subject = Subject::Run { sha: "c0ffee".to_owned(), run: "run-1".to_owned() };
        let mut follower = Follower::new(subject, "prod".to_owned(), None);
        let step = StepId::stack("vpc");
        let word = |word: &str| word.to_owned();
        let revision =
            Revision { commit: word("c0ffee"), subject: word("x"), tree: word("7ea"), dirty: false };
        let started = Event::Started {
            command: Command::Run,
            project: word("shop"),
            environment: word("prod"),
            revision,
            steps: vec![Step { id: step.clone(), needs: Vec::new() }],
        };
        let decided = Event::StepDecided {
            step: step.clone(),
            decision: Decision::new(Action::Update, "template changed"),
        };
        follower.posts(Timestamp::UNIX_EPOCH, &started);
        follower.posts(Timestamp::UNIX_EPOCH, &Event::StepStarted { step: step.clone() });
        let posts = follower.posts(Timestamp::UNIX_EPOCH, &decided);
        assert_eq!(states(&posts), [CheckState::InProgress]);
        (follower, step)
    }

    fn states(posts: &[Post]) -> Vec<CheckState> {
        let checks = posts.iter().filter_map(|post| match post {
            Post::Check(check) => Some(check.state),
            _ => None,
        });
        checks.collect()
    }

    fn completed(conclusion: Conclusion) -> CheckState {
        CheckState::Completed { conclusion, at: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn the_check_of_a_step_that_finds_nothing_to_change_after_all_is_ended() {
        let (mut follower, step) = at_work();
        let finished = Event::StepFinished { step, outcome: Outcome::Unchanged, millis: 1 };
        let posts = follower.posts(Timestamp::UNIX_EPOCH, &finished);
        assert_eq!(states(&posts), [completed(Conclusion::Success)]);
        assert_eq!(states(&follower.end(Timestamp::UNIX_EPOCH)), []);
    }

    #[test]
    fn the_checks_of_a_run_that_ends_without_a_result_are_ended() {
        let (mut follower, _) = at_work();
        assert_eq!(states(&follower.end(Timestamp::UNIX_EPOCH)), [completed(Conclusion::Cancelled)]);
    }
}

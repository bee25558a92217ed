//! What GitHub should show of a plan or run, told from its events: pure.

use jiff::Timestamp;
use octocrab::models::StatusState;

use super::post::{
    Check, CheckState, Comment, Commit, Conclusion, Deployment, DeploymentState, Post, Status,
};
use crate::event::{Event, Outcome, RunResult};
use crate::plan::{Action, StepId};
use crate::report::{Board, Phase, annotations, is_grave, paint, plan_comment, plan_text, step_text, words};

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
}

impl Follower {
    /// A follower that knows nothing yet.
    #[must_use]
    pub fn new(subject: Subject, environment: String, page: Option<String>) -> Self {
        Self { subject, environment, page, board: Board::default() }
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
    pub fn end(&self) -> Vec<Post> {
        let text = "the run ended without a result";
        self.run_posts(StatusState::Error, DeploymentState::Error, text, None)
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

    /// The check of a step. Steps that find nothing to do have none: what did not change is told in one line.
    fn check(&self, at: Timestamp, id: &StepId) -> Option<Post> {
        let Subject::Run { run, .. } = &self.subject else { return None };
        let step = self.board.step(id)?;
        let acts = !matches!(step.action(), Action::Nothing | Action::Unknown);
        let (state, began) = match &step.phase {
            Phase::Ended { outcome: Outcome::Unchanged, .. } => return None,
            Phase::Ended { outcome, millis } => {
                let taken = jiff::SignedDuration::from_millis(i64::try_from(*millis).unwrap_or(0));
                let began = at.checked_sub(taken).unwrap_or(at);
                (CheckState::Completed { conclusion: conclusion(outcome), at }, began)
            }
            Phase::Running { since } if acts => (CheckState::InProgress, *since),
            _ => return None,
        };
        let (title, summary) = step_text(step, MAX_TEXT);
        Some(Post::Check(Check {
            commit: self.commit(),
            name: format!("pipeline/{}/{id}", self.environment),
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
        let title = paint::cut(&plan_text::to_do(&self.board), MAX_DESCRIPTION);
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

fn conclusion(outcome: &Outcome) -> Conclusion {
    match outcome {
        Outcome::Done { .. } | Outcome::Unchanged => Conclusion::Success,
        Outcome::Failed { .. } => Conclusion::Failure,
        Outcome::Blocked { .. } => Conclusion::Skipped,
        Outcome::Interrupted { .. } => Conclusion::Cancelled,
    }
}

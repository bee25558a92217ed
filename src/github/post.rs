//! What GitHub shows of a run: each thing one value, which is replaced as the run goes on.

use jiff::Timestamp;
use octocrab::models::StatusState;
use serde::{Deserialize, Serialize};

use crate::report::Annotation;

/// One thing that GitHub should show. What it is called never changes while a run goes on, what it says does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Post {
    /// A commit's status.
    Status(Status),
    /// A deployment of a commit to an environment.
    Deployment(Deployment),
    /// A pull request's comment.
    Comment(Comment),
    /// A commit's check.
    Check(Check),
}

/// What a status or check is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Commit {
    /// The commit.
    Sha(String),
    /// The newest commit of the pull request with this number.
    HeadOf(u64),
}

/// A commit's status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// What it is of.
    pub commit: Commit,
    /// What it is called: `pipeline/prod`.
    pub context: String,
    /// How it stands.
    pub state: StatusState,
    /// In a few words.
    pub description: String,
    /// What it links to.
    pub target_url: Option<String>,
}

/// A deployment, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// The commit.
    pub sha: String,
    /// The environment.
    pub environment: String,
    /// The run that it is of: no two have the same.
    pub run: String,
    /// How it stands.
    pub state: DeploymentState,
    /// In a few words.
    pub description: String,
    /// Where people find what is deployed.
    pub environment_url: Option<String>,
    /// The page of the run.
    pub log_url: Option<String>,
}

/// How a deployment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentState {
    /// It is under way.
    InProgress,
    /// It is what runs.
    Success,
    /// A step failed.
    Failure,
    /// It was interrupted.
    Error,
    /// It gave way to a newer one.
    Inactive,
}

/// The one comment on a pull request that shows the plan for an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    /// The pull request's number.
    pub pull_request: u64,
    /// The environment, of which each has a comment of its own.
    pub environment: String,
    /// What it says, in Markdown.
    pub body: String,
}

impl Comment {
    /// What the comment is found by when it is to be replaced: it begins with this, and shows nothing of it.
    #[must_use]
    pub fn marker(&self) -> String {
        format!("<!-- pipeline plan {} -->", self.environment)
    }

    /// The comment as it is posted.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}", self.marker(), self.body)
    }
}

/// A commit's check: one step of a run, or a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What it is of.
    pub commit: Commit,
    /// What it is called: `pipeline/prod/stack/ecs`.
    pub name: String,
    /// The run that it is of: no two have the same.
    pub run: String,
    /// How it stands.
    pub state: CheckState,
    /// When it began.
    pub started_at: Timestamp,
    /// The page of the run.
    pub details_url: Option<String>,
    /// In a few words.
    pub title: String,
    /// In full, in Markdown.
    pub summary: String,
    /// What is to be said at lines of files.
    pub annotations: Vec<Annotation>,
}

/// How a check stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// It is under way.
    InProgress,
    /// It has ended.
    Completed {
        /// How.
        conclusion: Conclusion,
        /// When.
        at: Timestamp,
    },
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// Well.
    Success,
    /// Not well.
    Failure,
    /// Somebody should look.
    Neutral,
    /// It was interrupted.
    Cancelled,
    /// It never began.
    Skipped,
}

impl Check {
    /// The same as a commit's status, where checks may not be posted.
    #[must_use]
    pub fn as_status(&self) -> Status {
        let state = match self.state {
            CheckState::InProgress => StatusState::Pending,
            CheckState::Completed { conclusion: Conclusion::Failure, .. } => StatusState::Failure,
            CheckState::Completed { conclusion: Conclusion::Cancelled | Conclusion::Skipped, .. } => {
                StatusState::Error
            }
            CheckState::Completed { conclusion: Conclusion::Success | Conclusion::Neutral, .. } => {
                StatusState::Success
            }
        };
        Status {
            commit: self.commit.clone(),
            context: self.name.clone(),
            state,
            description: self.title.clone(),
            target_url: self.details_url.clone(),
        }
    }
}

impl Post {
    /// What tells it from others of the same run; a word for people as well.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Status(status) => format!("commit status {}", status.context),
            Self::Deployment(deployment) => format!("deployment to {}", deployment.environment),
            Self::Comment(comment) => {
                format!("comment on #{} for {}", comment.pull_request, comment.environment)
            }
            Self::Check(check) => format!("check {}", check.name),
        }
    }

    /// What makes it the same thing on GitHub, over runs and commits.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Status(status) => format!("{} {:?}", self.name(), status.commit),
            Self::Deployment(deployment) => format!("{} {}", self.name(), deployment.run),
            Self::Comment(_) => self.name(),
            Self::Check(check) => format!("{} {}", self.name(), check.run),
        }
    }

    /// What people look at first is posted first.
    #[must_use]
    pub fn rank(&self) -> u8 {
        match self {
            Self::Status(_) => 0,
            Self::Comment(_) => 1,
            Self::Deployment(_) => 2,
            Self::Check(_) => 3,
        }
    }
}

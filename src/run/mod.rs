//! The executor: walks the graph, every step starting the moment its own inputs are there.
//!
//! A plan and a run are the same walk. They part only where a step would write: a plan asks what would happen, a run
//! makes it happen.

mod board;
mod context;
mod image;
mod interrupt;
mod leave;
mod required;
mod rollout;
mod services;
mod stack;
mod survey;
mod tree;
mod turn;
mod values;
mod walk;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crate::aws::Session;
use crate::event::{Command, Event, Events, Revision, RunResult};
use crate::failure::Failure;
use crate::plan::{Graph, PlanDigest};
use crate::project::Project;
use crate::redact::redacted;
use crate::source::Repository;
use crate::stack::{AllowReplace, SkipRollback};

use board::Board;
pub use interrupt::Interrupt;
pub use survey::{Survey, Target, survey};
pub use tree::Tree;
use turn::Turn;
use walk::{Clock, Ending, StepResult, Stop, millis_since};

/// What is to be planned or run.
#[derive(Debug)]
pub struct Deployment {
    /// `pipeline.yaml` and the templates, as the commit has them.
    pub project: Project,
    /// The environment's name; there is one of that name in the project.
    pub environment: String,
    /// What is deployed.
    pub revision: Revision,
    /// Where the sources for builds are.
    pub tree: Tree,
    /// A digest of each workload's inputs.
    pub inputs: BTreeMap<String, String>,
    /// The repository that it is read from.
    pub repository: Arc<Repository>,
    /// The steps that were asked for.
    pub selected: Graph,
}

/// How it is to be done.
#[derive(Debug, Clone)]
pub struct Options {
    /// Plan, run or revert.
    pub command: Command,
    /// How many steps may act at the same time.
    pub concurrency: usize,
    /// What may be replaced or deleted although it holds data.
    pub allow_replace: Vec<AllowReplace>,
    /// Whether to wait while another run deploys to the environment.
    pub wait: bool,
    /// What a rollback that goes on may leave as it is.
    pub skip_rollback: Vec<SkipRollback>,
    /// The plan that a run has to have, or it changes nothing.
    pub required: Option<PlanDigest>,
}

/// Plans or runs a deployment; events tell what happens.
///
/// # Errors
/// If what is live can't be read, or if another run deploys to the environment. Steps that fail are no error but a
/// result.
pub async fn execute(
    deployment: Deployment,
    options: Options,
    session: Session,
    events: Events,
    interrupt: Interrupt,
) -> Result<RunResult, Failure> {
    let started = Instant::now();
    events.send(Event::Started {
        command: options.command,
        project: deployment.project.config.project.clone(),
        environment: deployment.environment.clone(),
        revision: deployment.revision.clone(),
        steps: deployment.selected.steps(),
    });
    let deployment = Arc::new(deployment);
    let turn = Turn { deployment, options, session, events: events.clone(), interrupt };
    let ended = turn.run().await;
    let Ending { result, url, newer, plan } = ended.clone().unwrap_or(Ending::of(RunResult::Failed));
    let digest = plan.map(|plan| plan.digest(redacted));
    events.send(Event::Finished { result, millis: millis_since(started), url, newer, digest });
    ended.map(|ending| ending.result)
}

//! The executor: walks the graph, every step starting the moment its own inputs are there.
//!
//! A plan and a run are the same walk. They part only where a step would write: a plan asks what would happen, a run
//! makes it happen.

mod board;
mod context;
mod image;
mod rollout;
mod stack;
mod tree;
mod values;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::event::{Command, Event, Events, Outcome, Revision, RunResult};
use crate::failure::Failure;
use crate::plan::{Graph, StepId, StepKind};
use crate::project::Project;
use crate::stack::AllowReplace;

use board::{Board, Ended};
use context::Context;
pub use tree::Tree;

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
    /// The address of the repository, for the images' labels.
    pub source: Option<String>,
    /// The steps that were asked for.
    pub selected: Graph,
}

/// How it is to be done.
#[derive(Debug, Clone)]
pub struct Options {
    /// Plan or run.
    pub command: Command,
    /// How many steps may act at the same time.
    pub concurrency: usize,
    /// What may be replaced or deleted although it holds data.
    pub allow_replace: Vec<AllowReplace>,
}

/// Asks a walk to end. What CloudFormation and the services are already doing is followed to its end after the
/// first request; after the second nothing is waited for.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    gently: CancellationToken,
    at_once: CancellationToken,
}

impl Interrupt {
    /// Asks once more.
    pub fn request(&self) {
        if self.gently.is_cancelled() {
            self.at_once.cancel();
        }
        self.gently.cancel();
    }

    /// Whether it was asked.
    #[must_use]
    pub fn requested(&self) -> bool {
        self.gently.is_cancelled()
    }

    /// Waits until it is asked.
    pub async fn wait(&self) {
        self.gently.cancelled().await;
    }
}

/// Plans or runs a deployment; events tell what happens.
///
/// # Errors
/// If what is live can't be read. Steps that fail are no error but a result.
pub async fn execute(
    deployment: Deployment,
    options: Options,
    session: crate::aws::Session,
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
    let ended = walk(deployment, options, session, events.clone(), interrupt).await;
    let (result, url) = ended.as_ref().map_or((RunResult::Failed, None), Clone::clone);
    events.send(Event::Finished { result, millis: millis_since(started), url });
    ended.map(|(result, _)| result)
}

/// How it ended, and where what is deployed is found.
async fn walk(
    deployment: Deployment,
    options: Options,
    session: crate::aws::Session,
    events: Events,
    interrupt: Interrupt,
) -> Result<(RunResult, Option<String>), Failure> {
    let steps = deployment.selected.steps();
    let at_once = interrupt.at_once.clone();
    let context = Arc::new(Context::observe(deployment, options, session, events, interrupt.gently).await?);
    let mut tasks = JoinSet::new();
    for step in steps {
        tasks.spawn(carry_out(context.clone(), step.id));
    }
    let mut outcomes = Vec::new();
    loop {
        tokio::select! {
            () = at_once.cancelled() => {
                tasks.shutdown().await;
                return Ok((RunResult::Interrupted, None));
            }
            ended = tasks.join_next() => match ended {
                Some(Ok(outcome)) => outcomes.push(outcome),
                Some(Err(panic)) => return Err(Failure::new(format!("a step broke off: {panic}"))),
                None => return Ok((summary(&outcomes), context.url().await)),
            },
        }
    }
}

fn summary(outcomes: &[Outcome]) -> RunResult {
    let any = |wanted: fn(&Outcome) -> bool| outcomes.iter().any(wanted);
    if any(|outcome| matches!(outcome, Outcome::Failed { .. })) {
        RunResult::Failed
    } else if any(|outcome| matches!(outcome, Outcome::Interrupted { .. })) {
        RunResult::Interrupted
    } else if any(|outcome| matches!(outcome, Outcome::Done { .. })) {
        RunResult::Changed
    } else {
        RunResult::Unchanged
    }
}

/// One step, from waiting for its inputs to handing its outputs on.
async fn carry_out(context: Arc<Context>, id: StepId) -> Outcome {
    let clock = Clock::default();
    let ended = match id.kind {
        StepKind::Image => Box::pin(image::step(&context, &id, &clock)).await,
        StepKind::Stack => Box::pin(stack::step(&context, &id, &clock)).await,
        StepKind::Rollout => Box::pin(rollout::step(&context, &id, &clock)).await,
    };
    let outcome = match &ended {
        Ok(done) if done.changed => Outcome::Done { summary: done.summary.clone() },
        Ok(_) => Outcome::Unchanged,
        Err(Stop::Failed(failure)) => Outcome::Failed { failure: failure.clone() },
        Err(Stop::Blocked(by)) => Outcome::Blocked { by: by.clone() },
        Err(Stop::Interrupted) => Outcome::Interrupted { summary: None },
        Err(Stop::TakenBack(summary)) => Outcome::Interrupted { summary: Some(summary.clone()) },
    };
    context.events.send(Event::StepFinished {
        step: id.clone(),
        outcome: outcome.clone(),
        millis: clock.millis(),
    });
    context.board.set(&id, ended.map_err(|stop| matches!(stop, Stop::Interrupted | Stop::TakenBack(_))));
    outcome
}

/// Why a step has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stop {
    Failed(Failure),
    Blocked(StepId),
    Interrupted,
    /// Interrupted, and what was begun is taken back; in a sentence.
    TakenBack(String),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// What a step ends with: its result, or why there is none.
type StepResult = Result<Ended, Stop>;

/// Time since a step had its inputs.
#[derive(Debug, Default)]
struct Clock(std::sync::OnceLock<Instant>);

impl Clock {
    fn start(&self, context: &Context, step: &StepId) {
        self.0.get_or_init(|| {
            context.events.send(Event::StepStarted { step: step.clone() });
            Instant::now()
        });
    }

    fn millis(&self) -> u64 {
        self.0.get().copied().map_or(0, millis_since)
    }
}

fn millis_since(instant: Instant) -> u64 {
    u64::try_from(instant.elapsed().as_millis()).unwrap_or(u64::MAX)
}

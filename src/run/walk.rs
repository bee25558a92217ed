use std::sync::Arc;
use std::time::Instant;

use tokio::task::JoinSet;

use super::board::Ended;
use super::context::Context;
use super::{image, rollout, stack};
use crate::event::{Event, Outcome, RunResult};
use crate::failure::Failure;
use crate::plan::{Plan, StepId, StepKind};

/// How a plan or a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// In a word.
    pub result: RunResult,
    /// Where people find what is deployed.
    pub url: Option<String>,
    /// The newer commit that it gave way to.
    pub newer: Option<String>,
    /// What is planned, if there is something to do and all of it could be planned.
    pub plan: Option<Plan>,
}

impl Ending {
    /// An ending of which there is no more to say.
    pub fn of(result: RunResult) -> Self {
        Self { result, url: None, newer: None, plan: None }
    }

    /// The run gave way to a newer commit.
    pub fn superseded(newer: String) -> Self {
        Self { newer: Some(newer), ..Self::of(RunResult::Superseded) }
    }
}

/// Walks the graph to its end.
pub async fn walk(context: Arc<Context>, interrupt: &super::Interrupt) -> Result<Ending, Failure> {
    let mut tasks = JoinSet::new();
    for step in context.deployment.selected.steps() {
        tasks.spawn(carry_out(context.clone(), step.id));
    }
    let mut outcomes = Vec::new();
    loop {
        tokio::select! {
            () = interrupt.at_once.cancelled() => {
                tasks.shutdown().await;
                return Ok(Ending::of(RunResult::Interrupted));
            }
            ended = tasks.join_next() => match ended {
                Some(Ok(outcome)) => outcomes.push(outcome),
                Some(Err(panic)) => return Err(Failure::new(format!("a step broke off: {panic}"))),
                None => break,
            },
        }
    }
    Ok(match (summary(&outcomes), interrupt.newer()) {
        (RunResult::Interrupted, Some(newer)) => Ending::superseded(newer),
        (result, _) => {
            let plan = (context.planning() && result == RunResult::Changed).then(|| context.plan());
            Ending { url: context.url().await, plan, ..Ending::of(result) }
        }
    })
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
    // A walk without leave to act is no news: it comes again, or the run ends with the reason.
    if !matches!(outcome, Outcome::Interrupted { .. }) || !context.leave.is_refused() {
        context.events.send(Event::StepFinished {
            step: id.clone(),
            outcome: outcome.clone(),
            millis: clock.millis(),
        });
    }
    context.board.set(&id, ended.map_err(|stop| matches!(stop, Stop::Interrupted | Stop::TakenBack(_))));
    outcome
}

/// Why a step has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
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
pub type StepResult = Result<Ended, Stop>;

/// Time since a step had its inputs.
#[derive(Debug, Default)]
pub struct Clock(std::sync::OnceLock<Instant>);

impl Clock {
    pub fn start(&self, context: &Context, step: &StepId) {
        self.0.get_or_init(|| {
            context.events.send(Event::StepStarted { step: step.clone() });
            Instant::now()
        });
    }

    fn millis(&self) -> u64 {
        self.0.get().copied().map_or(0, millis_since)
    }
}

pub fn millis_since(instant: Instant) -> u64 {
    u64::try_from(instant.elapsed().as_millis()).unwrap_or(u64::MAX)
}

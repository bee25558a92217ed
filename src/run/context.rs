use std::collections::BTreeMap;
use std::future::Future;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

use super::{Board, Deployment, Options, Stop};
use crate::aws::Session;
use crate::config::{Environment, Workload};
use crate::event::{Command, Events, StepEvents};
use crate::failure::Failure;
use crate::image::{Engine, Registry};
use crate::plan::StepId;
use crate::stack::{self, Live};

/// What every step of one walk works with.
#[derive(Debug)]
pub struct Context {
    pub deployment: Deployment,
    pub options: Options,
    pub session: Session,
    pub events: Events,
    pub board: Board,
    pub engine: Engine,
    pub registry: Registry,
    /// The stacks as they were when the walk began, by their names in `pipeline.yaml`.
    pub live: BTreeMap<String, Live>,
    permits: Semaphore,
    interrupted: CancellationToken,
}

impl Context {
    /// Reads what is live, all at once.
    pub async fn observe(
        deployment: Deployment,
        options: Options,
        session: Session,
        events: Events,
        interrupted: CancellationToken,
    ) -> Result<Self, Failure> {
        let live = live_stacks(&deployment, &session).await?;
        let steps = deployment.selected.steps().into_iter().map(|step| step.id);
        Ok(Self {
            board: Board::new(steps),
            engine: Engine::default(),
            registry: Registry::new(session.ecr.clone()),
            permits: Semaphore::new(options.concurrency),
            deployment,
            options,
            session,
            events,
            live,
            interrupted,
        })
    }

    /// Whether this is a plan, in which nothing is written.
    pub fn planning(&self) -> bool {
        self.options.command == Command::Plan
    }

    pub fn environment(&self) -> &Environment {
        &self.deployment.project.config.environments[&self.deployment.environment]
    }

    pub fn workload(&self, step: &StepId) -> &Workload {
        &self.deployment.project.config.workloads[&step.name]
    }

    pub fn events(&self, step: &StepId) -> StepEvents {
        self.events.step(step.clone())
    }

    /// Waits for one of the places in which steps may act.
    pub async fn permit(&self) -> Result<SemaphorePermit<'_>, Stop> {
        self.unless_interrupted(self.permits.acquire()).await?.map_err(|_| Stop::Interrupted)
    }

    /// Is cancelled by the first interruption, for what takes back by itself what it has begun.
    pub fn interrupted(&self) -> CancellationToken {
        self.interrupted.clone()
    }

    /// What is begun by this may be dropped at any time without harm.
    pub async fn unless_interrupted<T>(&self, work: impl Future<Output = T>) -> Result<T, Stop> {
        tokio::select! {
            biased;
            () = self.interrupted.cancelled() => Err(Stop::Interrupted),
            done = work => Ok(done),
        }
    }
}

async fn live_stacks(deployment: &Deployment, session: &Session) -> Result<BTreeMap<String, Live>, Failure> {
    let names: BTreeMap<String, String> = deployment
        .project
        .config
        .stacks
        .keys()
        .map(|stack| (deployment.project.stack_name(&deployment.environment, stack), stack.clone()))
        .collect();
    let wanted: Vec<String> = names.keys().cloned().collect();
    let live = stack::observe_all(&session.cloudformation, &wanted).await?;
    Ok(live.into_iter().filter_map(|(name, live)| Some((names.get(&name)?.clone(), live))).collect())
}

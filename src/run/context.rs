use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

use super::leave::Leave;
use super::{Board, Deployment, Options, Stop};
use crate::aws::Session;
use crate::config::{Environment, Workload};
use crate::event::{Command, Events, StepEvents};
use crate::failure::Failure;
use crate::image::{Engine, Registry};
use crate::plan::{Decision, Plan, Planned, StepId, Wanted};
use crate::rollout::ecs::Witnesses;
use crate::stack::{self, AllowReplace, Live, Lookout};

/// What every step of one walk works with.
#[derive(Debug)]
pub struct Context {
    pub deployment: Arc<Deployment>,
    pub options: Options,
    pub session: Session,
    pub events: Events,
    pub board: Board,
    pub engine: Engine,
    pub registry: Registry,
    /// The stacks as they were when the walk began, by their names in `pipeline.yaml`.
    pub live: BTreeMap<String, Live>,
    pub leave: Leave,
    /// Where operations on stacks are watched.
    pub lookout: Lookout,
    permits: Semaphore,
    /// What each step does, as far as it is decided.
    planned: Mutex<BTreeMap<StepId, Planned>>,
}

impl Context {
    /// Reads what is live, all at once.
    pub async fn observe(
        deployment: Arc<Deployment>,
        options: Options,
        session: Session,
        events: Events,
        leave: Leave,
    ) -> Result<Self, Failure> {
        let live = live_stacks(&deployment, &session).await?;
        let steps = deployment.selected.steps().into_iter().map(|step| step.id);
        Ok(Self {
            board: Board::new(steps),
            engine: Engine::default(),
            registry: Registry::new(session.ecr.clone()),
            permits: Semaphore::new(options.concurrency),
            lookout: Lookout::new(session.stacks_pace.clone()),
            planned: Mutex::default(),
            deployment,
            options,
            session,
            events,
            live,
            leave,
        })
    }

    /// Whether this is a plan, in which nothing is written.
    pub fn planning(&self) -> bool {
        self.options.command == Command::Plan
    }

    /// Whether what was changed by hand is brought back, and nothing else.
    pub fn reverting(&self) -> bool {
        self.options.command == Command::Revert
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

    /// Tells what a step does, and notes it together with what is to be there then.
    pub fn decided(&self, step: &StepId, decision: Decision, wanted: Wanted) {
        self.events(step).decided(decision.clone());
        let planned = Planned { decision, wanted };
        self.planned.lock().unwrap_or_else(PoisonError::into_inner).insert(step.clone(), planned);
    }

    /// The plan as a whole, once every step is decided.
    pub fn plan(&self) -> Plan {
        let Deployment { project, environment, .. } = self.deployment.as_ref();
        let settings = self.environment();
        let terms = [
            ("project", project.config.project.clone()),
            ("environment", environment.clone()),
            ("region", settings.region.clone()),
            ("account", settings.account.clone().unwrap_or_default()),
            ("may be replaced", listed(&self.options.allow_replace)),
            ("rollback leaves", listed(&self.options.skip_rollback)),
        ];
        Plan {
            terms: BTreeMap::from(terms),
            steps: self.planned.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Who knows why the tasks of a service fail.
    pub fn witnesses(&self) -> Witnesses {
        Witnesses { load_balancing: self.session.load_balancing.clone(), logs: self.session.logs.clone() }
    }

    /// Waits for one of the places in which steps may act, and in a run for leave to act at all.
    pub async fn permit(&self) -> Result<SemaphorePermit<'_>, Stop> {
        let permit = self.unless_interrupted(self.permits.acquire()).await?.map_err(|_| Stop::Interrupted)?;
        self.leave().await.map(|()| permit)
    }

    /// In a run: waits for leave to act.
    pub async fn leave(&self) -> Result<(), Stop> {
        if self.planning() || self.leave.granted().await { Ok(()) } else { Err(Stop::Interrupted) }
    }

    /// Is cancelled by the first interruption, for what takes back by itself what it has begun.
    pub fn interrupted(&self) -> CancellationToken {
        self.leave.stop().clone()
    }

    /// What is begun by this may be dropped at any time without harm.
    pub async fn unless_interrupted<T>(&self, work: impl Future<Output = T>) -> Result<T, Stop> {
        tokio::select! {
            biased;
            () = self.leave.stop().cancelled() => Err(Stop::Interrupted),
            done = work => Ok(done),
        }
    }
}

/// In an order of their own.
fn listed(resources: &[AllowReplace]) -> String {
    let names: BTreeSet<String> = resources.iter().map(ToString::to_string).collect();
    names.into_iter().collect::<Vec<_>>().join(",")
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

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;

use super::compare::{function, own, service};
use super::report::{Report, Stack, State, Workload};
use crate::aws::Session;
use crate::failure::Failure;
use crate::plan::StepId;
use crate::rollout::{ecs, lambda};
use crate::run::{Deployment, Survey, Target, survey};
use crate::stack::{Drift, ResourceDrift, detect};

/// Compares an environment with what was deployed to it, all of it at once.
///
/// # Errors
/// If the stacks can't be read. What can't be read of a single one is said in its place.
pub async fn read(deployment: Deployment, session: Session) -> Result<Report, Failure> {
    let (project, environment) = (deployment.project.clone(), deployment.environment.clone());
    let (commit, selected) = (deployment.revision.short(), deployment.selected.clone());
    let survey = Box::pin(survey(deployment, session.clone())).await?;
    let (drifts, workloads) = tokio::join!(drifts(&survey, &session), workloads(&survey, &session));
    let stacks = project.config.stacks.keys().filter(|name| selected.contains(&StepId::stack(*name)));
    let known = Known::of(&survey, &drifts);
    let stacks = stacks.map(|name| known.stack(name, project.stack_name(&environment, name))).collect();
    Ok(Report { project: project.config.project.clone(), environment, commit, stacks, workloads })
}

/// What CloudFormation finds in every live stack that was asked for.
async fn drifts(survey: &Survey, session: &Session) -> BTreeMap<String, Result<Drift, Failure>> {
    let live = survey.live.iter().filter(|(name, _)| survey.pending.contains_key(*name));
    let drifts = live.map(async |(name, live)| {
        (name.clone(), detect(&session.cloudformation, &session.stacks_pace, live).await)
    });
    join_all(drifts).await.into_iter().collect()
}

async fn workloads(survey: &Survey, session: &Session) -> Vec<Workload> {
    join_all(survey.targets.iter().map(async |(name, target)| {
        let found = match target {
            Ok(Some(target)) => workload(name, target, session).await,
            Ok(None) => Ok(Workload { workload: name.clone(), ..Workload::default() }),
            Err(failure) => Err(failure.clone()),
        };
        found.unwrap_or_else(|failure| Workload {
            workload: name.clone(),
            state: State::Failed,
            failure: Some(failure),
            ..Workload::default()
        })
    }))
    .await
}

async fn workload(name: &str, target: &Target, session: &Session) -> Result<Workload, Failure> {
    match target {
        Target::Ecs(target) => Ok(service(name, &ecs::observe(&session.ecs, target).await?, target)),
        Target::Lambda { target, image } => {
            Ok(function(name, &lambda::observe(&session.lambda, target).await?, image.as_ref()))
        }
    }
}

/// What was read of all stacks.
struct Known<'a> {
    survey: &'a Survey,
    drifts: &'a BTreeMap<String, Result<Drift, Failure>>,
    targets: Vec<Target>,
    members: BTreeSet<String>,
}

impl<'a> Known<'a> {
    fn of(survey: &'a Survey, drifts: &'a BTreeMap<String, Result<Drift, Failure>>) -> Self {
        let targets = survey.targets.values().flatten().flatten().cloned().collect();
        let members = drifts.values().flatten().flat_map(|drift| drift.members.values().cloned()).collect();
        Self { survey, drifts, targets, members }
    }

    fn stack(&self, name: &str, stack_name: String) -> Stack {
        let mut stack = Stack {
            stack: name.to_owned(),
            name: stack_name,
            state: State::NotDeployed,
            pending: Vec::new(),
            resources: Vec::new(),
            unchecked: 0,
            failure: None,
        };
        match self.survey.pending.get(name) {
            None => return stack,
            Some(Ok(differences)) => stack.pending = differences.iter().map(ToString::to_string).collect(),
            Some(Err(failure)) => stack.failure = Some(failure.clone()),
        }
        match self.drifts.get(name) {
            Some(Ok(drift)) => self.add(&mut stack, drift),
            Some(Err(failure)) => stack.failure = Some(failure.clone()),
            None => {}
        }
        stack.state = State::of(!stack.resources.is_empty(), stack.failure.is_some());
        stack
    }

    fn add(&self, stack: &mut Stack, drift: &Drift) {
        let own = |found: &ResourceDrift| own(found.clone(), &self.targets, &self.members);
        stack.resources = drift.resources.iter().filter_map(own).collect();
        stack.unchecked = drift.unchecked;
        if !drift.failed.is_empty() {
            let failure = Failure::new(format!("CloudFormation could not compare all of {}", stack.name));
            stack.failure = Some(drift.failed.iter().fold(failure, Failure::detail));
        }
    }
}

//! What runs in an environment: each stack's state, and what each service and function runs, from which commit.

use std::collections::BTreeMap;
use std::fmt;

use futures::future::join_all;
use serde::Serialize;

use crate::aws::Session;
use crate::config::{Reference, Rollout, Text, Workload};
use crate::event::short;
use crate::failure::Failure;
use crate::image::{Registry, Repository};
use crate::project::Project;
use crate::rollout::{self, ecs, lambda};
use crate::stack::{self, Live};

/// What runs in an environment.
#[derive(Debug, Serialize)]
pub struct Status {
    project: String,
    environment: String,
    stacks: Vec<StackStatus>,
    workloads: Vec<WorkloadStatus>,
}

#[derive(Debug, Serialize)]
struct StackStatus {
    stack: String,
    name: String,
    /// CloudFormation's status; `None` if there is no such stack.
    status: Option<String>,
}

#[derive(Debug, Serialize)]
struct WorkloadStatus {
    workload: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    running: Option<rollout::Live>,
    /// The commit that the image was built from, where the repository tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    /// Why nothing is known about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// Reads what runs in an environment.
///
/// # Errors
/// If the stacks can't be read. What can't be told of a single workload is said in its place.
pub async fn read(project: &Project, environment: &str, session: &Session) -> Result<Status, Failure> {
    let names: Vec<(String, String)> = project
        .config
        .stacks
        .keys()
        .map(|stack| (stack.clone(), project.stack_name(environment, stack)))
        .collect();
    let wanted: Vec<String> = names.iter().map(|(_, name)| name.clone()).collect();
    let found = stack::describe(&session.cloudformation, &wanted).await?;
    let live: BTreeMap<&str, &Live> =
        names.iter().filter_map(|(stack, name)| Some((stack.as_str(), found.get(name)?))).collect();
    let reader = Reader { project, environment, session, live: &live };
    let workloads = project.config.workloads.iter().filter(|(_, workload)| workload.rollout.is_some());
    let workloads = join_all(workloads.map(|(name, workload)| reader.workload(name, workload))).await;
    let stacks = names.iter().map(|(stack, name)| StackStatus {
        stack: stack.clone(),
        name: name.clone(),
        status: live.get(stack.as_str()).map(|live| live.status.0.clone()),
    });
    Ok(Status {
        project: project.config.project.clone(),
        environment: environment.to_owned(),
        stacks: stacks.collect(),
        workloads,
    })
}

struct Reader<'a> {
    project: &'a Project,
    environment: &'a str,
    session: &'a Session,
    live: &'a BTreeMap<&'a str, &'a Live>,
}

impl Reader<'_> {
    async fn workload(&self, name: &str, workload: &Workload) -> WorkloadStatus {
        let status = WorkloadStatus { workload: name.to_owned(), running: None, commit: None, problem: None };
        match self.running(workload).await {
            Ok(None) => status,
            Ok(Some(running)) => {
                let commit = self.commit(workload, &running).await;
                WorkloadStatus { running: Some(running), commit, ..status }
            }
            Err(failure) => WorkloadStatus { problem: Some(failure.message), ..status },
        }
    }

    async fn running(&self, workload: &Workload) -> Result<Option<rollout::Live>, Failure> {
        match &workload.rollout {
            Some(Rollout::Ecs { cluster, service, task_definition, .. }) => {
                let texts = (self.text(cluster), self.text(service), self.text(task_definition));
                let (Some(cluster), Some(service), Some(revision)) = texts else { return Ok(None) };
                let target = ecs::Target::new(cluster, service, &revision)?;
                let service = ecs::observe(&self.session.ecs, &target).await?;
                Ok(Some(ecs::live(&self.session.ecs, &target, &service).await?))
            }
            Some(Rollout::Lambda { function, alias, .. }) => {
                let Some(function) = self.text(function) else { return Ok(None) };
                let target = lambda::Target::new(function, alias);
                let function = lambda::observe(&self.session.lambda, &target).await?;
                Ok(Some(lambda::live(&target, &function)))
            }
            None => Ok(None),
        }
    }

    /// One look in the repository; that it can't be told fails nothing.
    async fn commit(&self, workload: &Workload, running: &rollout::Live) -> Option<String> {
        let repository = Repository::new(&self.text(&workload.repository)?, None).ok()?;
        let digest = running.digests.first()?.parse().ok()?;
        Registry::new(self.session.ecr.clone()).commit_of(repository.name(), &digest).await.ok()?
    }

    fn text(&self, text: &Text) -> Option<String> {
        text.resolve(|reference| match reference {
            Reference::StackOutput { stack, output } => {
                self.live.get(stack.as_str())?.outputs.get(output).cloned()
            }
            Reference::Project => Some(self.project.config.project.clone()),
            Reference::Environment => Some(self.environment.to_owned()),
            Reference::WorkloadImage { .. } => None,
        })
        .ok()
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} · {}\n", self.project, self.environment)?;
        let width = self
            .stacks
            .iter()
            .map(|stack| stack.stack.len())
            .chain(self.workloads.iter().map(|workload| workload.workload.len()))
            .max()
            .unwrap_or_default();
        for workload in &self.workloads {
            writeln!(f, "  {:width$}  {workload}", workload.workload)?;
        }
        if !self.workloads.is_empty() {
            writeln!(f)?;
        }
        for stack in &self.stacks {
            let status = stack.status.as_deref().unwrap_or("not deployed");
            writeln!(f, "  {:width$}  {status}", stack.stack)?;
        }
        Ok(())
    }
}

impl fmt::Display for WorkloadStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(running) = &self.running else {
            return f.write_str(self.problem.as_deref().unwrap_or("not deployed"));
        };
        write!(f, "{running}")?;
        match &self.commit {
            Some(commit) => write!(f, ", built from commit {}", short(commit)),
            None => f.write_str(", commit unknown"),
        }
    }
}

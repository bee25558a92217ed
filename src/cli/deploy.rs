use std::collections::BTreeMap;
use std::sync::Arc;

use clap::Args;

use super::options::{EnvironmentChoice, Exit, Place, warn};
use crate::aws::{Purpose, Session};
use crate::config::Config;
use crate::event::{Command, Events, Revision, RunResult};
use crate::failure::Failure;
use crate::github::{self, Credentials};
use crate::lease;
use crate::plan::PlanDigest;
use crate::report::{self, Output};
use crate::run::{self, Deployment, Interrupt, Tree};
use crate::source::{Repository, Snapshot, github_repository};
use crate::stack::{AllowReplace, SkipRollback};

/// What `plan`, `run` and `watch` have in common.
#[derive(Debug, Args)]
pub struct Deploy {
    #[command(flatten)]
    pub environment: EnvironmentChoice,
    /// Only these steps: a step (`stack/ecs`) or a name, which stands for all its steps
    #[arg(long, value_name = "STEP", num_args = 1..)]
    pub only: Vec<String>,
    /// Lets this resource be replaced or deleted although it holds data
    #[arg(long, value_name = "STACK/RESOURCE")]
    pub allow_replace: Vec<AllowReplace>,
    /// Leaves this resource as it is when the rollback of a failed update goes on
    #[arg(long, value_name = "STACK/RESOURCE")]
    pub skip_rollback: Vec<SkipRollback>,
    /// How many steps may act at the same time
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,
    /// How progress is shown
    #[arg(long, value_enum, default_value_t = Output::Auto)]
    pub output: Output,
}

/// What is to be done with a snapshot.
#[derive(Debug)]
pub struct Asked {
    pub command: Command,
    /// Whether to wait while another run deploys.
    pub wait: bool,
    /// The plan that a run has to have.
    pub required: Option<PlanDigest>,
    /// The pull request that a plan is shown on.
    pub pull_request: Option<u64>,
}

impl Asked {
    /// Nothing but the command.
    pub fn to(command: Command) -> Self {
        Self { command, wait: false, required: None, pull_request: None }
    }
}

impl Deploy {
    /// Plans or runs a snapshot and reports what happens.
    pub async fn execute(
        &self,
        place: &Place,
        repository: &Arc<Repository>,
        snapshot: Snapshot,
        asked: Asked,
        interrupt: Interrupt,
    ) -> Result<RunResult, Exit> {
        let purpose = if asked.command == Command::Plan { Purpose::Look } else { Purpose::Change };
        let (deployment, session) = self.deployment(place, repository, snapshot, purpose).await?;
        self.report(deployment, session, asked, interrupt).await
    }

    /// What a snapshot asks for, and where.
    pub async fn deployment(
        &self,
        place: &Place,
        repository: &Arc<Repository>,
        snapshot: Snapshot,
        purpose: Purpose,
    ) -> Result<(Deployment, Session), Exit> {
        let project = place.project(&snapshot)?;
        let environment = self.environment.choose(&project)?;
        let selected = project.graph(&environment).select(&self.only).map_err(Exit::usage)?;
        // The guard comes before anything else: with the wrong credentials not even a status is posted.
        let session = Session::open(&project.config.environments[&environment], purpose).await?;
        let inputs = digests(&project.config, &snapshot)?;
        let snapshot = Arc::new(snapshot);
        let deployment = Deployment {
            tree: Tree::of(repository, &snapshot).map_err(Exit::failed)?,
            revision: Revision::from(snapshot.as_ref()),
            repository: Arc::clone(repository),
            inputs,
            selected,
            environment,
            project,
        };
        Ok((deployment, session))
    }

    async fn report(
        &self,
        deployment: Deployment,
        session: Session,
        asked: Asked,
        interrupt: Interrupt,
    ) -> Result<RunResult, Exit> {
        let options = run::Options {
            command: asked.command,
            concurrency: usize::from(self.concurrency),
            allow_replace: self.allow_replace.clone(),
            wait: asked.wait,
            skip_rollback: self.skip_rollback.clone(),
            required: asked.required.clone(),
        };
        let (events, receiver) = Events::channel();
        let posting = posting(&deployment, &session, &asked)?.map(|posting| {
            let (events, receiver) = Events::channel();
            (events, github::start(receiver, posting))
        });
        let (others, posting): (Vec<_>, Vec<_>) = posting.into_iter().unzip();
        let shown = report::Options { output: self.output, color: report::color_by_default() };
        let reporter = report::start(receiver, shown, others);
        let result = run::execute(deployment, options, session, events.clone(), interrupt).await;
        drop(events);
        reporter.finish().await;
        for posting in posting {
            posting.finish().await.iter().for_each(|warning| warn(warning));
        }
        result.map_err(Exit::from)
    }
}

/// A digest of each workload's inputs.
fn digests(config: &Config, snapshot: &Snapshot) -> Result<BTreeMap<String, String>, Exit> {
    let digest = |(name, workload): (&String, &crate::config::Workload)| {
        let digest = snapshot.digest(&workload.inputs).map_err(|error| {
            Exit::usage(anyhow::Error::context(error, format!("the inputs of workload {name}")))
        })?;
        Ok((name.clone(), digest))
    };
    config.workloads.iter().map(digest).collect()
}

/// What to post on GitHub, and where: only with credentials, and only of what is in a commit. A plan is posted where it
/// is asked for.
fn posting(
    deployment: &Deployment,
    session: &Session,
    asked: &Asked,
) -> Result<Option<github::Posting>, Exit> {
    let Deployment { revision, environment, project, .. } = deployment;
    let subject = match (asked.command, asked.pull_request) {
        (Command::Plan, Some(number)) => github::Subject::PullRequest(number),
        (Command::Run, _) if !revision.dirty => {
            github::Subject::Run { sha: revision.commit.clone(), run: lease::unique_name() }
        }
        _ => return Ok(None),
    };
    let credentials = Credentials::from_environment().map_err(Exit::usage)?;
    let target = target(deployment);
    let (Some(credentials), Some(target)) = (credentials, target) else {
        return match subject {
            github::Subject::PullRequest(number) => Err(nowhere_to_post(number)),
            github::Subject::Run { .. } => Ok(None),
        };
    };
    let leftovers = matches!(subject, github::Subject::Run { .. })
        .then(|| github::Leftovers::of(session.dynamodb.clone(), &project.config.project, environment));
    Ok(Some(github::Posting {
        target,
        credentials,
        subject,
        environment: environment.clone(),
        job: lease::actions_run_url().is_some(),
        page: lease::run_url(),
        leftovers,
    }))
}

fn nowhere_to_post(pull_request: u64) -> Exit {
    Exit::usage(
        Failure::new(format!("the plan can't be shown on pull request {pull_request}"))
            .detail("it is not known as whom, or in which repository, to write on GitHub")
            .hint(
                "set GITHUB_TOKEN (or an App's PIPELINE_GITHUB_APP_ID and PIPELINE_GITHUB_APP_KEY), and \
                 github.repository in pipeline.yaml if the git remote does not tell",
            ),
    )
}

/// The repository on GitHub: the configured one, else the remote's.
fn target(deployment: &Deployment) -> Option<github::Target> {
    let github = deployment.project.config.github.clone().unwrap_or_default();
    let (owner, repository) = match &github.repository {
        Some(configured) => {
            configured.split_once('/').map(|(owner, name)| (owner.to_owned(), name.to_owned()))?
        }
        None => github_repository(&deployment.repository.remote_url()?)?,
    };
    Some(github::Target {
        api_url: std::env::var("GITHUB_API_URL").ok().or(github.api_url),
        owner,
        repository,
        timeout: github::TIMEOUT,
    })
}

/// Turns Ctrl-C and SIGTERM into requests to end.
pub fn listen_for_interrupts() -> Interrupt {
    let interrupt = Interrupt::default();
    let requested = interrupt.clone();
    tokio::spawn(async move {
        loop {
            wait_for_signal().await;
            requested.request();
        }
    });
    interrupt
}

async fn wait_for_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

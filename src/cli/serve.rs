use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::deploy::listen_for_interrupts;
use super::options::{Exit, ExitCode, Place, Remembered, note};
use crate::config::Span;
use crate::diagnostic::visible_lines;
use crate::failure::Failure;
use crate::serve::{ApiToken, Cluster, Log, Options, Served, WebhookSecrets, serve};

/// Deploy when GitHub tells of a push, and remember what happened
///
/// Deliveries are signed with `PIPELINE_WEBHOOK_SECRET`, or while it is changed with `PIPELINE_WEBHOOK_SECRET_OLD`. With
/// `PIPELINE_API_TOKEN` the API can be used.
#[derive(Debug, Args)]
pub struct Serve {
    /// The repositories to deploy: URLs on GitHub, or what GitHub calls them and where they are
    #[arg(id = "served", value_name = "[OWNER/NAME=]URL", required = true, num_args = 1..)]
    repositories: Vec<Served>,
    #[command(flatten)]
    remembered: Remembered,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Time between two looks at the repositories, for pushes that no delivery told of
    #[arg(long, value_name = "TIME", default_value = "5m")]
    poll: Span,
    /// How many runs are carried out at the same time, each to another environment
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// How long runs may go on after SIGTERM before they are told to end too
    #[arg(long, value_name = "TIME", default_value = "30m")]
    drain: Span,
    #[command(flatten)]
    executor: Executor,
    /// How many days ended runs are remembered; the newest of each environment is not forgotten
    #[arg(long, value_name = "DAYS", default_value = "90", value_parser = clap::value_parser!(u32).range(1..))]
    keep: u32,
}

/// What carries runs out.
#[derive(Debug, Args)]
struct Executor {
    /// What carries runs out: processes beside the server, or tasks of ECS
    #[arg(long = "executor", value_enum, default_value_t = Kind::Process, env = "PIPELINE_EXECUTOR")]
    kind: Kind,
    /// With `--executor ecs`: the cluster
    #[arg(long, value_name = "CLUSTER", env = "PIPELINE_ECS_CLUSTER")]
    ecs_cluster: Option<String>,
    /// With `--executor ecs`: the task definition, whose container is the pipeline
    #[arg(long, value_name = "ARN", env = "PIPELINE_ECS_TASK_DEFINITION")]
    ecs_task_definition: Option<String>,
    /// With `--executor ecs`: the subnets of tasks, comma-separated
    #[arg(long, value_name = "IDS", value_delimiter = ',', env = "PIPELINE_ECS_SUBNETS")]
    ecs_subnets: Vec<String>,
    /// With `--executor ecs`: the security groups of tasks, comma-separated
    #[arg(long, value_name = "IDS", value_delimiter = ',', env = "PIPELINE_ECS_SECURITY_GROUPS")]
    ecs_security_groups: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Processes beside the server
    Process,
    /// Tasks of ECS on Fargate
    Ecs,
}

impl Executor {
    /// Where runs are tasks, if they are.
    fn cluster(self) -> Result<Option<Cluster>, Exit> {
        if self.kind == Kind::Process {
            return Ok(None);
        }
        let missing = |option: &str| Exit::usage(format!("--executor ecs needs --{option}"));
        if self.ecs_subnets.is_empty() {
            return Err(missing("ecs-subnets"));
        }
        Ok(Some(Cluster {
            name: self.ecs_cluster.ok_or_else(|| missing("ecs-cluster"))?,
            task_definition: self.ecs_task_definition.ok_or_else(|| missing("ecs-task-definition"))?,
            subnets: self.ecs_subnets,
            security_groups: self.ecs_security_groups,
        }))
    }
}

impl Serve {
    pub async fn main(self, place: &Place) -> Result<ExitCode, Exit> {
        let (log, mut lines) = Log::channel();
        let telling = tokio::spawn(async move {
            while let Some(line) = lines.recv().await {
                note(&visible_lines(&line));
            }
        });
        let options = self.options(place)?;
        let served = serve(options, listen_for_interrupts(), log).await;
        let _ = telling.await;
        served?;
        Ok(ExitCode::Done)
    }

    fn options(self, place: &Place) -> Result<Options, Exit> {
        if self.poll.is_zero() {
            return Err(Exit::usage("--poll 0s is too short: write 30s, 5m or 1h"));
        }
        let token = variable("PIPELINE_API_TOKEN").map(|token| ApiToken::new(&token));
        let program = std::env::current_exe().map_err(|error| {
            Exit::failed(
                anyhow::Error::from(error).context("looking for this program, which runs are started with"),
            )
        })?;
        Ok(Options {
            store: self.remembered.place()?,
            listen: self.listen,
            state: self.remembered.state,
            repositories: self.repositories,
            config: place.config().to_owned(),
            poll: self.poll.duration(),
            runs: usize::from(self.runs),
            drain: self.drain.duration(),
            keep: Duration::from_hours(24 * u64::from(self.keep)),
            secrets: secrets()?,
            token: token.transpose().map_err(Exit::usage)?,
            program,
            cluster: self.executor.cluster()?,
        })
    }
}

fn secrets() -> Result<WebhookSecrets, Exit> {
    let secret = variable("PIPELINE_WEBHOOK_SECRET").ok_or_else(|| {
        Exit::usage(
            Failure::new(
                "PIPELINE_WEBHOOK_SECRET is not set: whoever reaches this server could have things deployed",
            )
            .hint("make one with `openssl rand -hex 32`, and give it to GitHub too"),
        )
    })?;
    WebhookSecrets::new(secret, variable("PIPELINE_WEBHOOK_SECRET_OLD")).map_err(Exit::usage)
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

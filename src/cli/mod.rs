//! The command line: one file per verb, each with its options and the few lines that tie the parts together.

mod approve;
mod audit;
mod bootstrap;
mod completions;
mod deploy;
mod drift;
mod graph;
mod history;
mod init;
mod options;
mod plan;
mod remote;
mod run;
mod schema;
mod serve;
mod status;
mod token;
mod unlock;
mod validate;
mod verify;
mod watch;

use clap::{Parser, Subcommand};

pub use options::{Exit, ExitCode, note};

/// A GitOps pipeline runner for AWS: builds images, applies CloudFormation stacks, rolls ECS services and Lambda
/// functions.
///
/// Exit codes: 0 done or nothing to do · 1 a step failed · 2 usage or configuration · 3 `plan --exit-code` found
/// changes, or `drift` drift · 4 gave way to a newer commit · 5 the plan is not the one that is required ·
/// 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "pipeline", version, propagate_version = true, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    place: options::Place,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Deploy: build, push, apply and roll what differs from the commit
    Run(run::Run),
    /// Show what `run` would do, without doing it
    Plan(plan::Plan),
    /// Show what runs in an environment, and from which commit
    Status(status::Status),
    /// Show what was changed by hand, and put it back
    Drift(drift::Drift),
    /// Deploy every new head of the environment's branch
    Watch(watch::Watch),
    /// Deploy when GitHub tells of a push, and remember what happened
    Serve(serve::Serve),
    /// Show the runs that `serve` remembers
    History(history::History),
    /// Approve or reject a plan that waits on a server
    Approve(approve::Approve),
    /// Make, show and revoke the tokens by which a server knows people and programs
    Token(token::Token),
    /// Show who did what on a server, and check that nothing of it was changed
    Audit(audit::Audit),
    /// Make what the pipeline itself needs in an account and region: a table for leases
    Bootstrap(bootstrap::Bootstrap),
    /// Show which run holds an environment's lease, and end it after asking
    Unlock(unlock::Unlock),
    /// Check pipeline.yaml, templates, values and Dockerfiles, without AWS
    Validate(validate::Validate),
    /// Check that everything a run needs is there, and what in the templates is slow or risky
    Verify(verify::Verify),
    /// Print the steps and what they wait for
    Graph(graph::Graph),
    /// Write a pipeline.yaml for the templates and Dockerfiles of this repository
    Init(init::Init),
    /// Print the JSON Schema of pipeline.yaml
    Schema(schema::Schema),
    /// Print completions for a shell
    Completions(completions::Completions),
}

/// Carries a command out.
///
/// # Errors
/// If it can't be carried out; the error says which exit code it asks for.
pub async fn main(cli: Cli) -> Result<ExitCode, Exit> {
    crate::redact::keep_environment();
    let place = cli.place;
    match cli.verb {
        Verb::Run(run) => run.main(&place).await,
        Verb::Plan(plan) => plan.main(&place).await,
        Verb::Status(status) => status.main(&place).await,
        Verb::Drift(drift) => drift.main(&place).await,
        Verb::Watch(watch) => watch.main(&place).await,
        Verb::Serve(serve) => serve.main(&place).await,
        Verb::History(history) => history.main().await,
        Verb::Approve(approve) => approve.main().await,
        Verb::Audit(audit) => audit.main().await,
        Verb::Token(token) => token.main().await,
        Verb::Bootstrap(bootstrap) => bootstrap.main(&place).await,
        Verb::Unlock(unlock) => unlock.main(&place).await,
        Verb::Validate(validate) => validate.main(&place),
        Verb::Verify(verify) => verify.main(&place).await,
        Verb::Graph(graph) => graph.main(&place),
        Verb::Init(init) => init.main(&place),
        Verb::Schema(schema) => schema.main(),
        Verb::Completions(completions) => completions.main(),
    }
}

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::deploy::listen_for_interrupts;
use super::options::{Exit, ExitCode, Place, Remembered, note};
use crate::config::Span;
use crate::diagnostic::visible_lines;
use crate::failure::Failure;
use crate::github::WebFlow;
use crate::redact::redacted;
use crate::serve::{
    ApiToken, Exporter, GitHubSignIn, Log, LogFormat, Options, Receiver, Receivers, Served, SigningSecret,
    Team, WebhookSecrets, serve,
};

/// A shorter lease would be lost to a pause that happens every day.
const SHORTEST_LEASE: Duration = Duration::from_secs(3);

/// How the server's own lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Lines {
    /// For people
    Text,
    /// An object a line, with time and level
    Json,
}

/// Deploy when GitHub tells of a push, and remember what happened
///
/// Deliveries are signed with `PIPELINE_WEBHOOK_SECRET`, or while it is changed with `PIPELINE_WEBHOOK_SECRET_OLD`. Who has
/// the token in `PIPELINE_API_TOKEN` may do everything; `pipeline token create` makes others. With
/// `PIPELINE_GITHUB_CLIENT_ID` and `PIPELINE_GITHUB_CLIENT_SECRET` people sign in with GitHub.
/// What receivers of notices other than Slack get is signed with `PIPELINE_NOTIFY_SECRET`. With
/// `OTEL_EXPORTER_OTLP_ENDPOINT` each run is sent as a trace.
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
    /// Where people reach the server, behind whatever ends TLS: `https://deploy.example.com`
    #[arg(long, value_name = "URL")]
    url: Option<url::Url>,
    /// Who signs in with GitHub and is in this team has this level; may be given several times. Without it the permissions
    /// on each repository decide
    #[arg(long = "team", value_name = "LEVEL=ORGANIZATION/TEAM")]
    teams: Vec<Team>,
    /// Time between two looks at the repositories, for pushes that no delivery told of
    #[arg(long, value_name = "TIME", default_value = "5m")]
    poll: Span,
    /// How long after a deployment, and after the last look, is looked for what was changed by hand; 0s: never
    #[arg(long, value_name = "TIME", default_value = "6h")]
    drift: Span,
    /// How many runs are carried out at the same time, each to another environment
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// How many pull requests from branches of the repository are planned at the same time, with the plan posted on each; 0:
    /// none are
    #[arg(long, value_name = "N", default_value = "0")]
    plans: u16,
    /// How long after its last sign of life a server's runs are begun anew by another one on the same database
    #[arg(long, value_name = "TIME", default_value = "1m")]
    lease: Span,
    /// How long runs may go on after SIGTERM before they are told to end too
    #[arg(long, value_name = "TIME", default_value = "30m")]
    drain: Span,
    /// Who is told of runs that failed, and of the first that goes well again: a webhook of Slack, or one that takes JSON; it
    /// may be given several times, and in the variable with blanks between
    #[arg(
        long,
        value_name = "[slack=]URL",
        env = "PIPELINE_NOTIFY",
        hide_env_values = true,
        value_delimiter = ' '
    )]
    notify: Vec<String>,
    /// How the server's own lines are written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    log: Lines,
    /// How many days ended runs are remembered; the newest of each environment is not forgotten
    #[arg(long, value_name = "DAYS", default_value = "90", value_parser = clap::value_parser!(u32).range(1..))]
    keep: u32,
}

impl Serve {
    pub async fn main(self, place: &Place) -> Result<ExitCode, Exit> {
        let (log, mut lines) = Log::channel();
        let format = match self.log {
            Lines::Text => LogFormat::Text,
            Lines::Json => LogFormat::Json,
        };
        let telling = tokio::spawn(async move {
            while let Some(line) = lines.recv().await {
                // Hidden before it is quoted: what is quoted is no longer what is looked for.
                note(&format.line(&redacted(&visible_lines(&line)), jiff::Timestamp::now()));
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
        if self.lease.duration() < SHORTEST_LEASE {
            return Err(Exit::usage("--lease is too short for a slow disk or network: write 3s or more"));
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
            drift: Some(self.drift.duration()).filter(|drift| !drift.is_zero()),
            runs: usize::from(self.runs),
            plans: usize::from(self.plans),
            lease: self.lease.duration(),
            drain: self.drain.duration(),
            keep: Duration::from_hours(24 * u64::from(self.keep)),
            secrets: secrets()?,
            exporter: exporter()?,
            receivers: receivers(&self.notify)?,
            token: token.transpose().map_err(Exit::usage)?,
            github: github(self.url.as_ref(), self.teams)?,
            url: self.url,
            program,
        })
    }
}

fn github(url: Option<&url::Url>, teams: Vec<Team>) -> Result<Option<GitHubSignIn>, Exit> {
    let Some(flow) = WebFlow::from_environment().map_err(Exit::usage)? else {
        if teams.is_empty() {
            return Ok(None);
        }
        return Err(Exit::usage(
            "--team is for those who sign in with GitHub: set PIPELINE_GITHUB_CLIENT_ID too",
        ));
    };
    let url = url.ok_or_else(|| {
        Exit::usage("with PIPELINE_GITHUB_CLIENT_ID, --url has to say where GitHub leads back to")
    })?;
    Ok(Some(GitHubSignIn { flow, url: url.clone(), teams }))
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

fn receivers(addresses: &[String]) -> Result<Receivers, Exit> {
    // Clap would repeat what it can't read, and an address is a secret.
    let parsed = addresses.iter().filter(|address| !address.is_empty()).map(|address| address.parse());
    let parsed: Result<Vec<Receiver>, String> = parsed.collect();
    let parsed =
        parsed.map_err(|error| Exit::usage(format!("a receiver of notices is not known: {error}")))?;
    let secret =
        variable("PIPELINE_NOTIFY_SECRET").map(SigningSecret::new).transpose().map_err(Exit::usage)?;
    Receivers::new(parsed, secret).map_err(Exit::usage)
}

fn exporter() -> Result<Option<Exporter>, Exit> {
    let Some(endpoint) = variable("OTEL_EXPORTER_OTLP_ENDPOINT") else { return Ok(None) };
    let headers = variable("OTEL_EXPORTER_OTLP_HEADERS");
    let exporter = Exporter::new(&endpoint, headers.as_deref(), variable("OTEL_SERVICE_NAME"));
    exporter.map(Some).map_err(Exit::usage)
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

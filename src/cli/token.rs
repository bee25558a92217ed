use std::io::Write as _;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::options::{Exit, ExitCode, Format, Remembered, note, print};
use crate::config::Span;
use crate::diagnostic::visible_lines;
use crate::store::{By, Level, Rights, Secret, Store, Token as Stored};

/// Make, show and revoke the tokens by which a server knows people and programs
#[derive(Debug, Args)]
pub struct Token {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a token, which is printed this once
    Create(Create),
    /// Show the tokens, without their secrets
    List(List),
    /// Revoke a token, and with it the sessions that it began
    Revoke(Revoke),
}

#[derive(Debug, Args)]
struct Create {
    /// Whose it is: up to 64 letters, digits, `-`, `_` and `.`; a name is given once
    #[arg(value_name = "NAME", value_parser = name)]
    name: String,
    /// What it allows: `read`, `run` or `approve`, each with those before it
    #[arg(long, value_name = "LEVEL")]
    level: Level,
    /// Only in this repository; may be given several times
    #[arg(long = "only", value_name = "OWNER/NAME")]
    repositories: Vec<String>,
    /// How long it opens anything, in hours or days: `12h`, `90d`; for ever if not given
    #[arg(long, value_name = "TIME", value_parser = lifetime)]
    expires: Option<Duration>,
    #[command(flatten)]
    remembered: Remembered,
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    remembered: Remembered,
    /// How they are shown
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Args)]
struct Revoke {
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    remembered: Remembered,
}

impl Token {
    pub async fn main(&self) -> Result<ExitCode, Exit> {
        match &self.verb {
            Verb::Create(create) => create.main().await,
            Verb::List(list) => list.main().await,
            Verb::Revoke(revoke) => revoke.main().await,
        }
    }
}

impl Create {
    async fn main(&self) -> Result<ExitCode, Exit> {
        let store = Store::open(&self.remembered.place()?).await?;
        let rights = match self.repositories.as_slice() {
            [] => Rights::everywhere(self.level),
            names => Rights::of(names.iter().map(|name| (name.clone(), self.level))),
        };
        let secret = Secret::token()?;
        let is_new = store.create_token(&self.name, &secret.hash(), &rights, self.expires, &here()).await?;
        store.close().await;
        if !is_new {
            return Err(Exit::usage(format!(
                "there is a token {} already, or was: take another name",
                self.name
            )));
        }
        note("it is not shown again:");
        // `print` hides tokens, and this one is to be seen.
        writeln!(std::io::stdout().lock(), "{}", secret.expose())
            .map_err(|error| Exit::failed(format!("writing to standard output: {error}")))?;
        Ok(ExitCode::Done)
    }
}

impl List {
    async fn main(&self) -> Result<ExitCode, Exit> {
        let store = Store::open_existing(&self.remembered.place()?).await?;
        let tokens = store.tokens().await?;
        store.close().await;
        self.format.print(&tokens, || visible_lines(&table(&tokens)))?;
        Ok(ExitCode::Done)
    }
}

impl Revoke {
    async fn main(&self) -> Result<ExitCode, Exit> {
        let store = Store::open_existing(&self.remembered.place()?).await?;
        let revoked = store.revoke_token(&self.name, &here()).await?;
        store.close().await;
        if !revoked {
            let why =
                format!("there is no token {} that could be revoked: see `pipeline token list`", self.name);
            return Err(Exit::usage(why));
        }
        print(&format!("{} opens nothing any more\n", self.name))?;
        Ok(ExitCode::Done)
    }
}

fn table(tokens: &[Stored]) -> String {
    if tokens.is_empty() { "no tokens\n".to_owned() } else { tokens.iter().map(row).collect() }
}

fn row(token: &Stored) -> String {
    let Stored { name, rights, created, expires, revoked } = token;
    let end = match (revoked, expires) {
        (Some(revoked), _) => format!("revoked {revoked:.0}"),
        (None, Some(expires)) => format!("until {expires:.0}"),
        (None, None) => "no end".to_owned(),
    };
    format!("{name:<20}  {rights:<20}  made {created:.0}  {end}\n")
}

/// What `api` is: the token in `PIPELINE_API_TOKEN`.
fn name(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if text == "api" {
        return Err("the token in PIPELINE_API_TOKEN has this name".to_owned());
    }
    if text.is_empty() || text.len() > 64 || !text.bytes().all(fits) {
        return Err("a name has up to 64 letters, digits, `-`, `_` and `.`".to_owned());
    }
    Ok(text.to_owned())
}

fn lifetime(text: &str) -> Result<Duration, String> {
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok());
    let time = days.map(|days| Ok(Duration::from_hours(24 * u64::from(days))));
    let time = time.unwrap_or_else(|| text.parse().map(Span::duration));
    time.map_err(|_| format!("`{text}` is not a time: write 12h or 90d"))
}

/// Whoever uses this command line.
fn here() -> By {
    let who = std::env::var("USER").ok().filter(|user| !user.is_empty());
    By { who: who.unwrap_or_else(|| "somebody".to_owned()), from: "command line".to_owned() }
}

use std::io::{BufRead as _, IsTerminal as _};

use clap::Args;

use super::options::{EnvironmentChoice, Exit, ExitCode, Opened, Place, note, print};
use crate::aws::Purpose;
use crate::failure::Failure;
use crate::lease::{Claim, Holder, Lease, Looked, Record, Unwritten};

/// Show which run holds an environment's lease, and end it after asking
#[derive(Debug, Args)]
pub struct Unlock {
    #[command(flatten)]
    environment: EnvironmentChoice,
    /// End it without asking
    #[arg(long)]
    yes: bool,
}

impl Unlock {
    pub async fn main(&self, place: &Place) -> Result<ExitCode, Exit> {
        let Opened { project, environment, session } = self.environment.open(place, Purpose::Change).await?;
        let lease = Lease::new(&session, &project.config.project, &environment, Holder::here(""));
        let Looked::Seen(seen) = lease.look().await? else {
            return Err(Exit::failed(format!(
                "there are no leases in this account and region: `pipeline bootstrap --env {environment}` makes their table"
            )));
        };
        let Claim::Held(record) = seen.claim() else {
            print(&format!("nobody holds the lease of {environment}\n"))?;
            return Ok(ExitCode::Done);
        };
        note(&format!(
            "{}; its lease ends in {} s unless it is renewed",
            record.holder,
            record.expires - seen.now
        ));
        if !self.yes && !agreed()? {
            return Err(Exit::failed("the lease is left as it is"));
        }
        end(&lease, record, seen.now).await?;
        print(&format!(
            "the lease of {environment} is free; if that run still goes on, it changes nothing any more\n"
        ))?;
        Ok(ExitCode::Done)
    }
}

fn agreed() -> Result<bool, Exit> {
    if !std::io::stdin().is_terminal() {
        return Err(Exit::usage("there is nobody to ask: `--yes` ends the lease without asking"));
    }
    note("End it? Only if that run is dead, or is to be stopped. [y/N]");
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| Exit::failed(format!("reading the answer: {error}")))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

async fn end(lease: &Lease, record: &Record, now: i64) -> Result<(), Failure> {
    lease.end(record, now).await.map_err(|unwritten| match unwritten {
        Unwritten::Changed => Failure::new("the lease was written meanwhile: that run is alive")
            .hint("run this again if it is to be ended all the same"),
        Unwritten::Failed(failure) => failure,
    })
}

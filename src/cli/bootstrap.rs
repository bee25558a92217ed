use clap::Args;

use super::options::{EnvironmentChoice, Exit, ExitCode, Place, print};
use crate::aws::Session;
use crate::event::Events;
use crate::lease;
use crate::plan::StepId;
use crate::stack::{self, Step};

/// Make what the pipeline itself needs in an environment's account and region: a table for leases, which keep two runs
/// from deploying at the same time
#[derive(Debug, Args)]
pub struct Bootstrap {
    #[command(flatten)]
    environment: EnvironmentChoice,
}

impl Bootstrap {
    pub async fn main(&self, place: &Place) -> Result<ExitCode, Exit> {
        let changed = apply(&self.environment.open(place).await?.session).await?;
        print(&format!(
            "{} {}\n",
            lease::STACK,
            if changed { "is made: one run at a time deploys from now on" } else { "is as it should be" }
        ))?;
        Ok(ExitCode::Done)
    }
}

/// Whether anything was to be changed.
async fn apply(session: &Session) -> Result<bool, Exit> {
    let spec = lease::spec()?;
    let live = stack::observe_all(&session.cloudformation, std::slice::from_ref(&spec.stack_name)).await?;
    // It is over within seconds: there is no progress worth showing.
    let (events, _unheard) = Events::channel();
    let step = Step {
        client: &session.cloudformation,
        pace: &session.stacks_pace,
        stack: lease::STACK,
        allowed: &[],
        events: &events.step(StepId::stack(lease::STACK)),
        skip_rollback: &[],
        waits: None,
    };
    let live = step.settle(&spec.stack_name, live.get(&spec.stack_name).cloned()).await?;
    Ok(Box::pin(step.apply(&spec, live)).await?.changed > 0)
}

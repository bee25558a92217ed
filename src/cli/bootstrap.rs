use clap::Args;

use super::options::{EnvironmentChoice, Exit, ExitCode, Place, print};
use crate::aws::{Purpose, Session};
use crate::event::Events;
use crate::failure::Failure;
use crate::lease;
use crate::plan::StepId;
use crate::stack::{self, Live, Lookout, Spec, Step};

/// Make what the pipeline itself needs in an environment's account and region: a table for leases, which keep two runs
/// from deploying at the same time
#[derive(Debug, Args)]
pub struct Bootstrap {
    #[command(flatten)]
    environment: EnvironmentChoice,
}

impl Bootstrap {
    pub async fn main(&self, place: &Place) -> Result<ExitCode, Exit> {
        let changed = apply(&self.environment.open(place, Purpose::Change).await?.session).await?;
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
    // It is over within seconds: there is no progress worth showing.
    let (events, _unheard) = Events::channel();
    let step = Step {
        client: &session.cloudformation,
        lookout: &Lookout::new(session.stacks_pace.clone()),
        stack: lease::STACK,
        allowed: &[],
        events: &events.step(StepId::stack(lease::STACK)),
        skip_rollback: &[],
        waits: None,
    };
    let applied = Box::pin(async { step.apply(&spec, settled(session, &step, &spec).await?).await }).await;
    match applied {
        Ok(applied) => Ok(applied.changed > 0),
        Err(failure) if !is_there(session, &step, &spec).await? => Err(failure.into()),
        Err(_) => Ok(false),
    }
}

/// Whether the stack is as it should be by now: somebody else may have done the same at the same time.
async fn is_there(session: &Session, step: &Step<'_>, spec: &Spec) -> Result<bool, Exit> {
    let live = settled(session, step, spec).await?;
    Ok(stack::decide(spec, live.as_ref()) == stack::Verdict::Unchanged)
}

/// The stack as it is once no operation is under way.
async fn settled(session: &Session, step: &Step<'_>, spec: &Spec) -> Result<Option<Live>, Failure> {
    let name = &spec.stack_name;
    let mut live = stack::observe_all(&session.cloudformation, std::slice::from_ref(name)).await?;
    step.settle(name, live.remove(name)).await
}

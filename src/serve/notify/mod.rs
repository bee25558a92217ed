//! Tells people of runs that failed, and of those behind which all is well again. What is to be told is in the store, and
//! is told at least once; its key tells a receiver what it has been told before.

mod receiver;
mod text;

use std::sync::Arc;
use std::time::Duration;

pub use receiver::{Receiver, Receivers};

use super::Server;
use crate::failure::Failure;
use crate::store::{Notice, Occasion, State};

/// How often it is looked for what is to be told.
const LOOK: Duration = Duration::from_secs(1);

/// How long a notice is one server's: longer than a receiver has to answer.
const HELD: Duration = Duration::from_secs(15);

/// The pause behind the first failed try, and the longest one.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(15);

/// What could not be told for so long is given up.
const DAY: Duration = Duration::from_hours(24);

/// The pause behind so many failed tries.
fn pause(tries: u32) -> Duration {
    FIRST.saturating_mul(1_u32.checked_shl(tries).unwrap_or(u32::MAX)).min(LONGEST)
}

/// Tells what is to be told, for as long as the server runs.
pub(super) async fn notify(server: Arc<Server>) {
    loop {
        if let Err(failure) = tell_all(&server).await {
            server.log.say(format!("warning: {failure}; trying again"));
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn tell_all(server: &Server) -> Result<(), Failure> {
    let names = server.options.receivers.names();
    // Also if there are none: those that come later are not told of what was before them.
    server.store.notice(&names).await?;
    while let Some(notice) = server.store.due_notice(&names, HELD).await? {
        tell(server, &notice).await?;
    }
    Ok(())
}

async fn tell(server: &Server, notice: &Notice) -> Result<(), Failure> {
    let Some(receiver) = server.options.receivers.get(&notice.receiver) else { return Ok(()) };
    if notice.occasion == Occasion::ApprovalWanted && notice.run.state != State::Waiting {
        return server.store.told(notice).await;
    }
    let failures = server.store.failures(notice.run.id, text::STEPS).await?;
    let told = text::Told::of(notice, &failures, server.page(notice.run.id));
    let Err(why) = receiver.post(&told).await else { return server.store.told(notice).await };
    let (name, run) = (&notice.receiver, notice.run.id);
    if notice.age >= DAY {
        server.log.say(format!("warning: {name} was not told of run {run}: {why}; given up after a day"));
        return server.store.told(notice).await;
    }
    if notice.tries == 0 {
        server.log.say(format!("warning: {name} was not told of run {run}: {why}; trying again for a day"));
    }
    server.store.postpone(notice, pause(notice.tries)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_quarter_of_an_hour() {
        let seconds: Vec<u64> = [0, 1, 2, 9, 10, 31, 32, u32::MAX].map(|tries| pause(tries).as_secs()).into();
        assert_eq!(seconds, [1, 2, 4, 512, 900, 900, 900, 900]);
    }
}

//! One trace for each run, sent when it has ended to whoever takes OTLP over HTTP. A trace that can't be sent is lost: nothing of
//! a run waits for it.

mod exporter;
mod otlp;
mod spans;

pub use exporter::Exporter;

use std::sync::Arc;
use std::time::Duration;

use super::Server;
use crate::failure::Failure;
use crate::store::State;

/// Events that are read at once.
const PAGE: u16 = 1000;

/// The pauses before a trace is sent again.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(15)];

/// How long traces are still sent at the end.
const LAST: Duration = Duration::from_secs(3);

/// Sends the trace of a run that has ended, beside everything else.
pub(super) fn send(server: &Arc<Server>, run: i64) {
    if server.options.exporter.is_some() {
        server.exports.spawn(within_the_end(Arc::clone(server), run));
    }
}

/// Once the server ends there is little time left.
async fn within_the_end(server: Arc<Server>, run: i64) {
    let late = async {
        server.drained.cancelled().await;
        tokio::time::sleep(LAST).await;
    };
    tokio::select! { () = try_to_send(&server, run) => {}, () = late => {} }
}

async fn try_to_send(server: &Server, run: i64) {
    let Some(exporter) = &server.options.exporter else { return };
    let trace = match read(server, run).await {
        Ok(Some(trace)) => trace,
        Ok(None) => return,
        Err(failure) => return server.log.say(format!("warning: no trace of run {run}: {failure}")),
    };
    let mut pauses = PAUSES.into_iter();
    while let Err(why) = exporter.post(&trace).await {
        let Some(pause) = pauses.next() else {
            return server.log.say(format!("warning: the trace of run {run} was not sent: {why}"));
        };
        tokio::time::sleep(pause).await;
    }
}

/// The spans of a run, if it has ended.
async fn read(server: &Server, run: i64) -> Result<Option<spans::Trace>, Failure> {
    let Some(run) = server.store.run(run).await?.filter(|run| run.state == State::Ended) else {
        return Ok(None);
    };
    let (mut steps, mut from) = (spans::Steps::default(), 0);
    loop {
        let events = server.store.events(run.id, from, PAGE).await?;
        let Some((last, _)) = events.last() else { break };
        from = last + 1;
        for (_, line) in &events {
            steps.take(line);
        }
    }
    Ok(Some(steps.of(run)))
}

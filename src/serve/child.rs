use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{ChildStderr, ChildStdout, Command};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio_util::sync::CancellationToken;

use super::Server;
use super::thin::Thin;
use crate::diagnostic::visible_lines;
use crate::event::{Event, RunResult};
use crate::failure::Failure;
use crate::plan::PlanDigest;
use crate::redact::redacted;
use crate::store::{Claim, Ending};

/// What the process is not to see: it has no use for it.
const OWN: &[&str] = &[
    "PIPELINE_WEBHOOK_SECRET",
    "PIPELINE_WEBHOOK_SECRET_OLD",
    "PIPELINE_API_TOKEN",
    "PIPELINE_DATABASE_URL",
    "PIPELINE_NOTIFY",
    "PIPELINE_NOTIFY_SECRET",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "PIPELINE_GITHUB_CLIENT_SECRET",
    "PGPASSWORD",
];

/// Where a run is told its page, which all that it posts links to.
pub(super) const RUN_URL: &str = "PIPELINE_RUN_URL";

/// How many lines wait to be stored, and are stored at once.
pub(super) const LINES: usize = 1024;

/// The pause between two times that events are stored: what comes meanwhile is stored together.
const GATHER: Duration = Duration::from_millis(200);

/// How many of the last lines that are no events are remembered of a process that does not say how it ended.
const TAIL: usize = 20;

/// The pause after events could not be stored.
const AGAIN: Duration = Duration::from_secs(2);

/// The process that carries a run out.
#[derive(Debug)]
pub(super) struct Child {
    process: tokio::process::Child,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
}

impl Child {
    /// Starts it. As its standard input it gets the lock that says that it is alone: that is free when it has ended.
    pub(super) fn start(
        server: &Server,
        run: i64,
        directory: &Path,
        arguments: &[String],
        lock: File,
    ) -> Result<Self, Failure> {
        let mut command = command(server, directory);
        command
            .envs(server.page(run).map(|page| (RUN_URL, page)))
            .args(arguments)
            .stdin(Stdio::from(lock))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C on the server's terminal is for the server.
            .process_group(0);
        let mut process = command.spawn().map_err(|error| {
            Failure::new(format!("starting {}: {error}", server.options.program.display()))
        })?;
        let (stdout, stderr) = (process.stdout.take(), process.stderr.take());
        Ok(Self { process, stdout, stderr })
    }
}

/// This program, to do something in a repository.
pub(super) fn command(server: &Server, directory: &Path) -> Command {
    let mut command = Command::new(&server.options.program);
    command.arg("--repository").arg(directory).args(["--config", &server.options.config]);
    for name in OWN {
        command.env_remove(name);
    }
    command
}

/// What came of a process.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) ending: Ending,
    /// What its plan comes to, if it made one and there is something to do.
    pub(super) plan: Option<PlanDigest>,
}

/// Follows a process to its end: stores its events as they come, and tells it to end if it has to.
pub(super) async fn follow(
    child: Child,
    server: &Server,
    claim: &Claim,
    cut: &CancellationToken,
    lost: &CancellationToken,
) -> Followed {
    let Child { mut process, stdout, stderr } = child;
    let (sender, receiver) = channel(LINES);
    let errors = sender.clone();
    let reading = async { tokio::join!(read(stdout, Line::Out, sender), read(stderr, Line::Err, errors)) };
    let following = async { tokio::join!(reading, store(server, claim, Heard::default(), receiver)).1 };
    let mut following = std::pin::pin!(following);
    let told = async {
        tokio::select! { () = cut.cancelled() => {}, () = lost.cancelled() => {} }
    };
    let heard = tokio::select! {
        heard = &mut following => heard,
        () = told => {
            terminate(&process);
            following.await
        }
    };
    let plan = heard.plan.clone();
    let ending = match process.wait().await {
        Ok(status) => ending(heard, status),
        Err(error) => failed(format!("waiting for its process: {error}"), heard.tail),
    };
    Followed { ending, plan }
}

/// Tells a process to end; what CloudFormation is doing it follows to its end.
fn terminate(process: &tokio::process::Child) {
    if let Some(id) = process.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
        // It may have ended just now.
        let _ = kill_process(id, Signal::TERM);
    }
}

/// A line that a process or a task wrote.
#[derive(Debug)]
pub(super) enum Line {
    Out(String),
    Err(String),
}

async fn read(output: Option<impl AsyncRead + Unpin>, line: fn(String) -> Line, sender: Sender<Line>) {
    let Some(output) = output else { return };
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(text)) = lines.next_line().await {
        if sender.send(line(text)).await.is_err() {
            return;
        }
    }
}

/// The time that stands in an event's line.
#[derive(Deserialize)]
struct Stamp {
    time: Timestamp,
}

/// What was heard of a process.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    /// How it says that it ended.
    pub(super) result: Option<RunResult>,
    pub(super) plan: Option<PlanDigest>,
    /// The last lines that are no events.
    pub(super) tail: VecDeque<String>,
    /// So many of its events are stored already.
    stored: usize,
    /// What of its progress was remembered.
    thin: Thin,
}

impl Heard {
    /// Nothing yet, of a task of whose events so many are stored already.
    pub(super) fn of_stored(stored: usize) -> Self {
        Self { stored, ..Self::default() }
    }

    /// Whether an event is to be stored.
    fn is_new(&mut self, event: &Event, line: &str) -> bool {
        let at = serde_json::from_str(line).map_or_else(|_| Timestamp::now(), |Stamp { time }| time);
        if !self.thin.keeps(event, at) {
            return false;
        }
        let new = self.stored == 0;
        self.stored = self.stored.saturating_sub(1);
        new
    }

    /// Takes a line; gives it back if it is an event to remember.
    fn take(&mut self, line: Line) -> Option<String> {
        let text = match line {
            Line::Err(text) => text,
            Line::Out(text) => match serde_json::from_str(&text) {
                Ok(event) => {
                    if let Event::Finished { result, ref digest, .. } = event {
                        self.result = Some(result);
                        self.plan.clone_from(digest);
                    }
                    return self.is_new(&event, &text).then_some(text);
                }
                Err(_) => text,
            },
        };
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(visible_lines(&redacted(&text)));
        None
    }
}

/// Waits for lines, until this time for those that come behind them; false if there are none any more.
async fn gather(receiver: &mut Receiver<Line>, lines: &mut Vec<Line>, until: Instant) -> bool {
    let there = receiver.recv_many(lines, LINES).await > 0;
    while there && lines.len() < LINES {
        let Ok(Some(line)) = tokio::time::timeout_at(until.into(), receiver.recv()).await else { break };
        lines.push(line);
    }
    there
}

/// Stores the events as they come. While the store is away the process is not kept from its work: it waits for nobody who
/// reads.
pub(super) async fn store(
    server: &Server,
    claim: &Claim,
    mut heard: Heard,
    mut receiver: Receiver<Line>,
) -> Heard {
    let mut lines = Vec::new();
    let mut pause = Instant::now();
    while gather(&mut receiver, &mut lines, pause).await {
        let events: Vec<String> = lines.drain(..).filter_map(|line| heard.take(line)).collect();
        while !events.is_empty() {
            match server.store.append(claim, &events).await {
                // If the lease was lost, they are nobody's.
                Ok(_) => {
                    server.news.tell(claim.run.id);
                    break;
                }
                Err(failure) => server.log.say(format!("warning: {failure}; trying again")),
            }
            tokio::time::sleep(AGAIN).await;
        }
        pause = Instant::now() + GATHER;
    }
    heard
}

/// How a run ended whose process ended so. Exit codes are those of `pipeline --help`.
pub(super) fn ending(heard: Heard, status: ExitStatus) -> Ending {
    match (heard.result, status.code(), status.signal()) {
        (Some(result), Some(_), _) => Ending { result, reason: None },
        (None, Some(4), _) => Ending { result: RunResult::Superseded, reason: None },
        (None, Some(130), _) => Ending { result: RunResult::Interrupted, reason: None },
        (None, Some(code), _) => failed(format!("its process ended with exit code {code}"), heard.tail),
        (_, None, Some(signal)) => failed(format!("its process was ended by signal {signal}"), heard.tail),
        (_, None, None) => failed("its process ended".to_owned(), heard.tail),
    }
}

pub(super) fn failed(what: String, tail: VecDeque<String>) -> Ending {
    let lines: Vec<String> = std::iter::once(what).chain(tail).collect();
    Ending { result: RunResult::Failed, reason: Some(lines.join("\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINISHED: &str =
        r#"{"time":"2026-01-01T00:00:00Z","event":"finished","result":"changed","millis":1}"#;

    fn heard(lines: impl IntoIterator<Item = Line>) -> (Heard, usize) {
        let mut heard = Heard::default();
        let events = lines.into_iter().filter_map(|line| heard.take(line)).count();
        (heard, events)
    }

    #[test]
    fn a_process_says_how_it_ended_and_its_other_lines_are_no_events() {
        let (heard, events) = heard([Line::Err("warning".to_owned()), Line::Out(FINISHED.to_owned())]);
        assert_eq!((heard.result, events), (Some(RunResult::Changed), 1));
        assert_eq!(
            ending(heard, ExitStatus::from_raw(0)),
            Ending { result: RunResult::Changed, reason: None }
        );
    }

    #[test]
    fn a_process_that_is_killed_has_failed_with_its_last_lines() {
        let lines = (0..30).map(|number| Line::Err(format!("line {number}")));
        let (heard, _) = heard(lines);
        assert_eq!(heard.tail.len(), TAIL);
        let ending = ending(heard, ExitStatus::from_raw(9));
        assert_eq!(ending.result, RunResult::Failed);
        let reason = ending.reason.unwrap();
        assert!(reason.starts_with("its process was ended by signal 9\nline 10\n"), "{reason}");
        assert!(reason.ends_with("line 29"), "{reason}");
    }

    #[test]
    fn what_is_stored_already_is_heard_and_not_stored_again() {
        let mut heard = Heard::of_stored(1);
        let stored: Vec<bool> =
            (0..2).map(|_| heard.take(Line::Out(FINISHED.to_owned())).is_some()).collect();
        assert_eq!((stored, heard.result), (vec![false, true], Some(RunResult::Changed)));
    }

    #[test]
    fn exit_codes_tell_where_no_event_does() {
        let result = |code: i32| ending(Heard::default(), ExitStatus::from_raw(code << 8)).result;
        assert_eq!(result(4), RunResult::Superseded);
        assert_eq!(result(130), RunResult::Interrupted);
        assert_eq!(result(2), RunResult::Failed);
        // Who ends well and does not say so has not done what it was to do.
        assert_eq!(result(0), RunResult::Failed);
    }
}

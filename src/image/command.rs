use std::io;
use std::os::fd::OwnedFd;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};

use super::Spec;
use super::output::Output;
use crate::event::StepEvents;
use crate::failure::Failure;
use crate::redact::{VARIABLES, keep_secret};

/// How long the output is read on when the command has ended and something that it left running holds it open.
const LEFT_OPEN: Duration = Duration::from_secs(1);

/// Ways to credentials beside [`VARIABLES`] that a command is not given unasked.
const CREDENTIALS: [&str; 5] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "ACTIONS_ID_TOKEN_REQUEST_URL",
];

/// Runs the workload's command, if it has one, by the shell in the source tree. Its lines are logged while it runs.
///
/// It is killed, with all processes that it started, when the future is dropped.
pub(super) async fn run(spec: &Spec, events: &StepEvents) -> Result<(), Failure> {
    let Some(command) = &spec.command else { return Ok(()) };
    keep_secrets(spec, events);
    events.activity(format!("running {command}"));
    let mut output = Output::new(events);
    let status = watch(spec, command, &mut output).await.map_err(|error| {
        Failure::new(format!("`{command}` in {}: {error}", spec.directory.display()))
            .hint("the build command is run by `sh -c` in the repository's root")
    })?;
    if status.success() {
        return Ok(());
    }
    let mut failure = Failure::new(format!("`{command}` ended with {status}"));
    failure.details = output.last();
    Err(failure.hint(format!("run it by hand in {}", spec.directory.display())))
}

/// The variables that the command is given are shown nowhere, whatever they are called.
fn keep_secrets(spec: &Spec, events: &StepEvents) {
    for name in &spec.secrets {
        match std::env::var(name) {
            Ok(value) => keep_secret(&value),
            Err(_) => events.warning(format!("the build's secret {name} is not set in the environment")),
        }
    }
}

async fn watch(spec: &Spec, command: &str, output: &mut Output<'_>) -> io::Result<ExitStatus> {
    let (mut group, lines) = start(spec, command)?;
    let mut reading = std::pin::pin!(read(lines, output));
    let status = tokio::select! {
        status = group.child.wait() => {
            let _ = tokio::time::timeout(LEFT_OPEN, reading).await;
            status
        }
        result = &mut reading => {
            result?;
            group.child.wait().await
        }
    };
    group.id = None;
    status
}

/// One pipe for both outputs, so that their lines stay in the order in which they were written.
fn start(spec: &Spec, command: &str) -> io::Result<(Group, Receiver)> {
    let (reader, writer) = io::pipe()?;
    let mut shell = Command::new("sh");
    for variable in
        VARIABLES.iter().chain(&CREDENTIALS).filter(|name| !spec.secrets.iter().any(|it| it == *name))
    {
        shell.env_remove(variable);
    }
    let child = shell
        .args(["-c", command])
        .current_dir(&spec.directory)
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let id = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    Ok((Group { child, id }, Receiver::from_owned_fd(OwnedFd::from(reader))?))
}

async fn read(lines: Receiver, output: &mut Output<'_>) -> io::Result<()> {
    let mut lines = BufReader::new(lines);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).await? > 0 {
        output.line(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok(())
}

/// A process and all that it started, killed together.
#[derive(Debug)]
struct Group {
    child: Child,
    /// `None` when the process has ended: its id may belong to another one by then.
    id: Option<Pid>,
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            // It can have ended in this very moment.
            let _ = kill_process_group(id, Signal::KILL);
        }
    }
}

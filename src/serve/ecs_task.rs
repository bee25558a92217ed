use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc::{Sender, channel};

use super::Server;
use super::child::{self, Followed, Heard, LINES, Line, RUN_URL};
use super::ecs::{self, Refused, Tasks};
use super::origin::Origin;
use super::turn;
use crate::event::{Event, RunResult};
use crate::failure::Failure;
use crate::lease::unique_name;
use crate::store::{Claim, Ending, Task as Noted};

/// The pause between two looks at a task.
const LOOK: Duration = Duration::from_secs(2);

/// So many looks in a row have to find no task before it is taken for gone: what was asked for just now may not be seen yet.
const MISSED: usize = 30;

/// How often it is looked for the last lines of a task that has ended: CloudWatch may have them some seconds later.
const LATE: usize = 5;

/// Where a task has the repository: in the volume that the image has a place for.
const DIRECTORY: &str = "/var/lib/pipeline/repository";

/// Has a task do something for a run, or takes on the one that does so already; follows it to its end, and stores its events
/// as they come. That a task is asked for is noted before: a server that is killed in between is followed by one that asks
/// for the same.
pub(super) async fn carry_out(
    server: &Server,
    tasks: &Tasks,
    claim: &Claim,
    noted: Option<Noted>,
    commit: &str,
    arguments: &[String],
) -> Result<Followed, Failure> {
    let origin = server.origins.get(&claim.run.repository).ok_or_else(lost)?;
    let noted = if let Some(noted) = noted {
        noted
    } else {
        builds_nothing(server, origin, commit).await?;
        let token = token(claim);
        turn::patiently(server, || server.store.ask_for_task(claim, &token)).await.ok_or_else(lost)?
    };
    let stored = turn::patiently(server, || server.store.stored_of(claim, &noted)).await;
    let heard = Heard::of_stored(stored);
    if let Some(arn) = &noted.arn {
        server.log.say(format!("run {} is carried out by {arn} already", claim.run.id));
        return Ok(follow(tasks, arn, heard, server, claim).await);
    }
    let arn = start(server, tasks, claim, &noted, &command(server, origin, claim, arguments)).await?;
    server.log.say(format!("run {} is carried out by {arn}", claim.run.id));
    let known = turn::patiently(server, || server.store.carried_out_by(claim, &arn)).await;
    if known { Ok(follow(tasks, &arn, heard, server, claim).await) } else { Err(lost()) }
}

fn lost() -> Failure {
    Failure::new("it was lost to another server")
}

/// Anything that nobody else comes to; ECS takes up to 64 characters.
fn token(claim: &Claim) -> String {
    hex::encode(Sha256::digest(format!("{} {}", claim.run.id, unique_name())))
}

/// Fargate has no Docker: who builds images is told so before anything begins.
async fn builds_nothing(server: &Server, origin: &Origin, commit: &str) -> Result<(), Failure> {
    // Mistakes are told by the run itself.
    let Ok(config) = origin.config(commit, &server.options.config).await else { return Ok(()) };
    let names: Vec<&str> = config.workloads.keys().map(String::as_str).collect();
    if names.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "tasks can't build the images of {}: there is no Docker in Fargate",
        names.join(", ")
    ))
    .hint("serve this repository from a machine with Docker, and without --executor ecs"))
}

fn command(server: &Server, origin: &Origin, claim: &Claim, arguments: &[String]) -> Vec<String> {
    let place = ["--repository", DIRECTORY, "--config", &server.options.config];
    let from = ["--from", &origin.served.url, "--branch", &claim.run.branch];
    let arguments = arguments.iter().map(String::as_str);
    place.into_iter().chain(arguments).chain(from).map(str::to_owned).collect()
}

async fn start(
    server: &Server,
    tasks: &Tasks,
    claim: &Claim,
    noted: &Noted,
    command: &[String],
) -> Result<String, Failure> {
    let variables: Vec<_> = server.page(claim.run.id).map(|page| (RUN_URL, page)).into_iter().collect();
    loop {
        match tasks.start(&noted.token, command, &variables).await {
            Ok(arn) => return Ok(arn),
            Err(Refused::ForGood(failure)) => return Err(failure),
            Err(Refused::ForNow(failure)) => {
                server.log.say(format!("warning: run {} waits for a task: {failure}", claim.run.id));
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Follows a task to its end: stores its events as they come.
async fn follow(tasks: &Tasks, arn: &str, heard: Heard, server: &Server, claim: &Claim) -> Followed {
    let (sender, receiver) = channel(LINES);
    let watching = Watching { server, tasks, arn, sender, from: None, finished: false };
    let (became, heard) =
        tokio::join!(watching.until_the_end(), child::store(server, claim, heard, receiver));
    let plan = heard.plan.clone();
    Followed { ending: ending(became, heard), plan }
}

/// One who reads what a task writes. What can't be seen now is looked at again: no run fails of that.
struct Watching<'a> {
    server: &'a Server,
    tasks: &'a Tasks,
    arn: &'a str,
    sender: Sender<Line>,
    /// The place behind the last line.
    from: Option<String>,
    /// It has told how it ended.
    finished: bool,
}

impl Watching<'_> {
    async fn until_the_end(mut self) -> ecs::Task {
        let mut missed = 0;
        let became = loop {
            let became = self.tasks.look(self.arn).await;
            self.read().await;
            match became {
                Ok(ecs::Task::UnderWay) => missed = 0,
                Ok(ecs::Task::Unknown) if missed < MISSED && !self.finished => missed += 1,
                Ok(became) => break became,
                Err(failure) => self.server.log.say(format!("warning: {failure}; looking again")),
            }
            tokio::time::sleep(LOOK).await;
        };
        for _ in 0..LATE {
            if self.finished {
                break;
            }
            tokio::time::sleep(LOOK).await;
            self.read().await;
        }
        became
    }

    /// Reads on until there is nothing new.
    async fn read(&mut self) {
        loop {
            match self.tasks.lines(self.arn, self.from.as_deref()).await {
                Err(failure) => return self.server.log.say(format!("warning: {failure}; looking again")),
                Ok((lines, to)) => {
                    let last = to == self.from;
                    self.from = to;
                    for line in lines {
                        self.finished |= matches!(serde_json::from_str(&line), Ok(Event::Finished { .. }));
                        // Who stores is there until the end.
                        let _ = self.sender.send(Line::Out(line)).await;
                    }
                    if last {
                        return;
                    }
                }
            }
        }
    }
}

/// How a run ended whose task ended so.
fn ending(became: ecs::Task, heard: Heard) -> Ending {
    match (became, heard.result) {
        (ecs::Task::Stopped { code: Some(code), reasons }, _) => {
            let ending = child::ending(heard, ExitStatus::from_raw((code & 0xff) << 8));
            match ending.result {
                RunResult::Failed | RunResult::Interrupted => with_reasons(ending, &reasons),
                _ => ending,
            }
        }
        (_, Some(result)) => Ending { result, reason: None },
        (ecs::Task::Stopped { code: None, reasons }, None) => {
            with_reasons(child::failed("its task did not come to run".to_owned(), heard.tail), &reasons)
        }
        (ecs::Task::UnderWay | ecs::Task::Unknown, None) => {
            let what = "its task is not known to ECS any more, and did not tell how it ended";
            child::failed(what.to_owned(), heard.tail)
        }
    }
}

/// Why ECS says that a task ended, unless it is just that its container did.
fn with_reasons(ending: Ending, reasons: &[String]) -> Ending {
    let reasons = reasons.iter().filter(|reason| *reason != "Essential container exited").cloned();
    let lines: Vec<String> = reasons.chain(ending.reason).collect();
    Ending { reason: (!lines.is_empty()).then(|| lines.join("\n")), ..ending }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stopped(code: Option<i32>, reason: &str) -> ecs::Task {
        ecs::Task::Stopped { code, reasons: vec![reason.to_owned()] }
    }

    fn told(result: RunResult) -> Heard {
        {
            let mut heard = Heard::default();
            heard.result = Some(result);
            heard
        }
    }

    #[test]
    fn a_task_says_how_it_ended() {
        let became = stopped(Some(0), "Essential container exited");
        let expected = Ending { result: RunResult::Changed, reason: None };
        assert_eq!(ending(became, told(RunResult::Changed)), expected);
        assert_eq!(ending(ecs::Task::Unknown, told(RunResult::Changed)), expected);
    }

    #[test]
    fn why_a_task_was_stopped_is_said() {
        let interrupted = ending(stopped(Some(130), "Task stopped by user"), told(RunResult::Interrupted));
        assert_eq!(interrupted.reason.as_deref(), Some("Task stopped by user"));
        let killed = ending(stopped(Some(137), "OutOfMemoryError"), Heard::default());
        assert_eq!(killed.result, RunResult::Failed);
        let reason = killed.reason.unwrap();
        assert_eq!(reason, "OutOfMemoryError\nits process ended with exit code 137");
        let never = ending(stopped(None, "CannotPullContainerError: no"), Heard::default());
        assert_eq!(never.reason.unwrap(), "CannotPullContainerError: no\nits task did not come to run");
    }
}

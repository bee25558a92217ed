use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::deploy::{Asked, Deploy, listen_for_interrupts};
use super::options::{Exit, ExitCode, Place, note, snapshot, warn};
use crate::config::Span;
use crate::event::{Command, RunResult};
use crate::run::Interrupt;
use crate::source::Repository;

/// How long a remote may take to answer and to send a commit.
const PATIENCE: Duration = Duration::from_mins(5);

/// Deploy every new head of the environment's branch
#[derive(Debug, Args)]
pub struct Watch {
    #[command(flatten)]
    deploy: Deploy,
    /// Time between two looks at the remote: 30s, 5m
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = interval)]
    interval: Duration,
}

impl Watch {
    /// Deploys the branch's head and every later one; of several that came in meanwhile only the newest.
    pub async fn main(&self, place: &Place) -> Result<ExitCode, Exit> {
        let repository = place.repository()?;
        let branch = self.branch(place, &repository)?;
        let interrupt = listen_for_interrupts();
        note(&format!("watching branch {branch}, every {:?}", self.interval));
        let mut deployed = None;
        while let Some(head) = self.next_head(&repository, &branch, deployed.as_deref(), &interrupt).await {
            let run = interrupt.child();
            let newer = async {
                if let Some(newer) = self.next_head(&repository, &branch, Some(&head), &run).await {
                    run.give_way(&newer);
                }
                std::future::pending::<()>().await;
            };
            tokio::select! {
                result = self.deploy(place, &repository, &head, &run) => {
                    if result == RunResult::Interrupted {
                        break;
                    }
                }
                () = newer => {}
            }
            deployed = Some(head);
        }
        Ok(ExitCode::Interrupted)
    }

    /// The branch's head as soon as it is another than `known`; `None` if interrupted before.
    async fn next_head(
        &self,
        repository: &Arc<Repository>,
        branch: &str,
        known: Option<&str>,
        interrupt: &Interrupt,
    ) -> Option<String> {
        let mut first = known.is_none();
        while !interrupt.requested() {
            // What was known a moment ago is not asked for at once again.
            if !std::mem::take(&mut first) {
                tokio::select! {
                    () = tokio::time::sleep(self.interval) => {}
                    () = interrupt.wait() => return None,
                }
            }
            let head = look(repository, branch, known.map(str::to_owned)).await;
            if head.as_deref().is_some_and(|head| Some(head) != known) {
                return head;
            }
        }
        None
    }

    /// A head that can't be deployed is said, and the next one awaited: watching goes on.
    async fn deploy(
        &self,
        place: &Place,
        repository: &Arc<Repository>,
        head: &str,
        interrupt: &Interrupt,
    ) -> RunResult {
        let deploying = async {
            let snapshot = snapshot(repository, Some(head))?;
            let asked = Asked { wait: true, ..Asked::to(Command::Run) };
            self.deploy.execute(place, repository, snapshot, asked, interrupt.clone()).await
        };
        deploying.await.unwrap_or_else(|exit| {
            warn(&format!("{head} was not deployed\n{}", exit.message));
            RunResult::Failed
        })
    }

    fn branch(&self, place: &Place, repository: &Repository) -> Result<String, Exit> {
        let project = place.project(&snapshot(repository, None)?)?;
        let environment = self.deploy.environment.choose(&project)?;
        project.config.environments[&environment].branch.clone().ok_or_else(|| {
            Exit::usage(format!(
                "environment `{environment}` has no `branch`; name the one to watch in {}",
                place.config()
            ))
        })
    }
}

/// The branch's head if the remote tells it, fetched unless it is the known one. The network comes and goes: what fails is tried again next time.
async fn look(repository: &Arc<Repository>, branch: &str, known: Option<String>) -> Option<String> {
    let (repository, name) = (Arc::clone(repository), branch.to_owned());
    let looked = tokio::task::spawn_blocking(move || match repository.remote_head(&name)? {
        Some(head) if known.as_ref() == Some(&head) => Ok(Some(head)),
        Some(_) => repository.fetch(&name).map(Some),
        None => anyhow::Ok(None),
    });
    match tokio::time::timeout(PATIENCE, looked).await.unwrap_or(Ok(Err(anyhow::anyhow!("no answer")))) {
        Ok(Ok(Some(head))) => Some(head),
        Ok(Ok(None)) => {
            warn(&format!("the remote has no branch {branch}; looking again"));
            None
        }
        Ok(Err(error)) => {
            warn(&format!("looking at branch {branch}: {error:#}; looking again"));
            None
        }
        Err(_) => None,
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    let span: Span = text.parse()?;
    if span.is_zero() {
        Err(format!("`{text}` is too short: write 500ms, 30s, 5m or 1h"))
    } else {
        Ok(span.duration())
    }
}

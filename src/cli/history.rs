use std::fmt::Write as _;

use clap::Args;

use super::options::{Exit, ExitCode, Format, Remembered, print};
use crate::diagnostic::visible_lines;
use crate::event::short;
use crate::report;
use crate::store::{Run, Runs, State, Store};

/// How many events are read at once.
const EVENTS: u16 = 1000;

/// Show the runs that `serve` remembers
#[derive(Debug, Args)]
pub struct History {
    /// A run's number: its events, as `pipeline run` shows them
    #[arg(value_name = "RUN")]
    run: Option<i64>,
    #[command(flatten)]
    remembered: Remembered,
    /// Only runs to this environment
    #[arg(short, long, value_name = "NAME")]
    env: Option<String>,
    /// How many runs are shown, the newest first
    #[arg(long, value_name = "N", default_value = "20")]
    limit: u16,
    /// How it is shown
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

impl History {
    pub async fn main(&self) -> Result<ExitCode, Exit> {
        let store = Store::open_existing(&self.remembered.place()?).await?;
        if let Some(run) = self.run {
            self.show(&store, run).await?;
        } else {
            let which = Runs { environment: self.env.as_deref(), ..Runs::default() };
            let runs = store.runs(which, self.limit).await?;
            self.format.print(&runs, || visible_lines(&table(&runs)))?;
        }
        store.close().await;
        Ok(ExitCode::Done)
    }

    async fn show(&self, store: &Store, id: i64) -> Result<(), Exit> {
        let run = store.run(id).await?.ok_or_else(|| Exit::usage(format!("there is no run {id}")))?;
        let mut lines = Vec::new();
        let mut from = 1;
        loop {
            let more = store.events(id, from, EVENTS).await?;
            let Some((last, _)) = more.last() else { break };
            from = last + 1;
            lines.extend(more.into_iter().map(|(_, line)| line));
        }
        match self.format {
            Format::Json => print(&lines.iter().fold(String::new(), |text, line| text + line + "\n"))?,
            Format::Text => {
                report::replay(&lines);
                print(&visible_lines(&row(&run)))?;
                print(&run.reason.map(|reason| visible_lines(&reason) + "\n").unwrap_or_default())?;
            }
        }
        Ok(())
    }
}

fn table(runs: &[Run]) -> String {
    if runs.is_empty() { "no runs\n".to_owned() } else { runs.iter().map(row).collect() }
}

fn row(run: &Run) -> String {
    let Run { id, environment, repository, .. } = run;
    let commit = short(&run.commit);
    let at = run.started.unwrap_or(run.created);
    let mut row = format!("{id:>6}  {at:.0}  {environment:<12}  {commit}  {:<11}", how(run));
    if let (Some(started), Some(ended)) = (run.started, run.ended) {
        let _ = write!(row, "  {:>5}s", ended.duration_since(started).as_secs());
    }
    format!("{row}  {repository}\n")
}

fn how(run: &Run) -> String {
    match (run.state, run.result) {
        (State::Ended, Some(result)) => result.as_str().to_owned(),
        (State::Superseded, _) => match run.superseded_by {
            Some(by) => format!("by {by}"),
            None => "superseded".to_owned(),
        },
        (state, _) => format!("{state:?}").to_lowercase(),
    }
}

//! Outputs: what people and programs get to see of a plan or a run.
//!
//! Nothing in here has a say in a deployment: an output that can't be written to is given up in silence.

mod actions;
mod board;
pub(crate) mod changes;
mod drift_text;
mod json;
mod live;
mod markdown;
pub(crate) mod paint;
mod plain;
pub(crate) mod plan_text;
pub(crate) mod run_text;
mod safe;
pub(crate) mod tree;
pub(crate) mod words;

use std::io::{IsTerminal, Stdout, stdout};
use std::time::Duration;

use clap::ValueEnum;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;

pub use actions::{Actions, Files};
pub use board::{Board, Header, Phase, Progress, Resource, StepState, Tally};
pub use drift_text::drift_text;
pub use json::Json;
pub use live::Live;
pub use markdown::{
    Annotation, Level, Markdown, annotations, is_grave, plan_comment, plan_title, step_text, summary,
};
pub use plain::Plain;
pub(crate) use safe::safe;

use crate::event::{Event, Events};

/// How often the terminal is drawn.
const FRAME: Duration = Duration::from_millis(100);

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Output {
    /// `actions` in a job of GitHub Actions, `live` on a terminal, else `text`
    #[default]
    Auto,
    /// Plain lines, for logs and pipes
    Text,
    /// A tree that is redrawn in place; plain lines where there is no terminal
    Live,
    /// One JSON object per line and event
    Json,
    /// For a job's log on GitHub Actions, with its summary and outputs
    Actions,
    /// A plan as the comment on a pull request, a run as its summary
    Markdown,
}

impl Output {
    /// The output that is meant, given whether this is a job of GitHub Actions, and whether standard output is a terminal
    /// that can move its cursor.
    fn resolve(self, job: bool, terminal: bool) -> Self {
        match self {
            Self::Auto if job => Self::Actions,
            Self::Auto | Self::Live if terminal => Self::Live,
            Self::Auto | Self::Live => Self::Text,
            chosen => chosen,
        }
    }
}

/// What the outputs are to look like.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How progress is shown.
    pub output: Output,
    /// Whether to use colours; [`color_by_default`] says what the environment asks for.
    pub color: bool,
}

/// Whether standard output should be coloured: it is a terminal, and neither `NO_COLOR` nor `CLICOLOR=0` nor
/// `TERM=dumb` is set; or `CLICOLOR_FORCE` is.
#[must_use]
pub fn color_by_default() -> bool {
    console::colors_enabled()
}

/// A running output.
#[derive(Debug)]
pub struct Reporter {
    task: JoinHandle<()>,
}

impl Reporter {
    /// Returns when the last event is shown.
    pub async fn finish(self) {
        // A panic in an output must not turn a deployment that went well into one that did not.
        let _ = self.task.await;
    }
}

/// Shows events on standard output until [`Event::Finished`] or until every sender is gone, and hands each on to
/// `others`: further sinks with a pace of their own, such as [`crate::github`].
///
/// Has to be called within a Tokio runtime. Output is written from a thread of its own, as a terminal or a
/// pipe that nobody reads may block for as long as it likes.
#[must_use]
pub fn start(events: UnboundedReceiver<Event>, options: Options, others: Vec<Events>) -> Reporter {
    let mut sink = Sink::new(options);
    let runtime = Handle::current();
    let task = tokio::task::spawn_blocking(move || runtime.block_on(show(events, &mut sink, &others)));
    Reporter { task }
}

/// Shows the events of a run that has taken place, as [`Json`] wrote them, as lines on standard output. Of a run that was
/// begun several times, it is the last time.
pub fn replay(lines: &[String]) {
    let mut plain = Plain::new(stdout(), color_by_default());
    for (at, event) in last_attempt(lines) {
        plain.handle(at, &event);
    }
}

fn last_attempt(lines: &[String]) -> Vec<(Timestamp, Event)> {
    let mut events: Vec<(Timestamp, Event)> = lines.iter().filter_map(|line| read(line)).collect();
    let begun = events.iter().rposition(|(_, event)| matches!(event, Event::Started { .. }));
    events.split_off(begun.unwrap_or_default())
}

/// An event as [`Json`] wrote it, and when.
pub(crate) fn read(line: &str) -> Option<(Timestamp, Event)> {
    let Written { time } = serde_json::from_str(line).ok()?;
    Some((time, serde_json::from_str(line).ok()?))
}

/// When an event was written.
#[derive(Deserialize)]
struct Written {
    time: Timestamp,
}

async fn show(mut events: UnboundedReceiver<Event>, sink: &mut Sink, others: &[Events]) {
    let mut frames = tokio::time::interval(FRAME);
    frames.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            event = events.recv() => {
                let Some(event) = event else { break };
                // The others first: they never block, standard output may.
                for other in others {
                    other.send(event.clone());
                }
                sink.handle(Timestamp::now(), &event);
                if matches!(event, Event::Finished { .. }) {
                    break;
                }
            }
            _ = frames.tick() => sink.tick(Timestamp::now()),
        }
    }
}

/// The chosen output.
enum Sink {
    Text(Plain<Stdout>),
    Live(Live),
    Json(Json<Stdout>),
    Actions(Actions<Stdout>),
    Markdown(Markdown<Stdout>),
}

impl Sink {
    fn new(options: Options) -> Self {
        let terminal = stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        match options.output.resolve(actions::is_job(), terminal) {
            Output::Actions => {
                Self::Actions(Actions::new(stdout(), options.color, Files::from_environment()))
            }
            Output::Markdown => Self::Markdown(Markdown::new(stdout())),
            Output::Json => Self::Json(Json::new(stdout())),
            Output::Live => Self::Live(Live::on_stdout(options.color)),
            Output::Text | Output::Auto => Self::Text(Plain::new(stdout(), options.color)),
        }
    }

    fn handle(&mut self, at: Timestamp, event: &Event) {
        match self {
            Self::Text(plain) => plain.handle(at, event),
            Self::Live(live) => live.handle(at, event),
            Self::Json(json) => json.handle(at, event),
            Self::Actions(actions) => actions.handle(at, event),
            Self::Markdown(markdown) => markdown.handle(at, event),
        }
    }

    fn tick(&mut self, at: Timestamp) {
        match self {
            Self::Text(plain) => plain.tick(at),
            Self::Live(live) => live.tick(at),
            Self::Actions(actions) => actions.tick(at),
            Self::Json(_) | Self::Markdown(_) => {}
        }
    }
}

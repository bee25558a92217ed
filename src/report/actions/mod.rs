//! Events in a job of GitHub Actions: lines as they happen, each step's own log folded away behind it, and what failed
//! or is lost as annotations. At the end come the job's summary and its outputs.

mod command;
mod outputs;

use std::collections::{BTreeMap, VecDeque};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::event::{Event, Outcome, RunResult};
use crate::plan::StepId;

use super::board::{Board, StepState};
use super::markdown::{annotations, summary};
use super::paint::Paint;
use super::plain::Plain;
use super::safe::safe;
use super::{Level, run_text, words};
use command::{annotation, harmless};

/// So many of a step's last lines are kept until it ends.
const LOG: usize = 10_000;

/// GitHub takes 1 MiB of a step's summaries, and drops them all if they are more.
const MAX_SUMMARY: u64 = 1_000_000;

/// With less room no summary says anything.
const MIN_SUMMARY: u64 = 4_000;

/// Where the runner wants to be told more than lines.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// `$GITHUB_STEP_SUMMARY`: Markdown for the job's page.
    pub summary: Option<PathBuf>,
    /// `$GITHUB_OUTPUT`: the step's outputs.
    pub output: Option<PathBuf>,
}

impl Files {
    /// Those that the runner names.
    #[must_use]
    pub fn from_environment() -> Self {
        let file = |name| std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
        Self { summary: file("GITHUB_STEP_SUMMARY"), output: file("GITHUB_OUTPUT") }
    }
}

/// Whether this is a job of GitHub Actions.
pub fn is_job() -> bool {
    std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

/// Writes plain lines and workflow commands.
#[derive(Debug)]
pub struct Actions<W> {
    out: W,
    files: Files,
    /// Writes all but logs and what is a command, to be looked through for what could be taken for one.
    plain: Plain<Vec<u8>>,
    logs: BTreeMap<StepId, Log>,
}

/// What a step wrote.
#[derive(Debug, Default)]
struct Log {
    lines: VecDeque<String>,
    dropped: usize,
}

impl<W: Write> Actions<W> {
    /// Writes to `out`, with colours if asked for, and at the end to the files.
    pub fn new(out: W, color: bool, files: Files) -> Self {
        Self { out, files, plain: Plain::new(Vec::new(), color), logs: BTreeMap::new() }
    }

    /// Shows an event.
    pub fn handle(&mut self, at: Timestamp, event: &Event) {
        let event = &*safe(event);
        match event {
            Event::Log { step, line } => {
                self.plain.take_in(at, event);
                self.logs.entry(step.clone()).or_default().push(words::clean(line));
            }
            Event::Warning { step, .. } => {
                if self.plain.take_in(at, event) {
                    let title = step.as_ref().map_or_else(|| "pipeline".to_owned(), ToString::to_string);
                    let warning = self.plain.board.warnings.last();
                    let command = warning.map(|text| annotation("warning", None, &title, text));
                    self.say(at, command.as_slice());
                }
            }
            Event::StepFinished { step, outcome, millis } => {
                self.show_log(step, outcome);
                if let Outcome::Failed { .. } = outcome {
                    self.plain.take_in(at, event);
                    let failed = self.plain.board.step(step).and_then(|step| failed(step, outcome, *millis));
                    self.say(at, failed.as_slice());
                } else {
                    self.tell(|plain| plain.handle(at, event));
                }
                let losses = self.plain.board.step(step).map(losses).unwrap_or_default();
                self.say(at, &losses);
            }
            Event::Finished { result, millis, .. } => {
                for (step, log) in std::mem::take(&mut self.logs) {
                    self.show(&step, &log, true);
                }
                self.tell(|plain| plain.handle(at, event));
                let warnings = self.write_files(*result, *millis);
                self.say(at, &warnings);
            }
            _ => self.tell(|plain| plain.handle(at, event)),
        }
    }

    /// To be called now and then, so that a long silence is broken.
    pub fn tick(&mut self, at: Timestamp) {
        self.tell(|plain| plain.tick(at));
    }

    /// Writes the lines that plain output makes, none of which is a command.
    fn tell(&mut self, told: impl FnOnce(&mut Plain<Vec<u8>>)) {
        told(&mut self.plain);
        let text = std::mem::take(&mut self.plain.out);
        let lines: Vec<String> = String::from_utf8_lossy(&text).lines().map(harmless).collect();
        self.write(&lines);
    }

    /// Writes commands.
    fn say(&mut self, at: Timestamp, commands: &[String]) {
        if !commands.is_empty() {
            self.tell(|plain| plain.show_held(at));
            self.write(commands);
        }
    }

    fn show_log(&mut self, step: &StepId, outcome: &Outcome) {
        if let Some(log) = self.logs.remove(step) {
            self.show(step, &log, !matches!(outcome, Outcome::Done { .. } | Outcome::Unchanged));
        }
    }

    /// What a step wrote, in one piece, as steps run side by side. Of one that went well it is folded away.
    fn show(&mut self, step: &StepId, log: &Log, open: bool) {
        let title = format!("{step}: its log, {} lines", log.lines.len());
        let (first, last) = if open {
            (harmless(&title), None)
        } else {
            (command::group(&title), Some(command::END_GROUP.to_owned()))
        };
        let dropped = (log.dropped > 0).then(|| format!("| … {} lines before", log.dropped));
        let lines = log.lines.iter().map(|line| harmless(&format!("| {line}")));
        let lines: Vec<String> = [first].into_iter().chain(dropped).chain(lines).chain(last).collect();
        self.write(&lines);
    }

    /// Writes the lines. A reader that is gone is not an error: the deployment goes on without it.
    fn write(&mut self, lines: &[String]) {
        for line in lines {
            let _ = writeln!(self.out, "{line}");
        }
        let _ = self.out.flush();
    }

    /// Writes the summary and the outputs; what can't be written is a warning.
    fn write_files(&self, result: RunResult, millis: u64) -> Vec<String> {
        let board = &self.plain.board;
        let summary = self.files.summary.as_ref().map(|file| write_summary(file, board, result, millis));
        let output = self.files.output.as_ref().map(|file| append(file, &outputs::text(board, result)));
        let failed = summary.into_iter().chain(output).filter_map(Result::err);
        failed.map(|message| annotation("warning", None, "pipeline", &message)).collect()
    }
}

impl Log {
    fn push(&mut self, line: String) {
        if self.lines.len() == LOG {
            self.lines.pop_front();
            self.dropped += 1;
        }
        self.lines.push_back(line);
    }
}

/// That a step failed, and why, at the line of the template if there is one.
fn failed(step: &StepState, outcome: &Outcome, millis: u64) -> Option<String> {
    let lines = run_text::outcome(outcome, millis, Paint { color: false });
    let (title, message) = (format!("{} failed", step.id), format!("{} {}", step.id, lines.join("\n")));
    Some(annotation("error", step.failure()?.location.as_ref(), &title, &message))
}

/// The live resources that are lost by what a step does, at the lines of the template.
fn losses(step: &StepState) -> Vec<String> {
    annotations(step)
        .into_iter()
        .filter(|it| it.level == Level::Warning)
        .map(|it| {
            annotation("warning", Some(&it.location), &it.title, &format!("{}\n{}", it.title, it.message))
        })
        .collect()
}

/// Appends the summary, as far as there is room: earlier commands of the same step of the job may have written theirs.
fn write_summary(file: &Path, board: &Board, result: RunResult, millis: u64) -> Result<(), String> {
    let before = file.metadata().map_or(0, |file| file.len());
    let room = MAX_SUMMARY.saturating_sub(before);
    if room < MIN_SUMMARY {
        return Err(format!(
            "there is no room left in the job's summary: {} holds {before} bytes",
            file.display()
        ));
    }
    let room = usize::try_from(room - 1).unwrap_or(usize::MAX);
    append(file, &(summary(board, result, millis, room) + "\n"))
}

fn append(file: &Path, text: &str) -> Result<(), String> {
    let write = || OpenOptions::new().append(true).create(true).open(file)?.write_all(text.as_bytes());
    write().map_err(|error| {
        format!(
            "writing to {}: {error}; the deployment is not affected, but the job's page lacks this",
            file.display()
        )
    })
}

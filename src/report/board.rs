//! What is known so far about every step: the events, added up. Outputs for people read it.

use std::collections::VecDeque;

use jiff::Timestamp;

use crate::event::{Command, Event, Outcome, Revision, Unit};
use crate::failure::Failure;
use crate::plan::{Action, Change, Decided, Decision, PlanDigest, StepId};

use super::changes::Fate;
use super::words;

/// How many of a step's last log lines are kept to be shown when it fails.
const LOG_TAIL: usize = 20;

/// What is planned or run.
#[derive(Debug, Clone)]
pub struct Header {
    /// `plan` or `run`.
    pub command: Command,
    /// The project's name.
    pub project: String,
    /// The environment's name.
    pub environment: String,
    /// What is deployed.
    pub revision: Revision,
}

/// All steps as far as the events tell.
#[derive(Debug, Default)]
pub struct Board {
    /// What is planned or run, once it is known.
    pub header: Option<Header>,
    /// When it began.
    pub started: Option<Timestamp>,
    /// The steps, in the graph's order.
    pub steps: Vec<StepState>,
    /// Warnings so far, with the step in front where they concern one.
    pub warnings: Vec<String>,
    /// Where people find what is deployed, once a run has ended.
    pub url: Option<String>,
    /// The newer commit that the run gave way to.
    pub newer: Option<String>,
    /// What stands for exactly this plan.
    pub digest: Option<PlanDigest>,
}

/// One step as far as the events tell.
#[derive(Debug)]
pub struct StepState {
    /// The step.
    pub id: StepId,
    /// The steps whose results it needs.
    pub needs: Vec<StepId>,
    /// When it began, if it has.
    pub began: Option<Timestamp>,
    /// Whether it waits, runs or has ended.
    pub phase: Phase,
    /// What it does, once that is settled.
    pub decision: Option<Decision>,
    /// What it is doing now.
    pub activity: Option<String>,
    /// How far that is.
    pub progress: Option<Progress>,
    /// The last lines that it wrote.
    pub log: VecDeque<String>,
    /// The stack's resources and their statuses; what changed last comes last.
    pub resources: Vec<Resource>,
}

/// Where a step stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// It waits for others.
    Waiting,
    /// It is under way.
    Running {
        /// Since when.
        since: Timestamp,
    },
    /// It is over.
    Ended {
        /// How it ended.
        outcome: Outcome,
        /// How long it took, in milliseconds.
        millis: u64,
    },
}

/// How far an activity is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Done so far.
    pub done: u64,
    /// All there is to do, where it is known.
    pub total: Option<u64>,
    /// What is counted.
    pub unit: Unit,
}

/// A stack's resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Its name in the template.
    pub logical_id: String,
    /// `AWS::ECS::Service`.
    pub kind: String,
    /// `CREATE_IN_PROGRESS`.
    pub status: String,
    /// Since when it has this status.
    pub since: Timestamp,
}

/// How many steps ended how.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Did what they had to.
    pub changed: usize,
    /// Found everything as wanted.
    pub unchanged: usize,
    /// Failed.
    pub failed: usize,
    /// Could not begin because of another's failure.
    pub blocked: usize,
    /// Were under way when the run was interrupted.
    pub interrupted: usize,
    /// Never began.
    pub not_started: usize,
}

impl Board {
    /// Takes an event in. Returns whether it told anything that was not known before.
    pub fn apply(&mut self, at: Timestamp, event: &Event) -> bool {
        match event {
            Event::Started { command, project, environment, revision, steps } => {
                let (project, environment) = (project.clone(), environment.clone());
                self.header =
                    Some(Header { command: *command, project, environment, revision: revision.clone() });
                self.started = Some(at);
                self.steps = steps.iter().map(|s| StepState::new(s.id.clone(), s.needs.clone())).collect();
                true
            }
            Event::Warning { step, message } => {
                let step = step.as_ref().map_or_else(String::new, |step| format!("{step}: "));
                let warning = format!("{step}{message}");
                let news = !self.warnings.contains(&warning);
                self.warnings.extend(Some(warning).filter(|_| news));
                news
            }
            Event::Waiting { .. } => true,
            Event::PlanDiffers { steps, .. } => {
                for Decided { step, decision } in steps {
                    self.step_mut(step).decision = Some(decision.clone());
                }
                true
            }
            Event::Finished { url, newer, digest, .. } => {
                self.url.clone_from(url);
                self.newer.clone_from(newer);
                self.digest.clone_from(digest);
                true
            }
            Event::StepStarted { step }
            | Event::StepDecided { step, .. }
            | Event::Activity { step, .. }
            | Event::Progress { step, .. }
            | Event::Log { step, .. }
            | Event::Resource { step, .. }
            | Event::StepFinished { step, .. } => self.step_mut(step).apply(at, event),
        }
    }

    /// Whether this is a plan and not a run.
    #[must_use]
    pub fn is_plan(&self) -> bool {
        self.header.as_ref().is_some_and(|header| header.command == Command::Plan)
    }

    /// A step by its identity.
    #[must_use]
    pub fn step(&self, id: &StepId) -> Option<&StepState> {
        self.steps.iter().find(|step| step.id == *id)
    }

    /// Columns that the longest identity takes.
    #[must_use]
    pub fn id_width(&self) -> usize {
        self.steps.iter().map(|step| step.id.to_string().chars().count()).max().unwrap_or(0)
    }

    /// How many steps ended how.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for step in &self.steps {
            *match &step.phase {
                Phase::Ended { outcome: Outcome::Done { .. }, .. } => &mut tally.changed,
                Phase::Ended { outcome: Outcome::Unchanged, .. } => &mut tally.unchanged,
                Phase::Ended { outcome: Outcome::Failed { .. }, .. } => &mut tally.failed,
                Phase::Ended { outcome: Outcome::Blocked { .. }, .. } => &mut tally.blocked,
                Phase::Ended { outcome: Outcome::Interrupted { .. }, millis: 0 } | Phase::Waiting => {
                    &mut tally.not_started
                }
                Phase::Ended { outcome: Outcome::Interrupted { .. }, .. } | Phase::Running { .. } => {
                    &mut tally.interrupted
                }
            } += 1;
        }
        tally
    }

    /// The steps that failed, and why.
    pub fn failures(&self) -> impl Iterator<Item = (&StepState, &Failure)> {
        self.steps.iter().filter_map(|step| Some((step, step.failure()?)))
    }

    /// The step's state; a step that was not announced is taken in at the end.
    fn step_mut(&mut self, id: &StepId) -> &mut StepState {
        let index = self.steps.iter().position(|step| step.id == *id).unwrap_or_else(|| {
            self.steps.push(StepState::new(id.clone(), Vec::new()));
            self.steps.len() - 1
        });
        &mut self.steps[index]
    }
}

impl StepState {
    fn new(id: StepId, needs: Vec<StepId>) -> Self {
        Self {
            id,
            needs,
            began: None,
            phase: Phase::Waiting,
            decision: None,
            activity: None,
            progress: None,
            log: VecDeque::new(),
            resources: Vec::new(),
        }
    }

    /// What it does, as far as that is settled.
    #[must_use]
    pub fn action(&self) -> Action {
        self.decision.as_ref().map_or(Action::Unknown, |decision| decision.action)
    }

    /// The changes by which a live resource is lost, or may be.
    pub fn grave(&self) -> impl Iterator<Item = &Change> {
        let changes = self.decision.iter().flat_map(|decision| &decision.changes);
        changes.filter(|change| Fate::of(change).is_grave())
    }

    /// Why it failed, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match &self.phase {
            Phase::Ended { outcome: Outcome::Failed { failure }, .. } => Some(failure),
            _ => None,
        }
    }

    /// Whether it has ended.
    #[must_use]
    pub fn ended(&self) -> bool {
        matches!(self.phase, Phase::Ended { .. })
    }

    /// Takes one of its events in. Returns whether it told anything new.
    fn apply(&mut self, at: Timestamp, event: &Event) -> bool {
        match event {
            Event::StepStarted { .. } => {
                self.began = Some(at);
                self.phase = Phase::Running { since: at };
            }
            Event::StepDecided { decision, .. } => {
                return self.decision.replace(decision.clone()).as_ref() != Some(decision);
            }
            Event::Activity { text, .. } => {
                let news = self.activity.as_ref() != Some(text);
                if news {
                    self.progress = None;
                    self.activity = Some(text.clone());
                }
                return news;
            }
            Event::Progress { done, total, unit, .. } => {
                self.progress = Some(Progress { done: *done, total: *total, unit: *unit });
            }
            Event::Log { line, .. } => self.keep_log(line),
            Event::Resource { logical_id, resource_type, status, .. } => {
                return self.set_resource(at, logical_id, resource_type, status);
            }
            Event::StepFinished { outcome, millis, .. } => {
                self.phase = Phase::Ended { outcome: outcome.clone(), millis: *millis };
            }
            Event::Started { .. }
            | Event::Waiting { .. }
            | Event::PlanDiffers { .. }
            | Event::Warning { .. }
            | Event::Finished { .. } => {}
        }
        true
    }

    fn keep_log(&mut self, line: &str) {
        if self.log.len() == LOG_TAIL {
            self.log.pop_front();
        }
        self.log.push_back(words::clean(line));
    }

    /// Sets a resource's status and moves it to the end. `CloudFormation` sends most `…_IN_PROGRESS` twice.
    fn set_resource(&mut self, at: Timestamp, logical_id: &str, kind: &str, status: &str) -> bool {
        let known = self.resources.iter().position(|resource| resource.logical_id == logical_id);
        let before = known.map(|index| self.resources.remove(index));
        let since =
            before.as_ref().filter(|before| before.status == status).map_or(at, |before| before.since);
        self.resources.push(Resource {
            logical_id: logical_id.to_owned(),
            kind: kind.to_owned(),
            status: status.to_owned(),
            since,
        });
        before.is_none_or(|before| before.status != status)
    }
}

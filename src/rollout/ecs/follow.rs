use std::collections::HashSet;
use std::time::{Duration, Instant, SystemTime};

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::DesiredStatus;

use super::definition::Log;
use super::evidence::{Evidence, Witnesses};
use super::tasks::Task;
use super::watch::{Verdict, Watch};
use super::{Service, Target, observe, stopped, tasks};
use crate::config::Span;
use crate::event::{StepEvents, Unit};
use crate::failure::Failure;
use crate::rollout::Tasks;
use crate::rollout::alarms::Alarms;
use crate::rollout::patience::{Overdue, Patience, Timing};

/// Why a deployment was not followed to success.
#[derive(Debug)]
pub(super) enum Setback {
    /// It won't succeed.
    Failed {
        /// In a few words.
        why: String,
        /// What stopped its tasks, each cause once, or else what the scheduler complained of; and what else is known.
        causes: Vec<String>,
    },
    /// It is not known how it goes: observations failed until the time was over.
    Blind(Failure),
}

/// What every part of a rollout works with.
#[derive(Clone, Copy)]
pub(super) struct Rollout<'a> {
    pub(super) client: &'a Client,
    pub(super) witnesses: &'a Witnesses,
    pub(super) target: &'a Target,
    pub(super) alarms: &'a Alarms,
    /// How long the alarms are watched after the service is steady.
    pub(super) watch: Duration,
    pub(super) timing: Timing,
    pub(super) events: &'a StepEvents,
}

/// How a deployment ended.
#[derive(Debug)]
pub(super) enum End {
    /// The service is steady with it.
    Steady(Service),
    /// ECS gave it up, or something else took its place.
    Over(String),
    /// It goes on, but it is no use to wait longer.
    Hopeless(String),
}

/// What has been seen so far.
pub(super) struct Seen {
    watch: Watch,
    /// Where the revision's containers write.
    logs: Vec<Log>,
    events: HashSet<String>,
    /// ARNs of stopped tasks, the revision's and others'.
    tasks: Vec<String>,
    failed: Vec<Task>,
    /// The scheduler's latest complaint.
    complaint: Option<String>,
    running: Option<Tasks>,
    evidence: Evidence,
    steady: Option<Instant>,
}

impl Seen {
    /// Nothing yet, but these events of the service.
    pub(super) fn new(watch: Watch, logs: Vec<Log>, events: HashSet<String>) -> Self {
        Self {
            watch,
            logs,
            events,
            tasks: Vec::new(),
            failed: Vec::new(),
            complaint: None,
            running: None,
            evidence: Evidence::default(),
            steady: None,
        }
    }

    /// Why it fails, as far as that is known.
    pub(super) fn causes(&self) -> Vec<String> {
        let mut causes = stopped::causes(&self.failed);
        if causes.is_empty() {
            causes.extend(self.complaint.clone());
        }
        causes.extend(self.evidence.details());
        causes
    }
}

impl Rollout<'_> {
    /// Follows a deployment, and tells what happens on the way, until the service is steady on the wanted revision.
    ///
    /// `before` is the service as it was before the rollout; the revision's containers write to `logs`.
    pub(super) async fn follow(
        &self,
        watch: Watch,
        before: &Service,
        logs: Vec<Log>,
    ) -> Result<Service, Setback> {
        let events = before.events.iter().map(|event| event.id.clone()).collect();
        let mut seen = Seen::new(watch, logs, events);
        let why = match self.look_until_the_end(&mut seen).await {
            Ok(End::Steady(service)) => return Ok(service),
            Ok(End::Over(why) | End::Hopeless(why)) => why,
            Err(Overdue::Waiting) => overdue(self.timing, seen.running),
            Err(Overdue::Blind(failure)) => return Err(Setback::Blind(failure)),
        };
        Err(Setback::Failed { why, causes: seen.causes() })
    }

    async fn look_until_the_end(&self, seen: &mut Seen) -> Result<End, Overdue> {
        let timing = Timing { timeout: self.timing.timeout + self.watch, ..self.timing };
        let mut patience = Patience::new(timing, self.events);
        let mut shown = None;
        loop {
            let look = self.look(seen).await;
            if let Some(tasks) = seen.running.filter(|tasks| shown != Some(*tasks)) {
                self.events.progress(tasks.running.into(), Some(tasks.desired.into()), Unit::Tasks);
                shown = Some(tasks);
            }
            if let Some(end) = patience.after(look).await? {
                return Ok(end);
            }
        }
    }

    /// One look at the deployment: how it ended, if it has.
    pub(super) async fn look(&self, seen: &mut Seen) -> Result<Option<End>, Failure> {
        let service = observe(self.client, self.target).await?;
        self.report(&service, seen);
        let read = self.read_stopped(seen).await;
        let Seen { watch, logs, failed, evidence, .. } = seen;
        self.ask_load_balancers(&service, watch, evidence).await;
        self.read_logs(failed, logs, evidence).await;
        let verdict = watch.verdict(&service);
        if let Verdict::Failed(why) = verdict {
            evidence.record = self.taken_back(watch).await;
            return Ok(Some(End::Over(why)));
        }
        if let Some(alarm) = self.alarms.raised().await? {
            return Ok(Some(End::Over(alarm.to_string())));
        }
        match verdict {
            Verdict::Steady if self.watched(seen) => Ok(Some(match self.taken_back(&seen.watch).await {
                Some(why) => End::Over(why),
                None => End::Steady(service),
            })),
            Verdict::Steady => Ok(None),
            Verdict::Going | Verdict::Failed(_) => {
                read?;
                Ok(self.crash_loop(&service, seen).await?.map(End::Hopeless))
            }
        }
    }

    /// Whether the alarms have been watched for long enough since the service was steady.
    fn watched(&self, seen: &mut Seen) -> bool {
        let steady = seen.steady.get_or_insert_with(|| {
            if !self.watch.is_zero() {
                self.events.activity(format!("steady; watching alarms for {}", Span::from(self.watch)));
            }
            Instant::now()
        });
        steady.elapsed() >= self.watch
    }

    fn report(&self, service: &Service, seen: &mut Seen) {
        seen.watch.seen |= service.deployments().any(|deployment| deployment.id == seen.watch.deployment);
        let ours = service.deployments().find(|deployment| deployment.task_definition == seen.watch.wanted);
        seen.running = ours.map(|deployment| deployment.tasks).or(seen.running);
        for event in &service.events {
            if seen.events.insert(event.id.clone()) {
                self.events.log(&event.message);
                if event.is_complaint() {
                    seen.complaint = Some(event.message.clone());
                }
            }
        }
    }

    /// Reports tasks of this deployment that failed since the last look.
    async fn read_stopped(&self, seen: &mut Seen) -> Result<(), Failure> {
        let new = tasks::read(self.client, self.target, DesiredStatus::Stopped, &seen.tasks).await?;
        for task in new.into_iter().filter(|task| task.stopped_at.is_some()) {
            seen.tasks.push(task.arn.clone());
            if seen.watch.started(&task) && stopped::failed(&task) {
                self.events.log(format!("task {} stopped: {}", task.id(), stopped::why(&task)));
                seen.failed.push(task);
            }
        }
        Ok(())
    }

    /// Why it is no use to wait longer: task after task fails, and none stays up.
    async fn crash_loop(&self, service: &Service, seen: &Seen) -> Result<Option<String>, Failure> {
        if !stopped::many(&seen.failed, service.primary.tasks.desired, service.breaker) {
            return Ok(None);
        }
        let mut running = tasks::read(self.client, self.target, DesiredStatus::Running, &[]).await?;
        running.retain(|task| task.revision.as_ref() == Some(&seen.watch.wanted));
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs_f64();
        let hopeless = !stopped::any_stays_up(&seen.failed, &running, now);
        Ok(hopeless.then(|| format!("{} tasks stopped and none stayed up", seen.failed.len())))
    }
}

fn overdue(timing: Timing, running: Option<Tasks>) -> String {
    let seconds = timing.timeout.as_secs();
    let time =
        if seconds >= 120 { format!("{} minutes", seconds / 60) } else { format!("{seconds} seconds") };
    match running {
        Some(tasks) => format!("not steady after {time}, {tasks} run"),
        None => format!("not steady after {time}"),
    }
}

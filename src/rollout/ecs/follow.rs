use std::collections::HashSet;
use std::time::{Duration, Instant, SystemTime};

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::DesiredStatus;

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
        /// What stopped its tasks, each cause once; or else what the scheduler complained of.
        causes: Vec<String>,
    },
    /// It is not known how it goes: observations failed until the time was over.
    Blind(Failure),
}

/// What every part of a rollout works with.
#[derive(Clone, Copy)]
pub(super) struct Rollout<'a> {
    pub(super) client: &'a Client,
    pub(super) target: &'a Target,
    pub(super) alarms: &'a Alarms,
    /// How long the alarms are watched after the service is steady.
    pub(super) watch: Duration,
    pub(super) timing: Timing,
    pub(super) events: &'a StepEvents,
}

/// What has been seen so far.
struct Seen {
    watch: Watch,
    events: HashSet<String>,
    /// ARNs of stopped tasks, the revision's and others'.
    tasks: Vec<String>,
    failed: Vec<Task>,
    /// The scheduler's latest complaint.
    complaint: Option<String>,
    running: Option<Tasks>,
    steady: Option<Instant>,
}

impl Seen {
    fn causes(&self) -> Vec<String> {
        let causes = stopped::causes(&self.failed);
        if causes.is_empty() { self.complaint.iter().cloned().collect() } else { causes }
    }
}

impl Rollout<'_> {
    /// Follows a deployment, and tells what happens on the way, until the service is steady on the wanted revision.
    ///
    /// `before` is the service as it was before the rollout.
    pub(super) async fn follow(&self, watch: Watch, before: &Service) -> Result<Service, Setback> {
        let events = before.events.iter().map(|event| event.id.clone()).collect();
        let mut seen = Seen {
            watch,
            events,
            tasks: Vec::new(),
            failed: Vec::new(),
            complaint: None,
            running: None,
            steady: None,
        };
        let why = match self.look_until_the_end(&mut seen).await {
            Ok(Ok(service)) => return Ok(service),
            Ok(Err(why)) => why,
            Err(Overdue::Waiting) => overdue(self.timing, seen.running),
            Err(Overdue::Blind(failure)) => return Err(Setback::Blind(failure)),
        };
        Err(Setback::Failed { why, causes: seen.causes() })
    }

    async fn look_until_the_end(&self, seen: &mut Seen) -> Result<Result<Service, String>, Overdue> {
        let timing = Timing { timeout: self.timing.timeout + self.watch, ..self.timing };
        let mut patience = Patience::new(timing, self.events);
        loop {
            let look = self.look(seen).await;
            if let Some(end) = patience.after(look).await? {
                return Ok(end);
            }
        }
    }

    async fn look(&self, seen: &mut Seen) -> Result<Option<Result<Service, String>>, Failure> {
        let service = observe(self.client, self.target).await?;
        self.report(&service, seen);
        let read = self.read_stopped(seen).await;
        let verdict = seen.watch.verdict(&service);
        if let Verdict::Failed(why) = verdict {
            return Ok(Some(Err(why)));
        }
        if let Some(alarm) = self.alarms.raised().await? {
            return Ok(Some(Err(alarm.to_string())));
        }
        match verdict {
            Verdict::Steady => Ok(self.watched(seen).then_some(Ok(service))),
            Verdict::Going | Verdict::Failed(_) => {
                read?;
                Ok(self.crash_loop(&service, seen).await?.map(Err))
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
        if let Some(tasks) = ours.map(|deployment| deployment.tasks) {
            if seen.running != Some(tasks) {
                self.events.progress(tasks.running.into(), Some(tasks.desired.into()), Unit::Tasks);
            }
            seen.running = Some(tasks);
        }
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

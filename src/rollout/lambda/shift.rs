use std::time::{Instant, SystemTime};

use tokio::time::sleep;

use super::alias::{Unconfirmed, confirm, point, points_at};
use super::apply::Rollout;
use super::canary::Canary;
use super::invocations::invocations;
use super::next::{Next, Seen, Why, longest, next, step};
use super::setback::{not_back, not_moved};
use super::{Alias, Function};
use crate::config::{Span, Weight};
use crate::failure::Failure;
use crate::rollout::patience::{Overdue, Patience};

/// A canary that is under way.
pub(super) struct Shift<'a> {
    pub(super) rollout: Rollout<'a>,
    pub(super) canary: &'a Canary,
    pub(super) function: &'a Function,
    /// The new version.
    pub(super) version: &'a str,
    /// Where the calls go now.
    pub(super) alias: Alias,
    since: (Instant, SystemTime),
}

/// How a canary ended that nothing spoke against.
pub(super) enum Shifted {
    /// The new version is to get all calls.
    Through(Alias),
    /// The run was interrupted, and the old version gets all calls; in a sentence.
    TakenBack(String),
}

/// Gives the new version more and more of the calls, or the old one all of them again.
pub(super) async fn shift(
    rollout: &Rollout<'_>,
    canary: &Canary,
    function: &Function,
    version: &str,
) -> Result<Shifted, Failure> {
    let alias = function.alias.clone();
    let since = (Instant::now(), SystemTime::now());
    let mut shift = Shift { rollout: *rollout, canary, function, version, alias, since };
    if let Some(weight) = shift.weight() {
        shift.tell_step(weight);
    }
    loop {
        let seen = tokio::select! {
            biased;
            () = canary.interrupted.cancelled() => return shift.interrupted().await.map(Shifted::TakenBack),
            seen = shift.look() => seen,
        };
        let next = match &seen {
            Ok(seen) => next(&canary.plan, shift.weight(), seen),
            Err(failure) => Next::Back(Why::Blind(failure.clone())),
        };
        match next {
            Next::Hold => shift.pause().await,
            Next::Shift(weight) => shift.to(weight).await?,
            Next::Finish => return Ok(Shifted::Through(shift.alias)),
            Next::Back(why) => return Err(shift.back(why).await),
        }
    }
}

impl Shift<'_> {
    /// The new version's share of the calls, if it has one.
    pub(super) fn weight(&self) -> Option<Weight> {
        self.alias.weights.get(self.version).copied()
    }

    /// Looks until something is seen. What fails is repeated until the patience is over.
    async fn look(&self) -> Result<Seen, Failure> {
        let mut patience = Patience::new(self.rollout.timing, self.rollout.events);
        loop {
            match patience.after(self.see().await.map(Some)).await {
                Ok(Some(seen)) => return Ok(seen),
                Ok(None) => {}
                Err(Overdue::Blind(failure)) => return Err(failure),
                Err(Overdue::Waiting) => return Err(Failure::new("nothing was seen in time")),
            }
        }
    }

    async fn see(&self) -> Result<Seen, Failure> {
        let alarm = self.canary.alarms.raised().await?;
        let elapsed = self.since.0.elapsed();
        let plan = &self.canary.plan;
        let due = step(plan, self.weight()).is_some_and(|step| elapsed >= step.hold.duration());
        // Each question costs something, and the answer matters only when the time is over.
        let invocations =
            if alarm.is_none() && due && plan.minimum_invocations > 0 { self.count().await? } else { 0 };
        Ok(Seen { elapsed, invocations, alarm })
    }

    async fn count(&self) -> Result<u64, Failure> {
        let Rollout { target, events, .. } = self.rollout;
        let (version, minimum) = (self.version, self.canary.plan.minimum_invocations);
        let count = invocations(&self.canary.metrics, target, version, self.since.1).await?;
        if count < minimum {
            events.activity(format!("version {version}: {count} of {minimum} invocations, waiting for more"));
        }
        Ok(count)
    }

    async fn pause(&self) {
        tokio::select! {
            () = self.canary.interrupted.cancelled() => {}
            () = sleep(self.rollout.timing.poll) => {}
        }
    }

    async fn to(&mut self, weight: Weight) -> Result<(), Failure> {
        self.tell_step(weight);
        let share = Some((self.version, weight));
        match point(&self.rollout, &self.alias, &self.alias.version, share).await {
            Ok(alias) => self.alias = alias,
            Err(failure) => return Err(self.back(Why::Stuck(failure)).await),
        }
        self.since = (Instant::now(), SystemTime::now());
        Ok(())
    }

    /// `version 8 gets 10 % of the calls for 5m (step 1 of 2)`.
    fn tell_step(&self, weight: Weight) {
        let (version, steps) = (self.version, &self.canary.plan.steps);
        let Some(step) = step(&self.canary.plan, Some(weight)) else { return };
        let number = steps.iter().take_while(|other| other.weight <= weight).count();
        let (hold, count) = (step.hold, steps.len());
        let text =
            format!("version {version} gets {weight} of the calls for {hold} (step {number} of {count})");
        self.rollout.events.activity(text);
    }

    async fn back(&self, why: Why) -> Failure {
        let mut failure = not_moved(self, why);
        match self.take_back("points again").await {
            Ok(outcome) => failure.detail(outcome),
            Err(stuck) => {
                failure.details.push(stuck.message);
                failure.details.extend(stuck.details);
                failure
            }
        }
    }

    async fn interrupted(&self) -> Result<String, Failure> {
        let outcome = self.take_back("is back").await?;
        Ok(format!("{outcome}; the next run begins again"))
    }

    /// Gives the old version all calls again, reads that back, and says so in a sentence.
    async fn take_back(&self, how: &str) -> Result<String, Failure> {
        if self.alias.weights.is_empty() {
            return Ok(points_at(&self.rollout, "still points").await);
        }
        let old = &self.alias.version;
        self.rollout.events.activity(format!("going back to version {old}"));
        let back = match point(&self.rollout, &self.alias, old, None).await {
            Ok(_) => confirm(&self.rollout, old, &self.function.live).await.map_err(Unconfirmed::failure),
            Err(failure) => Err(failure),
        };
        match back {
            Ok(()) => Ok(points_at(&self.rollout, how).await),
            Err(failure) => Err(not_back(self, failure).detail(points_at(&self.rollout, "points").await)),
        }
    }

    /// How long the step that is under way may take.
    pub(super) fn longest(&self) -> Option<Span> {
        step(&self.canary.plan, self.weight()).map(longest).map(Span::from)
    }
}

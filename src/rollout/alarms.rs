use std::fmt;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{AlarmType, StateValue};

use crate::aws::failure;
use crate::failure::Failure;

/// `DescribeAlarms` tells of no more at once; `pipeline.yaml` names no more.
const ALARMS_PER_CALL: i32 = 100;

/// The `CloudWatch` alarms that speak against a release when they go off.
#[derive(Debug, Clone)]
pub struct Alarms {
    client: Client,
    names: Vec<String>,
}

/// An alarm that has gone off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Alarm {
    pub(super) name: String,
    /// What `CloudWatch` says about it.
    pub(super) reason: String,
}

/// What an observation of the alarms says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Observed {
    raised: Vec<Alarm>,
    missing: Vec<String>,
}

impl Alarms {
    /// Alarms by their names, of which there may be none.
    #[must_use]
    pub fn new(client: Client, names: Vec<String>) -> Self {
        Self { client, names }
    }

    /// Whether a release may go on, before it has changed anything. One that begins may not while an alarm is on:
    /// nobody could tell what it does to it.
    pub(super) async fn admit(&self, begins: bool) -> Result<(), Failure> {
        let observed = self.observe().await?;
        let against = observed.absence().or_else(|| observed.refusal().filter(|_| begins));
        against.map_or(Ok(()), Err)
    }

    /// The first alarm that has gone off, in the order in which they are named.
    pub(super) async fn raised(&self) -> Result<Option<Alarm>, Failure> {
        let observed = self.observe().await?;
        observed.absence().map_or(Ok(observed.raised.into_iter().next()), Err)
    }

    async fn observe(&self) -> Result<Observed, Failure> {
        if self.names.is_empty() {
            return Ok(Observed::default());
        }
        let call = self.client.describe_alarms().set_alarm_names(Some(self.names.clone()));
        let call = call.alarm_types(AlarmType::MetricAlarm).alarm_types(AlarmType::CompositeAlarm);
        let answer = call
            .max_records(ALARMS_PER_CALL)
            .send()
            .await
            .map_err(|error| failure(format!("DescribeAlarms of {}", self.names.join(", ")), error))?;
        let metric = answer.metric_alarms().iter();
        let metric = metric.map(|alarm| (alarm.alarm_name(), alarm.state_value(), alarm.state_reason()));
        let composite = answer.composite_alarms().iter();
        let composite =
            composite.map(|alarm| (alarm.alarm_name(), alarm.state_value(), alarm.state_reason()));
        let found: Vec<_> = metric.chain(composite).collect();
        Ok(observed(&self.names, &found))
    }
}

/// Puts what was found in the order of the names.
fn observed(names: &[String], found: &[(Option<&str>, Option<&StateValue>, Option<&str>)]) -> Observed {
    let mut observed = Observed::default();
    for name in names {
        match found.iter().find(|(known, _, _)| *known == Some(name)) {
            Some((_, Some(StateValue::Alarm), reason)) => observed.raised.push(Alarm {
                name: name.clone(),
                reason: reason.filter(|reason| !reason.is_empty()).unwrap_or("no reason given").to_owned(),
            }),
            Some(_) => {}
            None => observed.missing.push(name.clone()),
        }
    }
    observed
}

impl Observed {
    fn absence(&self) -> Option<Failure> {
        let missing = self.missing.join(", ");
        (!missing.is_empty()).then(|| {
            Failure::new(format!("there is no alarm {missing}"))
                .hint("check `alarms` in pipeline.yaml against the stack's outputs: the names of alarms in this account and region")
        })
    }

    fn refusal(&self) -> Option<Failure> {
        let first = self.raised.first()?;
        let refusal =
            Failure::new(format!("alarm {} is on already, so nothing could be told from it", first.name));
        let refusal = self.raised.iter().fold(refusal, |refusal, alarm| refusal.detail(alarm.to_string()));
        Some(refusal.hint(
            "see to the alarm, then run again; if this release is what mends it, leave it out of `alarms` in pipeline.yaml this once",
        ))
    }
}

/// `alarm api-errors went off: Threshold Crossed: …`.
impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "alarm {} went off: {}", self.name, self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(found: &[(Option<&str>, Option<&StateValue>, Option<&str>)]) -> Observed {
        observed(&["a".to_owned(), "b".to_owned()], found)
    }

    #[test]
    fn only_alarm_counts_as_gone_off() {
        let quiet = seen(&[
            (Some("a"), Some(&StateValue::Ok), None),
            (Some("b"), Some(&StateValue::InsufficientData), Some("Unchecked")),
        ]);
        assert_eq!(quiet, Observed::default());
    }

    #[test]
    fn an_alarm_that_is_on_refuses_with_its_reason() {
        let raised = seen(&[
            (Some("b"), Some(&StateValue::Alarm), Some("Threshold Crossed")),
            (Some("a"), None, None),
        ]);
        assert_eq!(raised.absence(), None);
        insta::assert_snapshot!(raised.refusal().expect("a refusal"), @"
        alarm b is on already, so nothing could be told from it
          alarm b went off: Threshold Crossed
          next: see to the alarm, then run again; if this release is what mends it, leave it out of `alarms` in pipeline.yaml this once
        ");
    }

    #[test]
    fn an_alarm_that_is_not_there_is_named() {
        let missing = seen(&[(Some("b"), Some(&StateValue::Ok), None)]);
        insta::assert_snapshot!(missing.absence().expect("a failure"), @"
        there is no alarm a
          next: check `alarms` in pipeline.yaml against the stack's outputs: the names of alarms in this account and region
        ");
    }
}

//! An alarm that goes off when a test says so.

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{ComparisonOperator, StateValue, Statistic};
use pipeline::rollout::Alarms;

use crate::cloud::{config, unique};

pub(crate) struct Alarm {
    pub(crate) client: Client,
    pub(crate) name: String,
}

/// No alarms.
pub(crate) fn none() -> Alarms {
    Alarms::new(Client::new(&config()), Vec::new())
}

impl Alarm {
    /// An alarm on a metric that nobody writes.
    pub(crate) async fn new() -> Self {
        let (client, name) = (Client::new(&config()), unique("alarm"));
        let put = client.put_metric_alarm().alarm_name(&name).namespace(&name).metric_name("Errors");
        put.statistic(Statistic::Sum)
            .period(60)
            .evaluation_periods(1)
            .threshold(0.0)
            .comparison_operator(ComparisonOperator::GreaterThanThreshold)
            .send()
            .await
            .expect("an alarm");
        Self { client, name }
    }

    pub(crate) async fn set(&self, on: bool) {
        let state = if on { StateValue::Alarm } else { StateValue::Ok };
        let set = self.client.set_alarm_state().alarm_name(&self.name).state_value(state);
        set.state_reason("5 errors in a minute").send().await.expect("to set the alarm");
    }

    pub(crate) fn watched(&self) -> Alarms {
        Alarms::new(self.client.clone(), vec![self.name.clone()])
    }

    pub(crate) async fn delete(self) {
        self.client.delete_alarms().alarm_names(&self.name).send().await.expect("to delete the alarm");
    }
}

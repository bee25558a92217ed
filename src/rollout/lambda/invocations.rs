use std::time::{Duration, SystemTime};

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricDataResult, MetricStat};

use super::Target;
use crate::aws::failure;
use crate::failure::Failure;

/// Lambda's metrics come by the minute, in seconds.
const MINUTE: i32 = 60;

/// How often a version was called by its alias since a moment, as far as `CloudWatch` knows: it is told a minute or
/// two late. Of the minute in which the moment is, all calls count.
///
/// <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html> has the dimensions.
pub(super) async fn invocations(
    client: &Client,
    target: &Target,
    version: &str,
    since: SystemTime,
) -> Result<u64, Failure> {
    let call = client
        .get_metric_data()
        .metric_data_queries(query(target, version))
        .start_time(DateTime::from(since))
        .end_time(DateTime::from(SystemTime::now() + Duration::from_mins(1)));
    let mut pages = call.into_paginator().send();
    let mut sum = 0.0;
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| {
            failure(format!("GetMetricData of the invocations of {target}, version {version}"), error)
        })?;
        sum += page.metric_data_results().iter().flat_map(MetricDataResult::values).sum::<f64>();
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    Ok(sum as u64)
}

fn query(target: &Target, version: &str) -> MetricDataQuery {
    let function = target.function_name();
    let dimension = |name: &str, value: String| Dimension::builder().name(name).value(value).build();
    let metric = Metric::builder()
        .namespace("AWS/Lambda")
        .metric_name("Invocations")
        .dimensions(dimension("FunctionName", function.to_owned()))
        .dimensions(dimension("Resource", format!("{function}:{}", target.alias)))
        .dimensions(dimension("ExecutedVersion", version.to_owned()));
    let stat = MetricStat::builder().metric(metric.build()).period(MINUTE).stat("Sum");
    MetricDataQuery::builder().id("invocations").metric_stat(stat.build()).build()
}

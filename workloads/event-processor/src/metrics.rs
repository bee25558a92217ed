//! Numbers for CloudWatch, in its embedded metric format: a line of the log that it makes metrics of.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// What became of the events of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Processed now.
    pub processed: u32,
    /// Processed before.
    pub duplicates: u32,
    /// No events.
    pub invalid: u32,
    /// Refused for good.
    pub rejected: u32,
    /// To be tried again.
    pub failed: u32,
    /// Behind a failed one of their key.
    pub held: u32,
    /// Processed, but the store could not take note of it.
    pub unrecorded: u32,
    /// How long ago the oldest record was written, in milliseconds.
    pub oldest: i64,
}

impl Counts {
    /// Writes the line.
    pub fn emit(&self, namespace: &str, function: &str) {
        // Nobody is there to be told that standard output can't be written to.
        drop(writeln!(std::io::stdout().lock(), "{}", self.line(namespace, function, now())));
    }

    fn line(&self, namespace: &str, function: &str, timestamp: i64) -> Value {
        let count = |name: &str| json!({ "Name": name, "Unit": "Count" });
        json!({
            "_aws": {
                "Timestamp": timestamp,
                "CloudWatchMetrics": [{
                    "Namespace": namespace,
                    "Dimensions": [["FunctionName"]],
                    "Metrics": [
                        count("Processed"), count("Duplicates"), count("Invalid"), count("Rejected"),
                        count("Failed"), count("Held"), count("Unrecorded"),
                        { "Name": "OldestRecordAge", "Unit": "Milliseconds" },
                    ],
                }],
            },
            "FunctionName": function,
            "Processed": self.processed,
            "Duplicates": self.duplicates,
            "Invalid": self.invalid,
            "Rejected": self.rejected,
            "Failed": self.failed,
            "Held": self.held,
            "Unrecorded": self.unrecorded,
            "OldestRecordAge": self.oldest,
        })
    }
}

/// Milliseconds since 1970.
#[must_use]
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_that_is_declared_has_a_value() {
        let line = Counts { processed: 3, oldest: 250, ..Counts::default() }.line("events", "processor", 7);
        let declared = &line["_aws"]["CloudWatchMetrics"][0];
        for metric in declared["Metrics"].as_array().unwrap() {
            assert!(line[metric["Name"].as_str().unwrap()].is_number(), "{metric}");
        }
        assert_eq!(line[declared["Dimensions"][0][0].as_str().unwrap()], "processor");
        assert_eq!((&line["Processed"], &line["OldestRecordAge"]), (&json!(3), &json!(250)));
    }
}

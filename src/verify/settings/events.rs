//! Streams of events and logs.

use super::{Risk, Rule, View};

pub const RULES: &[Rule] = &[
    Rule {
        resource_type: "AWS::Lambda::EventSourceMapping",
        look: no_destination,
        advice: "set DestinationConfig.OnFailure to a queue: without it one bad batch is tried until it expires, and \
                 holds up its partition",
    },
    Rule {
        resource_type: "AWS::Logs::LogGroup",
        look: kept_forever,
        advice: "set RetentionInDays: without it every line is kept, and paid for, for ever",
    },
];

/// Only mappings of Kafka have topics.
fn no_destination(mapping: &View<'_>) -> Option<Risk> {
    const DESTINATION: &[&str] = &["DestinationConfig", "OnFailure"];
    (!mapping.lacks(&["Topics"]) && mapping.lacks(DESTINATION))
        .then(|| Risk::new(&["Topics"], "what fails again and again goes nowhere"))
}

fn kept_forever(group: &View<'_>) -> Option<Risk> {
    group.lacks(&["RetentionInDays"]).then(|| Risk::new(&[], "the log group has no retention"))
}

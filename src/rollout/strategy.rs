use std::time::Duration;

use crate::config::{Canary, Rollout};

/// How a rollout goes about it, in a few words: `rolling deployment`, `canary: 10 % for 5m, then all`.
#[must_use]
pub fn strategy(rollout: &Rollout) -> String {
    match rollout {
        Rollout::Ecs { alarms, .. } if alarms.is_empty() => "rolling deployment".to_owned(),
        Rollout::Ecs { watch, .. } if watch.duration() == Duration::ZERO => {
            "rolling deployment, taken back on an alarm".to_owned()
        }
        Rollout::Ecs { watch, .. } => {
            format!("rolling deployment, taken back on an alarm within {watch} after it")
        }
        Rollout::Lambda { strategy: None, .. } => "all at once".to_owned(),
        Rollout::Lambda { strategy: Some(strategy), .. } => canary(&strategy.canary),
    }
}

fn canary(canary: &Canary) -> String {
    let steps: Vec<String> =
        canary.steps.iter().map(|step| format!("{} for {}", step.weight, step.hold)).collect();
    let alarms = if canary.alarms.is_empty() { "" } else { ", taken back on an alarm" };
    format!("canary: {}, then all{alarms}", steps.join(", "))
}

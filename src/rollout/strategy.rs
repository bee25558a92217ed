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

#[cfg(test)]
mod tests {
    use super::*;

    fn told(rollout: &str) -> String {
        let text = format!(
            "project: p\nenvironments: {{ e: {{ region: eu-west-1 }} }}\nworkloads:\n  w:\n    inputs: [w]\n    \
             build: {{ context: w }}\n    repository: r\n    rollout: {rollout}\n"
        );
        let config = crate::config::load("pipeline.yaml", &text).expect("a configuration");
        strategy(config.workloads["w"].rollout.as_ref().expect("a rollout"))
    }

    #[test]
    fn strategies_are_told_in_a_few_words() {
        let ecs =
            |more: &str| told(&format!("{{ ecs: {{ cluster: c, service: s, task_definition: t{more} }} }}"));
        let lambda = |more: &str| told(&format!("{{ lambda: {{ function: f, alias: live{more} }} }}"));
        insta::assert_snapshot!([
            ecs(""),
            ecs(", alarms: [a]"),
            ecs(", alarms: [a], watch: 2m"),
            lambda(""),
            lambda(", strategy: { canary: { steps: [{ weight: 0.1, for: 5m }, { weight: 0.5, for: 1h }], alarms: [a] } }"),
        ].join("\n"), @"
        rolling deployment
        rolling deployment, taken back on an alarm
        rolling deployment, taken back on an alarm within 2m after it
        all at once
        canary: 10 % for 5m, 50 % for 1h, then all, taken back on an alarm
        ");
    }
}

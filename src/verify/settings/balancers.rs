//! Load balancers: what makes rollouts slow, and connections old.

use super::{Risk, Rule, View};

const TARGET_GROUP: &str = "AWS::ElasticLoadBalancingV2::TargetGroup";

/// Seconds after which a wait is pointed out.
const SLOW: u64 = 60;

pub const RULES: &[Rule] = &[
    Rule {
        resource_type: TARGET_GROUP,
        look: slow_health,
        advice: "every rollout waits for it: HealthCheckIntervalSeconds 5 to 10 and HealthyThresholdCount 2 do for most",
    },
    Rule {
        resource_type: TARGET_GROUP,
        look: slow_farewell,
        advice: "every rollout waits for it: set the attribute deregistration_delay.timeout_seconds to little more than \
                 the longest request takes",
    },
    Rule {
        resource_type: "AWS::ElasticLoadBalancingV2::Listener",
        look: old_tls,
        advice: "set SslPolicy to ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09 or another one that begins at TLS 1.2",
    },
];

/// The defaults are those for instances and addresses; a function's health is not checked by default.
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html>
fn slow_health(group: &View<'_>) -> Option<Risk> {
    if group.text(&["TargetType"], "instance")? == "lambda" {
        return None;
    }
    let interval = group.number(&["HealthCheckIntervalSeconds"], 30)?;
    let count = group.number(&["HealthyThresholdCount"], 5)?;
    let seconds = interval * count;
    (seconds > SLOW).then(|| {
        let path: &[&str] = if group.lacks(&["HealthCheckIntervalSeconds"]) {
            &["HealthyThresholdCount"]
        } else {
            &["HealthCheckIntervalSeconds"]
        };
        Risk::new(
            path,
            format!("a new target counts as healthy after {seconds} s ({count} checks, one in {interval} s)"),
        )
    })
}

fn slow_farewell(group: &View<'_>) -> Option<Risk> {
    const ATTRIBUTES: &[&str] = &["TargetGroupAttributes"];
    if group.text(&["TargetType"], "instance")? == "lambda" {
        return None;
    }
    let delay = group.attribute(ATTRIBUTES, "deregistration_delay.timeout_seconds", "300")?;
    let seconds: u64 = delay.parse().ok()?;
    (seconds > SLOW)
        .then(|| Risk::new(ATTRIBUTES, format!("an old target is kept for {seconds} s before it is stopped")))
}

/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html>
fn old_tls(listener: &View<'_>) -> Option<Risk> {
    const POLICY: &[&str] = &["SslPolicy"];
    if !matches!(listener.text(&["Protocol"], "HTTP")?.as_str(), "HTTPS" | "TLS") {
        return None;
    }
    let policy = listener.text(POLICY, "ELBSecurityPolicy-2016-08")?;
    let modern = ["TLS13-1-2-", "TLS13-1-3-", "TLS-1-2-", "FS-1-2-"].iter().any(|kind| policy.contains(kind));
    let default = if listener.lacks(POLICY) { ", the default," } else { "" };
    (!modern).then(|| Risk::new(POLICY, format!("{policy}{default} still takes TLS 1.0 or 1.1")))
}

//! What in the templates is slow or risky: a table of rules, each looking at one type of resource.

mod balancers;
mod events;
mod images;
mod services;
mod view;

use super::Finding;
use super::subject::Stack;
use crate::failure::Failure;
use view::View;

const CHECK: &str = "settings";

/// One thing that can be slow or risky about a type of resource.
struct Rule {
    /// `AWS::ECS::Service`.
    resource_type: &'static str,
    /// Finds it.
    look: fn(&View<'_>) -> Option<Risk>,
    /// What to do, and why.
    advice: &'static str,
}

/// What was found.
struct Risk {
    /// The property it is about, below `Properties`.
    path: &'static [&'static str],
    /// What it is, on what.
    message: String,
}

impl Risk {
    fn new(path: &'static [&'static str], message: impl Into<String>) -> Self {
        Self { path, message: message.into() }
    }
}

/// Every rule.
fn rules() -> impl Iterator<Item = &'static Rule> {
    [balancers::RULES, services::RULES, images::RULES, events::RULES].into_iter().flatten()
}

/// Points out what every rule finds, with its place.
pub fn check(stacks: &[Stack<'_>]) -> Vec<Finding> {
    let found: Vec<Finding> = stacks.iter().flat_map(risks).collect();
    if found.is_empty() {
        let count = rules().count();
        return vec![Finding::good(
            CHECK,
            format!("the templates have none of {count} slow or risky settings"),
        )];
    }
    found
}

fn risks(stack: &Stack<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for rule in rules() {
        for (name, resource) in stack.resources(rule.resource_type) {
            let view = View::new(stack, name, resource);
            found.extend((rule.look)(&view).map(|Risk { path, message }| {
                let place = stack.place(name, path);
                Finding::warning(CHECK, Failure::new(format!("{place} {name}: {message}")).hint(rule.advice))
            }));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::template::Template;

    /// What is found in a template with one parameter, `N`.
    fn found(resources: &str, n: Option<&str>) -> Vec<String> {
        let text = format!("Parameters: {{ N: {{ Type: String }} }}\nResources:\n{resources}");
        let template = Template::parse("t.yaml", &text).unwrap();
        let known: BTreeMap<String, String> = n.map(|n| ("N".to_owned(), n.to_owned())).into_iter().collect();
        let stack = Stack { file: "t.yaml", template: &template, known };
        risks(&stack).into_iter().map(|finding| finding.told.message).collect()
    }

    #[test]
    fn defaults_are_known() {
        insta::assert_snapshot!(found("  T: { Type: AWS::ElasticLoadBalancingV2::TargetGroup }
  L: { Type: AWS::ElasticLoadBalancingV2::Listener, Properties: { Protocol: HTTPS } }
  S: { Type: AWS::ECS::Service }
  D: { Type: AWS::ECS::TaskDefinition }
  R: { Type: AWS::ECR::Repository }
  G: { Type: AWS::Logs::LogGroup }
  M: { Type: AWS::Lambda::EventSourceMapping, Properties: { Topics: [t] } }
", None).join("\n"), @r"
        t.yaml:3 T: a new target counts as healthy after 150 s (5 checks, one in 30 s)
        t.yaml:3 T: an old target is kept for 300 s before it is stopped
        t.yaml:4 L: ELBSecurityPolicy-2016-08, the default, still takes TLS 1.0 or 1.1
        t.yaml:5 S: the service has no deployment circuit breaker
        t.yaml:6 D: a new revision takes the old one away
        t.yaml:7 R: tags can be moved to other images
        t.yaml:9 M: what fails again and again goes nowhere
        t.yaml:8 G: the log group has no retention
        ");
    }

    #[test]
    fn values_follow_from_parameters() {
        let group = "  T:\n    Type: AWS::ElasticLoadBalancingV2::TargetGroup\n    Properties:\n      \
                     HealthCheckIntervalSeconds: !Ref N\n      HealthyThresholdCount: 2\n      \
                     TargetGroupAttributes: [{ Key: deregistration_delay.timeout_seconds, Value: !Ref N }]\n";
        assert_eq!(found(group, Some("10")), Vec::<String>::new());
        assert_eq!(found(group, None), Vec::<String>::new(), "what is not known is not held against it");
        insta::assert_snapshot!(found(group, Some("120")).join("\n"), @r"
        t.yaml:6 T: a new target counts as healthy after 240 s (2 checks, one in 120 s)
        t.yaml:8 T: an old target is kept for 120 s before it is stopped
        ");
    }

    #[test]
    fn what_is_right_is_let_be() {
        let right = r"
  L: { Type: AWS::ElasticLoadBalancingV2::Listener, Properties: { Protocol: HTTPS, SslPolicy: ELBSecurityPolicy-TLS13-1-2-Res-2021-06 } }
  H: { Type: AWS::ElasticLoadBalancingV2::Listener, Properties: { Protocol: HTTP } }
  D: { Type: AWS::ECS::TaskDefinition, DeletionPolicy: Retain, UpdateReplacePolicy: Retain }
  S:
    Type: AWS::ECS::Service
    Properties: { TaskDefinition: family, DeploymentConfiguration: { DeploymentCircuitBreaker: { Enable: true, Rollback: true } } }
  R: { Type: AWS::ECR::Repository, Properties: { ImageTagMutability: IMMUTABLE } }
  G: { Type: AWS::Logs::LogGroup, Properties: { RetentionInDays: !Ref N } }
  Q: { Type: AWS::Lambda::EventSourceMapping, Properties: { EventSourceArn: !Sub 'arn:aws:sqs:${N}' } }
  M: { Type: AWS::Lambda::EventSourceMapping, Properties: { Topics: [t], DestinationConfig: { OnFailure: { Destination: !Ref N } } } }
";
        assert_eq!(found(right, None), Vec::<String>::new());
    }

    #[test]
    fn two_writers_of_one_thing_are_found() {
        let two = r"
  D: { Type: AWS::ECS::TaskDefinition, DeletionPolicy: Retain, UpdateReplacePolicy: Retain }
  S:
    Type: AWS::ECS::Service
    Properties:
      DesiredCount: 2
      TaskDefinition: !Ref D
      DeploymentConfiguration: { DeploymentCircuitBreaker: { Enable: true, Rollback: true } }
  Scaled: { Type: AWS::ApplicationAutoScaling::ScalableTarget, Properties: { ServiceNamespace: ecs } }
";
        insta::assert_snapshot!(found(two, None).join("\n"), @r"
        t.yaml:8 S: both the template and autoscaling say how many tasks there are
        t.yaml:9 S: the service follows every revision of D
        ");
    }
}

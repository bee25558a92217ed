//! How `rollout` of a workload is read.

use super::load::keys;
use super::values::text;
use super::{Canary, CanaryStep, Rollout, Span, Strategy, Text, syntax};
use crate::yaml::{Fields, Node, Reader};

/// `DescribeAlarms` takes no more names at once.
const MAX_ALARMS: usize = 100;

pub(super) fn rollout(reader: &mut Reader<'_>, node: &Node) -> Option<Rollout> {
    let fields = reader.fields(node, keys::ROLLOUT)?;
    match (fields.get("ecs"), fields.get("lambda")) {
        (Some(node), None) => ecs(reader, node),
        (None, Some(node)) => lambda(reader, node),
        _ => {
            reader.wrong(fields.place(), "a rollout is either `ecs` or `lambda`", |mistake| {
                mistake.expected("one of the two, with what it needs")
            });
            None
        }
    }
}

fn ecs(reader: &mut Reader<'_>, node: &Node) -> Option<Rollout> {
    let fields = reader.fields(node, keys::ECS)?;
    let cluster = required_text(reader, fields, "cluster", "the cluster's name or ARN");
    let service = required_text(reader, fields, "service", "the service's name or ARN");
    let task_definition = required_text(
        reader,
        fields,
        "task_definition",
        "the ARN of the task definition that the stack makes",
    );
    let alarms = alarms(reader, fields);
    let watch = fields.get("watch").map(|node| watch(reader, node, fields.get("alarms")));
    Some(Rollout::Ecs {
        cluster: cluster?,
        service: service?,
        task_definition: task_definition?,
        alarms: alarms?,
        watch: watch.unwrap_or_else(|| Some(Span::default()))?,
    })
}

fn watch(reader: &mut Reader<'_>, node: &Node, alarms: Option<&Node>) -> Option<Span> {
    let watch: Span = reader.parsed(node, &syntax::SPAN)?;
    if !watch.is_zero() && alarms.is_none_or(|alarms| alarms.items().is_empty()) {
        reader.wrong(node.place, "there is nothing to watch", |mistake| {
            mistake.hint("add `alarms:` with the names of CloudWatch alarms, or leave `watch` out")
        });
    }
    Some(watch)
}

fn lambda(reader: &mut Reader<'_>, node: &Node) -> Option<Rollout> {
    let fields = reader.fields(node, keys::LAMBDA)?;
    let function = required_text(reader, fields, "function", "the function's name or ARN");
    let alias = fields
        .required(reader, "alias", syntax::ALIAS.expected)
        .and_then(|node| reader.formed(node, &syntax::ALIAS));
    let strategy = fields.get("strategy").map(|node| strategy(reader, node));
    Some(Rollout::Lambda {
        function: function?,
        alias: alias?,
        strategy: strategy.map_or(Some(None), |strategy| strategy.map(Some))?,
    })
}

fn strategy(reader: &mut Reader<'_>, node: &Node) -> Option<Strategy> {
    let fields = reader.fields(node, keys::STRATEGY)?;
    let canary = fields.required(reader, "canary", "its steps").and_then(|node| canary(reader, node));
    Some(Strategy { canary: canary? })
}

fn canary(reader: &mut Reader<'_>, node: &Node) -> Option<Canary> {
    const STEPS: &str = "a list of steps such as `{ weight: 0.1, for: 5m }`";
    let fields = reader.fields(node, keys::CANARY)?;
    let steps = fields.required(reader, "steps", STEPS).and_then(|node| steps(reader, node, STEPS));
    let alarms = alarms(reader, fields);
    let minimum = fields.get("minimum_invocations").map(|node| reader.parsed(node, &syntax::COUNT));
    Some(Canary { steps: steps?, alarms: alarms?, minimum_invocations: minimum.unwrap_or(Some(0))? })
}

fn steps(reader: &mut Reader<'_>, node: &Node, expected: &str) -> Option<Vec<CanaryStep>> {
    let steps = reader.list(node, expected, step)?;
    if node.items().is_empty() {
        reader.wrong(node.place, "there are no steps", |mistake| mistake.expected(expected));
    }
    // Steps that could not be read have been complained of, and are missing here.
    if steps.len() == node.items().len() {
        for (pair, node) in steps.windows(2).zip(node.items().iter().skip(1)) {
            if pair[1].weight <= pair[0].weight {
                reader.wrong(node.at(&["weight"]).place, "the weights do not rise", |mistake| {
                    mistake
                        .expected(format!("more than the {} of the step before", pair[0].weight.fraction()))
                });
            }
        }
    }
    Some(steps)
}

fn step(reader: &mut Reader<'_>, node: &Node) -> Option<CanaryStep> {
    let fields = reader.fields(node, keys::CANARY_STEP)?;
    let weight = fields
        .required(reader, "weight", syntax::WEIGHT.expected)
        .and_then(|node| reader.parsed(node, &syntax::WEIGHT));
    let hold = fields
        .required(reader, "for", syntax::HOLD.expected)
        .and_then(|node| reader.parsed(node, &syntax::HOLD));
    Some(CanaryStep { weight: weight?, hold: hold? })
}

fn alarms(reader: &mut Reader<'_>, fields: Fields<'_>) -> Option<Vec<Text>> {
    const ALARM: &str = "the name of a CloudWatch alarm";
    let Some(node) = fields.get("alarms") else { return Some(Vec::new()) };
    let alarms = reader
        .list(node, "a list of names of CloudWatch alarms", |reader, node| text(reader, node, ALARM))?;
    if alarms.len() > MAX_ALARMS {
        reader.wrong(node.place, format!("there are {} alarms", alarms.len()), |mistake| {
            mistake.expected(format!("at most {MAX_ALARMS}; a composite alarm stands for many"))
        });
    }
    Some(alarms)
}

fn required_text(reader: &mut Reader<'_>, fields: Fields<'_>, key: &str, expected: &str) -> Option<Text> {
    fields.required(reader, key, expected).and_then(|node| text(reader, node, expected))
}

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{EventFilter, OperationEvent};

use crate::location::Location;
use crate::template::Template;

/// What is validated before anything is made.
#[derive(Debug, Clone, Copy)]
pub(super) enum Validated<'a> {
    /// A change set, by its ARN.
    ChangeSet(&'a str),
    /// The last operation of a stack, by its ARN.
    Stack(&'a str),
}

/// What early validation has found, each finding with the line of its resource: it leaves its findings in the
/// operation's events only. Not every endpoint has them.
pub(super) async fn findings(
    client: &Client,
    what: Validated<'_>,
    template: &Template,
) -> Vec<(String, Option<Location>)> {
    let filter = EventFilter::builder().failed_events(true).build();
    let call = match what {
        Validated::ChangeSet(id) => client.describe_events().change_set_name(id),
        Validated::Stack(id) => client.describe_events().stack_name(id),
    };
    let Ok(answer) = call.filters(filter).send().await else { return Vec::new() };
    // The stack's own events only repeat that there are findings.
    let about_stack = |event: &&OperationEvent| event.resource_type() == Some("AWS::CloudFormation::Stack");
    let events = answer.operation_events().iter().filter(|event| !about_stack(event));
    events.filter_map(|event| finding(event, template)).collect()
}

fn finding(event: &OperationEvent, template: &Template) -> Option<(String, Option<Location>)> {
    let reason = event.validation_status_reason().or(event.resource_status_reason())?;
    let path = event.validation_path();
    let place = path.or(event.logical_resource_id()).unwrap_or("template");
    let resource = path.and_then(resource_in).or(event.logical_resource_id());
    Some((format!("{place}: {reason}"), resource.and_then(|resource| template.location(resource))))
}

/// The resource in `/Resources/Queue/Properties/DelaySeconds`.
fn resource_in(path: &str) -> Option<&str> {
    path.strip_prefix("/Resources/")?.split('/').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_names_the_line_of_its_resource() {
        let text = "Resources:\n  Other: { Type: AWS::SNS::Topic }\n  Queue: { Type: AWS::SQS::Queue }\n";
        let template = Template::parse("stacks/a/template.yaml", text).expect("a template");
        let event = OperationEvent::builder()
            .validation_path("/Resources/Queue/Properties/DelaySeconds")
            .validation_status_reason("100000 is not less or equal to 900");
        assert_eq!(
            finding(&event.build(), &template),
            Some((
                "/Resources/Queue/Properties/DelaySeconds: 100000 is not less or equal to 900".to_owned(),
                Some(Location { file: "stacks/a/template.yaml".to_owned(), line: 3 }),
            ))
        );
        let event = OperationEvent::builder().validation_status_reason("too many resources").build();
        assert_eq!(finding(&event, &template), Some(("template: too many resources".to_owned(), None)));
    }
}

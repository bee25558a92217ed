use aws_sdk_cloudformation::error::{ProvideErrorMetadata, SdkError};
use futures::future::{LocalBoxFuture, join_all};
use futures::{FutureExt as _, join};

use super::subject::{LiveStacks, known};
use super::{Finding, Subject};
use crate::aws::{Session, failure};
use crate::config::Rollout;
use crate::failure::Failure;
use crate::image::Repository;
use crate::lease;

const CHECK: &str = "permissions";

/// What came of a call that was made only to see whether it is allowed.
#[derive(Debug)]
struct Probe {
    operation: &'static str,
    answer: Answer,
}

#[derive(Debug)]
enum Answer {
    /// The service looked at it, whatever it found.
    Allowed,
    /// What the service said.
    Denied(String),
    /// It can't be told.
    Unclear(Failure),
}

impl Probe {
    fn of<T, E, R>(operation: &'static str, result: Result<T, SdkError<E, R>>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        let answer = match result {
            Ok(_) => Answer::Allowed,
            Err(error) => match error.as_service_error().map(|error| error.code().unwrap_or_default()) {
                Some(code) if is_denial(code) => Answer::Denied(
                    error.as_service_error().and_then(|it| it.message()).unwrap_or(code).to_owned(),
                ),
                Some(code) if !code.contains("Throttl") && code != "TooManyRequestsException" => {
                    Answer::Allowed
                }
                _ => Answer::Unclear(failure(operation, error)),
            },
        };
        Self { operation, answer }
    }
}

fn is_denial(code: &str) -> bool {
    matches!(code, "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation")
}

/// Makes the reading calls of a run. Writing ones can't be checked without acting.
pub async fn check(subject: &Subject<'_>, session: &Session, live: &LiveStacks) -> Vec<Finding> {
    let config = &subject.project.config;
    let mut probes: Vec<LocalBoxFuture<'_, Vec<Probe>>> = vec![lease(session).boxed_local()];
    if let Some(stack) = config.stacks.keys().next() {
        probes.push(
            cloudformation(session, subject.project.stack_name(subject.environment, stack)).boxed_local(),
        );
    }
    for (name, workload) in &config.workloads {
        let uri = known(subject, live, &workload.repository);
        let repository = uri.and_then(|uri| Repository::new(&uri, None).ok());
        // What is not there yet is looked for under a name that it could have.
        let repository =
            repository.map_or_else(|| format!("{}/{name}", config.project), |it| it.name().to_owned());
        probes.push(ecr(session, repository).boxed_local());
        let text = |text| known(subject, live, text).unwrap_or_else(|| name.clone());
        match &workload.rollout {
            Some(Rollout::Ecs { cluster, service, task_definition, .. }) => {
                probes.push(ecs(session, text(cluster), text(service), text(task_definition)).boxed_local());
            }
            Some(Rollout::Lambda { function, alias, .. }) => {
                probes.push(lambda(session, text(function), alias.clone()).boxed_local());
            }
            None => {}
        }
    }
    judge(join_all(probes).await.into_iter().flatten().collect())
}

async fn lease(session: &Session) -> Vec<Probe> {
    let key = aws_sdk_dynamodb::types::AttributeValue::S("none".to_owned());
    let read = session.dynamodb.get_item().table_name(lease::TABLE).key("environment", key).send().await;
    vec![Probe::of("dynamodb:GetItem", read)]
}

async fn cloudformation(session: &Session, stack: String) -> Vec<Probe> {
    let client = &session.cloudformation;
    let (stacks, template, events) = join!(
        client.describe_stacks().send(),
        client.get_template().stack_name(&stack).send(),
        client.describe_stack_events().stack_name(&stack).send(),
    );
    vec![
        Probe::of("cloudformation:DescribeStacks", stacks),
        Probe::of("cloudformation:GetTemplate", template),
        Probe::of("cloudformation:DescribeStackEvents", events),
    ]
}

async fn ecr(session: &Session, repository: String) -> Vec<Probe> {
    let wanted = aws_sdk_ecr::types::ImageIdentifier::builder().image_tag("none").build();
    let (token, images, manifests) = join!(
        session.ecr.get_authorization_token().send(),
        session.ecr.describe_images().repository_name(&repository).image_ids(wanted.clone()).send(),
        session.ecr.batch_get_image().repository_name(&repository).image_ids(wanted).send(),
    );
    vec![
        Probe::of("ecr:GetAuthorizationToken", token),
        Probe::of("ecr:DescribeImages", images),
        Probe::of("ecr:BatchGetImage", manifests),
    ]
}

async fn ecs(session: &Session, cluster: String, service: String, revision: String) -> Vec<Probe> {
    let (services, definition, tasks, task) = join!(
        session.ecs.describe_services().cluster(&cluster).services(&service).send(),
        session.ecs.describe_task_definition().task_definition(&revision).send(),
        session.ecs.list_tasks().cluster(&cluster).send(),
        session.ecs.describe_tasks().cluster(&cluster).tasks("0".repeat(32)).send(),
    );
    vec![
        Probe::of("ecs:DescribeServices", services),
        Probe::of("ecs:DescribeTaskDefinition", definition),
        Probe::of("ecs:ListTasks", tasks),
        Probe::of("ecs:DescribeTasks", task),
    ]
}

async fn lambda(session: &Session, function: String, alias: String) -> Vec<Probe> {
    let (found, alias, versions) = join!(
        session.lambda.get_function().function_name(&function).send(),
        session.lambda.get_alias().function_name(&function).name(&alias).send(),
        session.lambda.list_versions_by_function().function_name(&function).send(),
    );
    vec![
        Probe::of("lambda:GetFunction", found),
        Probe::of("lambda:GetAlias", alias),
        Probe::of("lambda:ListVersionsByFunction", versions),
    ]
}

/// One finding for each operation that is denied or unclear, whatever the number of things it was tried on.
fn judge(probes: Vec<Probe>) -> Vec<Finding> {
    let mut operations: Vec<&str> = probes.iter().map(|probe| probe.operation).collect();
    operations.sort_unstable();
    operations.dedup();
    let mut findings: Vec<Finding> = Vec::new();
    for Probe { operation, answer } in probes {
        let finding = match answer {
            Answer::Allowed => continue,
            Answer::Denied(message) => Finding::failed(
                CHECK,
                Failure::new(format!("{operation} is denied: {message}"))
                    .hint(format!("allow {operation} in a policy of the role, or use another role")),
            ),
            Answer::Unclear(failure) => Finding::warning(CHECK, failure),
        };
        if !findings.iter().any(|known| known.told.message.starts_with(operation)) {
            findings.push(finding);
        }
    }
    if findings.is_empty() {
        let message = match operations.len() {
            1 => "1 call that a run reads with is allowed".to_owned(),
            count => format!("{count} calls that a run reads with are allowed"),
        };
        findings.push(Finding::good(CHECK, message));
    }
    findings
}

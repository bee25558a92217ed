use aws_sdk_ecr::error::ProvideErrorMetadata as _;
use futures::future::join_all;

use super::subject::{LiveStacks, known};
use super::{Finding, Subject};
use crate::aws::{Session, failure};
use crate::config::{Reference, Workload};
use crate::failure::Failure;
use crate::image::Repository;

const CHECK: &str = "repositories";

/// Whether each workload has a repository to push to, or a stack that makes it.
pub async fn check(subject: &Subject<'_>, session: &Session, live: &LiveStacks) -> Vec<Finding> {
    let workloads = &subject.project.config.workloads;
    join_all(workloads.iter().map(|(name, workload)| look(subject, session, live, name, workload))).await
}

async fn look(
    subject: &Subject<'_>,
    session: &Session,
    live: &LiveStacks,
    name: &str,
    workload: &Workload,
) -> Finding {
    let Some(uri) = known(subject, live, &workload.repository) else {
        let steps = workload.repository.references().filter_map(|reference| match reference {
            Reference::StackOutput { stack, .. } => Some(stack.as_str()),
            _ => None,
        });
        let stacks: Vec<&str> = steps.collect();
        return Finding::good(
            CHECK,
            format!("{name} gets its repository from the stack {}", stacks.join(", ")),
        );
    };
    let repository = match Repository::new(&uri, None) {
        Ok(repository) => repository,
        Err(failure) => return Finding::failed(CHECK, failure),
    };
    let tried = || format!("DescribeRepositories of {}", repository.name());
    match session.ecr.describe_repositories().repository_names(repository.name()).send().await {
        Ok(_) => Finding::good(CHECK, format!("{name} is pushed to {}", repository.address())),
        Err(error) if error.code() == Some("RepositoryNotFoundException") => Finding::failed(
            CHECK,
            Failure::new(format!("{name} is pushed to {}, which does not exist", repository.address()))
                .hint("make it with an AWS::ECR::Repository in one of the stacks, and refer to its output"),
        ),
        // A run itself does not make this call.
        Err(error) => Finding::warning(CHECK, failure(tried(), error)),
    }
}

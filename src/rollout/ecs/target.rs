use std::fmt;

use crate::failure::Failure;

/// A service, and the revision that its stack defines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The cluster's name or ARN.
    pub cluster: String,
    /// The service's name or ARN.
    pub service: String,
    /// What the service should run.
    pub task_definition: TaskDefinition,
}

impl Target {
    /// The target as `pipeline.yaml` names it.
    ///
    /// # Errors
    /// If the task definition names no revision.
    pub fn new(
        cluster: impl Into<String>,
        service: impl Into<String>,
        task_definition: &str,
    ) -> Result<Self, Failure> {
        let task_definition = TaskDefinition::parse(task_definition).ok_or_else(|| {
            Failure::new(format!("`{task_definition}` is not a revision of a task definition")).hint(
                "set rollout.ecs.task_definition to an output of the stack that is the `!Ref` of its AWS::ECS::TaskDefinition",
            )
        })?;
        Ok(Self { cluster: cluster.into(), service: service.into(), task_definition })
    }

    /// The service's name, where an ARN was given too.
    #[must_use]
    pub fn service_name(&self) -> &str {
        last_segment(&self.service)
    }
}

/// One revision of a task definition, written `family:revision`. A revision never changes once it is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskDefinition {
    family: String,
    revision: u32,
}

impl TaskDefinition {
    /// Reads `arn:aws:ecs:…:task-definition/api:5` or `api:5`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (family, revision) = last_segment(text).rsplit_once(':')?;
        let revision = revision.parse().ok().filter(|revision| *revision > 0)?;
        (!family.is_empty() && !family.contains(':')).then(|| Self { family: family.to_owned(), revision })
    }

    /// The family's name.
    #[must_use]
    pub fn family(&self) -> &str {
        &self.family
    }

    /// Counts up from 1 within the family.
    #[must_use]
    pub fn revision(&self) -> u32 {
        self.revision
    }
}

impl fmt::Display for TaskDefinition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.family, self.revision)
    }
}

/// The name at the end of an ARN, or the name itself.
pub(super) fn last_segment(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_arn_and_the_short_form_mean_the_same(family in "[a-zA-Z0-9_-]{1,30}", revision in 1u32..) {
            let short = format!("{family}:{revision}");
            let arn = format!("arn:aws:ecs:eu-west-1:123456789012:task-definition/{short}");
            let parsed = TaskDefinition::parse(&arn);
            prop_assert_eq!(parsed.as_ref().map(ToString::to_string), Some(short.clone()));
            prop_assert_eq!(parsed, TaskDefinition::parse(&short));
        }
    }

    #[test]
    fn a_family_alone_is_refused_with_what_to_write() {
        let failure = Target::new("main", "api", "api").expect_err("no revision");
        insta::assert_snapshot!(failure, @"
        `api` is not a revision of a task definition
          next: set rollout.ecs.task_definition to an output of the stack that is the `!Ref` of its AWS::ECS::TaskDefinition
        ");
    }

    #[test]
    fn what_is_no_revision_is_refused() {
        for text in
            ["", ":", "api:", ":3", "api:0", "api:latest", "arn:aws:ecs:eu-west-1:1:task-definition/api"]
        {
            assert_eq!(TaskDefinition::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_arn_of_a_service_ends_in_its_name() {
        let target =
            Target::new("main", "arn:aws:ecs:eu-west-1:1:service/main/api", "api:1").expect("a target");
        assert_eq!(target.service_name(), "api");
    }
}

//! The pre-flight: whether everything that a run needs is there, and what in the templates is slow or risky.
//!
//! Nothing is changed and no secret is read. Every check runs, side by side, and says all that it finds: a failed one
//! stops no other.

mod base_images;
mod credentials;
mod disk;
mod dns;
mod docker;
mod dynamic;
mod finding;
mod permissions;
mod repositories;
mod secrets;
mod settings;
mod subject;
mod zones;

use std::collections::BTreeMap;

use futures::FutureExt as _;
use futures::future::{LocalBoxFuture, join_all};

use crate::aws::Session;
use crate::image::Engine;
use crate::stack;

pub use finding::{Finding, Report, Verdict};
pub use subject::Subject;
use subject::{LiveStacks, Stack};

/// Checks everything.
pub async fn verify(subject: &Subject<'_>) -> Report {
    let (session, findings) = credentials::check(subject.settings()).await;
    let live = match &session {
        Some(session) => live_stacks(subject, session).await,
        None => LiveStacks::new(),
    };
    let stacks = Stack::all(subject, &live);
    let engine = Engine::default();
    let mut checks: Vec<LocalBoxFuture<'_, Vec<Finding>>> = Vec::new();
    if let Some(session) = &session {
        checks.push(permissions::check(subject, session, &live).boxed_local());
        checks.push(repositories::check(subject, session, &live).boxed_local());
        checks.push(secrets::check(&stacks, session).boxed_local());
        checks.push(zones::check(&stacks, session).boxed_local());
    }
    checks.push(docker::check(subject, &engine).boxed_local());
    checks.push(disk::check(subject, &engine).boxed_local());
    checks.push(base_images::check(subject, &engine).boxed_local());
    checks.push(async { settings::check(&stacks) }.boxed_local());
    let found = join_all(checks).await;
    Report {
        project: subject.project.config.project.clone(),
        environment: subject.environment.to_owned(),
        findings: findings.into_iter().chain(found.into_iter().flatten()).collect(),
    }
}

/// Without the right to read them nothing is known of them, which the check of permissions says.
async fn live_stacks(subject: &Subject<'_>, session: &Session) -> LiveStacks {
    let stacks = subject.project.config.stacks.keys();
    let names: BTreeMap<String, String> =
        stacks.map(|stack| (subject.project.stack_name(subject.environment, stack), stack.clone())).collect();
    let wanted: Vec<String> = names.keys().cloned().collect();
    let found = stack::describe(&session.cloudformation, &wanted).await.unwrap_or_default();
    found.into_iter().filter_map(|(name, live)| Some((names.get(&name)?.clone(), live))).collect()
}

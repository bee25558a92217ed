use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use super::access::IDLE;
use super::origin::Origin;
use super::{Server, dispatch};
use crate::store::Cause;

/// How often what is old is looked for.
const FORGET: Duration = Duration::from_hours(1);

/// The heads that were seen last, by repository and branch.
type Seen = BTreeMap<(String, String), String>;

/// Looks at the remotes time and again: a delivery may never come.
pub(super) async fn poll(server: Arc<Server>) {
    let mut seen = Seen::new();
    loop {
        for origin in server.origins.iter() {
            if let Err(error) = look(&server, origin, &mut seen).await {
                let name = &origin.served.name;
                server.log.say(format!("warning: looking at {name}: {error:#}; looking again"));
            }
        }
        tokio::time::sleep(server.options.poll).await;
    }
}

/// Looks at the branches of one repository whose head may be deployed, and asks for runs of those that are new.
async fn look(server: &Server, origin: &Origin, seen: &mut Seen) -> Result<()> {
    for branch in branches(server, origin).await? {
        let key = (origin.served.name.clone(), branch.clone());
        let Some(head) = origin.head(&branch).await? else { continue };
        if seen.get(&key) == Some(&head) {
            continue;
        }
        match dispatch::wanted_at(server, origin, &branch, &head, Cause::Poll).await {
            Ok(requests) => {
                server.store.enqueue(&requests, &[]).await?;
                server.queued.notify_one();
            }
            Err(nothing) => dispatch::refuse(server, origin, &branch, nothing, Cause::Poll, &[]).await?,
        }
        seen.insert(key, head);
    }
    Ok(())
}

/// The branches that the environments have by the default branch's configuration, and those that were deployed before.
async fn branches(server: &Server, origin: &Origin) -> Result<BTreeSet<String>> {
    let mut branches: BTreeSet<String> =
        server.store.branches(&origin.served.name).await?.into_iter().collect();
    if let Some(default) = origin.default_branch().await?
        && let Some(head) = origin.head(&default).await?
        && let Ok(config) = origin.config(&head, &server.options.config).await
    {
        branches.extend(config.environments.into_values().filter_map(|environment| environment.branch));
        // What is wrong with its configuration is told as for every other branch.
        branches.insert(default);
    }
    Ok(branches)
}

/// Forgets what is old, time and again.
pub(super) async fn forget(server: Arc<Server>) {
    loop {
        if let Err(failure) = server.store.forget(server.options.keep).await {
            server.log.say(format!("warning: {failure}"));
        }
        if let Err(failure) = server.store.forget_sessions(IDLE).await {
            server.log.say(format!("warning: {failure}"));
        }
        tokio::time::sleep(FORGET).await;
    }
}

use std::time::Instant;

use anyhow::Result;
use pipeline::aws::{Purpose, Session};
use pipeline::config::Environment;
use pipeline::image::Registry;
use serde_json::{Value, json};

use super::millis;

const ROUNDS: usize = 30;

/// How long it takes to find that an image is there; the connection is open, as in a run that has read the stacks.
pub(crate) async fn measure(endpoint: &str, repository: &str, tag: &str) -> Result<Value> {
    let registry = Registry::new(Session::open(&environment(endpoint), Purpose::Change).await?.ecr);
    registry.find(repository, tag).await?;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        anyhow::ensure!(registry.find(repository, tag).await?.is_some(), "{repository}:{tag} is not there");
        times.push(millis(began.elapsed()));
    }
    Ok(json!({ "find": times }))
}

/// An environment that is the local cloud.
pub(crate) fn environment(endpoint: &str) -> Environment {
    Environment {
        region: "us-east-1".to_owned(),
        account: None,
        role: None,
        plan_role: None,
        branch: None,
        approval: None,
        endpoint: Some(endpoint.to_owned()),
        registry: None,
        url: None,
    }
}

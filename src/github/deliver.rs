//! How each thing is brought to GitHub so that it is there once, whatever answers get lost on the way.

use serde_json::{Value, json};

use super::client::Client;
use super::outbox::{Known, Thing};
use super::post::{Check, CheckState, Comment, Commit, Deployment, DeploymentState, Post, Status};
use super::refusal::Refusal;
use crate::report::Annotation;

/// How many deployments are looked at for those that run no longer, or for the job's own.
const RECENT: usize = 10;

/// GitHub takes no more annotations in one request.
const ANNOTATIONS: usize = 50;

/// Brings one thing to GitHub. `job` is the page of the GitHub Actions run that this is part of. Sets `known.thing` as
/// soon as the thing is there, even if something fails after that.
///
/// # Errors
/// If GitHub does not show it as it should.
pub async fn deliver(
    client: &Client,
    post: &Post,
    known: &mut Known,
    job: Option<&str>,
) -> Result<(), Refusal> {
    match post {
        Post::Status(status) => post_status(client, status).await,
        Post::Comment(comment) => post_comment(client, comment, known).await,
        Post::Check(check) => post_check(client, check, known).await,
        Post::Deployment(deployment) => post_deployment(client, deployment, known, job).await,
    }
}

async fn sha(client: &Client, commit: &Commit) -> Result<String, Refusal> {
    match commit {
        Commit::Sha(sha) => Ok(sha.clone()),
        Commit::HeadOf(number) => {
            let pull_request = client.get(&format!("/pulls/{number}")).await?;
            Ok(pull_request["head"]["sha"].as_str().unwrap_or_default().to_owned())
        }
    }
}

/// The newest status of a context counts: to post one twice changes nothing.
async fn post_status(client: &Client, status: &Status) -> Result<(), Refusal> {
    let Status { commit, context, state, description, target_url } = status;
    let sha = sha(client, commit).await?;
    let body = json!({ "state": state, "context": context, "description": description });
    let body = with(body, "target_url", target_url.as_deref());
    client.post(&format!("/statuses/{sha}"), &body).await.map(drop)
}

async fn post_comment(client: &Client, comment: &Comment, known: &mut Known) -> Result<(), Refusal> {
    let list = format!("/issues/{}/comments", comment.pull_request);
    if known.thing.is_none() {
        let marker = comment.marker();
        let author = client.login().await?;
        let ours = |found: &Value| {
            let is_marked = found["body"].as_str().is_some_and(|body| body.starts_with(&marker));
            thing(found).filter(|_| is_marked && is_by(found, author.as_deref()))
        };
        known.thing = client.find(&list, Value::as_array, ours).await?;
    }
    let body = json!({ "body": comment.text() });
    if let Some(Thing::Ours(id)) = known.thing {
        return client.patch(&format!("/issues/comments/{id}"), &body).await.map(drop);
    }
    known.thing = thing(&client.post(&list, &body).await?);
    Ok(())
}

/// Whether a comment is our own. Anybody can write the marker, and could change later what their comment shows.
fn is_by(comment: &Value, author: Option<&str>) -> bool {
    match author {
        Some(login) => comment["user"]["login"] == login,
        None => comment["user"]["type"] == "Bot",
    }
}

async fn post_check(client: &Client, check: &Check, known: &mut Known) -> Result<(), Refusal> {
    let external_id = format!("{} {}", check.name, check.run);
    let sha = sha(client, &check.commit).await?;
    if known.thing.is_none() && known.unsure {
        let list = format!("/commits/{sha}/check-runs?check_name={}&filter=all", encoded(&check.name));
        let ours = |found: &Value| thing(found).filter(|_| found["external_id"] == external_id.as_str());
        known.thing = client.find(&list, |page| page["check_runs"].as_array(), ours).await?;
    }
    let mut annotations = check.annotations.chunks(ANNOTATIONS);
    let body = check_body(check, &external_id, annotations.next().unwrap_or_default());
    if let Some(Thing::Ours(id)) = known.thing {
        client.patch(&format!("/check-runs/{id}"), &body).await?;
    } else {
        known.thing = thing(&client.post("/check-runs", &with(body, "head_sha", Some(&sha))).await?);
    }
    let Some(Thing::Ours(id)) = known.thing else { return Ok(()) };
    // Each request adds to the annotations that are there.
    for more in annotations {
        client.patch(&format!("/check-runs/{id}"), &check_body(check, &external_id, more)).await?;
    }
    Ok(())
}

fn check_body(check: &Check, external_id: &str, annotations: &[Annotation]) -> Value {
    let Check { name, state, started_at, details_url, title, summary, .. } = check;
    let annotations: Vec<Value> = annotations.iter().map(annotation).collect();
    let mut body = json!({
        "name": name,
        "external_id": external_id,
        "started_at": started_at,
        "output": { "title": title, "summary": summary, "annotations": annotations },
    });
    match state {
        CheckState::InProgress => body["status"] = "in_progress".into(),
        CheckState::Completed { conclusion, at } => {
            body["status"] = "completed".into();
            body["conclusion"] = json!(conclusion);
            body["completed_at"] = json!(at);
        }
    }
    with(body, "details_url", details_url.as_deref())
}

fn annotation(annotation: &Annotation) -> Value {
    let Annotation { location, level, title, message } = annotation;
    json!({
        "path": location.file,
        "start_line": location.line,
        "end_line": location.line,
        "annotation_level": level,
        "title": title,
        "message": message,
    })
}

async fn post_deployment(
    client: &Client,
    deployment: &Deployment,
    known: &mut Known,
    job: Option<&str>,
) -> Result<(), Refusal> {
    if known.thing.is_none() {
        known.thing = find_deployment(client, deployment, known.unsure, job).await?;
    }
    if known.thing.is_none() {
        known.thing = thing(&client.post("/deployments", &deployment_body(deployment)).await?);
    }
    let Some(Thing::Ours(id)) = known.thing else { return Ok(()) };
    let Deployment { state, description, environment_url, log_url, .. } = deployment;
    let body = json!({ "state": state, "description": description });
    let body = with(body, "environment_url", environment_url.as_deref());
    let body = with(body, "log_url", log_url.as_deref());
    // After a lost answer it may stand there already.
    if !known.unsure || latest_state(client, id).await? != Some(json!(state)) {
        client.post(&format!("/deployments/{id}/statuses"), &body).await?;
    }
    if *state == DeploymentState::Success { retire_earlier(client, deployment, id).await } else { Ok(()) }
}

fn deployment_body(deployment: &Deployment) -> Value {
    json!({
        "ref": deployment.sha,
        "environment": deployment.environment,
        "description": deployment.description,
        "payload": { "pipeline": deployment.run },
        // The run is under way already: nothing else has to be waited for, and nothing merged.
        "auto_merge": false,
        "required_contexts": [],
    })
}

/// The deployment that GitHub has made for the job if it names an environment, or our own whose answer was lost.
async fn find_deployment(
    client: &Client,
    deployment: &Deployment,
    unsure: bool,
    job: Option<&str>,
) -> Result<Option<Thing>, Refusal> {
    let Deployment { sha, run, .. } = deployment;
    if let Some(job) = job {
        let listed = client.get(&format!("/deployments?sha={sha}&per_page={RECENT}")).await?;
        for made in listed.as_array().into_iter().flatten() {
            let of_actions =
                made["creator"]["login"] == "github-actions[bot]" && made["payload"]["pipeline"].is_null();
            if of_actions
                && let Some(Thing::Ours(id)) = thing(made)
                && is_of_job(client, id, job).await?
            {
                return Ok(Some(Thing::OfTheJob));
            }
        }
    }
    if !unsure {
        return Ok(None);
    }
    let ours = |found: &Value| thing(found).filter(|_| found["payload"]["pipeline"] == run.as_str());
    client.find(&format!("/deployments?sha={sha}"), Value::as_array, ours).await
}

/// Whether a deployment's log is the job's.
async fn is_of_job(client: &Client, id: u64, job: &str) -> Result<bool, Refusal> {
    let statuses = client.get(&format!("/deployments/{id}/statuses?per_page={RECENT}")).await?;
    let urls = statuses.as_array().into_iter().flatten().flat_map(|status| {
        [status["log_url"].as_str().unwrap_or_default(), status["target_url"].as_str().unwrap_or_default()]
    });
    Ok(urls.into_iter().any(|url| url == job || url.starts_with(&format!("{job}/"))))
}

async fn latest_state(client: &Client, id: u64) -> Result<Option<Value>, Refusal> {
    let statuses = client.get(&format!("/deployments/{id}/statuses?per_page=1")).await?;
    Ok(statuses.get(0).map(|status| status["state"].clone()))
}

/// What ran before runs no longer. GitHub sees to that by itself, but not in environments for production.
async fn retire_earlier(client: &Client, deployment: &Deployment, id: u64) -> Result<(), Refusal> {
    let environment = encoded(&deployment.environment);
    let listed = client.get(&format!("/deployments?environment={environment}&per_page={RECENT}")).await?;
    for earlier in listed.as_array().into_iter().flatten() {
        // One that another job has under way is not ours to end.
        let over: &[&str] =
            if earlier["payload"]["pipeline"].is_null() { &["success"] } else { &["success", "in_progress"] };
        let Some(Thing::Ours(earlier)) = thing(earlier) else { continue };
        if earlier >= id {
            continue;
        }
        let state = latest_state(client, earlier).await?;
        if state.as_ref().and_then(Value::as_str).is_some_and(|state| over.contains(&state)) {
            let body = json!({ "state": "inactive", "description": "a later deployment took its place" });
            client.post(&format!("/deployments/{earlier}/statuses"), &body).await?;
        }
    }
    Ok(())
}

fn thing(made: &Value) -> Option<Thing> {
    made["id"].as_u64().map(Thing::Ours)
}

/// The object with one more entry, if there is a value.
fn with(mut body: Value, name: &str, value: Option<&str>) -> Value {
    if let Some(value) = value {
        body[name] = value.into();
    }
    body
}

/// A text as part of a query.
fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

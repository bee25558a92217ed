use pipeline::event::RunResult;
use pipeline::store::{Cause, State};
use serde_json::json;

use crate::server::{PIPELINE, Place, TEMPLATE};
use crate::support::github::{GitHub, text};
use crate::support::until;

/// What GitHub tells when somebody has a check run again.
fn rerequested(check: &str, about: &str) -> String {
    json!({
        "action": "rerequested", "about": about, "repository": { "full_name": "octo/shop" },
        "check_run": { "name": check, "check_suite": { "head_branch": "main" } },
    })
    .to_string()
}

/// What GitHub tells of a pull request from a branch of a repository.
fn proposed(action: &str, from: &str, about: &str) -> String {
    json!({
        "action": action, "number": 7, "about": about, "repository": { "full_name": "octo/shop" },
        "pull_request": {
            "head": { "ref": "feature", "repo": { "full_name": from } },
            "base": { "ref": "main", "repo": { "full_name": "octo/shop" } },
        },
    })
    .to_string()
}

#[test]
fn a_check_that_is_to_run_again_runs_its_environment_again() {
    let place = Place::simple();
    let server = place.serve(&[]);
    let first = server.until_run(&place.head(), State::Ended);
    let body = rerequested("pipeline/local/stack/a", "1");
    assert_eq!(server.deliver("check_run", "1", &body).body, "accepted");
    let again = until("another run", || {
        server.runs().into_iter().find(|run| run.id > first.id && run.state == State::Ended)
    });
    assert_eq!((again.cause, again.result), (Cause::Rerun, Some(RunResult::Unchanged)), "{again:?}");
    // Told twice it runs once; another's check, and an environment that there is not, run nothing.
    assert_eq!(server.deliver("check_run", "1", &body).body, "duplicate");
    assert_eq!(server.deliver("check_run", "2", &rerequested("lint", "2")).body, "ignored");
    assert_eq!(server.deliver("check_run", "3", &rerequested("pipeline/prod/stack/a", "3")).body, "accepted");
    place.until_nothing_is_asked();
    assert_eq!(server.runs().len(), 2);
    server.stop();
}

#[test]
fn a_pull_request_of_the_repository_itself_is_planned_and_a_forks_is_not_looked_at() {
    let github = GitHub::start();
    let pipeline = format!("github: {{ repository: o/r, api_url: \"{}\" }}{PIPELINE}", github.url);
    let mut place = Place::with(&[("pipeline.yaml", &pipeline), ("stacks/a/template.yaml", TEMPLATE)]);
    place.variables = vec![("GITHUB_TOKEN", "canary/github+token".to_owned())];
    // Who runs the server has to want it.
    let server = place.serve(&[]);
    server.until_run(&place.head(), State::Ended);
    let opened = proposed("opened", "octo/shop", "1");
    assert_eq!(server.deliver("pull_request", "1", &opened).body, "ignored");
    server.stop();

    let server = place.serve(&["--plans", "1"]);
    place.author.git(&["checkout", "--quiet", "-b", "feature"]);
    place.author.edit("stacks/a/template.yaml", "Value: first", "Value: proposed");
    place.author.commit("Propose");
    place.author.git(&["push", "--quiet", "origin", "feature"]);
    assert_eq!(server.deliver("pull_request", "2", &proposed("opened", "eve/shop", "2")).body, "ignored");
    assert_eq!(server.deliver("pull_request", "3", &proposed("opened", "octo/shop", "3")).body, "accepted");
    assert_eq!(
        server.deliver("pull_request", "4", &proposed("synchronize", "octo/shop", "4")).body,
        "accepted"
    );
    place.until_nothing_is_asked();
    let comments = github.things().comments;
    assert_eq!(comments.len(), 1, "{comments:?}");
    assert!(text(&comments[0]["body"]).contains("stack/a"), "{comments:?}");
    // Nothing was deployed.
    assert_eq!(server.runs().len(), 1);
    assert_eq!(place.cloud.outputs("a")["Value"], "first");
    server.stop();
}

#[test]
fn what_is_posted_of_a_run_leads_to_its_page() {
    let github = GitHub::start();
    let pipeline = format!("github: {{ repository: o/r, api_url: \"{}\" }}{PIPELINE}", github.url);
    let mut place = Place::with(&[("pipeline.yaml", &pipeline), ("stacks/a/template.yaml", TEMPLATE)]);
    place.variables = vec![("GITHUB_TOKEN", "canary/github+token".to_owned())];
    let server = place.serve(&["--url", "https://deploy.example"]);
    let run = server.until_run(&place.head(), State::Ended);
    let status = github.things().statuses.pop().expect("a status");
    assert_eq!(status["target_url"], format!("https://deploy.example/runs/{}", run.id));
    server.stop();
}

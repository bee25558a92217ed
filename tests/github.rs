//! What a deployment and a plan post to GitHub.

mod support;

use std::net::TcpListener;

use serde_json::json;
use support::github::{Fate, GitHub, text};
use support::{Cloud, Output, Repository};

const PIPELINE: &str = r#"
project: PROJECT
github: { repository: o/r, api_url: "GITHUB" }
environments:
  local: { region: us-west-2, endpoint: "ENDPOINT", url: "https://${stacks.a.Name}.example.com" }
stacks:
  a:
"#;

const TEMPLATE: &str = r"
Resources:
  Queue: { Type: AWS::SQS::Queue, Properties: { QueueName: PROJECT, DelaySeconds: 1 } }
Outputs:
  Name: { Value: !GetAtt Queue.QueueName }
";

/// A region in which there are leases, as `bootstrap` was run there.
const BOOTSTRAPPED: &str = "eu-west-1";

fn repository_at(github: &str, region: &str) -> (Repository, Cloud) {
    let pipeline = PIPELINE.replace("GITHUB", github).replace("us-west-2", region);
    let repository = Repository::with(&[("pipeline.yaml", &pipeline), ("stacks/a/template.yaml", TEMPLATE)]);
    let cloud = Cloud::in_region(&repository.project, region);
    (repository, cloud)
}

fn repository(github: &GitHub) -> (Repository, Cloud) {
    repository_at(&github.url, "us-west-2")
}

/// Runs a command with a token in the environment.
fn pipeline(repository: &Repository, arguments: &[&str], more: &[(&str, &str)]) -> Output {
    let mut command = repository.command(arguments);
    command.env("GITHUB_TOKEN", "canary/github+token").envs(more.iter().copied());
    let output = command.output().expect("the pipeline");
    Output {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Deploys with a token in the environment.
fn run(repository: &Repository, more: &[(&str, &str)]) -> Output {
    pipeline(repository, &["run", "--env", "local", "--output", "json"], more)
}

#[test]
fn a_deployment_is_shown_as_status_deployment_and_checks() {
    let github = GitHub::start();
    let (repository, _cloud) = repository(&github);
    let commit = repository.git(&["rev-parse", "HEAD"]);
    let actions =
        [("GITHUB_SERVER_URL", "https://github.com"), ("GITHUB_REPOSITORY", "o/r"), ("GITHUB_RUN_ID", "7")];
    let page = "https://github.com/o/r/actions/runs/7";
    let output = run(&repository, &actions).code(0);
    assert_eq!(output.stderr, "");
    let things = github.things();
    let posted = github.states("pipeline/local");
    // A first state that the second has caught up with is not posted.
    assert!(
        matches!(
            posted.iter().map(String::as_str).collect::<Vec<_>>().as_slice(),
            ["pending", "success"] | ["success"]
        ),
        "{posted:?}"
    );
    let status = things.statuses.last().expect("a status");
    assert_eq!((&status["sha"], &status["target_url"]), (&json!(commit), &json!(page)));
    assert_eq!(things.deployments.len(), 1);
    assert_eq!(things.deployments[0]["sha"], json!(commit));
    let last =
        things.deployments[0]["statuses"].as_array().and_then(|all| all.last()).expect("a status").clone();
    let url = format!("https://{}.example.com", repository.project);
    assert_eq!((&last["state"], &last["log_url"]), (&json!("success"), &json!(page)));
    assert_eq!(last["environment_url"], json!(url));
    let checks: Vec<String> = things.checks.iter().map(|check| text(&check["name"])).collect();
    assert_eq!(checks, ["pipeline/local/stack/a"]);

    run(&repository, &[]).code(0);
    let things = github.things();
    let status = things.statuses.last().expect("a status");
    assert!(text(&status["description"]).contains("nothing to do"), "{status}");
    // Without a page of the run, what is deployed is the next best to look at.
    assert_eq!(status["target_url"], json!(url));
    assert_eq!(things.deployment_states(), ["inactive", "success"]);
}

#[test]
fn a_failure_names_the_step_and_the_cause_at_its_line() {
    let github = GitHub::start();
    let (repository, _cloud) = repository(&github);
    repository.edit("stacks/a/template.yaml", "DelaySeconds: 1", "DelaySeconds: 100000");
    repository.commit("Wait for too long");
    run(&repository, &[]).code(1);
    let things = github.things();
    let last = things.statuses.last().expect("a status");
    assert_eq!(last["state"], "failure");
    let description = text(&last["description"]);
    assert!(description.starts_with("stack/a failed: "), "{description}");
    assert!(description.chars().count() <= 140, "{description}");
    let check = &things.checks[0];
    assert_eq!(check["conclusion"], "failure");
    let annotation = &check["output"]["annotations"][0];
    assert_eq!(
        (&annotation["path"], &annotation["start_line"]),
        (&json!("stacks/a/template.yaml"), &json!(3))
    );
    assert_eq!(annotation["annotation_level"], "failure");
}

#[test]
fn a_plan_is_shown_on_the_pull_request_that_is_named() {
    let github = GitHub::start();
    let (repository, _cloud) = repository(&github);
    let plan = ["plan", "--env", "local", "--pull-request", "7"];
    pipeline(&repository, &plan, &[]).code(0);
    repository.edit("stacks/a/template.yaml", "Resources:", "Resources:\n  More: { Type: AWS::SNS::Topic }");
    pipeline(&repository, &plan, &[]).code(0);
    let things = github.things();
    assert_eq!(things.comments.len(), 1, "it is kept up to date");
    let comment = text(&things.comments[0]["body"]);
    assert!(comment.contains("stack/a") && comment.contains("AWS::SNS::Topic"), "{comment}");
    assert_eq!(things.checks.last().expect("a check")["name"], "pipeline/plan/local");
    assert_eq!(things.deployments.len() + things.statuses.len(), 0);
}

#[test]
fn a_plan_and_a_dirty_tree_post_nothing_unasked() {
    let github = GitHub::start();
    let (repository, _cloud) = repository(&github);
    pipeline(&repository, &["plan", "--env", "local"], &[]).code(0);
    repository.edit("stacks/a/template.yaml", "DelaySeconds: 1", "DelaySeconds: 2");
    run(&repository, &[]).code(0);
    repository.run(&["--commit", "HEAD"]).code(0);
    assert_eq!(github.requests().len(), 0, "without a token neither");
}

#[test]
fn a_plan_that_nobody_may_show_says_what_is_missing() {
    let github = GitHub::start();
    let (repository, _cloud) = repository(&github);
    let output = repository.pipeline(&["plan", "--env", "local", "--pull-request", "7"]).code(2);
    insta::assert_snapshot!(output.stderr, @"
    error: the plan can't be shown on pull request 7
      it is not known as whom, or in which repository, to write on GitHub
      next: set GITHUB_TOKEN (or an App's PIPELINE_GITHUB_APP_ID and PIPELINE_GITHUB_APP_KEY), and github.repository in pipeline.yaml if the git remote does not tell
    ");
}

#[test]
fn a_github_that_is_down_fails_nothing() {
    let unused = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", unused.local_addr().expect("an address"));
    drop(unused);
    let (repository, _cloud) = repository_at(&url, "us-west-2");
    let output = run(&repository, &[]).code(0);
    assert_eq!(output.changed(), ["stack/a"]);
    assert!(output.stderr.starts_with("warning: not posted to GitHub (o/r): "), "{}", output.stderr);
    assert!(output.stderr.contains("the deployment is not affected"), "{}", output.stderr);
    assert!(output.stderr.contains("pipeline bootstrap --env local"), "{}", output.stderr);
}

/// The final state of a run that GitHub did not hear of is posted by the next run.
#[test]
fn what_could_not_be_posted_is_posted_by_the_next_run() {
    let github = GitHub::start();
    github.plan(|_, _| Fate::Lost);
    let (repository, _cloud) = repository_at(&github.url, BOOTSTRAPPED);
    repository.pipeline(&["bootstrap", "--env", "local"]).code(0);
    let first = repository.git(&["rev-parse", "HEAD"]);
    let output = run(&repository, &[]).code(0);
    assert!(output.stderr.contains("the next run to local posts it"), "{}", output.stderr);
    assert_eq!(github.things().deployments.len(), 0);

    github.plan(|_, _| Fate::Passed);
    repository.edit("stacks/a/template.yaml", "DelaySeconds: 1", "DelaySeconds: 2");
    let second = repository.commit("Wait longer");
    assert_eq!(run(&repository, &[]).code(0).stderr, "");
    let things = github.things();
    let deployed: Vec<String> = things.deployments.iter().map(|made| text(&made["sha"])).collect();
    assert_eq!(deployed, [first.clone(), second.clone()]);
    for commit in [&first, &second] {
        let newest = things.statuses.iter().rfind(|status| status["sha"] == json!(commit)).expect("a status");
        assert_eq!(newest["state"], "success", "{commit}");
    }
    assert_eq!(things.deployment_states(), ["inactive", "success"]);

    let before = github.requests().len();
    run(&repository, &[]).code(0);
    let of_the_first =
        github.requests()[before..].iter().filter(|request| request.line.contains(&first)).count();
    assert_eq!(of_the_first, 0, "it is posted once");
}

#[test]
fn the_repository_is_that_of_the_remote_if_none_is_named() {
    let github = GitHub::start();
    let (repository, _cloud) = repository(&github);
    repository.git(&["remote", "add", "origin", "https://github.com/o/r.git"]);
    repository.edit("pipeline.yaml", "repository: o/r, ", "");
    let commit = repository.commit("Take the remote's word");
    run(&repository, &[]).code(0);
    assert_eq!(github.things().statuses.last().expect("a status")["sha"], json!(commit));
}

//! What is posted to GitHub of runs as they happen, whatever goes wrong on the way.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

#[path = "report/scenarios.rs"]
#[expect(dead_code, reason = "the outputs' tests use the rest")]
mod scenarios;
mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use pipeline::event::{Event, Events};
use pipeline::github::{Credentials, Posting, Subject, TIMEOUT, Target, start};
use serde_json::{Value, json};

use support::github::{Fate, GitHub, Things, app_key, text};

const SHA: &str = "3f2a91c0d1e2f3a4b5c6d7e8f90a1b2c3d4e5f60";
const PAGE: &str = "https://github.com/o/r/actions/runs/7";

fn posting(github: &GitHub, subject: Subject) -> Posting {
    Posting {
        target: Target {
            api_url: Some(github.url.clone()),
            owner: "o".into(),
            repository: "r".into(),
            timeout: TIMEOUT,
        },
        credentials: Credentials::Token("canary/github+token".into()),
        subject,
        environment: "prod".into(),
        page: Some(PAGE.into()),
        job: false,
        leftovers: None,
    }
}

fn run() -> Subject {
    Subject::Run { sha: SHA.into(), run: "run-1".into() }
}

/// Sends the events; of a run the last one only after a first request. Returns the warnings.
async fn post(github: &GitHub, posting: Posting, events: Vec<scenarios::Timed>) -> Vec<String> {
    let posts_at_once = matches!(posting.subject, Subject::Run { .. });
    let (sender, receiver) = Events::channel();
    let reporter = start(receiver, posting);
    for (_, event) in events {
        while posts_at_once && matches!(event, Event::Finished { .. }) && github.requests().is_empty() {
            tokio::task::yield_now().await;
        }
        sender.send(event);
    }
    drop(sender);
    reporter.finish().await
}

/// How each check ended, by name; none may be there twice.
fn checks(things: &Things) -> BTreeMap<String, String> {
    let mut ended = BTreeMap::new();
    for check in &things.checks {
        let before = ended.insert(text(&check["name"]), text(&check["conclusion"]));
        assert_eq!(before, None, "{} is there twice", check["name"]);
    }
    ended
}

/// The states of the one deployment that we have made.
fn deployment_states(things: &Things) -> Vec<String> {
    let ours = |made: &&Value| made["payload"]["pipeline"] == "run-1";
    let ours: Vec<&Value> = things.deployments.iter().filter(ours).collect();
    assert_eq!(ours.len(), 1, "{:?}", things.deployments);
    ours[0]["statuses"].as_array().unwrap().iter().map(|status| text(&status["state"])).collect()
}

/// What has to be there after `scenarios::first_deployment`, whatever went wrong.
fn assert_deployed(things: &Things) {
    let ended: Vec<(String, String)> = checks(things).into_iter().collect();
    let step = |step: &str| (format!("pipeline/prod/{step}"), "success".to_owned());
    let steps = ["image/api", "stack/alb", "stack/ecr", "stack/ecs", "stack/msk", "stack/vpc"].map(step);
    assert_eq!(ended, steps, "one check for each step that did something");
    assert_eq!(deployment_states(things).last().unwrap(), "success");
    let last = things.statuses.last().unwrap();
    assert_eq!((text(&last["context"]).as_str(), &last["state"]), ("pipeline/prod", &json!("success")));
}

#[tokio::test]
async fn a_run_has_a_status_a_deployment_and_a_check_for_each_step_that_acts() {
    let github = GitHub::start();
    let warnings = post(&github, posting(&github, run()), scenarios::first_deployment()).await;
    assert_eq!(warnings, [""; 0]);
    let things = github.things();
    assert_deployed(&things);
    assert!(github.requests().iter().all(|request| request.authorization == "Bearer canary/github+token"));
    let deployment = &things.deployments[0];
    assert_eq!((&deployment["ref"], &deployment["environment"]), (&json!(SHA), &json!("prod")));
    let last = deployment["statuses"].as_array().unwrap().last().unwrap();
    assert_eq!(last["log_url"], PAGE);
    assert_eq!(last["environment_url"], "https://events.example.com");
    let status = things.statuses.last().unwrap();
    assert_eq!(status["target_url"], PAGE);
    insta::assert_snapshot!(text(&status["description"]), @"6 changed, 1 unchanged in 2m 50s");
    assert!(things.checks.iter().all(|check| check["head_sha"] == SHA && check["details_url"] == PAGE));
}

#[tokio::test]
async fn a_run_that_finds_nothing_to_do_posts_no_checks() {
    let github = GitHub::start();
    post(&github, posting(&github, run()), scenarios::nothing_to_do()).await;
    let things = github.things();
    assert_eq!(things.checks.len(), 0);
    assert_eq!(deployment_states(&things).last().unwrap(), "success");
    insta::assert_snapshot!(text(&things.statuses.last().unwrap()["description"]), @"nothing to do: 7 unchanged in 850ms");
}

#[tokio::test]
async fn a_failure_names_the_step_within_githubs_limit() {
    let github = GitHub::start();
    post(&github, posting(&github, run()), scenarios::failed_stack()).await;
    let things = github.things();
    let status = things.statuses.last().unwrap();
    assert_eq!(status["state"], "failure");
    let description = text(&status["description"]);
    assert!(description.chars().count() <= 140, "{description}");
    insta::assert_snapshot!(description, @"stack/ecs failed: update of events-prod-ecs failed and was rolled back: Service did not become stable");
    assert_eq!(deployment_states(&things).last().unwrap(), "failure");
    insta::assert_debug_snapshot!(checks(&things), @r#"
    {
        "pipeline/prod/image/api": "success",
        "pipeline/prod/rollout/api": "skipped",
        "pipeline/prod/stack/ecs": "failure",
    }
    "#);
}

#[tokio::test]
async fn an_interrupted_run_is_an_error() {
    let github = GitHub::start();
    post(&github, posting(&github, run()), scenarios::interrupted()).await;
    let things = github.things();
    assert_eq!(github.states("pipeline/prod").last().unwrap(), "error");
    assert_eq!(deployment_states(&things).last().unwrap(), "error");
    insta::assert_debug_snapshot!(checks(&things), @r#"
    {
        "pipeline/prod/image/api": "success",
        "pipeline/prod/rollout/api": "cancelled",
        "pipeline/prod/stack/ecs": "cancelled",
        "pipeline/prod/stack/msk": "cancelled",
    }
    "#);
}

#[tokio::test]
async fn a_run_that_ends_without_a_result_does_not_stay_pending() {
    let github = GitHub::start();
    let mut events = scenarios::interrupted();
    events.pop();
    post(&github, posting(&github, run()), events).await;
    assert_eq!(github.states("pipeline/prod").last().unwrap(), "error");
    assert_eq!(deployment_states(&github.things()).last().unwrap(), "error");
}

#[tokio::test]
async fn where_checks_are_not_allowed_statuses_tell_of_each_step() {
    let github = GitHub::start();
    github.plan(|request, _| {
        let forbidden = Fate::Refused(403, Vec::new(), "Resource not accessible by personal access token");
        if request == "POST /repos/o/r/check-runs" { forbidden } else { Fate::Passed }
    });
    let warnings = post(&github, posting(&github, run()), scenarios::first_deployment()).await;
    assert_eq!(warnings, [""; 0]);
    let tried = github.requests().iter().filter(|request| request.line.ends_with("/check-runs")).count();
    assert_eq!(tried, 1, "it is not tried again");
    for step in ["stack/vpc", "stack/ecs", "image/api"] {
        assert_eq!(github.states(&format!("pipeline/prod/{step}")).last().unwrap(), "success");
    }
    assert_eq!(github.states("pipeline/prod/rollout/api"), [""; 0], "it found nothing to do");
}

#[tokio::test]
async fn what_a_token_may_not_do_is_said_once_and_the_rest_posted() {
    let github = GitHub::start();
    github.plan(|request, _| match request {
        "POST /repos/o/r/deployments" => {
            Fate::Refused(403, Vec::new(), "Resource not accessible by integration")
        }
        _ => Fate::Passed,
    });
    let warnings = post(&github, posting(&github, run()), scenarios::first_deployment()).await;
    insta::assert_snapshot!(warnings.join("\n"), @"not posted to GitHub (o/r): deployment to prod: 403 Resource not accessible by integration; the deployment is not affected; next: check owner and repository, and what the token may write");
    assert_eq!(checks(&github.things()).len(), 6);
    assert_eq!(github.states("pipeline/prod").last().unwrap(), "success");
}

/// Ends the connection of the first request of each kind that writes.
fn first_write(fate: Fate) -> impl FnMut(&str, usize) -> Fate + Send {
    move |request, count| {
        if request.starts_with("GET ") || count > 0 { Fate::Passed } else { fate.clone() }
    }
}

#[tokio::test]
async fn lost_answers_double_nothing() {
    let github = GitHub::start();
    github.plan(first_write(Fate::Unanswered));
    assert_eq!(post(&github, posting(&github, run()), scenarios::first_deployment()).await, [""; 0]);
    assert_deployed(&github.things());
}

#[tokio::test]
async fn lost_requests_are_sent_again() {
    let github = GitHub::start();
    github.plan(first_write(Fate::Lost));
    assert_eq!(post(&github, posting(&github, run()), scenarios::first_deployment()).await, [""; 0]);
    assert_deployed(&github.things());
}

#[tokio::test]
async fn answers_that_come_too_late_double_nothing() {
    let github = GitHub::start();
    github.plan(first_write(Fate::Late(Duration::from_millis(1500))));
    let mut posting = posting(&github, run());
    posting.target.timeout = Duration::from_millis(500);
    assert_eq!(post(&github, posting, scenarios::first_deployment()).await, [""; 0]);
    assert_deployed(&github.things());
}

#[tokio::test]
async fn server_errors_and_limits_pass() {
    let github = GitHub::start();
    github.plan(|request, count| match (request.starts_with("GET "), count) {
        (false, 0) => Fate::Refused(502, Vec::new(), "Server Error"),
        (false, 1) => Fate::Refused(403, vec![("retry-after", "1".into())], "secondary rate limit"),
        (true, 0) => Fate::Refused(500, Vec::new(), "Server Error"),
        _ => Fate::Passed,
    });
    assert_eq!(post(&github, posting(&github, run()), scenarios::first_deployment()).await, [""; 0]);
    assert_deployed(&github.things());
}

#[tokio::test]
async fn a_primary_limit_is_waited_for() {
    let github = GitHub::start();
    let reset = jiff::Timestamp::now().as_second() + 1;
    github.plan(move |_, count| {
        let headers =
            vec![("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", reset.to_string())];
        let limited = jiff::Timestamp::now().as_second() <= reset;
        if limited && count < 2 {
            Fate::Refused(403, headers, "API rate limit exceeded")
        } else {
            Fate::Passed
        }
    });
    assert_eq!(post(&github, posting(&github, run()), scenarios::first_deployment()).await, [""; 0]);
    assert_deployed(&github.things());
    let early = github.requests().len();
    assert!(early < 40, "{early} requests: it was tried again and again");
}

/// Whatever goes wrong with the first requests of each kind, in whichever order: all is there once in the end.
#[tokio::test]
async fn any_sequence_of_faults_converges() {
    let posts = (1..=12_u64).map(|seed| async move {
        let github = GitHub::start();
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        github.plan(move |_, count| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            match (count, state >> 60) {
                (0..2, 0..3) => Fate::Unanswered,
                (0..2, 3..5) => Fate::Lost,
                (0..2, 5..7) => Fate::Refused(503, Vec::new(), "Unavailable"),
                (0..2, 7) => Fate::Refused(429, vec![("retry-after", "0".into())], "slow down"),
                _ => Fate::Passed,
            }
        });
        let warnings = post(&github, posting(&github, run()), scenarios::first_deployment()).await;
        assert_eq!(warnings, [""; 0], "seed {seed}");
        assert_deployed(&github.things());
    });
    futures::future::join_all(posts).await;
}

#[tokio::test]
async fn a_github_that_is_down_is_one_warning() {
    let github = GitHub::start();
    github.plan(|_, _| Fate::Lost);
    let warnings = post(&github, posting(&github, run()), scenarios::first_deployment()).await;
    insta::assert_snapshot!(warnings.join("\n"), @"not posted to GitHub (o/r): commit status pipeline/prod, deployment to prod and 6 more: connection closed before message completed; the deployment is not affected; next: see whether GitHub is up and can be reached from here; nothing keeps it for the next run: `pipeline bootstrap --env prod` makes what would");
}

#[tokio::test]
async fn a_limit_beyond_all_patience_is_not_waited_for() {
    let github = GitHub::start();
    github.plan(|_, _| Fate::Refused(429, vec![("retry-after", "3600".into())], "API rate limit exceeded"));
    let warnings = post(&github, posting(&github, run()), scenarios::first_deployment()).await;
    insta::assert_snapshot!(warnings.join("\n"), @"");
    assert_eq!(github.requests().len(), 1);
}

#[tokio::test]
async fn earlier_deployments_run_no_longer() {
    let github = GitHub::start();
    let with = |state: &str| json!({ "state": state });
    github.change(|things| {
        things.deployed("github-actions[bot]", "a", "prod", &with("failure"));
        things.deployed("github-actions[bot]", "b", "prod", &with("success"));
        things.deployed("github-actions[bot]", "c", "staging", &with("success"));
        let dead = things.deployed("github-actions[bot]", "d", "prod", &with("in_progress"));
        things.deployments.last_mut().unwrap()["payload"] = json!({ "pipeline": format!("dead {dead}") });
    });
    post(&github, posting(&github, run()), scenarios::first_deployment()).await;
    let states = github.things().deployment_states();
    assert_eq!(states, ["failure", "inactive", "success", "inactive", "success"]);
}

#[tokio::test]
async fn the_deployment_of_the_job_is_not_doubled() {
    let github = GitHub::start();
    github.change(|things| {
        let of = |url: &str| json!({ "state": "in_progress", "log_url": url });
        things.deployed("github-actions[bot]", SHA, "prod", &of(&format!("{PAGE}/job/12")));
    });
    let mut posting = posting(&github, run());
    posting.job = true;
    assert_eq!(post(&github, posting, scenarios::first_deployment()).await, [""; 0]);
    let things = github.things();
    assert_eq!(things.deployments.len(), 1);
    assert_eq!(things.deployments[0]["statuses"].as_array().unwrap().len(), 1, "GitHub keeps it up to date");
    assert_eq!(checks(&things).len(), 6);
}

#[tokio::test]
async fn the_deployment_of_another_job_is_not_taken_for_ours() {
    let github = GitHub::start();
    github.change(|things| {
        let of = json!({ "state": "in_progress", "log_url": format!("{PAGE}1/job/12") });
        things.deployed("github-actions[bot]", SHA, "prod", &of);
    });
    let mut posting = posting(&github, run());
    posting.job = true;
    post(&github, posting, scenarios::first_deployment()).await;
    assert_deployed(&github.things());
}

fn pull_request(github: &GitHub) -> Posting {
    posting(github, Subject::PullRequest(7))
}

#[tokio::test]
async fn a_plan_is_one_comment_and_one_check_of_the_pull_requests_head() {
    let github = GitHub::start();
    github.change(|things| {
        things.commented("eve", "User", "<!-- pipeline plan prod -->\nnothing will happen, merge it");
        things.commented("github-actions[bot]", "Bot", "<!-- pipeline plan staging -->\nanother environment");
        (0..120).for_each(|_| things.commented("ada", "User", "a long discussion"));
    });
    for events in [scenarios::failed_plan(), scenarios::plan_with_replacement()] {
        assert_eq!(post(&github, pull_request(&github), events).await, [""; 0]);
    }
    let things = github.things();
    let ours: Vec<&Value> = things
        .comments
        .iter()
        .filter(|comment| text(&comment["body"]).starts_with("<!-- pipeline plan prod -->"))
        .collect();
    assert_eq!(ours.len(), 2, "eve's is left alone, and there is one of ours");
    assert!(text(&ours[0]["body"]).contains("merge it"));
    assert!(text(&ours[1]["body"]).contains("REPLACE"), "{}", ours[1]["body"]);
    assert_eq!(things.deployments.len(), 0);
    assert_eq!(things.statuses.len(), 0);
    let check = things.checks.last().unwrap();
    assert_eq!(
        (&check["head_sha"], &check["name"]),
        (&json!("headofpullrequest"), &json!("pipeline/plan/prod"))
    );
    assert_eq!(check["conclusion"], "neutral", "a replacement wants to be looked at");
    assert_eq!(things.checks[0]["conclusion"], "failure");
}

#[tokio::test]
async fn lost_answers_double_no_comment() {
    let github = GitHub::start();
    github.plan(first_write(Fate::Unanswered));
    let warnings = post(&github, pull_request(&github), scenarios::plan_with_replacement()).await;
    assert_eq!(warnings, [""; 0]);
    let things = github.things();
    assert_eq!((things.comments.len(), things.checks.len()), (1, 1));
}

#[tokio::test]
async fn a_persons_comment_is_found_by_its_author() {
    let github = GitHub::start();
    github.belongs_to_a_person();
    github.change(|things| things.commented("eve", "Bot", "<!-- pipeline plan prod -->\nnot ours"));
    for _ in 0..2 {
        post(&github, pull_request(&github), scenarios::plan_with_replacement()).await;
    }
    let authors: Vec<String> =
        github.things().comments.iter().map(|comment| text(&comment["user"]["login"])).collect();
    assert_eq!(authors, ["eve", "ada"]);
}

#[tokio::test]
async fn an_app_signs_in_to_its_installation() {
    let github = GitHub::start();
    let mut posting = posting(&github, run());
    posting.credentials = Credentials::app("42", &app_key()).unwrap();
    assert_eq!(post(&github, posting, scenarios::first_deployment()).await, [""; 0]);
    assert_deployed(&github.things());
    let requests = github.requests();
    assert_eq!(requests[0].line, "GET /repos/o/r/installation");
    assert!(requests[0].authorization.starts_with("Bearer ey"), "a signed token");
    let token = |request: &&support::github::Request| request.authorization.contains("ghs_installation_");
    assert_eq!(requests.iter().filter(token).count(), requests.len() - 2);
}

#[tokio::test]
async fn an_app_that_is_not_installed_says_so() {
    let github = GitHub::start();
    github.plan(|request, _| match request {
        "GET /repos/o/r/installation" => Fate::Refused(404, Vec::new(), "Not Found"),
        _ => Fate::Passed,
    });
    let mut posting = posting(&github, run());
    posting.credentials = Credentials::app("42", &app_key()).unwrap();
    let warnings = post(&github, posting, scenarios::nothing_to_do()).await;
    insta::assert_snapshot!(warnings.join("\n"), @"not posted to GitHub (o/r): commit status pipeline/prod and deployment to prod: 404 Not Found; the deployment is not affected; next: install the App on the repository");
}

#[test]
fn malformed_keys_are_told() {
    let failure = |id: &str, key: &str| Credentials::app(id, key).unwrap_err().to_string();
    insta::assert_snapshot!(failure("forty-two", &app_key()), @"
    PIPELINE_GITHUB_APP_ID is no number
      next: set it to the App ID that the App's page on GitHub shows
    ");
    insta::assert_snapshot!(failure("42", "-----BEGIN NONSENSE-----"), @"
    PIPELINE_GITHUB_APP_KEY is no RSA key in PEM: InvalidKeyFormat
      next: set it to the whole file that GitHub made, from its BEGIN to its END line
    ");
}

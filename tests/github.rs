//! The commit status of a deployment, posted to a GitHub on loopback.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;
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

/// Takes statuses down, and answers each with the same code; 0 is no answer at all.
struct GitHub {
    url: String,
    posted: Arc<Mutex<Vec<Post>>>,
}

struct Post {
    /// `POST /repos/o/r/statuses/<sha>`
    request: String,
    authorization: String,
    body: Value,
}

impl GitHub {
    fn answering(code: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let posted = Arc::default();
        let github = Self { url, posted: Arc::clone(&posted) };
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let posted = Arc::clone(&posted);
                std::thread::spawn(move || drop(answer(&client, code, &posted)));
            }
        });
        github
    }

    fn posts(&self) -> Vec<Post> {
        std::mem::take(&mut self.posted.lock().expect("no panic"))
    }

    /// The states that were posted since the last time they were asked for.
    fn states(&self) -> Vec<String> {
        self.posts().iter().map(|post| post.body["state"].as_str().expect("a state").to_owned()).collect()
    }
}

/// One request on one connection.
fn answer(client: &TcpStream, code: u16, posted: &Mutex<Vec<Post>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(client);
    let (mut head, mut length, mut authorization) = (String::new(), 0, String::new());
    while !head.ends_with("\r\n\r\n") {
        let start = head.len();
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
        match head[start..].trim().to_lowercase().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().expect("a length"),
            Some(("authorization", value)) => value.clone_into(&mut authorization),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let request = head.lines().next().expect("a request").trim_end_matches(" HTTP/1.1").to_owned();
    let body = serde_json::from_slice(&body).expect("JSON");
    posted.lock().expect("no panic").push(Post { request, authorization, body });
    if code == 0 {
        return Ok(());
    }
    let body = r#"{"message":"said by the test"}"#;
    let length = body.len();
    write!(&mut &*client, "HTTP/1.1 {code} X\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
}

fn repository(github: &GitHub) -> (Repository, Cloud) {
    let repository = Repository::with(&[
        ("pipeline.yaml", &PIPELINE.replace("GITHUB", &github.url)),
        ("stacks/a/template.yaml", TEMPLATE),
    ]);
    let cloud = Cloud::of(&repository.project);
    (repository, cloud)
}

/// Deploys with a token in the environment.
fn run(repository: &Repository, more: &[(&str, &str)]) -> Output {
    let mut command = repository.command(&["run", "--env", "local", "--output", "json"]);
    let output =
        command.env("GITHUB_TOKEN", "secret").envs(more.iter().copied()).output().expect("the pipeline");
    Output {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn a_deployment_is_pending_first_and_then_a_success() {
    let github = GitHub::answering(201);
    let (repository, _cloud) = repository(&github);
    let commit = repository.git(&["rev-parse", "HEAD"]);
    let actions =
        [("GITHUB_SERVER_URL", "https://github.com"), ("GITHUB_REPOSITORY", "o/r"), ("GITHUB_RUN_ID", "7")];
    let output = run(&repository, &actions).code(0);
    assert_eq!(output.stderr, "");
    let posts = github.posts();
    let states: Vec<&str> = posts.iter().filter_map(|post| post.body["state"].as_str()).collect();
    // A first state that the second has caught up with is not posted.
    assert!(matches!(states.as_slice(), ["pending", "success"]), "{states:?}");
    for post in &posts {
        assert_eq!(post.request, format!("POST /repos/o/r/statuses/{commit}"));
        assert_eq!(post.authorization, "bearer secret");
        assert_eq!(post.body["context"], "pipeline/local");
        assert_eq!(post.body["target_url"], "https://github.com/o/r/actions/runs/7");
    }
    assert_eq!(posts[0].body["description"], "deploying to local");
    run(&repository, &[]).code(0);
    let last = github.posts().pop().expect("a status").body;
    let description = last["description"].as_str().expect("a description");
    assert!(description.contains("nothing to do"), "{description}");
    // Without a page of the run, what is deployed is the next best to look at.
    assert_eq!(last["target_url"], format!("https://{}.example.com", repository.project));
}

#[test]
fn a_failure_names_the_step_and_the_cause() {
    let github = GitHub::answering(201);
    let (repository, _cloud) = repository(&github);
    repository.edit("stacks/a/template.yaml", "DelaySeconds: 1", "DelaySeconds: 100000");
    repository.commit("Wait for too long");
    run(&repository, &[]).code(1);
    let last = github.posts().pop().expect("a status").body;
    assert_eq!(last["state"], "failure");
    let description = last["description"].as_str().expect("a description");
    assert!(description.starts_with("stack/a failed: "), "{description}");
    assert!(description.chars().count() <= 140, "{description}");
}

#[test]
fn a_plan_and_a_dirty_tree_post_nothing() {
    let github = GitHub::answering(201);
    let (repository, _cloud) = repository(&github);
    let mut plan = repository.command(&["plan", "--env", "local"]);
    assert!(plan.env("GITHUB_TOKEN", "secret").status().expect("the pipeline").success());
    assert_eq!(github.states(), [""; 0]);
    repository.edit("stacks/a/template.yaml", "DelaySeconds: 1", "DelaySeconds: 2");
    run(&repository, &[]).code(0);
    assert_eq!(github.states(), [""; 0]);
    repository.run(&["--commit", "HEAD"]).code(0);
    assert_eq!(github.states(), [""; 0], "without a token");
}

#[test]
fn a_github_that_is_down_fails_nothing() {
    for code in [500, 0] {
        let github = GitHub::answering(code);
        let (repository, _cloud) = repository(&github);
        let output = run(&repository, &[]).code(0);
        assert_eq!(output.changed(), ["stack/a"]);
        assert!(
            output.stderr.starts_with("warning: the commit status pipeline/local of o/r@"),
            "{}",
            output.stderr
        );
        assert!(output.stderr.contains("the deployment is not affected"), "{}", output.stderr);
        assert!(github.states().len() > 2, "it is tried again");
    }
}

#[test]
fn nobody_listening_fails_nothing() {
    let unused = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let github = GitHub {
        url: format!("http://{}", unused.local_addr().expect("an address")),
        posted: Arc::default(),
    };
    drop(unused);
    let (repository, _cloud) = repository(&github);
    let output = run(&repository, &[]).code(0);
    assert!(output.stderr.contains("could not be posted to GitHub"), "{}", output.stderr);
    assert!(!output.stderr.contains("secret"), "{}", output.stderr);
}

#[test]
fn a_token_that_may_not_fails_nothing_and_is_not_tried_again() {
    let github = GitHub::answering(403);
    let (repository, _cloud) = repository(&github);
    let output = run(&repository, &[]).code(0);
    assert!(output.stderr.contains("403 said by the test"), "{}", output.stderr);
    assert!(output.stderr.contains("the token may write commit statuses"), "{}", output.stderr);
    assert!(github.states().len() <= 2, "once for each state");
}

#[test]
fn the_repository_is_that_of_the_remote_if_none_is_named() {
    let github = GitHub::answering(201);
    let (repository, _cloud) = repository(&github);
    repository.git(&["remote", "add", "origin", "https://github.com/octo/hello.git"]);
    repository.edit("pipeline.yaml", "repository: o/r, ", "");
    let commit = repository.commit("Take the remote's word");
    run(&repository, &[]).code(0);
    let posts = github.posts();
    assert_eq!(posts.last().expect("a status").request, format!("POST /repos/octo/hello/statuses/{commit}"));
}

//! The commit status, against a server on loopback.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pipeline::event::Events;
use pipeline::github::{Status, TIMEOUT, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::scenarios;

/// A GitHub that keeps the requests it gets and answers each with the next of its status codes, the last one
/// again and again; code 0 is no answer at all.
struct GitHub {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl GitHub {
    async fn answering(codes: &'static [u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api/v3", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, codes, Arc::clone(&seen)));
            }
        });
        Self { url, requests }
    }

    fn status(&self, timeout: Duration) -> Status {
        Status {
            api_url: Some(self.url.clone()),
            token: "secret-token".into(),
            owner: "o".into(),
            repository: "r".into(),
            sha: "3f2a91c0d1e2f3a4b5c6d7e8f90a1b2c3d4e5f60".into(),
            environment: "prod".into(),
            target_url: Some("https://ci.example.com/runs/7".into()),
            timeout,
        }
    }

    /// The state in each request's body.
    fn states(&self) -> Vec<String> {
        self.bodies().into_iter().map(|body| body["state"].as_str().unwrap().to_owned()).collect()
    }

    fn bodies(&self) -> Vec<serde_json::Value> {
        let body =
            |request: &String| serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
        self.requests.lock().unwrap().iter().map(body).collect()
    }
}

async fn serve(mut stream: TcpStream, codes: &'static [u16], seen: Arc<Mutex<Vec<String>>>) {
    while let Some(request) = read(&mut stream).await {
        let index = {
            let mut seen = seen.lock().unwrap();
            seen.push(request);
            seen.len() - 1
        };
        let code = codes.get(index).or(codes.last()).copied().unwrap();
        if code == 0 {
            return std::future::pending().await;
        }
        let body = r#"{"message":"said by the test"}"#;
        let answer = format!("HTTP/1.1 {code} X\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

/// One request with its body, or nothing once the client has hung up.
async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut text = String::new();
    loop {
        let mut buffer = [0; 4096];
        let length = stream.read(&mut buffer).await.ok().filter(|length| *length > 0)?;
        text.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
            if body.len() >= length.parse().unwrap() {
                return Some(text);
            }
        }
    }
}

/// Sends the events, waiting after the first until GitHub has got a request for it.
async fn run(github: &GitHub, events: Vec<scenarios::Timed>, timeout: Duration) -> Vec<String> {
    let (sender, receiver) = Events::channel();
    let reporter = start(receiver, github.status(timeout));
    for (index, (_, event)) in events.into_iter().enumerate() {
        sender.send(event);
        while index == 0 && github.requests.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    }
    reporter.finish().await
}

#[tokio::test]
async fn pending_first_then_how_it_ended() {
    let github = GitHub::answering(&[201]).await;
    let warnings = run(&github, scenarios::first_deployment(), TIMEOUT).await;
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(github.states(), ["pending", "success"]);
    let requests = github.requests.lock().unwrap().clone();
    let path = "POST /api/v3/repos/o/r/statuses/3f2a91c0d1e2f3a4b5c6d7e8f90a1b2c3d4e5f60 HTTP/1.1";
    assert!(requests.iter().all(|request| request.starts_with(path)), "{requests:?}");
    assert!(
        requests.iter().all(|request| request.contains("authorization: Bearer secret-token")),
        "{requests:?}"
    );
    insta::assert_snapshot!("github_success", github.bodies()[1]);
}

#[tokio::test]
async fn a_failure_names_the_step_within_githubs_limit() {
    let github = GitHub::answering(&[201]).await;
    run(&github, scenarios::failed_stack(), TIMEOUT).await;
    let body = &github.bodies()[1];
    assert_eq!(body["state"], "failure");
    let description = body["description"].as_str().unwrap();
    assert!(description.chars().count() <= 140);
    insta::assert_snapshot!("github_failure", description);
}

#[tokio::test]
async fn a_run_without_its_plan_is_a_failure() {
    let github = GitHub::answering(&[201]).await;
    run(&github, scenarios::refused(), TIMEOUT).await;
    assert_eq!(github.states(), ["pending", "failure"]);
    let description = github.bodies()[1]["description"].clone();
    assert_eq!(description, "refused: the plan is not the one that is required");
}

#[tokio::test]
async fn an_interrupted_run_is_an_error() {
    let github = GitHub::answering(&[201]).await;
    run(&github, scenarios::interrupted(), TIMEOUT).await;
    assert_eq!(github.states(), ["pending", "error"]);
    insta::assert_snapshot!("github_interrupted", github.bodies()[1]["description"].as_str().unwrap());
}

#[tokio::test]
async fn a_run_that_ends_without_a_result_does_not_stay_pending() {
    let github = GitHub::answering(&[201]).await;
    let mut events = scenarios::interrupted();
    events.pop();
    let (sender, receiver) = Events::channel();
    let reporter = start(receiver, github.status(TIMEOUT));
    for (_, event) in events {
        sender.send(event);
    }
    drop(sender);
    assert!(reporter.finish().await.is_empty());
    assert_eq!(github.states().last().unwrap(), "error");
}

#[tokio::test]
async fn a_server_error_is_tried_again() {
    let github = GitHub::answering(&[201, 500, 201]).await;
    assert!(run(&github, scenarios::first_deployment(), TIMEOUT).await.is_empty());
    assert_eq!(github.states(), ["pending", "success", "success"]);
}

#[tokio::test]
async fn three_server_errors_are_a_warning() {
    let github = GitHub::answering(&[201, 502]).await;
    let warnings = run(&github, scenarios::first_deployment(), TIMEOUT).await;
    assert_eq!(github.states(), ["pending", "success", "success", "success"]);
    insta::assert_snapshot!(warnings.join("\n"));
}

#[tokio::test]
async fn a_token_without_rights_is_not_tried_again() {
    let github = GitHub::answering(&[404]).await;
    let warnings = run(&github, scenarios::nothing_to_do(), TIMEOUT).await;
    assert_eq!(github.states(), ["pending", "success"]);
    insta::assert_snapshot!(warnings.join("\n"));
}

#[tokio::test]
async fn a_server_that_never_answers_ends_in_a_warning() {
    let github = GitHub::answering(&[0]).await;
    let warnings = run(&github, scenarios::nothing_to_do(), Duration::from_millis(50)).await;
    assert_eq!(github.states(), ["pending", "success", "success", "success"]);
    insta::assert_snapshot!(warnings.join("\n"));
}

#[tokio::test]
async fn a_server_that_is_not_there_ends_in_a_warning() {
    let mut github = GitHub::answering(&[201]).await;
    // Port 1 is privileged and nobody listens on it.
    github.url = "http://127.0.0.1:1".into();
    let (sender, receiver) = Events::channel();
    let reporter = start(receiver, github.status(TIMEOUT));
    for (_, event) in scenarios::nothing_to_do() {
        sender.send(event);
    }
    let warnings = reporter.finish().await;
    assert!(warnings.len() == 1 && warnings[0].contains("Connect"), "{warnings:?}");
    assert!(!warnings[0].contains("secret-token"));
}

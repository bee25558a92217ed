//! Secrets come out nowhere: not in text, not in JSON, not in errors, not in the arguments of processes.
//!
//! That no canary is in it is checked with every output; see `tests/support/canary.rs`.

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use pipeline::event::Event;
use support::canary::HIDDEN;
use support::github::{Fate, GitHub};
use support::{Cloud, Output, Repository, Running};

const TWO_STACKS: &str = r#"
project: PROJECT
environments:
  local: { region: us-west-2, endpoint: "ENDPOINT", url: "https://${stacks.a.Secret}.example.com" }
stacks:
  a:
  b: { parameters: { Secret: "${stacks.a.Secret}" } }
"#;

/// The value becomes a resource's property, its description and an output.
const TEMPLATE: &str = r#"
Parameters:
  Secret: { Type: String, NoEcho: true, AllowedPattern: "[a-z].*" }
Resources:
  Kept:
    Type: AWS::SSM::Parameter
    Properties: { Type: String, Value: !Ref Secret, Description: !Sub "is ${Secret}" }
Outputs:
  Secret: { Value: !GetAtt Kept.Value }
"#;

const BUILD: &str = r#"
project: PROJECT
environments:
  local: { region: us-west-2, endpoint: "ENDPOINT", registry: "REGISTRY" }
workloads:
  web:
    inputs: [web]
    build: { context: web, command: "sh web/build", secrets: [NPM_TOKEN] }
    repository: nowhere/PROJECT
"#;

fn with_build(command: &str, registry: &str) -> Repository {
    Repository::with(&[
        ("pipeline.yaml", &BUILD.replace("REGISTRY", registry)),
        ("web/Dockerfile", "FROM scratch\nCOPY build /\n"),
        ("web/build", command),
    ])
}

fn logged(output: &Output) -> Vec<String> {
    let line = |event| match event {
        Event::Log { line, .. } => Some(line),
        _ => None,
    };
    output.events().into_iter().filter_map(line).collect()
}

#[test]
fn a_hidden_parameter_is_shown_by_no_command() {
    let repository = Repository::with(&[
        ("pipeline.yaml", TWO_STACKS),
        ("stacks/a/template.yaml", TEMPLATE),
        ("stacks/b/template.yaml", TEMPLATE),
        ("stacks/environments/local.yaml", &format!("a: {{ Secret: {HIDDEN}-1 }}\n")),
    ]);
    let _cloud = Cloud::of(&repository.project);
    let text = |verb: &str| repository.pipeline(&[verb, "--env", "local", "--output", "text"]);
    text("verify").code(0);
    text("plan").code(0);
    repository.plan(&[]).code(0);
    let deployed = repository.run(&[]).code(0);
    assert!(deployed.stdout.contains("https://***.example.com"), "{deployed:?}");
    text("status").code(0);

    repository.edit("stacks/environments/local.yaml", "-1", "-2");
    repository.commit("Change the secret");
    text("plan").code(0);
    repository.plan(&[]).code(0);
    text("run").code(0);

    repository.edit("stacks/a/template.yaml", "Type: AWS::SSM::Parameter", "Type: AWS::SQS::Queue");
    repository.edit(
        "stacks/a/template.yaml",
        "Type: String, Value: !Ref Secret, Description: !Sub \"is ${Secret}\"",
        "DelaySeconds: !Ref Secret",
    );
    repository.edit("stacks/a/template.yaml", "!GetAtt Kept.Value", "!GetAtt Kept.QueueName");
    repository.commit("Delay a queue in a way that SQS refuses");
    text("plan");
    let failed = repository.run(&["--allow-replace", "a/Kept"]).code(1);
    assert!(failed.stdout.contains("DelaySeconds"), "{failed:?}");

    repository.edit("stacks/environments/local.yaml", "canary", "UPPER canary");
    repository.commit("Give a value that the template refuses");
    repository.run(&[]).code(1);
}

#[test]
fn a_mistake_in_a_hidden_value_does_not_show_it() {
    let template = "Parameters:\n  Secret: { Type: Number, NoEcho: true }\n\
                    Resources: { Topic: { Type: AWS::SNS::Topic } }\n";
    let repository = Repository::with(&[
        (
            "pipeline.yaml",
            &TWO_STACKS
                .replace("  b: { parameters: { Secret: \"${stacks.a.Secret}\" } }\n", "")
                .replace(", url: \"https://${stacks.a.Secret}.example.com\"", ""),
        ),
        ("stacks/a/template.yaml", template),
        ("stacks/environments/local.yaml", &format!("a: {{ Secret: {HIDDEN} }}\n")),
    ]);
    let output = repository.pipeline(&["validate"]).code(2);
    assert!(output.stderr.contains("`***` is no number"), "{output:?}");
}

#[test]
fn a_build_gets_the_secrets_it_asks_for_and_shows_none() {
    let repository = with_build(
        "echo \"got [$NPM_TOKEN] [$GITHUB_TOKEN$AWS_ACCESS_KEY_ID$AWS_SECRET_ACCESS_KEY$AWS_SESSION_TOKEN]\"\n\
         printf 'user:%s' \"$NPM_TOKEN\" | base64 -w0; echo\nexit 3\n",
        "127.0.0.1:1",
    );
    for format in ["json", "text"] {
        let mut command = repository.command(&["run", "--env", "local", "--output", format]);
        command.env("NPM_TOKEN", format!("{HIDDEN}-npm")).env("GITHUB_TOKEN", "canary/github+token");
        let output = Output::of(command).code(1);
        if format == "json" {
            let lines = logged(&output);
            assert_eq!(lines[0], "got [***] []");
            assert!(lines[1].contains("***"), "{lines:?}");
        }
    }
}

#[test]
fn a_secret_that_is_asked_for_and_not_there_is_said() {
    let repository = with_build("exit 3", "127.0.0.1:1");
    let output = repository.run(&[]).code(1);
    assert!(
        output.stdout.contains("the build's secret NPM_TOKEN is not set in the environment"),
        "{output:?}"
    );
}

#[test]
fn no_secret_is_an_argument_of_a_process() {
    let repository = with_build("echo started; exec sleep 60", "127.0.0.1:1");
    let mut command = repository.command(&["run", "--env", "local", "--output", "json"]);
    command.env("NPM_TOKEN", HIDDEN).env("GITHUB_TOKEN", "canary/github+token");
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let child = command.spawn().expect("the pipeline");
    let id = child.id();
    let mut running = Running::follow(child);
    running.until("started", |event| matches!(event, Event::Log { line, .. } if line == "started"));
    let processes = descendants(id);
    assert!(processes.len() >= 2, "{processes:?}");
    for process in &processes {
        let arguments = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        let arguments = String::from_utf8_lossy(&arguments).into_owned();
        assert!(!arguments.contains("canary"), "{arguments}");
    }
    running.interrupt();
    running.end();
}

/// A process and all that come from it.
fn descendants(root: u32) -> Vec<u32> {
    let parent = |id: &u32| -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.split_whitespace().nth(1)?.parse().ok()
    };
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let all: Vec<u32> =
        entries.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok()).collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(current) = found.get(next).copied() {
        found.extend(all.iter().filter(|id| parent(id) == Some(current)));
        next += 1;
    }
    found
}

/// A server that refuses every request, and repeats the credentials that came with it. Takes them down, too.
fn refusing() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let known = Arc::clone(&seen);
    support::answer_all(listener, move |client| drop(refuse(client, &known)));
    (address, seen)
}

fn refuse(mut client: &TcpStream, seen: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(client);
    let (mut authorization, mut length, mut line) = (String::new(), 0, String::new());
    while reader.read_line(&mut line)? > 2 {
        match line.trim().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                value.clone_into(&mut authorization);
            }
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().unwrap_or(0);
            }
            _ => {}
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    seen.lock().expect("no panic").push(authorization.clone());
    let message = format!("no entry with {authorization}");
    let body =
        serde_json::json!({ "message": message, "errors": [{ "code": "DENIED", "message": message }] });
    let body = body.to_string();
    write!(
        client,
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"test\"\r\nContent-Type: application/json\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn a_refused_push_does_not_show_the_password() {
    use base64::Engine as _;
    let (registry, seen) = refusing();
    let repository = with_build("true", &registry);
    let _cloud = Cloud::of(&repository.project);
    let output = repository.run(&[]).code(1);
    let seen = seen.lock().expect("no panic");
    let sent: Vec<&str> = seen.iter().map(String::as_str).filter(|it| !it.is_empty()).collect();
    assert!(!sent.is_empty(), "the engine sent no password: {output:?}");
    for basic in sent {
        let basic = basic.trim_start_matches("Basic ").to_owned();
        let decoded = base64::prelude::BASE64_STANDARD.decode(&basic).expect("base64");
        let decoded = String::from_utf8(decoded).expect("a text");
        let password = decoded.split_once(':').expect("a password").1;
        assert!(!output.stdout.contains(&basic) && !output.stdout.contains(password), "{output:?}");
        assert!(!output.stderr.contains(&basic) && !output.stderr.contains(password), "{output:?}");
    }
}

#[test]
fn github_learns_no_secret_and_what_it_repeats_is_not_shown() {
    let github = GitHub::start();
    github.plan(|_, _| Fate::Refused(401, Vec::new(), "no entry with Bearer canary/github+token"));
    let pipeline = format!(
        "project: PROJECT\ngithub: {{ repository: o/r, api_url: \"{}\" }}\n\
         environments:\n  local: {{ region: us-west-2, endpoint: \"ENDPOINT\" }}\nstacks:\n  a:\n",
        github.url
    );
    let template = "Parameters: { Secret: { Type: String, NoEcho: true } }\n\
                    Resources: { Queue: { Type: AWS::SQS::Queue, Properties: { DelaySeconds: !Ref Secret } } }\n";
    let repository = Repository::with(&[
        ("pipeline.yaml", &pipeline),
        ("stacks/a/template.yaml", template),
        ("stacks/environments/local.yaml", &format!("a: {{ Secret: {HIDDEN} }}\n")),
    ]);
    let _cloud = Cloud::of(&repository.project);
    let mut command = repository.command(&["run", "--env", "local"]);
    command.env("GITHUB_TOKEN", "canary/github+token");
    let output = Output::of(command).code(1);
    assert!(output.stderr.contains("no entry with Bearer ***"), "{output:?}");
    let seen = github.requests();
    assert!(seen.iter().all(|request| request.authorization == "Bearer canary/github+token"));
    let bodies: Vec<String> = seen.iter().map(|request| request.body.to_string()).collect();
    assert!(bodies.iter().any(|body| body.contains("stack/a failed")), "a status with the failure");
    assert!(bodies.iter().all(|body| !body.contains("canary")));
}

#[test]
fn a_token_in_a_remotes_address_is_not_shown() {
    let (address, seen) = refusing();
    let repository = Repository::with(&[
        ("pipeline.yaml", &TWO_STACKS.replace("region:", "branch: main, region:")),
        ("stacks/a/template.yaml", TEMPLATE),
        ("stacks/b/template.yaml", TEMPLATE),
        ("stacks/environments/local.yaml", &format!("a: {{ Secret: {HIDDEN} }}\n")),
    ]);
    let remote = format!("http://me:canary%2Fgithub%2Btoken@{address}/x.git");
    repository.git(&["remote", "add", "origin", &remote]);
    let running = Running::follow(repository.start(&[
        "watch",
        "--env",
        "local",
        "--output",
        "json",
        "--interval",
        "100ms",
    ]));
    running.until_told("looking at branch main");
    running.interrupt();
    running.end();
    assert!(!seen.lock().expect("no panic").is_empty());
}

//! What goes wrong between the pipeline and what it talks to: a deployment gets through it, or ends with a clear error and
//! is finished by the next run. `docs/faults.md` lists the cases.

mod support;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pipeline::event::{Event, RunResult};
use support::proxy::Fate;
use support::system::System;
use support::{Cloud, Output, Proxy, Repository};

/// A first and a later deployment, in which the first call of every operation has this fate.
fn every_first_call(fate: Fate) {
    let system = System::new();
    for version in ["1", "2"] {
        if version != "1" {
            system.release(version);
        }
        system.proxy.plan(move |_, before| if before == 0 { fate } else { Fate::Passed });
        system.deploy();
        let calls = system.proxy.take();
        system.proxy.plan(|_, _| Fate::Passed);
        assert_eq!(system.deploy().result(), RunResult::Unchanged, "{fate:?}");
        executed_once(&system, &calls, fate);
    }
    let state = system.state();
    assert!(
        state["workloads"].as_array().expect("workloads").iter().all(|workload| workload["commit"] == true)
    );
}

/// A call that was carried out is not carried out again, except where that changes nothing: the service takes it for the
/// same, and the second one finds that there is nothing to do.
fn executed_once(system: &System, calls: &[String], fate: Fate) {
    let executed = calls.iter().filter(|call| *call == "ExecuteChangeSet").count();
    let lost = usize::from(matches!(fate, Fate::Unanswered | Fate::CutOff));
    let stacks = if calls.iter().any(|call| call == "CreateRepository") { 3 } else { executed };
    assert!(executed <= stacks + lost, "{calls:?}");
    let versions =
        calls.iter().filter(|call| call.starts_with("POST ") && call.ends_with("/versions")).count();
    assert!(versions <= 1 + lost, "{calls:?} of {}", system.repository.project);
}

#[test]
fn throttled_calls_are_made_again() {
    every_first_call(Fate::Refused(400, "ThrottlingException"));
}

#[test]
fn server_errors_are_waited_out() {
    every_first_call(Fate::Refused(503, "ServiceUnavailable"));
}

#[test]
fn lost_calls_are_made_again() {
    every_first_call(Fate::Lost);
}

#[test]
fn what_was_carried_out_without_an_answer_is_found() {
    every_first_call(Fate::Unanswered);
}

#[test]
fn answers_that_break_off_are_asked_for_again() {
    every_first_call(Fate::CutOff);
}

#[test]
fn credentials_that_expire_in_the_middle_are_named_and_the_next_run_goes_on() {
    let system = System::new();
    let mut executed = 0;
    system.proxy.plan(move |operation, _| {
        executed += usize::from(operation == "ExecuteChangeSet");
        if executed > 1 { Fate::Refused(403, "ExpiredToken") } else { Fate::Passed }
    });
    // What is only observed goes on being looked at, since it may come back: Ctrl-C ends that.
    let output = system.repository.run(&[]).code(1);
    assert!(output.stdout.contains("the credentials have expired: sign in again"), "{}", output.stdout);
    system.proxy.plan(|_, _| Fate::Passed);
    assert_eq!(system.deploy().result(), RunResult::Changed);
    assert_eq!(system.deploy().result(), RunResult::Unchanged);
}

#[test]
fn observations_that_fail_for_a_while_do_not_fail_a_deployment() {
    let system = System::new();
    system.deploy();
    system.repository.write("api/version", "2");
    system.repository.commit("Release the API");
    // Once something is under way, looks at it fail with an error that the SDK does not repeat the call for.
    let (mut executing, mut rolling, mut failures) = (false, false, 0);
    system.proxy.plan(move |operation, _| {
        executing |= operation == "ExecuteChangeSet";
        rolling |= operation == "UpdateService";
        let look = match operation {
            "DescribeStackEvents" => executing,
            "DescribeServices" | "ListTasks" => rolling,
            _ => false,
        };
        failures += usize::from(look);
        if look && failures <= 12 { Fate::Refused(400, "ValidationError") } else { Fate::Passed }
    });
    let output = system.deploy();
    assert!(warnings(&output).iter().any(|warning| warning.contains("looking again")), "{output:?}");
    system.proxy.plan(|_, _| Fate::Passed);
    assert_eq!(system.deploy().result(), RunResult::Unchanged);
}

fn warnings(output: &Output) -> BTreeSet<String> {
    let warning = |event| match event {
        Event::Warning { message, .. } => Some(message),
        _ => None,
    };
    output.events().into_iter().filter_map(warning).collect()
}

/// A way to the local cloud's registry on which the first uploads break off.
fn registry_that_cuts_off(times: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let left = Arc::new(AtomicUsize::new(times));
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let left = Arc::clone(&left);
            std::thread::spawn(move || drop(pass_on(client, &left)));
        }
    });
    address
}

/// Passes everything on in both directions; an upload ends after its first bytes while there are some `left` to be cut.
fn pass_on(mut client: TcpStream, left: &AtomicUsize) -> std::io::Result<()> {
    let mut server = TcpStream::connect(Cloud::endpoint().trim_start_matches("http://"))?;
    let (mut back, mut answers) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut answers, &mut back);
        let _ = back.shutdown(Shutdown::Both);
    });
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = client.read(&mut buffer) {
        let upload = buffer.starts_with(b"PATCH ") || buffer.starts_with(b"PUT ");
        let cut = |left: usize| left.checked_sub(1);
        if upload && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, cut).is_ok() {
            server.write_all(&buffer[..length.min(200)])?;
            break;
        }
        server.write_all(&buffer[..length])?;
    }
    server.shutdown(Shutdown::Both)?;
    client.shutdown(Shutdown::Both)
}

#[test]
fn a_push_that_breaks_off_is_made_again() {
    let system = System::with_registry(&registry_that_cuts_off(2));
    system.deploy();
    assert_eq!(system.deploy().result(), RunResult::Unchanged);
}

#[test]
fn a_registry_that_never_takes_a_push_is_named_and_the_next_run_builds_nothing_twice() {
    let system = System::with_registry(&registry_that_cuts_off(usize::MAX));
    let output = system.repository.run(&[]).code(1);
    assert!(output.stdout.contains("layers that arrived are not sent twice"), "{}", output.stdout);
    let registry = Cloud::endpoint().trim_start_matches("http://").to_owned();
    let pipeline = std::fs::read_to_string(system.repository.path().join("pipeline.yaml")).expect("a file");
    let through =
        pipeline.split("registry: \"").nth(1).and_then(|rest| rest.split('"').next()).expect("a registry");
    system.repository.edit("pipeline.yaml", through, &registry);
    system.repository.commit("Take the direct way");
    system.deploy();
    assert_eq!(system.deploy().result(), RunResult::Unchanged);
}

/// Stands between the pipeline and Docker Engine; what it answers to a build, `on_build` decides.
fn docker_through(
    directory: &std::path::Path,
    on_build: impl Fn(&str, &mut UnixStream, &mut UnixStream) -> Build + Send + 'static,
) -> String {
    let path = directory.join("docker.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    let address = format!("unix://{}", path.display());
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            if matches!(relay(client, &on_build), Ok(Build::LastAct)) {
                return drop(std::fs::remove_file(&path));
            }
        }
    });
    address
}

enum Build {
    PassedOn,
    Answered,
    /// The engine is gone after it.
    LastAct,
}

/// Passes a connection on, but for a build that is dealt with otherwise.
fn relay(
    mut client: UnixStream,
    on_build: &impl Fn(&str, &mut UnixStream, &mut UnixStream) -> Build,
) -> std::io::Result<Build> {
    let mut server = UnixStream::connect("/var/run/docker.sock")?;
    let mut head = [0; 4096];
    let length = client.read(&mut head)?;
    server.write_all(&head[..length])?;
    let head = String::from_utf8_lossy(&head[..length]).into_owned();
    if head.contains("/build?") {
        let (mut upload, mut sending) = (client.try_clone()?, server.try_clone()?);
        std::thread::spawn(move || std::io::copy(&mut upload, &mut sending));
        match on_build(&head, &mut client, &mut server) {
            Build::PassedOn => {}
            dealt_with => {
                let _ = server.shutdown(Shutdown::Both);
                client.shutdown(Shutdown::Both)?;
                return Ok(dealt_with);
            }
        }
    } else {
        // Short questions, asked one by one on a connection that is kept.
        let (mut upload, mut sending) = (client.try_clone()?, server.try_clone()?);
        std::thread::spawn(move || std::io::copy(&mut upload, &mut sending));
    }
    std::thread::spawn(move || std::io::copy(&mut server, &mut client));
    Ok(Build::PassedOn)
}

/// A Docker Engine that is gone in the middle of a build, and stays away.
fn docker_that_dies(directory: &std::path::Path) -> String {
    docker_through(directory, |_, client, server| {
        let mut answer = [0; 4096];
        let length = server.read(&mut answer).unwrap_or_default();
        let _ = client.write_all(&answer[..length]);
        Build::LastAct
    })
}

/// A Docker Engine in which an image is deleted whenever a build looks through its cache.
fn docker_whose_cache_is_deleted(directory: &std::path::Path) -> String {
    docker_through(directory, move |head, client, server| {
        if head.contains("nocache=true") {
            return Build::PassedOn;
        }
        // The whole context is taken first, as the engine does.
        let _ = server.read(&mut [0; 4096]);
        let image = format!("sha256:{}", "cd".repeat(32));
        let message = format!(r#"unable to find image \"{image}\""#);
        let line = format!(r#"{{"errorDetail":{{"message":"{message}"}},"error":"{message}"}}"#);
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
        let _ = write!(client, "{head}Content-Length: {}\r\n\r\n{line}", line.len());
        Build::Answered
    })
}

#[test]
fn a_docker_that_dies_in_a_build_fails_that_step_and_the_next_run_goes_on() {
    let system = System::new();
    let directory = tempfile::tempdir().expect("a directory");
    let docker = docker_that_dies(directory.path());
    let mut command =
        system.repository.command(&["run", "--env", "local", "--output", "json", "--concurrency", "1"]);
    let output = command.env("DOCKER_HOST", docker).output().expect("the pipeline");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{stdout}");
    assert!(stdout.contains(r#""kind":"failed""#) && stdout.contains(r#""hint":"#), "{stdout}");
    system.deploy();
    assert_eq!(system.deploy().result(), RunResult::Unchanged);
}

#[test]
fn a_build_whose_cache_is_deleted_under_it_is_made_again() {
    let system = System::new();
    let directory = tempfile::tempdir().expect("a directory");
    let docker = docker_whose_cache_is_deleted(directory.path());
    let mut command = system.repository.command(&["run", "--env", "local", "--output", "json"]);
    let output = command.env("DOCKER_HOST", docker).output().expect("the pipeline");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{stdout}");
    assert_eq!(
        stdout.matches("an image was deleted while the cache was looked through").count(),
        2,
        "{stdout}"
    );
    assert_eq!(system.deploy().result(), RunResult::Unchanged);
}

#[test]
fn a_git_remote_that_answers_nonsense_is_said_and_asked_again() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/remote.git", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for (turn, mut client) in listener.incoming().flatten().enumerate() {
            let _ = client.read(&mut [0; 4096]);
            let answer = match turn % 3 {
                0 => "HTTP/1.1 500 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                1 => "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nnonsense!",
                _ => "",
            };
            let _ = client.write_all(answer.as_bytes());
        }
    });
    let repository = Repository::with(&[
        (
            "pipeline.yaml",
            "project: PROJECT\nenvironments:\n  local: { region: us-west-2, endpoint: \"ENDPOINT\", branch: main }\nstacks:\n  a:\n",
        ),
        ("stacks/a/template.yaml", "Resources:\n  Topic: { Type: AWS::SNS::Topic }\n"),
    ]);
    repository.git(&["remote", "add", "origin", &url]);
    let running = support::Running::follow(repository.start(&[
        "watch",
        "--env",
        "local",
        "--interval",
        "50ms",
        "--output",
        "json",
    ]));
    support::until("three complaints", || {
        (running.stderr().matches("looking again").count() >= 3).then_some(())
    });
    running.interrupt();
    running.end().code(130);
}

#[test]
fn a_lease_whose_answer_was_lost_is_held_all_the_same() {
    let proxy = Proxy::start();
    let repository = Repository::with(&[
        (
            "pipeline.yaml",
            &format!(
                "project: PROJECT\nenvironments:\n  local: {{ region: eu-west-1, endpoint: {} }}\nstacks:\n  a:\n",
                proxy.endpoint()
            ),
        ),
        ("stacks/a/template.yaml", "Resources:\n  Topic: { Type: AWS::SNS::Topic }\n"),
    ]);
    let _cloud = Cloud::in_region(&repository.project, "eu-west-1");
    repository.pipeline(&["bootstrap", "--env", "local"]).code(0);
    proxy.plan(
        |operation, before| {
            if operation == "PutItem" && before == 0 { Fate::Unanswered } else { Fate::Passed }
        },
    );
    assert_eq!(repository.run(&[]).code(0).changed(), ["stack/a"]);
}

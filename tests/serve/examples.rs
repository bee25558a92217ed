use std::fs;
use std::path::Path;

use pipeline::store::State;
use serde::Deserialize;
use serde_json::Value;

use crate::server::Place;

/// GitHub's examples of one event.
#[derive(Deserialize)]
struct Event {
    name: String,
    examples: Vec<Value>,
}

/// Every example of github.com and of each version of GitHub Enterprise Server: event and body.
fn examples() -> Vec<(String, String)> {
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/deliveries/node_modules");
    let editions = fs::read_dir(packages.join("@octokit/webhooks-examples"))
        .expect("GitHub's examples, which local/github installs");
    let files = editions.map(|edition| edition.expect("an entry").path().join("index.json"));
    let mut examples = Vec::new();
    for file in files.filter(|file| file.exists()) {
        let events: Vec<Event> =
            serde_json::from_slice(&fs::read(&file).expect("a file")).expect("events with examples");
        for Event { name, examples: bodies } in events {
            examples.extend(bodies.into_iter().map(|body| (name.clone(), body.to_string())));
        }
    }
    examples
}

#[test]
fn every_example_of_github_is_taken_and_only_pushes_served_here_are_looked_at() {
    let examples = examples();
    assert!(examples.len() > 500, "only {} examples", examples.len());
    let place = Place::simple();
    // The repository of the examples is one that is served; their branch is not there.
    let another = format!("Codertocat/Hello-World={}", place.remote().display());
    let server = place.serve(&[&another]);
    crate::support::until("two first runs", || {
        let runs = server.runs();
        (runs.len() == 2 && runs.iter().all(|run| run.state == State::Ended)).then_some(())
    });
    let mut pushes = 0;
    for (number, (event, body)) in examples.iter().enumerate() {
        let answer = server.deliver(event, &number.to_string(), body);
        assert_eq!(answer.status, 202, "{event}: {answer:?} to\n{body}");
        let expected: &[&str] = match event.as_str() {
            "push" => &["accepted", "ignored", "duplicate"],
            "ping" => &["pong", "duplicate"],
            _ => &["ignored", "duplicate"],
        };
        assert!(expected.contains(&answer.body.as_str()), "{event}: {answer:?} to\n{body}");
        pushes += usize::from(answer.body == "accepted");
    }
    assert!(pushes > 0, "no example is a push to a branch");
    server.until_said("there is no branch master");
    assert_eq!(server.runs().len(), 2);
    server.stop();
}

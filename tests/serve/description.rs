//! The API does what its description says: schemathesis makes requests from that, valid and invalid ones, and checks the
//! answers.

use std::path::Path;
use std::process::Command;

use pipeline::store::State;
use serde_json::Value;

use crate::server::{Place, TOKEN};

const SCHEMATHESIS: &str = "target/tools/schemathesis/bin/schemathesis";

#[test]
fn the_description_is_true() {
    let place = Place::simple();
    let server = place.serve(&[]);
    server.until_run(&place.head(), State::Ended);
    let description = server.api("GET", "/api/openapi.json", &Value::Null).json();
    assert_eq!(description["openapi"], "3.1.0");
    let file = place.directory().join("openapi.json");
    std::fs::write(&file, description.to_string()).expect("a file");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The same requests each time: nothing is remembered, nothing left to chance.
    let output = Command::new(root.join(SCHEMATHESIS))
        .arg("--config-file")
        .arg(root.join("tests/serve/schemathesis.toml"))
        .arg("run")
        .arg(&file)
        .args(["--url", &format!("http://{}", server.address), "--no-color", "--seed", "1"])
        .args(["--header", &format!("Authorization: Bearer {TOKEN}"), "--generation-deterministic"])
        .args(["--max-examples", "50", "--phases", "examples,coverage,fuzzing"])
        .current_dir(place.directory())
        .output()
        .expect("schemathesis: `make test` installs it");
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{report}\n{}", String::from_utf8_lossy(&output.stderr));
    server.stop();
}

/// Every address below `/api` that the sources route to is described.
#[test]
fn the_description_is_whole() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/serve");
    let description = std::fs::read_to_string(root.join("openapi.json")).expect("a file");
    let description: Value = serde_json::from_str(&description).expect("JSON");
    let described = description["paths"].as_object().expect("paths");
    let mut routed = Vec::new();
    let mut directories = vec![root];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("a file");
                let called = text.split(".route(").skip(1);
                let named = called.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
                routed.extend(named.filter(|path| path.starts_with("/api/")).map(str::to_owned));
            }
        }
    }
    routed.retain(|route| route != "/api/openapi.json");
    routed.sort();
    assert!(routed.len() > 3, "{routed:?}");
    let mut described: Vec<&String> = described.keys().collect();
    described.sort();
    assert_eq!(routed.iter().collect::<Vec<_>>(), described);
}

//! The API does what its description says: schemathesis makes requests from that, valid and invalid ones, and checks the
//! answers.

mod support;

use std::path::Path;
use std::process::Command;

use support::{Api, Broker};

const SCHEMATHESIS: &str = "../../target/tools/schemathesis/bin/schemathesis";

/// The SHA-256 of `key`.
const KEYS: &str = r#"{"tests": "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683"}"#;

#[test]
fn the_description_is_true() {
    let broker = Broker::start();
    let api = Api::with(&broker, &[("AUTHENTICATION", "api-keys"), ("API_KEYS", KEYS)]);
    let directory = tempfile::tempdir().expect("a directory");
    let url = format!("http://127.0.0.1:{}/openapi.json", api.port());
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(SCHEMATHESIS);
    // The same requests each time: nothing is remembered, nothing left to chance.
    let output = Command::new(program)
        .args(["--config-file", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schemathesis.toml")])
        .args(["run", &url, "--header", "Authorization: Bearer key", "--no-color"])
        .args([
            "--seed",
            "1",
            "--generation-deterministic",
            "--max-examples",
            "100",
            "--phases",
            "examples,coverage,fuzzing",
        ])
        .current_dir(directory.path())
        .output()
        .expect("schemathesis: `make target/tools/schemathesis/installed.txt` installs it");
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{report}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(!broker.records().is_empty());
}

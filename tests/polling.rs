//! The local cloud's event source mappings: what is decided about records has tests of its own, in Python.

use std::path::Path;
use std::process::Command;

#[test]
fn records_that_fail_are_dealt_with_as_documented() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(root.join(".venv/bin/python"))
        .args(["-m", "unittest", "discover", "--start-directory", "polling", "--top-level-directory", "."])
        .current_dir(root.join("local"))
        .output()
        .expect("Python, which `make setup` installs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !told.contains("Ran 0 tests"), "{told}");
}

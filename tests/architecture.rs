//! The invariants of `docs/architecture.md` that can be read off the sources.

use std::fs;
use std::path::{Path, PathBuf};

/// The modules; each uses only those to the right of it.
const ORDER: [&str; 26] = [
    "cli",
    "serve",
    "store",
    "github",
    "report",
    "drift",
    "status",
    "init",
    "verify",
    "run",
    "lease",
    "rollout",
    "stack",
    "image",
    "project",
    "source",
    "aws",
    "event",
    "plan",
    "template",
    "config",
    "yaml",
    "failure",
    "location",
    "diagnostic",
    "redact",
];

/// Modules that data goes into and data comes out of, and nothing else.
const PURE: [&str; 8] = ["config", "plan", "template", "yaml", "failure", "location", "diagnostic", "redact"];

/// Crates and modules of the standard library through which I/O would happen.
const IO: [&str; 8] = ["std::fs", "std::net", "std::process", "std::io", "tokio", "aws_", "git2", "bollard"];

#[derive(Debug)]
struct File {
    /// The module of the crate that the file is in.
    module: String,
    path: PathBuf,
    /// The lines of code, without comments.
    lines: Vec<String>,
}

fn sources() -> Vec<File> {
    let mut files = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), None, &mut files);
    assert!(files.len() > 100, "only {} files were found", files.len());
    files
}

fn collect(directory: &Path, module: Option<&str>, files: &mut Vec<File>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let module = module.unwrap_or(&name).to_owned();
        if path.is_dir() {
            collect(&path, Some(&module), files);
        } else if !matches!(module.as_str(), "main" | "lib") {
            let text = fs::read_to_string(&path).expect("a file");
            let lines = text.lines().filter(|line| !line.trim_start().starts_with("//")).map(str::to_owned);
            files.push(File { module, lines: lines.collect(), path });
        }
    }
}

/// Every place at which a file of a module that `concerns` us has one of the words.
fn found<'a>(files: &'a [File], concerns: impl Fn(&str) -> bool, words: &[&str]) -> Vec<&'a Path> {
    let has = |file: &&File| file.lines.iter().any(|line| words.iter().any(|word| line.contains(word)));
    files.iter().filter(|file| concerns(&file.module)).filter(has).map(|file| file.path.as_path()).collect()
}

fn rank(module: &str) -> usize {
    ORDER.iter().position(|known| *known == module).unwrap_or_else(|| panic!("{module} is not in the order"))
}

#[test]
fn modules_use_each_other_in_one_direction() {
    for file in sources() {
        for line in &file.lines {
            for used in line.split("crate::").skip(1) {
                let used = used.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
                assert!(
                    used == file.module || rank(&file.module) < rank(used),
                    "{} must not use {used}: {line}",
                    file.path.display()
                );
            }
        }
    }
}

#[test]
fn the_core_performs_no_io() {
    assert_eq!(found(&sources(), |module| PURE.contains(&module), &IO), Vec::<&Path>::new());
}

#[test]
fn only_outputs_and_verbs_write_to_the_terminal() {
    let elsewhere = |module: &str| !matches!(module, "report" | "cli");
    let words = ["stdout()", "stderr()", "print!(", "println!(", "eprint!(", "eprintln!(", "dbg!("];
    assert_eq!(found(&sources(), elsewhere, &words), Vec::<&Path>::new());
}

#[test]
fn each_thing_has_one_writer() {
    let sources = sources();
    for (module, calls) in [
        ("rollout", [".update_service()", ".publish_version()", ".update_alias()"].as_slice()),
        (
            "stack",
            &[
                ".create_change_set()",
                ".execute_change_set()",
                ".delete_change_set()",
                ".delete_stack()",
                ".create_stack()",
                ".update_stack()",
                ".cancel_update_stack()",
                ".continue_update_rollback()",
                ".rollback_stack()",
            ],
        ),
    ] {
        assert_eq!(found(&sources, |other| other != module, calls), Vec::<&Path>::new());
        assert_ne!(found(&sources, |own| own == module, calls), Vec::<&Path>::new());
    }
}

//! What the documentation says about configuration and output is what the program does.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use pipeline::event::Event;
use pipeline::template::Template;
use serde_json::Value;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a page")
}

/// The name of an event's kind. A new kind does not compile before it is here.
fn kind(event: &Event) -> &'static str {
    match event {
        Event::Started { .. } => "started",
        Event::Waiting { .. } => "waiting",
        Event::StepStarted { .. } => "step_started",
        Event::StepDecided { .. } => "step_decided",
        Event::Activity { .. } => "activity",
        Event::Progress { .. } => "progress",
        Event::Log { .. } => "log",
        Event::Resource { .. } => "resource",
        Event::StepFinished { .. } => "step_finished",
        Event::PlanDiffers { .. } => "plan_differs",
        Event::Warning { .. } => "warning",
        Event::Finished { .. } => "finished",
    }
}

#[test]
fn every_event_is_documented_with_all_its_fields() {
    let page = read("docs/output.md");
    let mut kinds = BTreeSet::new();
    for line in page.lines().filter(|line| line.starts_with('{')) {
        let event: Event = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let written: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(serde_json::to_value(&event).expect("JSON"), written, "a field that does not exist");
        kinds.insert(kind(&event));
    }
    assert_eq!(kinds.len(), 12, "{kinds:?}");
}

#[test]
fn drift_is_documented_with_all_its_fields() {
    let page = read("docs/drift.md");
    let text = page.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an object");
    let report: pipeline::drift::Report = serde_json::from_str(text).expect("a report");
    let written: Value = serde_json::from_str(text).expect("JSON");
    assert_eq!(serde_json::to_value(&report).expect("JSON"), written, "a field that does not exist");
    let told = format!("{report:?}");
    for left_out in ["pending: []", "canary: true", "by_hand: Some", "note: Some", "failure: Some"] {
        assert!(told.contains(left_out), "{left_out}");
    }
}

/// The schema's keys as the page writes them: `workloads.NAME.build.args`.
fn keys(schema: &Value, node: &Value, path: &str, found: &mut BTreeSet<String>) {
    let node = match node.get("$ref").and_then(Value::as_str) {
        Some(reference) => schema.pointer(reference.trim_start_matches('#')).expect("a definition"),
        None => node,
    };
    for variant in ["anyOf", "oneOf"].iter().filter_map(|key| node.get(key)?.as_array()).flatten() {
        keys(schema, variant, path, found);
    }
    for (name, property) in node.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let before = found.len();
        keys(schema, property, &path, found);
        if found.len() == before {
            found.insert(path);
        }
    }
    // Values by a name that the user chooses; those of parameters, tags and arguments have no keys of their own.
    if let Some(values) = node.get("additionalProperties").filter(|values| values.is_object()) {
        keys(schema, values, &format!("{path}.NAME"), found);
    }
}

#[test]
fn every_key_is_documented() {
    let schema = pipeline::config::schema();
    let mut known = BTreeSet::new();
    keys(&schema, &schema, "", &mut known);
    let page = read("docs/configuration.md");
    let section = page.split("## Keys").nth(1).and_then(|rest| rest.split("\n\n").nth(1)).expect("a table");
    let documented: BTreeSet<String> =
        section.lines().skip(2).filter_map(|row| Some(row.split('`').nth(1)?.to_owned())).collect();
    assert_eq!(documented, known);
}

const STACKS: [&str; 7] = ["vpc", "alb", "ecr", "ecs", "msk", "lambda", "pipeline"];

/// The names that the rows of a section's table begin with.
fn rows(page: &str, section: &str) -> BTreeSet<String> {
    let rest = page.split(&format!("## {section}\n")).nth(1).expect("a section");
    let rows = rest.split("\n## ").next().expect("a table").lines().filter(|line| line.starts_with("| `"));
    rows.filter_map(|row| Some(row.split('`').nth(1)?.to_owned())).collect()
}

#[test]
fn every_parameter_and_output_of_a_stack_is_documented() {
    for stack in STACKS {
        let path = format!("stacks/{stack}/template.yaml");
        let template = Template::parse(&path, &read(&path)).expect("a template");
        let page = read(&format!("stacks/{stack}/README.md"));
        assert_eq!(rows(&page, "Parameters"), template.parameters.into_keys().collect(), "{stack}");
        assert_eq!(rows(&page, "Outputs"), template.outputs.into_keys().collect(), "{stack}");
    }
}

#[test]
fn links_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).expect("a directory");
    let docs = docs.map(|entry| format!("docs/{}", entry.expect("an entry").file_name().to_string_lossy()));
    let docs = docs.filter(|path| Path::new(path).extension().is_some_and(|kind| kind == "md"));
    let stacks = STACKS.iter().chain(&["environments"]).map(|stack| format!("stacks/{stack}/README.md"));
    let others = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(str::to_owned);
    for page in docs.chain(stacks).chain(others) {
        let directory = root.join(&page).parent().expect("a directory").to_owned();
        for link in
            read(&page).split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()))
        {
            let exists = link.starts_with("https://") || directory.join(&link).exists();
            assert!(exists, "{page} links to {link}");
        }
    }
}

/// All that is written in a directory, and in those in it.
fn sources(directory: &Path) -> String {
    let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    let text = |path: std::path::PathBuf| match path.extension() {
        _ if path.is_dir() => sources(&path),
        Some(extension) if extension == "rs" => fs::read_to_string(&path).expect("a file"),
        _ => String::new(),
    };
    entries.map(text).collect()
}

#[test]
fn every_fault_has_its_test() {
    let tests = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"));
    let page = read("docs/faults.md");
    let rows: Vec<&str> =
        page.lines().filter(|line| line.starts_with("| ") && line.ends_with("` |")).collect();
    assert!(rows.len() > 20, "{rows:?}");
    for row in rows {
        let named = row.rsplit(" | ").next().expect("a cell").trim_end_matches(" |");
        for test in named.split(", ").map(|name| name.trim_matches('`')) {
            // The store's are made into one for each engine.
            let is_there = [
                format!("#[test]\nfn {test}()"),
                format!("#[tokio::test]\nasync fn {test}()"),
                format!("\nasync fn {test}(place: &Place)"),
            ]
            .iter()
            .any(|test| tests.contains(test));
            assert!(is_there, "there is no test {test}");
        }
    }
}

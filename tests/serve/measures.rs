use pipeline::store::State;
use serde_json::Value;

use crate::server::{Place, Server, check};

/// The lines that are computed from what is remembered, without those that go on.
fn keys(server: &Server) -> Vec<String> {
    let metrics = server.api("GET", "/metrics", &Value::Null).body;
    let of_an_environment = |line: &&str| !line.starts_with('#') && line.contains("environment=");
    metrics.lines().filter(of_an_environment).map(str::to_owned).collect()
}

fn value(keys: &[String], name: &str) -> f64 {
    let labels = r#"{repository="octo/shop",environment="local"} "#;
    let line = keys.iter().find_map(|line| line.strip_prefix(&format!("pipeline_{name}{labels}")));
    line.unwrap_or_else(|| panic!("{name} is not in {keys:#?}")).parse().expect("a number")
}

#[test]
fn the_four_keys_outlive_the_server_and_its_lines_can_be_read_by_programs() {
    let place = Place::simple();
    let server = place.serve(&[]);
    server.until_run(&place.head(), State::Ended);
    place.author.write("stacks/a/template.yaml", "no template");
    let commit = place.push_as_it_is();
    server.tell(&commit);
    server.until_run(&commit, State::Ended);
    place.author.git(&["revert", "--no-edit", "HEAD"]);
    let commit = place.push("restored");
    server.tell(&commit);
    server.until_run(&commit, State::Ended);
    let before = keys(&server);
    assert!((value(&before, "deployments") - 2.0).abs() < f64::EPSILON, "{before:#?}");
    assert!((value(&before, "change_failure_ratios") - 1.0 / 3.0).abs() < 1e-9, "{before:#?}");
    // A commit's time is in whole seconds.
    assert!((0.0..60.0).contains(&value(&before, "lead_time_seconds")), "{before:#?}");
    assert!((0.0..60.0).contains(&value(&before, "restore_time_seconds")), "{before:#?}");
    let metrics = server.api("GET", "/metrics", &Value::Null).body;
    for line in ["pipeline_queue_wait_seconds_count 3", "pipeline_queue_longest_wait_seconds 0.0"] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    server.stop();

    let server = place.serve_and_say("json");
    assert_eq!(keys(&server), before);
    let said = server.stop();
    check(&said);
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(lines.iter().any(|line| line["level"] == "info" && line["message"].as_str().is_some()), "{said}");
}

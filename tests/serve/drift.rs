use pipeline::drift::State as Found;
use pipeline::store::{Drift, State};
use serde_json::Value;

use crate::server::{PIPELINE, Place, Server};
use crate::support::until;

const LOGS: &str = r"
Resources:
  Group: { Type: AWS::Logs::LogGroup, Properties: { LogGroupName: PROJECT-group, RetentionInDays: 7 } }
";

fn found(server: &Server, state: Found) -> Drift {
    until(&format!("{state:?}; said:\n{}", server.said()), || {
        let answer = server.api("GET", "/api/drift", &Value::Null).json();
        let drift: Vec<Drift> = serde_json::from_value(answer).expect("drift");
        drift.into_iter().find(|drift| drift.state == state)
    })
}

#[test]
fn what_is_changed_by_hand_is_found() {
    let place = Place::with(&[("pipeline.yaml", PIPELINE), ("stacks/a/template.yaml", LOGS)]);
    let server = place.serve(&["--drift", "1s"]);
    server.until_run(&place.head(), State::Ended);
    let drift = found(&server, Found::InSync);
    assert_eq!((drift.environment.as_str(), drift.commit), ("local", place.head()));
    place.cloud.keep_logs(&format!("{}-group", place.author.project), 30);
    let drift = found(&server, Found::Drifted);
    assert_eq!(drift.report.expect("a report").drifted(), ["stack/a"]);
    server.stop();
}

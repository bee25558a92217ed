use serde_json::json;

use crate::event::{Event, Outcome, short};
use crate::store::{Notice, Occasion, Run};

/// How much of what failed is told: what people see at a glance.
pub(super) const STEPS: u16 = 5;
const CHARACTERS: usize = 300;

/// What a receiver is told.
#[derive(Debug)]
pub(super) struct Told<'a> {
    occasion: Occasion,
    run: &'a Run,
    /// What failed, a line each.
    failures: Vec<String>,
    /// The run's page, if it is known where people reach it.
    page: Option<String>,
}

impl<'a> Told<'a> {
    /// What there is to tell, given the run's events that tell of a failure.
    pub(super) fn of(notice: &'a Notice, events: &[String], page: Option<String>) -> Self {
        let run = &notice.run;
        let failures = match (notice.occasion, &run.reason) {
            (Occasion::Recovered | Occasion::ApprovalWanted, _) => Vec::new(),
            (Occasion::Failed, Some(reason)) => reason.lines().take(usize::from(STEPS)).map(cut).collect(),
            (Occasion::Failed, None) => events.iter().filter_map(|line| failure(line)).collect(),
        };
        Self { occasion: notice.occasion, run, failures, page }
    }

    /// The same for every time that the same thing is told.
    pub(super) fn key(&self) -> String {
        let key = format!("run-{}-{}", self.run.id, self.occasion.as_str());
        match (self.occasion, &self.run.plan) {
            // A run may have one plan after the other.
            (Occasion::ApprovalWanted, Some(plan)) => format!("{key}-{plan}"),
            _ => key,
        }
    }

    /// For a webhook of Slack, and of what takes the same.
    pub(super) fn slack(&self) -> String {
        let Run { id, repository, environment, branch, commit, .. } = self.run;
        let what = match self.occasion {
            Occasion::Failed => ":x: Deploying",
            Occasion::Recovered => ":white_check_mark: All is well again: deployed",
            Occasion::ApprovalWanted => ":raised_hand: To be approved: deploying",
        };
        let end = match self.occasion {
            Occasion::Failed => " failed",
            Occasion::Recovered | Occasion::ApprovalWanted => "",
        };
        let line = format!("{what} {} of {branch} in {repository} to {environment}{end}", short(commit));
        let run = match &self.page {
            Some(page) => format!("<{}|run {id}>", escaped(page)),
            None => format!("run {id}"),
        };
        let mut text = format!("{} ({run})", escaped(&line));
        if !self.failures.is_empty() {
            // What would end the block is no longer the same.
            let failures = escaped(&self.failures.join("\n")).replace("```", "'''");
            text = format!("{text}\n```{failures}```");
        }
        json!({ "text": text }).to_string()
    }

    /// For whatever takes JSON.
    pub(super) fn generic(&self) -> String {
        let mut told = json!({ "event": self.occasion, "run": self.run, "failures": self.failures });
        if let Some(page) = &self.page {
            told["url"] = page.as_str().into();
        }
        told.to_string()
    }
}

fn failure(line: &str) -> Option<String> {
    match serde_json::from_str(line).ok()? {
        Event::StepFinished { step, outcome: Outcome::Failed { failure }, .. } => {
            Some(cut(&format!("{step}: {}", failure.message)))
        }
        _ => None,
    }
}

fn cut(line: &str) -> String {
    let mut characters = line.chars().filter(|character| !character.is_control());
    let mut text: String = characters.by_ref().take(CHARACTERS).collect();
    if characters.next().is_some() {
        text.push('…');
    }
    text
}

/// Slack reads `<…>` as a link or a mention, and `&…;` as a character.
/// <https://docs.slack.dev/messaging/formatting-message-text#escaping>
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;
    use crate::event::RunResult;
    use crate::store::{Cause, State};

    fn notice(occasion: Occasion, branch: &str, reason: Option<&str>) -> Notice {
        let run = Run {
            id: 41,
            repository: "octo/shop".to_owned(),
            environment: "prod".to_owned(),
            branch: branch.to_owned(),
            commit: "1a2b3c4d5e6f".to_owned(),
            cause: Cause::Push,
            priority: 0,
            state: State::Ended,
            result: Some(RunResult::Failed),
            reason: reason.map(str::to_owned),
            superseded_by: None,
            plan: None,
            approved_by: None,
            created: Timestamp::UNIX_EPOCH,
            started: None,
            ended: None,
        };
        Notice { occasion, run, receiver: String::new(), tries: 0, age: Duration::ZERO }
    }

    const EVENTS: [&str; 2] = [
        r#"{"event":"step_started","step":"stack/a"}"#,
        r#"{"event":"step_finished","step":"stack/a","outcome":{"kind":"failed","failure":{"message":"Kept: a value <b> & more"}},"millis":3}"#,
    ];

    #[test]
    fn what_slack_is_told() {
        let failed = notice(Occasion::Failed, "main", None);
        insta::assert_snapshot!(Told::of(&failed, &EVENTS.map(str::to_owned), None).slack(), @r#"{"text":":x: Deploying 1a2b3c4 of main in octo/shop to prod failed (run 41)\n```stack/a: Kept: a value &lt;b&gt; &amp; more```"}"#);
        let reason = "its process ended with exit code 2\n``` <!channel>";
        let failed = notice(Occasion::Failed, "<!here>", Some(reason));
        insta::assert_snapshot!(Told::of(&failed, &[], None).slack(), @r#"{"text":":x: Deploying 1a2b3c4 of &lt;!here&gt; in octo/shop to prod failed (run 41)\n```its process ended with exit code 2\n''' &lt;!channel&gt;```"}"#);
        let recovered = notice(Occasion::Recovered, "main", None);
        insta::assert_snapshot!(Told::of(&recovered, &EVENTS.map(str::to_owned), None).slack(), @r#"{"text":":white_check_mark: All is well again: deployed 1a2b3c4 of main in octo/shop to prod (run 41)"}"#);
    }

    #[test]
    fn who_is_to_approve_is_told_where() {
        let mut wanted = notice(Occasion::ApprovalWanted, "main", None);
        wanted.run.plan = Some("0123-abc".to_owned());
        let page = || Some("https://deploy.example/runs/41".to_owned());
        let told = Told::of(&wanted, &[], page());
        insta::assert_snapshot!(told.key(), @"run-41-approval_wanted-0123-abc");
        insta::assert_snapshot!(told.slack(), @r#"{"text":":raised_hand: To be approved: deploying 1a2b3c4 of main in octo/shop to prod (<https://deploy.example/runs/41|run 41>)"}"#);
        assert!(told.generic().ends_with(r#""url":"https://deploy.example/runs/41"}"#), "{}", told.generic());
    }

    #[test]
    fn what_others_are_told() {
        let failed = notice(Occasion::Failed, "main", None);
        let told = Told::of(&failed, &EVENTS.map(str::to_owned), None);
        insta::assert_snapshot!(told.key(), @"run-41-failed");
        insta::assert_snapshot!(told.generic(), @r#"{"event":"failed","run":{"id":41,"repository":"octo/shop","environment":"prod","branch":"main","commit":"1a2b3c4d5e6f","cause":"push","priority":0,"state":"ended","result":"failed","created":"1970-01-01T00:00:00Z"},"failures":["stack/a: Kept: a value <b> & more"]}"#);
    }

    #[test]
    fn what_is_long_is_cut() {
        let reason = ["x".repeat(400), "y".to_owned()].concat() + "\n" + &"line\n".repeat(30);
        let failed = notice(Occasion::Failed, "main", Some(&reason));
        let told = Told::of(&failed, &[], None);
        assert_eq!(told.failures.len(), usize::from(STEPS));
        assert_eq!(told.failures[0].chars().count(), CHARACTERS + 1);
    }
}

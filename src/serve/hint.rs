use serde::Deserialize;

use crate::source::is_branch_name;
use crate::store::Ask;

/// What a delivery says, as far as something can follow from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hint {
    /// A branch has a new head.
    Push { repository: String, branch: String },
    /// Somebody asks for something about a branch.
    Ask { repository: String, branch: String, ask: Ask },
    /// GitHub tries whether somebody is there.
    Ping,
    /// Something that nothing follows from: another event, a tag, a branch that was deleted.
    Nothing,
}

#[derive(Deserialize)]
struct Push {
    #[serde(rename = "ref")]
    reference: String,
    #[serde(default)]
    deleted: bool,
    repository: Repository,
}

#[derive(Deserialize)]
struct CheckTold {
    action: String,
    check_run: Check,
    repository: Repository,
}

#[derive(Deserialize)]
struct Check {
    name: String,
    check_suite: Option<Suite>,
}

#[derive(Deserialize)]
struct Suite {
    head_branch: Option<String>,
}

#[derive(Deserialize)]
struct Proposed {
    action: String,
    number: u64,
    pull_request: Ends,
    repository: Repository,
}

#[derive(Deserialize)]
struct Ends {
    head: End,
    base: End,
}

#[derive(Deserialize)]
struct End {
    #[serde(rename = "ref")]
    branch: String,
    /// `None` if the fork is gone.
    repo: Option<Repository>,
}

#[derive(Deserialize)]
struct Repository {
    full_name: String,
}

impl Hint {
    /// Reads the body of a delivery of an event.
    ///
    /// # Errors
    /// If it is none as GitHub describes it.
    pub(super) fn read(event: &str, body: &[u8]) -> Result<Self, serde_json::Error> {
        match event {
            "push" => Ok(Self::of_push(serde_json::from_slice(body)?)),
            "check_run" => Ok(Self::of_check(serde_json::from_slice(body)?)),
            "pull_request" => Ok(Self::of_pull_request(serde_json::from_slice(body)?)),
            "ping" => Ok(Self::Ping),
            _ => Ok(Self::Nothing),
        }
    }

    fn of_push(push: Push) -> Self {
        match push.reference.strip_prefix("refs/heads/") {
            Some(branch) if !push.deleted && is_branch_name(branch) => {
                Self::Push { repository: push.repository.full_name, branch: branch.to_owned() }
            }
            _ => Self::Nothing,
        }
    }
}

impl Hint {
    /// A check of a step of a run that is to run again: the run does, as a whole.
    fn of_check(told: CheckTold) -> Self {
        let branch = told.check_run.check_suite.and_then(|suite| suite.head_branch);
        match (told.action.as_str(), branch, environment_of(&told.check_run.name)) {
            ("rerequested", Some(branch), Some(environment)) if is_branch_name(&branch) => {
                let ask = Ask::Again { environment: environment.to_owned() };
                Self::Ask { repository: told.repository.full_name, branch, ask }
            }
            _ => Self::Nothing,
        }
    }

    /// A pull request from a branch of the repository itself. What comes from a fork is not looked at.
    fn of_pull_request(told: Proposed) -> Self {
        let Ends { head, base } = told.pull_request;
        let repository = told.repository.full_name;
        let new = matches!(told.action.as_str(), "opened" | "synchronize" | "reopened");
        let ours = head.repo.is_some_and(|repo| repo.full_name == repository);
        if !(new && ours && is_branch_name(&head.branch) && is_branch_name(&base.branch)) {
            return Self::Nothing;
        }
        let ask = Ask::Plan { number: told.number, base: base.branch };
        Self::Ask { repository, branch: head.branch, ask }
    }
}

/// The environment of a check that a run has posted: `pipeline/ENVIRONMENT/KIND/NAME`.
fn environment_of(check: &str) -> Option<&str> {
    let mut parts = check.strip_prefix("pipeline/")?.splitn(3, '/');
    let (environment, kind, name) = (parts.next()?, parts.next()?, parts.next()?);
    (matches!(kind, "image" | "stack" | "rollout") && !name.is_empty()).then_some(environment)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(reference: &str, deleted: bool) -> Hint {
        let body = serde_json::json!({
            "ref": reference, "deleted": deleted, "after": "0", "repository": {"full_name": "octo/shop", "id": 1},
        });
        Hint::read("push", body.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_push_to_a_branch_is_one() {
        let hint =
            |branch: &str| Hint::Push { repository: "octo/shop".to_owned(), branch: branch.to_owned() };
        assert_eq!(push("refs/heads/main", false), hint("main"));
        assert_eq!(push("refs/heads/release/1", false), hint("release/1"));
    }

    #[test]
    fn tags_deletions_and_names_that_are_none_are_nothing() {
        for (reference, deleted) in [
            ("refs/tags/v1", false),
            ("refs/heads/main", true),
            ("refs/heads/a..b", false),
            ("refs/heads/", false),
        ] {
            assert_eq!(push(reference, deleted), Hint::Nothing, "{reference}");
        }
    }

    #[test]
    fn a_check_of_a_run_that_is_to_run_again_is_one() {
        let hint = |action: &str, name: &str, branch: Option<&str>| {
            let body = serde_json::json!({
                "action": action, "repository": {"full_name": "octo/shop"},
                "check_run": {"name": name, "check_suite": {"head_branch": branch}},
            });
            Hint::read("check_run", body.to_string().as_bytes()).unwrap()
        };
        let ask = Ask::Again { environment: "prod".to_owned() };
        let (repository, branch) = ("octo/shop".to_owned(), "main".to_owned());
        assert_eq!(
            hint("rerequested", "pipeline/prod/stack/ecs", Some("main")),
            Hint::Ask { repository, branch, ask }
        );
        for (action, name, branch) in [
            ("created", "pipeline/prod/stack/ecs", Some("main")),
            ("rerequested", "lint", Some("main")),
            ("rerequested", "pipeline/plan/prod", Some("main")),
            ("rerequested", "pipeline/prod/stack/ecs", None),
        ] {
            assert_eq!(hint(action, name, branch), Hint::Nothing, "{action} {name}");
        }
    }

    #[test]
    fn a_pull_request_of_the_repository_itself_is_one_and_a_forks_is_nothing() {
        let hint = |action: &str, fork: Option<&str>| {
            let body = serde_json::json!({
                "action": action, "number": 7, "repository": {"full_name": "octo/shop"}, "pull_request": {
                    "head": {"ref": "feature", "repo": fork.map(|name| serde_json::json!({"full_name": name}))},
                    "base": {"ref": "main", "repo": {"full_name": "octo/shop"}},
                },
            });
            Hint::read("pull_request", body.to_string().as_bytes()).unwrap()
        };
        for action in ["opened", "synchronize", "reopened"] {
            let ask = Ask::Plan { number: 7, base: "main".to_owned() };
            let (repository, branch) = ("octo/shop".to_owned(), "feature".to_owned());
            assert_eq!(hint(action, Some("octo/shop")), Hint::Ask { repository, branch, ask });
        }
        for (action, fork) in [("opened", Some("eve/shop")), ("opened", None), ("closed", Some("octo/shop"))]
        {
            assert_eq!(hint(action, fork), Hint::Nothing, "{action} {fork:?}");
        }
    }

    #[test]
    fn other_events_are_nothing_and_a_push_without_a_repository_is_an_error() {
        assert_eq!(Hint::read("ping", b"{}").unwrap(), Hint::Ping);
        assert_eq!(Hint::read("issues", b"not even JSON").unwrap(), Hint::Nothing);
        assert!(Hint::read("push", b"{\"ref\": \"refs/heads/main\"}").is_err());
    }
}

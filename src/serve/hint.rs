use serde::Deserialize;

use crate::source::is_branch_name;

/// What a delivery says, as far as something can follow from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hint {
    /// A branch has a new head.
    Push { repository: String, branch: String },
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
struct Repository {
    full_name: String,
}

impl Hint {
    /// Reads the body of a delivery of an event.
    ///
    /// # Errors
    /// If it is no push as GitHub describes it.
    pub(super) fn read(event: &str, body: &[u8]) -> Result<Self, serde_json::Error> {
        match event {
            "push" => Ok(Self::of_push(serde_json::from_slice(body)?)),
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
    fn other_events_are_nothing_and_a_push_without_a_repository_is_an_error() {
        assert_eq!(Hint::read("ping", b"{}").unwrap(), Hint::Ping);
        assert_eq!(Hint::read("issues", b"not even JSON").unwrap(), Hint::Nothing);
        assert!(Hint::read("push", b"{\"ref\": \"refs/heads/main\"}").is_err());
    }
}

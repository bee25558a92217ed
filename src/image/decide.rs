use super::Found;
use crate::plan::{Action, Decision};

/// What is to be done, given the image that the repository holds under the wanted image's key.
#[must_use]
pub fn decide(live: Option<&Found>) -> Decision {
    match live {
        Some(_) => Decision::new(Action::Nothing, "the image of these inputs is in the repository"),
        None => Decision::new(Action::Build, "no image of these inputs is in the repository"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_only_what_is_not_there() {
        let digest = format!("sha256:{}", "0a".repeat(32)).parse().unwrap();
        assert_eq!(decide(Some(&Found { digest, commit: None })).action, Action::Nothing);
        assert_eq!(decide(None).action, Action::Build);
    }
}

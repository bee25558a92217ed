//! Repositories.

use super::{Risk, Rule, View};

pub const RULES: &[Rule] = &[Rule {
    resource_type: "AWS::ECR::Repository",
    look: mutable_tags,
    advice: "set ImageTagMutability to IMMUTABLE: a tag is the key of an image's content, and should stay so",
}];

fn mutable_tags(repository: &View<'_>) -> Option<Risk> {
    const MUTABILITY: &[&str] = &["ImageTagMutability"];
    let mutability = repository.text(MUTABILITY, "MUTABLE")?;
    (!mutability.starts_with("IMMUTABLE")).then(|| Risk::new(MUTABILITY, "tags can be moved to other images"))
}

use std::path::Path;

use anyhow::Result;
use pipeline::source::Repository;
use serde_json::{Value, json};

use super::times;

const ROUNDS: usize = 15;

/// What it takes to know whether any of the inputs changed between two commits: the pipeline's digests, each time in a
/// repository that was just opened, beside libgit2's own comparison of the two trees.
pub(crate) fn measure(repository: &str, before: &str, after: &str, inputs: &[&str]) -> Result<Value> {
    let inputs: Vec<String> = inputs.iter().map(|&input| input.to_owned()).collect();
    let path = Path::new(repository);
    let digests = times(ROUNDS, || {
        Repository::discover(path)?.snapshot(Some(after))?.digest(&inputs)?;
        Ok(())
    })?;
    let diff = times(ROUNDS, || {
        let git = git2::Repository::open(path)?;
        let tree = |revision| git.revparse_single(revision)?.peel_to_tree();
        git.diff_tree_to_tree(Some(&tree(before)?), Some(&tree(after)?), None)?;
        Ok(())
    })?;
    Ok(json!({ "digests": digests, "libgit2": diff }))
}

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, anyhow, bail};
use git2::Tree;
use sha2::{Digest as _, Sha256};

use super::lookup::{self, Entry, Resolved};
use super::path::TreePath;

/// The digest of the inputs. A directory's identity stands for all that is in it, so nothing below it is hashed again.
pub(super) fn digest(git: &git2::Repository, tree: &Tree<'_>, inputs: &[String]) -> Result<String> {
    let inputs = inputs.iter().map(|input| TreePath::parse(input)).collect::<Result<BTreeSet<_>>>()?;
    if inputs.is_empty() {
        bail!("there are no inputs; write `.` for the whole repository");
    }
    let mut hasher = Sha256::new();
    for path in &inputs {
        let entry = lookup::at(tree, path)?.ok_or_else(|| missing(git, tree, path))?;
        hasher.update(format!("{:06o} {} {}\0", entry.mode, entry.id, shown(path)));
        check(git, tree, &inputs, path, entry)?;
    }
    Ok(hex::encode(hasher.finalize()))
}

/// The root is written as a person writes it.
fn shown(path: &TreePath) -> &str {
    if path.is_root() { "." } else { path.as_str() }
}

/// Refuses what a build would read, but the digest does not cover.
fn check(
    git: &git2::Repository,
    tree: &Tree<'_>,
    inputs: &BTreeSet<TreePath>,
    path: &TreePath,
    entry: Entry,
) -> Result<()> {
    let mut visit = |path: TreePath, entry: Entry| {
        if entry.is_submodule() {
            bail!(
                "{path} is a submodule, whose files are not in this repository; leave it out of the inputs"
            );
        }
        if entry.is_link() { check_link(inputs, &path, &lookup::resolve(git, tree, &path)?) } else { Ok(()) }
    };
    if !entry.is_directory() {
        return visit(path.clone(), entry);
    }
    let below = git.find_tree(entry.id).with_context(|| format!("reading the directory {path}"))?;
    lookup::walk(git, &below, path, &mut visit)
}

/// A link may lead to nothing, as a build may put something there; but not to what other changes change.
fn check_link(inputs: &BTreeSet<TreePath>, path: &TreePath, resolved: &Resolved) -> Result<()> {
    let covered = |place: &TreePath| inputs.iter().any(|input| place.is_within(input));
    match resolved.links.iter().chain([&resolved.place]).find(|place| !covered(place)) {
        Some(place) => bail!(
            "the symbolic link {path} leads to {place}, which is not among the inputs; add {place} to them"
        ),
        None => Ok(()),
    }
}

fn missing(git: &git2::Repository, tree: &Tree<'_>, path: &TreePath) -> anyhow::Error {
    let hint = match nearest(git, tree, path) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => "check the spelling; only what is committed, or would be, counts".to_owned(),
    };
    anyhow!("the input `{path}` is not there; {hint}")
}

/// The path with its first wrong part put right: the name beside it that is most like it.
fn nearest(git: &git2::Repository, tree: &Tree<'_>, path: &TreePath) -> Option<TreePath> {
    let mut directory = TreePath::root();
    for part in path.parts() {
        let here = git.find_tree(lookup::at(tree, &directory).ok()??.id).ok()?;
        if here.get_name(part).is_none() {
            let names = here.iter().filter_map(|entry| entry.name().ok().map(str::to_owned));
            return most_like(part, names).map(|name| directory.join(&name));
        }
        directory = directory.join(part);
    }
    None
}

fn most_like(name: &str, names: impl Iterator<Item = String>) -> Option<String> {
    // Below this, names have little more in common than some letters.
    const ALIKE: f64 = 0.6;
    names
        .map(|other| (strsim::normalized_damerau_levenshtein(name, &other), other))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, name)| name)
}

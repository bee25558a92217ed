use std::path::Path;

use anyhow::{Context as _, Result, bail};
use git2::{ErrorCode, FileMode, Oid, Tree, TreeEntry};

use crate::diagnostic::visible;

use super::path::{MAX_LENGTH, TreePath};

/// How many links may follow each other; as in Linux's own path lookup (`path_resolution(7)`).
const MAX_LINKS: usize = 40;

/// How deep directories may be nested.
const MAX_DEPTH: usize = 500;

/// How many files and directories are looked through.
const MAX_ENTRIES: usize = 3_000_000;

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) mode: i32,
    pub(super) id: Oid,
}

impl Entry {
    pub(super) fn of(entry: &TreeEntry<'_>) -> Self {
        Self { mode: entry.filemode(), id: entry.id() }
    }

    pub(super) fn is_directory(self) -> bool {
        self.mode == i32::from(FileMode::Tree)
    }

    pub(super) fn is_link(self) -> bool {
        self.mode == i32::from(FileMode::Link)
    }

    pub(super) fn is_submodule(self) -> bool {
        self.mode == i32::from(FileMode::Commit)
    }
}

/// Where a path leads when the links on its way are followed.
#[derive(Debug)]
pub(super) struct Resolved {
    /// Every link on the way.
    pub(super) links: Vec<TreePath>,
    /// The place where it ends, which itself is no link.
    pub(super) place: TreePath,
    /// What is there; `None` if nothing is.
    pub(super) entry: Option<Entry>,
}

/// What is at a path, links not followed.
pub(super) fn at(tree: &Tree<'_>, path: &TreePath) -> Result<Option<Entry>> {
    if path.is_root() {
        return Ok(Some(Entry { mode: FileMode::Tree.into(), id: tree.id() }));
    }
    match tree.get_path(Path::new(path.as_str())) {
        Ok(entry) => Ok(Some(Entry::of(&entry))),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("looking up {path} in the tree {}", tree.id())),
    }
}

/// Follows a path and every link in it.
///
/// # Errors
/// If a link leaves the tree, or links lead in a circle.
pub(super) fn resolve(git: &git2::Repository, tree: &Tree<'_>, path: &TreePath) -> Result<Resolved> {
    let mut resolved =
        Resolved { links: Vec::new(), place: TreePath::root(), entry: at(tree, &TreePath::root())? };
    let mut left: Vec<String> = path.parts().rev().map(str::to_owned).collect();
    while let Some(part) = left.pop() {
        if part == ".." {
            let link = resolved.links.last().unwrap_or(path);
            let out = || {
                format!(
                    "the symbolic link {link} leads out of the repository; make it a file, or leave it out"
                )
            };
            resolved.place = resolved.place.parent().with_context(out)?;
        } else {
            resolved.place = resolved.place.join(&part);
        }
        resolved.entry = at(tree, &resolved.place)?;
        if let Some(link) = resolved.entry.filter(|entry| entry.is_link()) {
            follow(git, path, link, &mut resolved, &mut left)?;
        }
    }
    Ok(resolved)
}

/// Goes on from the directory that the link is in, with the link's target before what is left.
fn follow(
    git: &git2::Repository,
    path: &TreePath,
    entry: Entry,
    resolved: &mut Resolved,
    left: &mut Vec<String>,
) -> Result<()> {
    let link = resolved.place.clone();
    resolved.links.push(link.clone());
    if resolved.links.len() > MAX_LINKS {
        bail!("{path} is a circle of symbolic links");
    }
    // The header alone says how long the target is.
    if git.odb()?.read_header(entry.id)?.0 > MAX_LENGTH {
        bail!("the symbolic link {link} leads to a path of more than {MAX_LENGTH} bytes; make it shorter");
    }
    let blob = git.find_blob(entry.id).with_context(|| format!("reading the symbolic link {link}"))?;
    let target = String::from_utf8_lossy(blob.content());
    if target.starts_with('/') {
        bail!(
            "the symbolic link {link} leads out of the repository, to {}; make it relative, or leave it out",
            visible(&target)
        );
    }
    left.extend(target.split('/').rev().filter(|part| !matches!(*part, "" | ".")).map(str::to_owned));
    resolved.place = link.parent().unwrap_or_else(TreePath::root);
    Ok(())
}

/// Calls `visit` with everything below `path`, depth first.
///
/// # Errors
/// If there is more than a repository of this kind holds, a path is too long or too deep to be checked out, or `visit`
/// has one.
pub(super) fn walk(
    git: &git2::Repository,
    tree: &Tree<'_>,
    path: &TreePath,
    visit: &mut impl FnMut(TreePath, Entry) -> Result<()>,
) -> Result<()> {
    // A few trees that hold each other several times stand for more files than there is time.
    let mut left = MAX_ENTRIES;
    below(git, tree, path, &mut left, visit).with_context(|| format!("looking through the directory {path}"))
}

fn below(
    git: &git2::Repository,
    tree: &Tree<'_>,
    path: &TreePath,
    left: &mut usize,
    visit: &mut impl FnMut(TreePath, Entry) -> Result<()>,
) -> Result<()> {
    if path.as_str().len() > MAX_LENGTH || path.parts().count() > MAX_DEPTH {
        bail!("there is a path of more than {MAX_LENGTH} bytes or {MAX_DEPTH} parts");
    }
    *left = left
        .checked_sub(tree.len() + 1)
        .with_context(|| format!("there are more than {MAX_ENTRIES} files and directories"))?;
    for child in tree {
        let (entry, name) = (Entry::of(&child), path.join(&String::from_utf8_lossy(child.name_bytes())));
        if entry.is_directory() {
            let tree = git.find_tree(entry.id).with_context(|| format!("reading the directory {name}"))?;
            below(git, &tree, &name, left, visit)?;
        } else {
            visit(name, entry)?;
        }
    }
    Ok(())
}

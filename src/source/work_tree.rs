use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use git2::{Index, IndexAddOption, IndexEntryExtendedFlag, Oid};

/// Answers to libgit2, which asks before it adds a file.
const ADD: i32 = 0;
const SKIP: i32 = 1;

/// What the work tree holds.
#[derive(Debug)]
pub(super) struct WorkTree {
    /// The tree that a commit of everything in it would have: changed, new and deleted files count, ignored ones don't.
    pub(super) tree: Oid,
    /// Whether all of the tree's files are there. In a sparse checkout some are not, and yet not deleted.
    pub(super) complete: bool,
}

/// Looks at the work tree, and writes the objects that a commit of it would have. The index is changed in memory only.
///
/// `git` is opened for this call, as its index is not what is on disk any more afterwards.
pub(super) fn look(git: &git2::Repository) -> Result<WorkTree> {
    let root = || git.workdir().unwrap_or(git.path()).display();
    let mut index = git.index().with_context(|| format!("reading the index of {}", root()))?;
    if index.has_conflicts() {
        bail!("{} has an unresolved merge; resolve it and `git add` what it concerns", root());
    }
    let sparse = sparse(&index);
    add_all(&mut index, &sparse).with_context(|| format!("reading the work tree {}", root()))?;
    let tree = index.write_tree().with_context(|| format!("recording the work tree {}", root()))?;
    Ok(WorkTree { tree, complete: sparse.is_empty() })
}

/// The files that a sparse checkout leaves out.
fn sparse(index: &Index) -> HashSet<Vec<u8>> {
    let skipped = IndexEntryExtendedFlag::SKIP_WORKTREE.bits();
    index.iter().filter(|entry| entry.flags_extended & skipped != 0).map(|entry| entry.path).collect()
}

fn add_all(index: &mut Index, sparse: &HashSet<Vec<u8>>) -> Result<()> {
    let mut repositories = Vec::new();
    let mut choose = |path: &Path, _: &[u8]| {
        repositories.extend(repository(path));
        let skip = repository(path).is_some() || sparse.contains(path.as_os_str().as_bytes());
        if skip { SKIP } else { ADD }
    };
    index.add_all(["*"], IndexAddOption::DEFAULT, Some(&mut choose))?;
    for path in repositories {
        index.add_path(&path).with_context(|| {
            format!(
                "{} is a git repository of its own; commit in it once, or add it to .gitignore",
                path.display()
            )
        })?;
    }
    Ok(())
}

/// Another repository inside this one, which git records by the commit it is at. libgit2 marks it with a slash at the
/// end of the path, but does not take the path back with one.
fn repository(path: &Path) -> Option<PathBuf> {
    path.as_os_str().as_bytes().ends_with(b"/").then(|| path.components().collect())
}

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use git2::build::CheckoutBuilder;
use git2::{Oid, Signature, Time};

use super::repository::Repository;
use super::snapshot::Snapshot;

/// A directory with a snapshot's files in it, for one user at a time: it is free again when this is dropped.
#[derive(Debug)]
pub struct Checkout {
    path: PathBuf,
    _lock: File,
}

impl Checkout {
    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Repository {
    /// Puts the snapshot's files into a directory that is kept inside git's own, so that builds in it don't start
    /// from nothing the next time: files that are the same keep their times, ignored ones (build outputs) stay,
    /// all others become as in the snapshot or go.
    ///
    /// Submodules are left empty, and files in Git LFS are its pointers: only what the repository itself holds
    /// is there.
    ///
    /// # Errors
    /// If the directory is in use by another process, or can't be written.
    pub fn checkout(&self, snapshot: &Snapshot) -> Result<Checkout> {
        let directory = self.handle.directory().join("pipeline");
        let path = directory.join("checkout");
        fs::create_dir_all(&path).with_context(|| format!("creating {}", path.display()))?;
        let lock = lock(&directory.join("checkout.lock"))?;
        let objects = self.handle.lock().commondir().join("objects");
        fill(&path, &directory.join("checkout.git"), &objects, snapshot.id())
            .with_context(|| format!("checking commit {} out into {}", snapshot.commit, path.display()))?;
        Ok(Checkout { path, _lock: lock })
    }
}

/// Puts the tree's files into `path`, if need be from nothing: what was there last may be of no use, as when git has
/// deleted its objects since.
fn fill(path: &Path, shadow: &Path, objects: &Path, tree: Oid) -> Result<()> {
    if update(path, shadow, objects, tree).is_ok() {
        return Ok(());
    }
    for directory in [path, shadow] {
        if directory.exists() {
            fs::remove_dir_all(directory).with_context(|| format!("deleting {}", directory.display()))?;
        }
    }
    fs::create_dir_all(path)?;
    update(path, shadow, objects, tree)
}

fn lock(path: &Path) -> Result<File> {
    let file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "the checkout is in use by another run in this repository ({} is locked); wait until that has ended",
            path.display()
        ),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("locking {}", path.display())),
    }
}

/// A repository beside the user's own, with the user's objects and a `HEAD` and an index that belong to the checkout.
///
/// `HEAD` is what was checked out last, which tells files to be deleted from files that a build made, and the index
/// knows which files are unchanged since. Neither paths nor objects are recorded in it: the user's repository may be moved.
fn open(directory: &Path, work_tree: &Path, objects: &Path) -> Result<git2::Repository> {
    let git = match git2::Repository::open_bare(directory) {
        Ok(git) => git,
        Err(_) => git2::Repository::init_bare(directory)?,
    };
    let objects = objects.to_str().ok_or_else(|| anyhow!("{} is not UTF-8", objects.display()))?;
    git.odb()?.add_disk_alternate(objects)?;
    git.set_workdir(work_tree, false)?;
    let mut config = git.config()?;
    // What is checked out depends on the tree alone, not on the machine.
    config.set_bool("core.autocrlf", false)?;
    config.set_bool("core.logAllRefUpdates", false)?;
    Ok(git)
}

fn update(path: &Path, shadow: &Path, objects: &Path, tree: Oid) -> Result<()> {
    let git = open(shadow, path, objects)?;
    let tree = git.find_tree(tree)?;
    let mut options = CheckoutBuilder::new();
    options.force().remove_untracked(true).remove_ignored(false);
    git.checkout_tree(tree.as_object(), Some(&mut options))?;
    // The same tree is always the same commit here, so these don't pile up.
    let nobody = Signature::new("pipeline", "pipeline@localhost", &Time::new(0, 0))?;
    let commit = git.commit(None, &nobody, &nobody, "checkout", &tree, &[])?;
    git.set_head_detached(commit)?;
    Ok(())
}

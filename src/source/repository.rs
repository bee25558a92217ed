use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result, anyhow, bail};
use git2::{ErrorCode, Oid, RepositoryOpenFlags};
use jiff::Timestamp;

use super::credentials::Token;
use super::snapshot::Snapshot;
use super::work_tree;

/// A git repository with a work tree.
#[derive(Debug, Clone)]
pub struct Repository {
    pub(super) handle: Handle,
    pub(super) token: Option<Token>,
}

impl Repository {
    /// The repository that `path` is in.
    ///
    /// # Errors
    /// If `path` is in no repository, or in one without a work tree.
    pub fn discover(path: &Path) -> Result<Self> {
        Ok(Self { handle: Handle::discover(path)?, token: None })
    }

    /// The same repository, with a token for its remote.
    #[must_use]
    pub fn with_token(mut self, token: Option<Token>) -> Self {
        self.token = token;
        self
    }

    /// The work tree's directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.handle.root()
    }

    /// What a revision holds: a branch, a tag, a commit's identity or the start of it, `HEAD~2`, `origin/main`.
    ///
    /// Without a revision it is what the work tree holds: `HEAD`, or if files differ from it, are new or are gone,
    /// the tree that a commit of all of them would have. What `.gitignore` names is no part of it.
    ///
    /// # Errors
    /// If there is no such revision, no commit yet, or the work tree has an unresolved merge.
    pub fn snapshot(&self, revision: Option<&str>) -> Result<Snapshot> {
        match revision {
            Some(revision) => self.committed(revision),
            None => self.current(),
        }
    }

    /// Whether the work tree holds exactly the snapshot's files (and ignored ones), so that a build can happen in it.
    ///
    /// # Errors
    /// If the work tree can't be read.
    pub fn working_tree_matches(&self, snapshot: &Snapshot) -> Result<bool> {
        let work_tree = work_tree::look(&self.handle.reopen()?)?;
        Ok(work_tree.complete && work_tree.tree == snapshot.id())
    }

    /// Whether a commit is among those that lead to another one, which it is not itself. A commit that is not known
    /// here is not.
    #[must_use]
    pub fn is_ancestor(&self, older: &str, newer: &str) -> bool {
        let commits = Oid::from_str(older).and_then(|older| Ok((older, Oid::from_str(newer)?)));
        commits
            .and_then(|(older, newer)| self.handle.lock().graph_descendant_of(newer, older))
            .unwrap_or(false)
    }

    /// When a commit was made; `None` if it is not known here.
    #[must_use]
    pub fn committed_at(&self, commit: &str) -> Option<Timestamp> {
        let git = self.handle.lock();
        let commit = git.find_commit(Oid::from_str(commit).ok()?).ok()?;
        Timestamp::from_second(commit.time().seconds()).ok()
    }

    fn committed(&self, revision: &str) -> Result<Snapshot> {
        let git = self.handle.lock();
        let object = git.revparse_single(revision).map_err(|error| self.unknown(&git, revision, &error))?;
        let commit = object
            .peel_to_commit()
            .with_context(|| format!("`{revision}` in {} is not a commit", self.root().display()))?;
        Ok(Snapshot::new(self.handle.clone(), &commit, commit.tree_id()))
    }

    fn current(&self) -> Result<Snapshot> {
        let git = self.handle.reopen()?;
        let head = git.head().map_err(|error| match error.code() {
            ErrorCode::UnbornBranch => {
                anyhow!("{} has no commit yet; commit once first", self.root().display())
            }
            _ => anyhow!(error).context(format!("reading HEAD of {}", self.root().display())),
        })?;
        let commit = head.peel_to_commit()?;
        let found = work_tree::look(&git)?;
        Ok(Snapshot::new(self.handle.clone(), &commit, found.tree).of_work_tree(found.complete))
    }

    fn unknown(&self, git: &git2::Repository, revision: &str, error: &git2::Error) -> anyhow::Error {
        let next = match error.code() {
            ErrorCode::Ambiguous => "more than one object begins so; write more of its identity",
            _ if git.is_shallow() => "the clone is shallow and may lack it; fetch its whole history",
            _ => "check the spelling, or fetch it first",
        };
        anyhow!("there is no revision `{revision}` in {}: {}; {next}", self.root().display(), error.message())
    }
}

/// An open repository that threads share.
#[derive(Clone)]
pub(super) struct Handle {
    git: Arc<Mutex<git2::Repository>>,
    root: PathBuf,
    directory: PathBuf,
}

impl Handle {
    fn discover(path: &Path) -> Result<Self> {
        let git = open(path)?;
        let Some(root) = git.workdir() else {
            bail!("{} is a bare repository; run in a clone with a work tree", git.path().display());
        };
        let (root, directory) = (root.components().collect(), git.path().components().collect());
        Ok(Self { git: Arc::new(Mutex::new(git)), root, directory })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, git2::Repository> {
        // Nothing is left half done in it by a panic: what is written, libgit2 writes.
        self.git.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The repository once more: changes to its index or configuration in memory end with it, and nobody waits.
    pub(super) fn reopen(&self) -> Result<git2::Repository> {
        open(&self.root)
    }

    /// Where the repository keeps its own files; each linked work tree has such a place of its own.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.root).finish()
    }
}

fn open(path: &Path) -> Result<git2::Repository> {
    let none: [&Path; 0] = [];
    git2::Repository::open_ext(path, RepositoryOpenFlags::CROSS_FS, none).map_err(|error| {
        match error.code() {
            ErrorCode::NotFound => anyhow!(
                "{} is not in a git repository; run inside one, or make one with `git init`",
                path.display()
            ),
            ErrorCode::Owner => anyhow!(
                "{}; if you trust it: git config --global --add safe.directory {}",
                error.message(),
                path.display()
            ),
            _ => anyhow!(error).context(format!("opening the git repository at {}", path.display())),
        }
    })
}

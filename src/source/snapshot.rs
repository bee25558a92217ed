use anyhow::{Context as _, Result, bail};
use git2::{Commit, ObjectType, Oid};

use super::digest;
use super::lookup::{self, Entry};
use super::path::TreePath;
use super::repository::Handle;
use crate::event::Revision;

/// The largest file that is read, in bytes. Templates end at 1 MiB, CloudFormation's own limit; what is larger than
/// this is no text that somebody meant to be read.
const MAX_FILE: usize = 10 * 1024 * 1024;

/// The files of a commit, or of a work tree with changes that are in none.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The commit's full identity. For a dirty tree the commit it is based on.
    pub commit: String,
    /// The first line of the commit's message.
    pub subject: String,
    /// The tree's full identity.
    pub tree: String,
    /// Whether the tree holds changes that are in no commit.
    pub dirty: bool,
    handle: Handle,
    id: Oid,
    in_place: bool,
}

impl Snapshot {
    pub(super) fn new(handle: Handle, commit: &Commit<'_>, tree: Oid) -> Self {
        let subject = commit.summary_bytes().map(String::from_utf8_lossy).unwrap_or_default();
        Self {
            commit: commit.id().to_string(),
            subject: subject.into_owned(),
            tree: tree.to_string(),
            dirty: commit.tree_id() != tree,
            handle,
            id: tree,
            in_place: false,
        }
    }

    /// The same snapshot, read off the work tree, in which all of its files are if `complete`.
    pub(super) fn of_work_tree(mut self, complete: bool) -> Self {
        self.in_place = complete;
        self
    }

    /// Whether it was read off the work tree a moment ago and all of its files are there, so that it need not be
    /// compared with it.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        self.in_place
    }

    /// A file's content, or `None` if there is none at this path. Symbolic links are followed inside the tree.
    ///
    /// # Errors
    /// If the path is absolute or has `..` in it, leads out of the tree, is no file, or the file is larger than 10 MiB.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        let git = self.handle.lock();
        let path = TreePath::parse(path)?;
        let Some(entry) = self.resolve(&git, &path)? else { return Ok(None) };
        if entry.is_directory() || entry.is_submodule() {
            bail!("{path} is a directory in {}, not a file", self.name());
        }
        // The header alone says how large it is.
        let (size, kind) = git.odb()?.read_header(entry.id).with_context(|| self.reading(&path))?;
        if kind != ObjectType::Blob || size > MAX_FILE {
            bail!("{path} in {} has {size} bytes; up to {MAX_FILE} are read", self.name());
        }
        Ok(Some(git.find_blob(entry.id).with_context(|| self.reading(&path))?.content().to_vec()))
    }

    /// Whether there is a file or directory at this path.
    ///
    /// # Errors
    /// If the path is absolute, has `..` in it or leads out of the tree.
    pub fn exists(&self, path: &str) -> Result<bool> {
        Ok(self.resolve(&self.handle.lock(), &TreePath::parse(path)?)?.is_some())
    }

    /// The paths of all files and symbolic links, sorted.
    ///
    /// # Errors
    /// If git's objects can't be read.
    pub fn paths(&self) -> Result<Vec<String>> {
        let git = self.handle.lock();
        let mut paths = Vec::new();
        lookup::walk(&git, &git.find_tree(self.id)?, &TreePath::root(), &mut |path, entry| {
            if !entry.is_submodule() {
                paths.push(path.as_str().to_owned());
            }
            Ok(())
        })?;
        paths.sort_unstable();
        Ok(paths)
    }

    /// The names of the files that are in a directory itself; none if there is no such directory.
    ///
    /// # Errors
    /// If the path is absolute, has `..` in it or leads out of the tree.
    pub fn names_in(&self, directory: &str) -> Result<Vec<String>> {
        let git = self.handle.lock();
        let found = self.resolve(&git, &TreePath::parse(directory)?)?;
        let Some(found) = found.filter(|found| found.is_directory()) else { return Ok(Vec::new()) };
        let tree = git.find_tree(found.id)?;
        let files = tree.iter().filter(|entry| entry.kind() == Some(ObjectType::Blob));
        Ok(files.map(|entry| String::from_utf8_lossy(entry.name_bytes()).into_owned()).collect())
    }

    /// A SHA-256 digest of the files and directories at these paths, in hexadecimal: of their paths, modes and object
    /// identities, whatever their order. It changes if and only if one of them does.
    ///
    /// # Errors
    /// If there are no inputs, one is not in the tree, or there is something in them whose content the tree does not
    /// hold: a submodule, or a symbolic link out of them.
    pub fn digest(&self, inputs: &[String]) -> Result<String> {
        let git = self.handle.lock();
        let tree = git.find_tree(self.id)?;
        digest::digest(&git, &tree, inputs)
            .with_context(|| format!("taking the digest of the inputs in {}", self.name()))
    }

    /// The tree's identity.
    pub(super) fn id(&self) -> Oid {
        self.id
    }

    fn resolve(&self, git: &git2::Repository, path: &TreePath) -> Result<Option<Entry>> {
        let tree = git.find_tree(self.id).with_context(|| self.reading(path))?;
        Ok(lookup::resolve(git, &tree, path).with_context(|| self.reading(path))?.entry)
    }

    fn reading(&self, path: &TreePath) -> String {
        format!("reading {path} in {}", self.name())
    }

    fn name(&self) -> String {
        format!("commit {}", Revision::from(self).short())
    }
}

impl From<&Snapshot> for Revision {
    fn from(snapshot: &Snapshot) -> Self {
        Self {
            commit: snapshot.commit.clone(),
            subject: snapshot.subject.clone(),
            tree: snapshot.tree.clone(),
            dirty: snapshot.dirty,
        }
    }
}

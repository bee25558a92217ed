//! git as the pipeline sees it, on real repositories.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

#[path = "source/checkouts.rs"]
mod checkouts;
#[path = "source/digests.rs"]
mod digests;
#[path = "source/dirty_trees.rs"]
mod dirty_trees;
#[path = "source/discovery.rs"]
mod discovery;
#[path = "source/files.rs"]
mod files;
#[path = "source/remotes.rs"]
mod remotes;
#[path = "source/revisions.rs"]
mod revisions;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use git2::{IndexAddOption, Oid, RepositoryInitOptions, Signature};
use pipeline::source::{Repository, Snapshot};
use tempfile::TempDir;

/// A repository on the branch `main`.
struct Work {
    directory: TempDir,
    git: git2::Repository,
}

impl Work {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut options = RepositoryInitOptions::new();
        options.initial_head("main");
        let git = git2::Repository::init_opts(directory.path(), &options).unwrap();
        Self { directory, git }
    }

    fn with(files: &[(&str, &str)]) -> Self {
        let work = Self::new();
        for (path, content) in files {
            work.write(path, content);
        }
        work.commit("first");
        work
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    fn write(&self, path: &str, content: &str) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), content).unwrap();
    }

    fn remove(&self, path: &str) {
        fs::remove_file(self.path(path)).unwrap();
    }

    fn link(&self, path: &str, target: &str) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        symlink(target, self.path(path)).unwrap();
    }

    fn stage(&self) {
        let mut index = self.git.index().unwrap();
        index.add_all(["*"], IndexAddOption::DEFAULT, None).unwrap();
        index.write().unwrap();
    }

    fn commit(&self, message: &str) -> String {
        self.stage();
        let tree = self.git.index().unwrap().write_tree().unwrap();
        self.commit_tree(tree, message)
    }

    fn commit_tree(&self, tree: Oid, message: &str) -> String {
        let tree = self.git.find_tree(tree).unwrap();
        let somebody = Signature::now("Somebody", "somebody@example.org").unwrap();
        let parent = self.git.head().ok().and_then(|head| head.peel_to_commit().ok());
        let parents: Vec<_> = parent.iter().collect();
        self.git.commit(Some("HEAD"), &somebody, &somebody, message, &tree, &parents).unwrap().to_string()
    }

    /// Commits a submodule without having one.
    fn commit_submodule(&self, path: &str) {
        let mut index = self.git.index().unwrap();
        let id = self.git.head().unwrap().target().unwrap();
        let time = git2::IndexTime::new(0, 0);
        let entry = git2::IndexEntry {
            ctime: time,
            mtime: time,
            dev: 0,
            ino: 0,
            mode: 0o160_000,
            uid: 0,
            gid: 0,
            file_size: 0,
            id,
            flags: 0,
            flags_extended: 0,
            path: path.into(),
        };
        index.add(&entry).unwrap();
        let tree = index.write_tree().unwrap();
        self.commit_tree(tree, "a submodule");
    }

    fn open(&self) -> Repository {
        Repository::discover(self.directory.path()).unwrap()
    }

    fn snapshot(&self) -> Snapshot {
        self.open().snapshot(None).unwrap()
    }

    fn head(&self) -> Snapshot {
        self.open().snapshot(Some("HEAD")).unwrap()
    }

    fn digest(&self, inputs: &[&str]) -> String {
        digest(&self.head(), inputs).unwrap()
    }

    fn refused(&self, inputs: &[&str]) -> String {
        digest(&self.head(), inputs).unwrap_err()
    }

    /// A bare copy, which is the remote `origin` from here on.
    fn with_remote(&self) -> (TempDir, git2::Repository) {
        let directory = tempfile::tempdir().unwrap();
        let bare = git2::Repository::init_bare(directory.path()).unwrap();
        self.git.remote("origin", &format!("file://{}", directory.path().display())).unwrap();
        self.push("main");
        (directory, bare)
    }

    fn push(&self, branch: &str) {
        let mut remote = self.git.find_remote("origin").unwrap();
        remote.push(&[format!("+HEAD:refs/heads/{branch}")], None).unwrap();
    }
}

fn digest(snapshot: &Snapshot, inputs: &[&str]) -> Result<String, String> {
    let inputs: Vec<_> = inputs.iter().map(ToString::to_string).collect();
    snapshot.digest(&inputs).map_err(|error| format!("{error:#}"))
}

fn text(snapshot: &Snapshot, path: &str) -> Option<String> {
    snapshot.read(path).unwrap().map(|content| String::from_utf8(content).unwrap())
}

fn error<T>(result: anyhow::Result<T>) -> String {
    format!("{:#}", result.err().unwrap())
}

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use pipeline::source::Repository;

use super::{Work, error, text};

fn list(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(list(&entry.path()).into_iter().map(|below| format!("{name}/{below}")));
        } else {
            found.push(name);
        }
    }
    found.sort_unstable();
    found
}

#[test]
fn hold_exactly_the_snapshot_and_go_from_one_to_the_next() {
    let work = Work::with(&[("a/old", "1"), ("a/same", "1"), ("b", "1")]);
    fs::set_permissions(work.path("b"), fs::Permissions::from_mode(0o755)).unwrap();
    work.link("link", "a/same");
    work.commit("old");
    let (open, old) = (work.open(), work.head());
    work.remove("a/old");
    work.write("a/new", "2");
    work.write("b", "2");
    work.commit("new");
    let new = work.head();

    for (snapshot, paths) in [
        (&old, vec!["a/old", "a/same", "b", "link"]),
        (&new, vec!["a/new", "a/same", "b", "link"]),
        (&old, vec!["a/old", "a/same", "b", "link"]),
    ] {
        let checkout = open.checkout(snapshot).unwrap();
        assert_eq!(list(checkout.path()), paths);
        assert_eq!(fs::read_to_string(checkout.path().join("b")).unwrap(), text(snapshot, "b").unwrap());
        assert_eq!(fs::read_link(checkout.path().join("link")).unwrap(), Path::new("a/same"));
        let mode = fs::metadata(checkout.path().join("b")).unwrap().permissions().mode();
        assert_ne!(mode & 0o100, 0);
    }
    assert!(!work.snapshot().dirty);
}

#[test]
fn keep_build_outputs_and_undo_what_else_a_build_did() {
    let work = Work::with(&[("src/file", "1"), (".gitignore", "/target\n")]);
    let (open, head) = (work.open(), work.head());
    let checkout = open.checkout(&head).unwrap();
    let path = checkout.path().to_owned();
    fs::create_dir(path.join("target")).unwrap();
    fs::write(path.join("target/output"), "kept").unwrap();
    fs::write(path.join("src/file"), "spoilt").unwrap();
    fs::write(path.join("src/generated"), "left over").unwrap();
    drop(checkout);
    let checkout = open.checkout(&head).unwrap();
    assert_eq!(list(checkout.path()), [".gitignore", "src/file", "target/output"]);
    assert_eq!(fs::read_to_string(path.join("src/file")).unwrap(), "1");
}

#[test]
fn leave_unchanged_files_as_they_are() {
    let work = Work::with(&[("same", "1"), ("other", "1")]);
    let (open, old) = (work.open(), work.head());
    let modified = |name: &str| {
        let path = work.path(".git/pipeline/checkout").join(name);
        fs::metadata(path).unwrap().modified().unwrap()
    };
    drop(open.checkout(&old).unwrap());
    let before = (modified("same"), modified("other"));
    work.write("other", "22");
    work.commit("new");
    drop(open.checkout(&work.head()).unwrap());
    assert_eq!(modified("same"), before.0);
    assert_ne!(modified("other"), before.1);
}

#[test]
fn do_not_touch_the_users_head_index_and_files() {
    let work = Work::with(&[("file", "1")]);
    let (open, old) = (work.open(), work.head());
    work.write("file", "2");
    let new = work.commit("new");
    let index = fs::read(work.path(".git/index")).unwrap();
    drop(open.checkout(&old).unwrap());
    assert_eq!(fs::read(work.path(".git/index")).unwrap(), index);
    assert_eq!(work.head().commit, new);
    assert_eq!(fs::read_to_string(work.path("file")).unwrap(), "2");
    assert!(!work.snapshot().dirty);
}

#[test]
fn are_for_one_at_a_time() {
    let work = Work::with(&[("file", "1")]);
    let (open, head) = (work.open(), work.head());
    let first = open.checkout(&head).unwrap();
    assert!(error(open.checkout(&head)).contains("in use by another run"));
    drop(first);
    open.checkout(&head).unwrap();
}

#[test]
fn take_dirty_trees_too() {
    let work = Work::with(&[("file", "1")]);
    work.write("new", "1");
    let dirty = work.snapshot();
    work.remove("new");
    let checkout = work.open().checkout(&dirty).unwrap();
    assert_eq!(list(checkout.path()), ["file", "new"]);
}

#[test]
fn start_anew_when_what_was_there_is_of_no_use() {
    let work = Work::with(&[("file", "1")]);
    let (open, head) = (work.open(), work.head());
    work.write("gone", "1");
    let dirty = work.snapshot();
    work.remove("gone");
    drop(open.checkout(&dirty).unwrap());
    // As `git gc --prune=now` would.
    fs::remove_file(work.path(".git/objects").join(&dirty.tree[..2]).join(&dirty.tree[2..])).unwrap();
    let checkout = work.open().checkout(&head).unwrap();
    assert_eq!(list(checkout.path()), ["file"]);
}

#[test]
fn work_in_a_linked_work_tree() {
    let work = Work::with(&[("file", "1")]);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("linked");
    work.git.worktree("linked", &path, None).unwrap();
    let linked = Repository::discover(&path).unwrap();
    assert_eq!(linked.root(), path.canonicalize().unwrap());
    let (one, other) = (work.open(), linked.snapshot(None).unwrap());
    let (one, other) = (one.checkout(&work.head()).unwrap(), linked.checkout(&other).unwrap());
    assert_ne!(one.path(), other.path());
    assert_eq!(list(other.path()), ["file"]);
}

use std::fs;
use std::path::Path;

use git2::IndexEntryExtendedFlag;

use super::{Work, digest, error, text};

#[test]
fn a_clean_one_is_its_head() {
    let work = Work::with(&[("file", "1"), (".gitignore", "/target\n")]);
    work.write("target/output", "");
    let snapshot = work.snapshot();
    assert!(!snapshot.dirty);
    assert_eq!(snapshot.tree, work.head().tree);
}

#[test]
fn every_kind_of_change_counts_and_ignored_files_do_not() {
    let work = Work::with(&[("changed", "1"), ("gone", "1"), ("staged", "1"), (".gitignore", "*.log\n")]);
    work.write("staged", "2");
    work.write("staged-then-gone", "1");
    work.stage();
    work.remove("staged-then-gone");
    work.write("changed", "2");
    work.remove("gone");
    work.write("new/file", "1");
    work.write("build.log", "1");
    let snapshot = work.snapshot();
    assert!(snapshot.dirty);
    assert_eq!(snapshot.commit, work.head().commit);
    assert_eq!(snapshot.paths().unwrap(), [".gitignore", "changed", "new/file", "staged"]);
    assert_eq!(text(&snapshot, "changed").as_deref(), Some("2"));
    assert_eq!(text(&snapshot, "staged").as_deref(), Some("2"));
}

#[test]
fn the_index_is_left_alone_and_nothing_leaks_into_the_next() {
    let work = Work::with(&[("file", "1")]);
    let index = fs::read(work.path(".git/index")).unwrap();
    let open = work.open();
    work.write("new", "1");
    assert!(open.snapshot(None).unwrap().dirty);
    assert_eq!(fs::read(work.path(".git/index")).unwrap(), index);
    work.remove("new");
    assert!(!open.snapshot(None).unwrap().dirty);
}

#[test]
fn the_same_changes_make_the_same_tree_as_a_commit_of_them() {
    let work = Work::with(&[("file", "1")]);
    work.write("file", "2");
    work.write("new", "1");
    let dirty = work.snapshot();
    work.commit("changes");
    assert_eq!(work.head().tree, dirty.tree);
    assert_eq!(work.digest(&["."]), digest(&dirty, &["."]).unwrap());
}

#[test]
fn an_unresolved_merge_is_refused() {
    let work = Work::with(&[("file", "1")]);
    let base = work.git.head().unwrap().peel_to_commit().unwrap();
    work.write("file", "2");
    work.commit("ours");
    let ours = work.git.head().unwrap().peel_to_commit().unwrap();
    work.git.branch("theirs", &base, false).unwrap();
    work.git.set_head("refs/heads/theirs").unwrap();
    work.write("file", "3");
    work.commit("theirs");
    let ours = work.git.find_annotated_commit(ours.id()).unwrap();
    work.git.merge(&[&ours], None, None).unwrap();
    assert!(error(work.open().snapshot(None)).contains("unresolved merge"));
}

#[test]
fn another_repository_inside_is_no_input() {
    let work = Work::with(&[("file", "1")]);
    let inner = Work::with(&[("file", "1")]);
    fs::rename(inner.directory.path(), work.path("inner")).unwrap();
    let snapshot = work.snapshot();
    assert!(digest(&snapshot, &["."]).unwrap_err().contains("inner is a submodule"));
    digest(&snapshot, &["file"]).unwrap();
}

#[test]
fn what_a_sparse_checkout_leaves_out_is_not_deleted_but_not_there_either() {
    let work = Work::with(&[("file", "1"), ("left/out", "1"), ("gone", "1")]);
    let mut index = work.git.index().unwrap();
    let mut entry = index.get_path(Path::new("left/out"), 0).unwrap();
    entry.flags_extended |= IndexEntryExtendedFlag::SKIP_WORKTREE.bits();
    index.add(&entry).unwrap();
    index.write().unwrap();
    work.remove("left/out");
    let snapshot = work.snapshot();
    assert!(!snapshot.dirty && !snapshot.is_in_place());
    assert!(!work.open().working_tree_matches(&snapshot).unwrap());
    work.remove("gone");
    assert_eq!(work.snapshot().paths().unwrap(), ["file", "left/out"]);
}

#[test]
fn the_work_tree_matches_what_it_holds() {
    let work = Work::with(&[("file", "1")]);
    let (open, head) = (work.open(), work.head());
    assert!(open.working_tree_matches(&head).unwrap());
    work.write("file", "2");
    assert!(!open.working_tree_matches(&head).unwrap());
    let dirty = work.snapshot();
    assert!(dirty.is_in_place() && !head.is_in_place());
    assert!(open.working_tree_matches(&dirty).unwrap());
    work.write("file", "1");
    assert!(open.working_tree_matches(&head).unwrap());
    assert!(!open.working_tree_matches(&dirty).unwrap());
}

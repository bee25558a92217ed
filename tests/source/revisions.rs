use git2::{Oid, Signature};
use pipeline::event::Revision;

use super::{Work, error};

#[test]
fn every_way_to_write_one_is_understood() {
    let work = Work::with(&[("file", "1")]);
    let first = work.head().commit;
    work.write("file", "2");
    let second = work.commit("second\n\nAnd why.");
    let commit = work.git.find_commit(Oid::from_str(&second).unwrap()).unwrap();
    let somebody = Signature::now("Somebody", "somebody@example.org").unwrap();
    work.git.tag("v1", commit.as_object(), &somebody, "one", false).unwrap();
    work.git.reference("refs/heads/-rf", commit.id(), false, "").unwrap();
    let open = work.open();
    for revision in ["HEAD", "main", "refs/heads/main", "v1", &second, &second[..8], "-rf"] {
        assert_eq!(open.snapshot(Some(revision)).unwrap().commit, second, "{revision}");
    }
    for revision in ["HEAD~1", "main^", &first] {
        assert_eq!(open.snapshot(Some(revision)).unwrap().commit, first, "{revision}");
    }
    assert_eq!(open.snapshot(Some("main")).unwrap().subject, "second");
}

#[test]
fn unknown_ones_are_named() {
    let work = Work::with(&[("file", "1")]);
    for revision in ["mian", "", "0000000", "HEAD~1", "--all"] {
        let message = error(work.open().snapshot(Some(revision)));
        assert!(message.starts_with(&format!("there is no revision `{revision}` in")), "{message}");
    }
    assert!(error(work.open().snapshot(Some("HEAD:file"))).contains("is not a commit"));
}

#[test]
fn a_repository_without_a_commit_is_refused() {
    let work = Work::new();
    work.write("file", "");
    assert!(error(work.open().snapshot(None)).contains("commit once first"));
}

#[test]
fn a_snapshot_is_an_events_revision() {
    let work = Work::with(&[("file", "1")]);
    work.write("file", "2");
    let snapshot = work.snapshot();
    let revision = Revision::from(&snapshot);
    assert_eq!((revision.subject.as_str(), revision.dirty), ("first", true));
    assert_eq!((revision.commit, revision.tree), (snapshot.commit, snapshot.tree));
}

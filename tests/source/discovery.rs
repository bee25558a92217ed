use pipeline::source::{Repository, Snapshot};

use super::{Work, error};

#[test]
fn a_repository_is_found_from_below() {
    let work = Work::with(&[("deep/down/file", "")]);
    let found = Repository::discover(&work.path("deep/down")).unwrap();
    assert_eq!(found.root(), work.directory.path().canonicalize().unwrap());
}

#[test]
fn elsewhere_it_says_what_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    assert!(error(Repository::discover(directory.path())).contains("is not in a git repository"));
    git2::Repository::init_bare(directory.path()).unwrap();
    assert!(error(Repository::discover(directory.path())).contains("is a bare repository"));
}

#[test]
fn it_is_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Repository>();
    shared::<Snapshot>();
}

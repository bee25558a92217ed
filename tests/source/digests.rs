use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use pipeline::source::Snapshot;
use proptest::prelude::*;

use super::{Work, digest};

const FILES: &[(&str, &str)] = &[
    ("api/src/main.rs", "fn main() {}"),
    ("api/Dockerfile", "FROM scratch"),
    ("Cargo.lock", "1"),
    ("README", "1"),
];

#[test]
fn stay_when_something_else_changes() {
    let work = Work::with(FILES);
    let before = work.digest(&["api", "Cargo.lock"]);
    work.write("README", "2");
    work.write("apix/new", "");
    work.commit("elsewhere");
    assert_eq!(work.digest(&["api", "Cargo.lock"]), before);
    assert_eq!(before.len(), 64);
}

#[test]
fn change_with_content_mode_and_name() {
    let work = Work::with(FILES);
    let mut seen = vec![work.digest(&["api"])];
    work.write("api/src/main.rs", "fn main() { }");
    work.commit("content");
    seen.push(work.digest(&["api"]));
    fs::set_permissions(work.path("api/src/main.rs"), fs::Permissions::from_mode(0o755)).unwrap();
    work.commit("mode");
    seen.push(work.digest(&["api"]));
    fs::rename(work.path("api/src/main.rs"), work.path("api/src/lib.rs")).unwrap();
    work.commit("name");
    seen.push(work.digest(&["api"]));
    work.remove("api/Dockerfile");
    work.commit("gone");
    seen.push(work.digest(&["api"]));
    let all = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), all);
}

#[test]
fn return_when_the_change_is_undone() {
    let work = Work::with(FILES);
    let before = work.digest(&["."]);
    work.write("README", "2");
    work.commit("there");
    assert_ne!(work.digest(&["."]), before);
    work.write("README", "1");
    work.commit("and back");
    assert_eq!(work.digest(&["."]), before);
}

#[test]
fn do_not_depend_on_how_inputs_are_written() {
    let work = Work::with(FILES);
    let digest = work.digest(&["api", "Cargo.lock"]);
    assert_eq!(work.digest(&["Cargo.lock", "./api/", "api"]), digest);
    assert_ne!(work.digest(&["api"]), digest);
}

#[test]
fn name_the_input_that_is_missing_and_the_nearest_one() {
    let work = Work::with(FILES);
    let message = work.refused(&["api", "api/scr/main.rs"]);
    assert!(
        message.ends_with("the input `api/scr/main.rs` is not there; did you mean `api/src`?"),
        "{message}"
    );
    let message = work.refused(&["cargo.lock"]);
    assert!(message.ends_with("did you mean `Cargo.lock`?"), "{message}");
    assert!(work.refused(&["qqq"]).contains("check the spelling"));
    assert!(work.refused(&["api/Dockerfile/x"]).contains("is not there"));
    assert!(work.refused(&[]).contains("there are no inputs"));
    assert!(work.refused(&["../api"]).contains("`..`"));
}

#[test]
fn refuse_submodules_in_the_inputs() {
    let work = Work::with(FILES);
    work.commit_submodule("api/vendor/library");
    assert!(work.refused(&["api"]).contains("api/vendor/library is a submodule"));
    assert!(work.refused(&["api/vendor/library"]).contains("is a submodule"));
    assert!(work.refused(&["."]).contains("is a submodule"));
    work.digest(&["api/src", "Cargo.lock"]);
}

#[test]
fn refuse_links_to_what_they_do_not_cover() {
    let work = Work::with(FILES);
    work.link("api/readme", "../README");
    work.commit("a link");
    let message = work.refused(&["api"]);
    assert!(
        message.contains("the symbolic link api/readme leads to README, which is not among"),
        "{message}"
    );
    work.digest(&["api", "README"]);
    work.digest(&["."]);
}

#[test]
fn refuse_links_through_links_they_do_not_cover() {
    let work = Work::with(FILES);
    work.link("hop", "api/src");
    work.link("api/link", "../hop/main.rs");
    work.commit("a link by way of another");
    assert!(work.refused(&["api"]).contains("api/link leads to hop, which is not among"));
    work.digest(&["api", "hop"]);
}

#[test]
fn refuse_links_out_of_the_repository() {
    for target in ["/usr/lib", "../../elsewhere", "src/../../../elsewhere"] {
        let work = Work::with(FILES);
        work.link("api/link", target);
        work.commit("a link");
        assert!(work.refused(&["."]).contains("the symbolic link api/link leads out of the repository"));
    }
}

#[test]
fn take_links_that_lead_to_what_a_build_makes() {
    let work = Work::with(FILES);
    work.link("api/current", "dist/latest");
    work.commit("a link to nothing yet");
    work.digest(&["api"]);
}

/// Files by name in a few directories, so that inputs and files meet.
fn files() -> impl Strategy<Value = Vec<(String, u8)>> {
    let path = ("[abc]", "[abc]", "[xyz]{1,2}").prop_map(|(one, two, name)| format!("{one}/{two}/{name}"));
    proptest::collection::btree_map(path, any::<u8>(), 1..12).prop_map(|files| files.into_iter().collect())
}

impl Work {
    /// Commits these files and no others, by way of objects alone.
    fn commit_only(&self, files: &[(String, u8)]) -> Snapshot {
        let empty = self.git.treebuilder(None).unwrap().write().unwrap();
        let mut update = git2::build::TreeUpdateBuilder::new();
        for (path, content) in files {
            update.upsert(path.as_str(), self.git.blob(&[*content]).unwrap(), git2::FileMode::Blob);
        }
        let tree = update.create_updated(&self.git, &self.git.find_tree(empty).unwrap()).unwrap();
        let commit = self.commit_tree(tree, "generated");
        self.open().snapshot(Some(&commit)).unwrap()
    }
}

#[test]
fn a_digest_depends_on_the_inputs_and_on_nothing_else() {
    let work = Work::new();
    let cases = ProptestConfig::with_cases(32);
    proptest!(cases, |(files in files(), others in files(), seed in any::<prop::sample::Index>())| {
        let snapshot = work.commit_only(&files);
        let mut inputs: Vec<&str> = files.iter().map(|(path, _)| &path[..3]).collect();
        let before = digest(&snapshot, &inputs).unwrap();
        let count = inputs.len();
        inputs.rotate_left(seed.index(count));
        inputs.reverse();
        prop_assert_eq!(&digest(&snapshot, &inputs).unwrap(), &before);

        let outside = others.into_iter().filter(|(path, _)| !inputs.contains(&&path[..3]));
        let mut more: Vec<_> = files.iter().cloned().chain(outside).collect();
        prop_assert_eq!(&digest(&work.commit_only(&more), &inputs).unwrap(), &before);

        more[seed.index(count)].1 ^= 1;
        prop_assert_ne!(&digest(&work.commit_only(&more), &inputs).unwrap(), &before);
    });
}

use super::{Work, error, text};

#[test]
fn are_read_from_the_commit_not_from_the_checkout() {
    let work = Work::with(&[("a/file", "committed"), ("gone", "still there")]);
    work.write("a/file", "changed");
    work.remove("gone");
    let head = work.head();
    assert_eq!(text(&head, "a/file").as_deref(), Some("committed"));
    assert_eq!(text(&head, "./a//file").as_deref(), Some("committed"));
    assert_eq!(text(&head, "gone").as_deref(), Some("still there"));
    assert_eq!(text(&head, "a/other"), None);
    assert_eq!(text(&head, "a/file/below"), None);
    assert_eq!(head.paths().unwrap(), ["a/file", "gone"]);
}

#[test]
fn exist_or_do_not() {
    let work = Work::with(&[("a/file", "")]);
    let head = work.head();
    let there: Vec<_> = ["a/file", "a", "a/", ".", "b", "a/b", "a/file/b"]
        .into_iter()
        .filter(|path| head.exists(path).unwrap())
        .collect();
    assert_eq!(there, ["a/file", "a", "a/", "."]);
}

#[test]
fn outside_of_the_tree_are_refused() {
    let work = Work::with(&[("a/file", ""), ("big", &"x".repeat(10 * 1024 * 1024 + 1))]);
    let head = work.head();
    assert!(error(head.read("/etc/passwd")).contains("absolute"));
    assert!(error(head.read("a/../../secret")).contains("`..`"));
    assert!(error(head.read("")).contains("empty"));
    assert!(error(head.read("a")).contains("is a directory"));
    assert!(error(head.read("big")).contains("10485761 bytes"));
    assert!(error(head.exists("../secret")).contains("`..`"));
}

#[test]
fn behind_symbolic_links_are_read_within_the_tree_only() {
    let work = Work::with(&[("a/file", "content"), ("secret", "")]);
    work.link("b/link", "../a/./file");
    work.link("c", "b");
    work.link("circle", "circle");
    work.link("absolute", "/etc/passwd");
    work.link("out", "a/../../secret");
    work.commit("links");
    let head = work.head();
    assert_eq!(text(&head, "b/link").as_deref(), Some("content"));
    assert_eq!(text(&head, "c/link").as_deref(), Some("content"));
    assert!(error(head.read("circle")).contains("circle of symbolic links"));
    assert!(error(head.read("absolute")).contains("leads out of the repository, to /etc/passwd"));
    assert!(error(head.read("out")).contains("the symbolic link out leads out of the repository"));
}

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::thread;

use git2::Oid;
use pipeline::source::{Repository, github_repository};

use super::{Work, error, text};

#[test]
fn the_remote_is_the_upstreams_or_origin_or_the_only_one() {
    let work = Work::with(&[("file", "1")]);
    assert_eq!(work.open().remote_url(), None);
    assert!(error(work.open().remote_head("main")).contains("no remote"));
    let url = || work.open().remote_url();
    work.git.remote("fork", "https://example.org/fork").unwrap();
    assert_eq!(url().as_deref(), Some("https://example.org/fork"));
    work.git.remote("other", "https://example.org/other").unwrap();
    assert_eq!(url(), None);
    assert!(error(work.open().fetch("main")).contains("fork, other"));
    work.git.remote("origin", "https://example.org/origin").unwrap();
    assert_eq!(url().as_deref(), Some("https://example.org/origin"));
    let mut config = work.git.config().unwrap();
    config.set_str("branch.main.remote", "other").unwrap();
    config.set_str("branch.main.merge", "refs/heads/main").unwrap();
    assert_eq!(url().as_deref(), Some("https://example.org/other"));
    for nowhere in [".", "https://example.org/unnamed"] {
        config.set_str("branch.main.remote", nowhere).unwrap();
        assert_eq!(url().as_deref(), Some("https://example.org/origin"));
    }
}

#[test]
fn a_branch_is_followed_through_pushes_forced_ones_and_deletion() {
    let work = Work::with(&[("file", "1")]);
    let (_directory, bare) = work.with_remote();
    let clone_directory = tempfile::tempdir().unwrap();
    let url = work.open().remote_url().unwrap();
    git2::Repository::clone(&url, clone_directory.path()).unwrap();
    let clone = Repository::discover(clone_directory.path()).unwrap();
    let first = work.head().commit;
    assert_eq!(clone.remote_head("main").unwrap().as_ref(), Some(&first));

    work.write("file", "2");
    let second = work.commit("second");
    work.push("main");
    assert_eq!(clone.remote_head("main").unwrap().as_ref(), Some(&second));
    assert!(clone.snapshot(Some(&second)).is_err(), "asking fetches nothing");
    assert_eq!(clone.fetch("main").unwrap(), second);
    let fetched = clone.snapshot(Some("refs/pipeline/main")).unwrap();
    assert_eq!(fetched.commit, second);
    assert_eq!(text(&fetched, "file").as_deref(), Some("2"));
    assert_eq!(clone.snapshot(Some("origin/main")).unwrap().commit, first, "the user's references stay");

    work.git.set_head_detached(Oid::from_str(&first).unwrap()).unwrap();
    work.write("file", "3");
    let forced = work.commit("forced");
    work.push("main");
    assert_eq!(clone.fetch("main").unwrap(), forced);
    assert_eq!(clone.fetch("main").unwrap(), forced, "once more changes nothing");

    work.push("feature/-x");
    assert_eq!(clone.fetch("feature/-x").unwrap(), forced);
    bare.find_reference("refs/heads/feature/-x").unwrap().delete().unwrap();
    assert_eq!(clone.remote_head("feature/-x").unwrap(), None);
    let message = error(clone.fetch("feature/-x"));
    assert!(message.contains("has no branch `feature/-x`"), "{message}");
}

#[test]
fn what_does_not_answer_is_named_without_its_password() {
    let work = Work::with(&[("file", "1")]);
    work.git.remote("origin", "http://me:secret@127.0.0.1:9/owner/name").unwrap();
    let message = error(work.open().remote_head("main"));
    assert!(message.contains("asking the remote http://127.0.0.1:9/owner/name"), "{message}");
    assert!(!message.contains("secret"), "{message}");
    assert!(error(work.open().remote_head("no good")).contains("not a valid name"));
}

#[test]
fn no_other_host_is_asked_instead() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(&stream).lines();
        while !lines.next().unwrap().unwrap().is_empty() {}
        let location = format!("http://localhost:{port}/owner/name/info/refs?service=git-upload-pack");
        write!(stream, "HTTP/1.1 301 Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n").unwrap();
    });
    let work = Work::with(&[("file", "1")]);
    work.git.remote("origin", &format!("http://127.0.0.1:{port}/owner/name")).unwrap();
    let message = error(work.open().remote_head("main"));
    server.join().unwrap();
    assert!(message.contains("cannot redirect from '127.0.0.1' to 'localhost'"), "{message}");
}

#[test]
fn github_repositories_are_known_by_their_address() {
    for url in [
        "https://github.com/octo/hello",
        "https://github.com/octo/hello.git",
        "https://github.com/octo/hello/",
        "https://x-access-token:secret@github.com/octo/hello.git",
        "https://github.example.org:8443/octo/hello.git",
        "ssh://git@github.com/octo/hello.git",
        "ssh://git@ssh.github.com:443/octo/hello.git",
        "git://github.com/octo/hello.git",
        "git@github.com:octo/hello.git",
        "git@github.com:/octo/hello",
        "org-123@github.example.org:octo/hello.git",
        "github:octo/hello",
    ] {
        let found = github_repository(url);
        assert_eq!(found, Some(("octo".to_owned(), "hello".to_owned())), "{url}");
    }
    for url in [
        "",
        "hello",
        "/srv/git/octo/hello.git",
        "./octo:x/hello",
        "../octo/hello",
        "file:///srv/octo/hello.git",
        "file://host/octo/hello.git",
        "C:/octo/hello",
        "https://github.com/octo",
        "https://github.com/octo/",
        "https://github.com/octo/hello/tree/main",
        "https://github.com/../hello",
        "https://github.com/octo/.git",
        "https://github.com/octo/he llo",
        "https:///octo/hello",
        "https://github.com",
        "ext::sh -c octo/hello",
    ] {
        assert_eq!(github_repository(url), None, "{url}");
    }
}

//! Images that are cheap to make: one static binary that waits, or says why and ends at once when `EXIT_CODE` is set. As a
//! function it answers every call with nothing.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::cloud::{config, endpoint, unique};

const SOURCE: &str = r#"
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
static void end(int number) { (void)number; _exit(0); }
static void serve(void) {
    const char *answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnull";
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(8080)};
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    char buffer[4096];
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 16)) _exit(1);
    for (;;) {
        int client = accept(listener, 0, 0);
        if (read(client, buffer, sizeof buffer) > 0) write(client, answer, strlen(answer));
        shutdown(client, SHUT_WR);
        while (read(client, buffer, sizeof buffer) > 0) {}
        close(client);
    }
}
int main(void) {
    const char *code = getenv("EXIT_CODE");
    if (code && *code) {
        puts("starting\nthe broker does not answer");
        return atoi(code);
    }
    signal(SIGTERM, end);
    if (getenv("AWS_LAMBDA_FUNCTION_NAME")) serve();
    for (;;) pause();
}
"#;

/// A repository of its own, gone when it is cleaned.
pub(crate) struct Repository {
    name: String,
    ecr: aws_sdk_ecr::Client,
}

/// A pushed image.
#[derive(Clone)]
pub(crate) struct Image {
    /// `repository@sha256:…`.
    pub(crate) uri: String,
    pub(crate) digest: String,
}

impl Repository {
    pub(crate) async fn new() -> Self {
        let (name, ecr) = (unique("image"), aws_sdk_ecr::Client::new(&config()));
        ecr.create_repository().repository_name(&name).send().await.expect("a repository");
        Self { name, ecr }
    }

    fn address(&self) -> String {
        format!("{}/{}", endpoint().trim_start_matches("http://"), self.name)
    }

    /// Makes and pushes an image that differs from others in its version.
    pub(crate) fn push(&self, version: &str) -> Image {
        let tag = format!("{}:{version}", self.address());
        import(&tag, version);
        let pushed = docker(&["push", &tag]);
        let digest = pushed.split("digest: ").nth(1).and_then(|rest| rest.split_whitespace().next());
        let digest = digest.expect("a digest in what docker push says").to_owned();
        docker(&["rmi", &tag]);
        Image { uri: format!("{}@{digest}", self.address()), digest }
    }

    pub(crate) async fn clean(self) {
        let images = docker(&["images", "--quiet", "--filter", &format!("reference={}", self.address())]);
        for image in images.lines() {
            docker(&["rmi", "--force", image]);
        }
        self.ecr.delete_repository().repository_name(&self.name).force(true).send().await.expect("to delete");
    }
}

fn import(tag: &str, version: &str) {
    let mut import = Command::new("docker")
        .args(["import", "--change", "ENTRYPOINT [\"/workload\"]", "-", tag])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("docker");
    let mut archive = tar::Builder::new(Vec::new());
    append(&mut archive, "workload", workload(), 0o755);
    append(&mut archive, "version", version.as_bytes(), 0o644);
    let archive = archive.into_inner().expect("an archive");
    import.stdin.take().expect("its input").write_all(&archive).expect("to write");
    assert!(import.wait().expect("docker import").success());
}

fn append(archive: &mut tar::Builder<Vec<u8>>, name: &str, bytes: &[u8], mode: u32) {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(mode);
    archive.append_data(&mut header, name, bytes).expect("to append");
}

fn workload() -> &'static [u8] {
    static BINARY: OnceLock<Vec<u8>> = OnceLock::new();
    BINARY.get_or_init(|| {
        let directory = tempfile::tempdir().expect("a directory");
        compile(directory.path());
        std::fs::read(directory.path().join("workload")).expect("a binary")
    })
}

fn compile(directory: &Path) {
    std::fs::write(directory.join("workload.c"), SOURCE).expect("to write");
    let compiled = Command::new("cc")
        .args(["-Os", "-static", "-s", "-o", "workload", "workload.c"])
        .current_dir(directory)
        .status()
        .expect("cc");
    assert!(compiled.success());
}

fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().expect("docker");
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

//! The pipeline in containers: its image, and a remote that they reach.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::support::{Cloud, until};

const REPOSITORY: &str = "Parameters: { Name: { Type: String, Default: NAME } }\n\
     Resources: { Images: { Type: AWS::ECR::Repository, Properties: { RepositoryName: !Ref Name } } }\n";

/// This machine's address on Docker's own bridge: what containers reach, and this machine too.
pub(crate) fn bridge() -> String {
    let format = "{{with index .IPAM.Config 0}}{{.Gateway}} {{.Subnet}}{{end}}";
    let config = output(Command::new("docker").args(["network", "inspect", "bridge", "--format", format]));
    // Before its first container an engine may name only the subnet, and takes its first address.
    let address = config.split_whitespace().next().expect("a subnet");
    address.split_once('/').map_or(address.to_owned(), |(subnet, _)| {
        format!("{}.1", subnet.rsplit_once('.').expect("an address").0)
    })
}

/// The local cloud as containers reach it.
pub(crate) fn endpoint() -> String {
    format!("http://{}:4566", bridge())
}

/// Pushes an image of the pipeline that is tested, and gives its name with its digest.
///
/// It is the release's image with the libraries that this binary needs besides, as it is not a static one.
pub(crate) fn image(cloud: &Cloud, name: &str) -> String {
    cloud.create_stack("ecr", &REPOSITORY.replace("NAME", name));
    let context = TempDir::new().expect("a directory");
    let path = |file: &str| context.path().join(file);
    let binary = env!("CARGO_BIN_EXE_pipeline");
    output(Command::new("strip").arg("-o").arg(path("pipeline")).arg(binary));
    let libraries = output(Command::new("ldd").arg(binary));
    let libraries = libraries.split_whitespace().filter_map(|word| word.strip_prefix('/'));
    output(Command::new("tar").arg("-chf").arg(path("libraries.tar")).args(["-C", "/"]).args(libraries));
    fs::copy("/etc/ssl/certs/ca-certificates.crt", path("ca-certificates.crt")).expect("a copy");
    fs::create_dir(path("state")).expect("a directory");
    let release = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/release/Dockerfile");
    let dockerfile = fs::read_to_string(release).expect("the release's Dockerfile");
    // No layer is another test's too: that one would take it away when it cleans up.
    let from = format!("FROM scratch\nLABEL of={name}\nADD libraries.tar /");
    let dockerfile = dockerfile.replace("FROM scratch", &from);
    fs::write(path("Dockerfile"), dockerfile).expect("a file");
    let repository = format!("{}/{name}", Cloud::endpoint().replace("http://", ""));
    output(Command::new("docker").args(["build", "--quiet", "--tag", &repository]).arg(context.path()));
    let pushed = output(Command::new("docker").args(["push", &repository]));
    let digest = pushed.split_whitespace().find(|word| word.starts_with("sha256:")).expect("a digest");
    format!("{repository}@{digest}")
}

/// Serves the git repositories in a directory to containers.
pub(crate) struct Daemon {
    child: Child,
    port: u16,
}

impl Daemon {
    pub(crate) fn of(directory: &Path) -> Self {
        let address = bridge();
        let port =
            TcpListener::bind((address.as_str(), 0)).expect("a port").local_addr().expect("a port").port();
        let programs = output(Command::new("git").arg("--exec-path"));
        let child = Command::new(Path::new(programs.trim()).join("git-daemon"))
            .args(["--export-all", "--reuseaddr", &format!("--listen={address}"), &format!("--port={port}")])
            .arg(format!("--base-path={}", directory.display()))
            .arg(directory)
            .stderr(Stdio::null())
            .spawn()
            .expect("git's daemon");
        until("git's daemon", || std::net::TcpStream::connect((address.as_str(), port)).ok());
        Self { child, port }
    }

    pub(crate) fn url(&self, repository: &str) -> String {
        format!("git://{}:{}/{repository}", bridge(), self.port)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[track_caller]
fn output(command: &mut Command) -> String {
    let output = command.output().expect("a command");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {stdout}{stderr}");
    stdout.into_owned()
}

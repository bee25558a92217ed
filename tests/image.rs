//! Images from sources to repository, against the local cloud: `local/up` starts it.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_ecr::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_ecr::types::ImageTagMutability;
use bollard::query_parameters::{ListImagesOptionsBuilder, RemoveImageOptionsBuilder};
use pipeline::event::{Event, Events, StepEvents, Unit};
use pipeline::failure::Failure;
use pipeline::image::{Built, Context, Digest, Engine, Registry, Repository, Spec, build, push};
use pipeline::plan::StepId;
use tempfile::TempDir;
use tokio::sync::mpsc::UnboundedReceiver;

const REVISION: &str = "org.opencontainers.image.revision";

/// A source tree, an ECR repository of its own, and what is told about the step.
struct Fixture {
    tree: TempDir,
    spec: Spec,
    ecr: aws_sdk_ecr::Client,
    registry: Registry,
    repository: Repository,
    engine: Engine,
    events: StepEvents,
    received: UnboundedReceiver<Event>,
}

impl Fixture {
    async fn new(files: &[(&str, &str)]) -> Self {
        let tree = tree(files);
        let ecr = ecr();
        let name = unique_name();
        let repository = ecr.create_repository().repository_name(&name);
        repository.image_tag_mutability(ImageTagMutability::Immutable).send().await.unwrap();
        let (events, received) = Events::channel();
        Self {
            spec: spec(tree.path()),
            tree,
            registry: Registry::new(ecr.clone()),
            ecr,
            repository: Repository::new(&format!("registry/{name}"), Some(&host())).unwrap(),
            engine: Engine::default(),
            events: events.step(StepId::image("api")),
            received,
        }
    }

    async fn find(&self) -> Option<Digest> {
        self.registry.find(self.repository.name(), &self.spec.key()).await.unwrap().map(|found| found.digest)
    }

    async fn build(&self) -> Result<Built, Failure> {
        build(self.engine.docker().await?, &self.spec, &self.events).await
    }

    async fn push(&self, built: &Built) -> Result<Digest, Failure> {
        let docker = self.engine.docker().await?;
        push(docker, &self.registry, &self.spec, &self.repository, built, &self.events).await
    }

    fn received(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.received.try_recv().ok()).collect()
    }

    /// Removes the repository, and what the engine has of it.
    async fn clean(self) {
        let docker = self.engine.docker().await.unwrap();
        let filters = HashMap::from([("reference", vec![self.repository.address()])]);
        let images = ListImagesOptionsBuilder::default().filters(&filters).build();
        let forced = RemoveImageOptionsBuilder::default().force(true).build();
        for image in docker.list_images(Some(images)).await.unwrap() {
            docker.remove_image(&image.id, Some(forced.clone()), None).await.unwrap();
        }
        self.ecr
            .delete_repository()
            .repository_name(self.repository.name())
            .force(true)
            .send()
            .await
            .unwrap();
        self.tree.close().unwrap();
    }
}

fn endpoint() -> String {
    "http://127.0.0.1:4566".to_owned()
}

fn host() -> String {
    endpoint().trim_start_matches("http://").to_owned()
}

fn ecr() -> aws_sdk_ecr::Client {
    let config = aws_sdk_ecr::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-west-2"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(endpoint());
    aws_sdk_ecr::Client::from_conf(config.build())
}

fn unique_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("test-image/{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

fn tree(files: &[(&str, &str)]) -> TempDir {
    let tree = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = tree.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    tree
}

fn spec(directory: &Path) -> Spec {
    Spec {
        workload: "api".into(),
        directory: directory.to_owned(),
        // The engine keeps what it has built: a name of its own keeps the tests apart.
        inputs: directory.display().to_string(),
        command: None,
        context: ".".into(),
        dockerfile: "Dockerfile".into(),
        args: BTreeMap::new(),
        target: None,
        secrets: Vec::new(),
        platform: "linux/amd64".into(),
        labels: BTreeMap::new(),
    }
}

/// The names in a context's archive, with `/` behind directories and `*` behind what can be executed.
fn names(root: &Path, dockerfile: &Path) -> Vec<String> {
    let mut archive = Vec::new();
    Context::read(root, dockerfile).unwrap().write(&mut archive).unwrap();
    let mut archive = tar::Archive::new(archive.as_slice());
    let name = |entry: tar::Entry<&[u8]>| {
        let link = entry.link_name().unwrap().map(|to| format!(" -> {}", to.display()));
        let executable = entry.header().entry_type().is_file() && entry.header().mode().unwrap() & 0o111 != 0;
        let mark = if executable { "*" } else { "" };
        format!("{}{mark}{}", entry.path().unwrap().display(), link.unwrap_or_default())
    };
    archive.entries().unwrap().map(|entry| name(entry.unwrap())).collect()
}

#[tokio::test]
async fn an_image_is_built_pushed_and_found_by_its_key() {
    let files = [
        ("Dockerfile", "FROM scratch\nARG WHO=nobody\nLABEL who=$WHO\nCOPY hello /hello\n"),
        ("hello", "hi"),
    ];
    let mut fixture = Fixture::new(&files).await;
    fixture.spec.args.insert("WHO".into(), "world".into());
    fixture.spec.labels.insert(REVISION.into(), "c0ffee".into());
    // A file that no other run has: the registry knows none of its layers.
    fixture.spec.command = Some("echo preparing && pwd >> hello".into());
    assert_eq!(fixture.find().await, None);

    let built = fixture.build().await.unwrap();
    let digest = fixture.push(&built).await.unwrap();
    assert_eq!(fixture.find().await, Some(digest.clone()));

    let docker = fixture.engine.docker().await.unwrap();
    let live = docker.inspect_registry_image(&fixture.repository.image(&digest), None).await.unwrap();
    assert_eq!(live.descriptor.digest.as_deref(), Some(digest.as_str()));
    let image = docker.inspect_image(&built.image_id).await.unwrap();
    assert_eq!(image.architecture.as_deref(), Some("amd64"));
    let labels = image.config.unwrap().labels.unwrap();
    assert_eq!((labels[REVISION].as_str(), labels["who"].as_str()), ("c0ffee", "world"));

    let events = fixture.received();
    let log =
        |wanted: &str| events.iter().any(|event| matches!(event, Event::Log { line, .. } if line == wanted));
    assert!(log("preparing") && log("Step 4/4 : COPY hello /hello"), "{events:#?}");
    let done = |wanted: Unit| {
        let progress = |event: &Event| match event {
            Event::Progress { done, total, unit, .. } if *unit == wanted => Some((*done, total.unwrap())),
            _ => None,
        };
        events.iter().filter_map(progress).next_back().unwrap()
    };
    assert_eq!(done(Unit::Instructions), (4, 4));
    let (sent, total) = done(Unit::Bytes);
    assert!(sent <= total, "{sent} of {total}");
    fixture.clean().await;
}

#[tokio::test]
async fn the_same_files_make_the_same_image_whenever_they_are_built() {
    let hello = unique_name();
    let dockerfiles = [
        "FROM scratch\nENV A=1\nEXPOSE 80 443\nCOPY hello /hello\nUSER 65534\nENTRYPOINT [\"/hello\"]\n",
        // The same in another order: nothing of it is in the engine's cache.
        "FROM scratch\nUSER 65534\nEXPOSE 443 80\nENTRYPOINT [\"/hello\"]\nENV A=1\nCOPY hello /hello\n",
    ];
    let mut digests = Vec::new();
    for dockerfile in dockerfiles {
        let mut fixture = Fixture::new(&[("Dockerfile", dockerfile), ("hello", &hello)]).await;
        for name in [REVISION, "a", "b", "c"] {
            fixture.spec.labels.insert(name.into(), "c0ffee".into());
        }
        let built = fixture.build().await.unwrap();
        let config = fixture
            .engine
            .docker()
            .await
            .unwrap()
            .inspect_image(&built.image_id)
            .await
            .unwrap()
            .config
            .unwrap();
        assert_eq!(config.user.as_deref(), Some("65534"));
        assert_eq!(config.exposed_ports.unwrap().len(), 2);
        digests.push(fixture.push(&built).await.unwrap());
        fixture.clean().await;
    }
    assert_eq!(digests[0], digests[1]);
}

#[tokio::test]
async fn an_image_that_another_run_pushed_first_is_taken() {
    let fixture = Fixture::new(&[("Dockerfile", "FROM scratch\nCOPY a /a\n"), ("a", "1")]).await;
    let theirs = fixture.push(&fixture.build().await.unwrap()).await.unwrap();
    fs::write(fixture.tree.path().join("a"), "2").unwrap();
    let ours = fixture.build().await.unwrap();
    assert_eq!(fixture.push(&ours).await.unwrap(), theirs);
    fixture.clean().await;
}

#[tokio::test]
async fn a_repository_that_does_not_exist_holds_no_image() {
    assert_eq!(Registry::new(ecr()).find("test-image/nowhere", "0").await.unwrap(), None);
}

#[tokio::test]
async fn a_failing_command_is_shown_with_its_last_lines() {
    let mut fixture = Fixture::new(&[]).await;
    fixture.spec.command = Some("for i in $(seq 30); do echo line $i; done; echo broken >&2; exit 3".into());
    let failure = fixture.build().await.unwrap_err();
    assert!(failure.message.ends_with("ended with exit status: 3"), "{failure}");
    assert_eq!(failure.details.first().unwrap(), "line 17");
    assert_eq!(failure.details.last().unwrap(), "broken");
    fixture.clean().await;
}

#[tokio::test]
async fn a_failing_dockerfile_is_shown_with_the_engines_message() {
    let fixture = Fixture::new(&[("Dockerfile", "FROM scratch\nCOPY missing /\n")]).await;
    let failure = fixture.build().await.unwrap_err();
    assert!(failure.message.starts_with("building Dockerfile: COPY failed: "), "{failure}");
    assert_eq!(failure.details.last().unwrap(), "Step 2/2 : COPY missing /");
    assert!(failure.hint.unwrap().contains("docker build --file Dockerfile ."));
    fixture.clean().await;
}

#[tokio::test]
async fn a_missing_dockerfile_is_named() {
    let fixture = Fixture::new(&[]).await;
    let failure = fixture.build().await.unwrap_err();
    assert!(failure.message.contains("/Dockerfile: No such file or directory"), "{failure}");
    fixture.clean().await;
}

#[tokio::test]
async fn dropping_the_build_kills_the_command_and_all_it_started() {
    let mut fixture = Fixture::new(&[]).await;
    fixture.spec.command = Some("sleep 1000 & echo $!; wait".into());
    let (spec, events) = (fixture.spec.clone(), fixture.events.clone());
    let docker = fixture.engine.docker().await.unwrap().clone();
    let building = tokio::spawn(async move { build(&docker, &spec, &events).await });
    let sleeper = loop {
        if let Event::Log { line, .. } = fixture.received.recv().await.unwrap() {
            break format!("/proc/{line}/stat");
        }
    };
    building.abort();
    assert!(building.await.unwrap_err().is_cancelled());
    // Nobody may have collected the dead process yet: a zombie has ended too.
    let runs = || fs::read_to_string(&sleeper).is_ok_and(|stat| !stat.contains(") Z "));
    tokio::time::timeout(Duration::from_secs(10), async {
        while runs() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
    fixture.clean().await;
}

#[test]
fn the_context_is_what_dockerignore_leaves() {
    let ignored = "**\n!src\nsrc/*.tmp\n!target/release/api\n";
    let tree = tree(&[
        (".dockerignore", ignored),
        ("Dockerfile", ""),
        ("src/main.rs", ""),
        ("src/x.tmp", ""),
        ("target/debug/api", ""),
        ("target/release/api", ""),
        ("target/release/other", ""),
    ]);
    let root = tree.path();
    std::os::unix::fs::symlink("main.rs", root.join("src/link")).unwrap();
    fs::set_permissions(root.join("target/release/api"), fs::Permissions::from_mode(0o700)).unwrap();
    insta::assert_snapshot!(names(root, &root.join("Dockerfile")).join("\n"), @"
    .dockerignore
    Dockerfile
    src
    src/link -> main.rs
    src/main.rs
    target
    target/release
    target/release/api*
    ");
}

#[test]
fn a_dockerfile_brings_its_own_ignore_file() {
    let tree = tree(&[
        (".dockerignore", "a"),
        ("a", ""),
        ("b", ""),
        ("api/Dockerfile", ""),
        ("api/Dockerfile.dockerignore", "*\n!a"),
    ]);
    let root = tree.path();
    insta::assert_snapshot!(names(root, &root.join("api/Dockerfile")).join(" "), @".dockerignore a api/Dockerfile");
    insta::assert_snapshot!(names(&root.join("api"), &root.join("api/Dockerfile")).join(" "), @"Dockerfile");
}

#[test]
fn equal_trees_make_equal_archives() {
    let archive = || {
        let tree = tree(&[("Dockerfile", ""), ("b/c", "1"), ("a", "2")]);
        let mut archive = Vec::new();
        Context::read(tree.path(), &tree.path().join("Dockerfile")).unwrap().write(&mut archive).unwrap();
        archive
    };
    assert_eq!(archive(), archive());
}

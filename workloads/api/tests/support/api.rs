use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{Answer, Broker, Client, until};

/// The API, as a process of its own.
pub(crate) struct Api {
    process: Child,
    port: u16,
    metrics_port: u16,
    log: Arc<Mutex<Vec<Value>>>,
}

impl Api {
    /// That everybody may use, before a broker without security.
    pub(crate) fn start(broker: &Broker) -> Self {
        Self::with(broker, &[])
    }

    /// With variables set, or set otherwise.
    pub(crate) fn with(broker: &Broker, variables: &[(&str, &str)]) -> Self {
        Self::with_brokers(&broker.address(), variables)
    }

    pub(crate) fn with_brokers(brokers: &str, variables: &[(&str, &str)]) -> Self {
        let mut process =
            command(brokers, variables).stdout(Stdio::piped()).spawn().expect("the API's program");
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = BufReader::new(process.stdout.take().expect("a piped output")).lines();
        let written = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}"));
                written.lock().expect("no panic").push(line);
            }
        });
        let mut api = Self { process, port: 0, metrics_port: 0, log };
        let listening = api.until_logged("listening");
        let port = |name: &str| u16::try_from(listening[name].as_u64().expect("a port")).expect("a port");
        (api.port, api.metrics_port) = (port("port"), port("metrics_port"));
        api
    }

    /// What it says when it does not start.
    pub(crate) fn start_error(variables: &[(&str, &str)]) -> String {
        let output = command("127.0.0.1:1", variables).output().expect("the API's program");
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).expect("UTF-8")
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn metrics(&self) -> String {
        let Answer { status, body, .. } = Client::new(self.metrics_port).get("/metrics");
        assert_eq!(status, 200);
        body
    }

    /// The value of a metric, with its labels.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let text = self.metrics();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().expect("a number")
    }

    /// The first log line with this message.
    pub(crate) fn until_logged(&mut self, message: &str) -> Value {
        until(message, || {
            let found = self.logged(message).into_iter().next();
            assert!(
                found.is_some() || self.process.try_wait().expect("a process").is_none(),
                "it ended: {:?}",
                self.log
            );
            found
        })
    }

    pub(crate) fn logged(&self, message: &str) -> Vec<Value> {
        let log = self.log.lock().expect("no panic");
        log.iter().filter(|line| line["message"] == message).cloned().collect()
    }

    pub(crate) fn until_ready(&self, status: u16) {
        until("readiness", || (self.client().get("/readyz").status == status).then_some(()));
    }

    /// Runs its health check.
    pub(crate) fn healthcheck(port: u16) -> std::process::Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_api"));
        command
            .arg("healthcheck")
            .env_clear()
            .env("PORT", port.to_string())
            .output()
            .expect("the API's program")
    }

    /// What ECS sends.
    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.process), Signal::TERM).expect("a process");
    }

    pub(crate) fn until_ended(&mut self) -> ExitStatus {
        until("the end", || self.process.try_wait().expect("a process"))
    }

    /// Bytes in memory.
    pub(crate) fn memory(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }
}

/// A failed test leaves nothing behind.
impl Drop for Api {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn command(brokers: &str, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_api"));
    command
        .env_clear()
        .envs([("PORT", "0"), ("METRICS_PORT", "0"), ("KAFKA_BROKERS", brokers), ("KAFKA_TOPIC", "events")])
        .envs([("KAFKA_SECURITY", "plaintext"), ("AUTHENTICATION", "none")])
        .envs(variables.iter().copied())
        .stdin(Stdio::null());
    command
}

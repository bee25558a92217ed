use std::io::{BufRead, BufReader, Read};
use std::process::Child;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pipeline::event::Event;
use rustix::process::{Pid, Signal, kill_process};

use super::{Output, until};

/// How long something may take before a test gives up.
const PATIENCE: Duration = Duration::from_mins(1);

/// A pipeline that is under way, with `--output json`.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
    stderr: Arc<Mutex<String>>,
}

impl Running {
    /// Follows a process whose outputs are piped.
    pub(crate) fn follow(mut child: Child) -> Self {
        let stdout = BufReader::new(child.stdout.take().expect("a piped output"));
        let mut errors = child.stderr.take().expect("a piped output");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                drop(sender.send(line));
            }
        });
        let stderr = Arc::new(Mutex::new(String::new()));
        let written = Arc::clone(&stderr);
        std::thread::spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok(length @ 1..) = errors.read(&mut buffer) {
                written.lock().expect("no panic").push_str(&String::from_utf8_lossy(&buffer[..length]));
            }
        });
        Self { child, lines, seen: Vec::new(), stderr }
    }

    /// Waits for the next event that is wanted.
    pub(crate) fn until(&mut self, what: &str, wanted: impl Fn(&Event) -> bool) -> Event {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|error| {
                panic!("no {what}: {error}\n{}\nstderr:\n{}", self.seen.join("\n"), self.stderr())
            });
            let event = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            self.seen.push(line);
            if wanted(&event) {
                return event;
            }
        }
    }

    /// Waits until a resource of a stack has this status.
    pub(crate) fn until_resource(&mut self, wanted_step: &str, wanted_status: &str) {
        self.until(&format!("resource of {wanted_step} in {wanted_status}"), |event| {
            matches!(event, Event::Resource { step, status, .. }
                if step.to_string() == wanted_step && status == wanted_status)
        });
    }

    /// Waits until something stands on standard error.
    pub(crate) fn until_told(&self, text: &str) {
        until(text, || self.stderr().contains(text).then_some(()));
    }

    pub(crate) fn stderr(&self) -> String {
        self.stderr.lock().expect("no panic").clone()
    }

    /// What Ctrl-C sends.
    pub(crate) fn interrupt(&self) {
        self.send(Signal::INT);
    }

    pub(crate) fn send(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("a process");
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Waits for the end, and gives all that was printed.
    pub(crate) fn end(mut self) -> Output {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("does not end\n{}", self.seen.join("\n")),
            }
        }
        let status = self.child.wait().expect("a status");
        let output = Output { code: status.code(), stdout: self.seen.join("\n"), stderr: self.stderr() };
        super::canary::check(&output);
        output
    }
}

/// A failed test leaves nothing behind.
impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

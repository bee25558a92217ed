//! What the tests share: brokers and APIs of their own, and how to talk to both.

#![expect(dead_code, reason = "no test binary uses all of it")]

mod api;
mod broker;
pub(crate) mod http;
pub(crate) mod iam;
pub(crate) mod proxy;

pub(crate) use api::Api;
pub(crate) use broker::Broker;
pub(crate) use http::{Answer, Client};

use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long something may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Looks again and again until there is something.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited a minute for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A valid event.
pub(crate) fn event(id: &str) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/tests", "type": "com.example.tested",
        "subject": "customer-1", "data": { "text": "hello" },
    })
}

/// Many of them.
pub(crate) fn batch(prefix: &str, count: usize) -> Value {
    (0..count).map(|number| event(&format!("{prefix}-{number}"))).collect()
}

/// A port that nobody uses.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port()
}

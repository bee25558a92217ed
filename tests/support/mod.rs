//! What the end-to-end tests share: repositories of their own, deployed under names of their own to the local cloud.

#![expect(dead_code, reason = "no test binary uses all of it")]

pub(crate) mod canary;
mod cloud;
pub(crate) mod github;
pub(crate) mod http;
pub(crate) mod issuer;
mod output;
pub(crate) mod postgres;
pub(crate) mod proxy;
mod repository;
pub(crate) mod request;
mod running;
pub(crate) mod system;

pub(crate) use cloud::Cloud;
pub(crate) use output::Output;
pub(crate) use proxy::Proxy;
pub(crate) use repository::Repository;
pub(crate) use running::Running;

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A name that no other test has, nor an earlier run of this one: a letter and seven more characters.
pub(crate) fn unique() -> String {
    let nanos =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_nanos();
    let seed = nanos ^ (u128::from(std::process::id()) << 64);
    let number = u64::try_from(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32 & 0xFFF_FFFF).expect("28 bits");
    format!("t{number:07x}")
}

/// Has each connection to a listener answered in a thread of its own.
pub(crate) fn answer_all(listener: TcpListener, answer: impl Fn(&TcpStream) + Send + Sync + 'static) {
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || answer(&client));
        }
    });
}

/// Looks again and again until there is something, for at most a minute.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited a minute for {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

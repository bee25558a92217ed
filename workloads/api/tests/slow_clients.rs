//! Whoever is slow is given up, and holds nobody else up.

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use support::{Api, Broker, event, http};

const BEGUN: &[u8] = b"POST /events HTTP/1.1\r\nHost: localhost\r\n";

#[test]
fn a_slow_head_ends_its_connection() {
    let broker = Broker::start();
    let api = Api::with(&broker, &[("HEAD_TIMEOUT", "1")]);
    let mut slow: Vec<TcpStream> = (0..100).map(|_| begin(&api, BEGUN)).collect();
    assert_eq!(api.client().post(&event("1")).status, 202);
    for stream in &mut slow {
        let mut answer = Vec::new();
        // It ends with or without an answer.
        drop(stream.read_to_end(&mut answer));
    }
}

#[test]
fn a_slow_body_is_told_so() {
    let broker = Broker::start();
    let api = Api::with(&broker, &[("BODY_TIMEOUT", "1")]);
    let head = [BEGUN, b"Content-Type: application/cloudevents+json\r\nContent-Length: 9\r\n\r\n{"].concat();
    let slow: Vec<TcpStream> = (0..100).map(|_| begin(&api, &head)).collect();
    assert_eq!(api.client().post(&event("1")).status, 202);
    for stream in slow {
        let answer = http::read(stream).expect("an answer");
        assert_eq!((answer.status, answer.problem().as_str()), (408, "body-timeout"));
    }
    assert_eq!(broker.records().len(), 1);
}

#[test]
fn connections_are_limited() {
    let broker = Broker::start();
    let api = Api::with(&broker, &[("MAX_CONNECTIONS", "5"), ("HEAD_TIMEOUT", "1")]);
    let slow: Vec<TcpStream> = (0..20).map(|_| begin(&api, BEGUN)).collect();
    // It waits until it is its turn.
    assert_eq!(api.client().post(&event("1")).status, 202);
    drop(slow);
}

fn begin(api: &Api, bytes: &[u8]) -> TcpStream {
    let mut stream = api.client().connect().expect("a connection");
    stream.write_all(bytes).expect("a begun request");
    stream
}

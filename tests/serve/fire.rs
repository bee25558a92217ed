use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pipeline::store::State;
use sqlx::{Connection as _, SqliteConnection};

use crate::server::{Place, SECRET, Server, sign};
use crate::support::http;

/// What the server may have beyond what it had before, in MiB: all bodies that are being read may take 64.
const FLAT: u64 = 16;
const PEAK: u64 = 96;

#[test]
fn a_thousand_replays_are_one_run() {
    let place = Place::simple();
    let server = place.serve(&[]);
    server.until_run(&place.head(), State::Ended);
    let commit = place.push("second");
    let body = Place::told(&commit, "");
    let before = server.memory("VmRSS");
    for number in 0..1000 {
        let id = if number % 2 == 0 { "the same".to_owned() } else { format!("changed-{number}") };
        let answer = server.deliver("push", &id, &body);
        let expected = if number == 0 { "accepted" } else { "duplicate" };
        assert_eq!((answer.status, answer.body.as_str()), (202, expected), "{number}");
    }
    server.until_run(&commit, State::Ended);
    assert_eq!(server.runs().len(), 2);
    let after = server.memory("VmRSS");
    assert!(after <= before + FLAT, "{before} MiB before, {after} after");
    server.stop();
}

#[test]
fn of_a_signature_every_bit_counts() {
    let place = Place::simple();
    let server = place.serve(&[]);
    let body = Place::told(&place.push("second"), "");
    let right = hex::decode(sign(SECRET, body.as_bytes()).trim_start_matches("sha256=")).expect("bytes");
    for bit in 0..256 {
        let mut wrong = right.clone();
        wrong[bit / 8] ^= 1 << (bit % 8);
        let signature = format!("sha256={}", hex::encode(wrong));
        assert_eq!(server.deliver_signed("push", "1", &body, &signature).status, 401, "bit {bit}");
    }
    // Nothing of it was stored.
    assert_eq!(server.deliver("push", "1", &body).body, "accepted");
    server.until_run(&place.head(), State::Ended);
    server.stop();
}

/// A connection, and what is sent over it byte by byte.
fn drip(address: &str, head: &str) -> (TcpStream, std::vec::IntoIter<u8>) {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let (sent, dripped) = head.split_at(20);
    stream.write_all(sent.as_bytes()).expect("a beginning");
    (stream, dripped.to_owned().into_bytes().into_iter())
}

/// Sends a body that never ends, until the server has had enough.
fn endless(address: &str) -> u64 {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let signature = sign(SECRET, b"another body");
    let head = format!(
        "POST /webhooks/github HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: {signature}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("a head");
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let mut sent = 0;
    while stream.write_all(chunk.as_bytes()).is_ok() {
        sent += 0x10000;
    }
    sent
}

/// Bodies that are too large side by side: some that have no end, and some that say how large they are.
fn flood(address: &str) {
    let body = vec![b'x'; 26 * 1024 * 1024];
    let signature = sign(SECRET, &body);
    let headers = [("X-Hub-Signature-256", signature.as_str())];
    std::thread::scope(|scope| {
        for _ in 0..2 {
            // What the kernel holds between the two comes on top.
            scope.spawn(|| assert!(endless(address) < 40 * 1024 * 1024, "an endless body was taken"));
        }
        for _ in 0..10 {
            // It may be refused before all of it is sent.
            if let Ok(answer) = http::ask(address, "POST", "/webhooks/github", &headers, &body) {
                assert_eq!(answer.status, 413, "{answer:?}");
            }
        }
    });
}

#[test]
fn honest_callers_are_served_while_others_are_slow_or_send_too_much() {
    let place = Place::simple();
    let server = place.serve(&[]);
    server.until_run(&place.head(), State::Ended);
    let before = server.memory("VmRSS");

    let over = Arc::new(AtomicBool::new(false));
    let head = "POST /webhooks/github HTTP/1.1\r\nHost: somebody\r\nX-GitHub-Event: push\r\n";
    let signed = format!(
        "{head}X-Hub-Signature-256: {}\r\nContent-Length: 1000\r\n\r\n{}",
        sign(SECRET, b"another body"),
        "x".repeat(900)
    );
    // A head and a body each that never come to their end.
    let mut slow: Vec<_> =
        (0..200).map(|number| drip(&server.address, if number % 2 == 0 { head } else { &signed })).collect();
    let dripping = std::thread::spawn({
        let over = Arc::clone(&over);
        move || {
            while !over.load(Ordering::Relaxed) {
                for (stream, bytes) in &mut slow {
                    // Those that the server has given up are refused.
                    let _ = bytes.next().map(|byte| stream.write_all(&[byte]));
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    });
    // What the first time leaves for the second one is no leak.
    flood(&server.address);
    let once = server.memory("VmRSS");
    let flooding = std::thread::spawn({
        let address = server.address.clone();
        move || (0..3).for_each(|_| flood(&address))
    });
    for number in 0..100 {
        let answer = server.deliver("ping", &format!("honest-{number}"), &format!("{{\"zen\": {number}}}"));
        assert_eq!((answer.status, answer.body.as_str()), (202, "pong"), "{number}");
    }
    let commit = place.push("second");
    server.tell(&commit);
    server.until_run(&commit, State::Ended);
    flooding.join().expect("floods that are refused");
    over.store(true, Ordering::Relaxed);
    dripping.join().expect("an end");
    let (after, peak) = (server.memory("VmRSS"), server.memory("VmHWM"));
    assert!(
        after <= once + FLAT && peak <= before + PEAK,
        "{before} MiB before, {once} after once, {after} after all, {peak} at most"
    );
    assert_eq!(server.runs().len(), 2);
    server.stop();
}

/// What the store has of deliveries that were told in the burst.
async fn stored(place: &Place) -> Vec<String> {
    let file = place.state().join("pipeline.db").display().to_string();
    let mut store = SqliteConnection::connect(&file).await.expect("a store");
    let select = sqlx::query_scalar("SELECT id FROM deliveries WHERE id LIKE 'burst-%'");
    select.fetch_all(&mut store).await.expect("deliveries")
}

/// Delivers what nobody else delivers yet, until the server is gone. Those that were acknowledged are noted.
fn burst(server: &Server, commit: &str, next: &Mutex<std::ops::Range<u32>>, taken: &Mutex<BTreeSet<String>>) {
    loop {
        let Some(number) = next.lock().expect("no panic").next() else { return };
        let (id, body) = (format!("burst-{number}"), Place::told(commit, &number.to_string()));
        let signature = sign(SECRET, body.as_bytes());
        let headers = [
            ("X-GitHub-Event", "push"),
            ("X-GitHub-Delivery", id.as_str()),
            ("X-Hub-Signature-256", signature.as_str()),
        ];
        let answer = http::ask(&server.address, "POST", "/webhooks/github", &headers, body.as_bytes());
        if matches!(&answer, Ok(answer) if answer.status == 202 && answer.body == "accepted") {
            taken.lock().expect("no panic").insert(id);
        }
    }
}

#[test]
fn of_a_burst_that_is_cut_by_a_kill_everything_acknowledged_is_there_once() {
    const ALL: u32 = 10_000;
    let place = Place::simple();
    let server = place.serve(&[]);
    server.until_run(&place.head(), State::Ended);
    let commit = place.push("second");
    let (next, taken) = (Mutex::new(0..ALL), Mutex::new(BTreeSet::new()));
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| burst(&server, &commit, &next, &taken));
        }
        crate::support::until("half of the burst", || {
            (taken.lock().expect("no panic").len() > ALL as usize / 2).then_some(())
        });
        server.send(rustix::process::Signal::KILL);
    });
    drop(server);
    let taken = taken.into_inner().expect("no panic");
    assert!(taken.len() < ALL as usize, "the kill came too late");

    let server = place.serve(&[]);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let stored: Vec<String> = runtime.block_on(stored(&place));
    let distinct: BTreeSet<String> = stored.iter().cloned().collect();
    assert_eq!(stored.len(), distinct.len());
    let lost: Vec<&String> = taken.difference(&distinct).collect();
    assert_eq!(lost, Vec::<&String>::new());
    // All of them told of one commit.
    server.until_run(&commit, State::Ended);
    assert_eq!(server.runs().len(), 2, "{:?}", server.runs());
    server.stop();
}

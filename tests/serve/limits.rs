use pipeline::store::State;

use crate::server::{Place, SECRET, Server, sign};
use crate::support::http::{self, Answer, Sending};

/// Begins to deliver a body of this length, signed with something.
fn begin(server: &Server, length: usize) -> Sending {
    let signature = sign(SECRET, b"another body");
    let headers =
        [("X-GitHub-Event", "push"), ("X-GitHub-Delivery", "1"), ("X-Hub-Signature-256", signature.as_str())];
    http::begin(&server.address, "POST", "/webhooks/github", &headers, length).expect("a connection")
}

fn answer(sending: Sending) -> Answer {
    sending.answer().expect("an answer")
}

#[test]
fn bodies_that_are_too_large_or_too_slow_are_refused() {
    let place = Place::simple();
    let server = place.serve(&[]);
    assert_eq!(answer(begin(&server, 25 * 1024 * 1024 + 1)).status, 413);
    let mut slow = begin(&server, 10);
    slow.send(b"half").unwrap();
    // So slow that the head does not come to its end either.
    assert_eq!(answer(slow).status, 408);
    server.until_run(&place.head(), State::Ended);
    server.stop();
}

#[test]
fn more_than_there_is_room_for_is_sent_away_and_the_room_is_free_again() {
    const LARGE: usize = 24 * 1024 * 1024;
    let place = Place::simple();
    let server = place.serve(&[]);
    let almost = vec![b' '; LARGE - 1];
    let mut held: Vec<Sending> = (0..2).map(|_| begin(&server, LARGE)).collect();
    for sending in &mut held {
        sending.send(&almost).unwrap();
    }
    let mut third = begin(&server, LARGE);
    // It may be sent away before all of it is sent.
    let _ = third.send(&almost);
    let refused = answer(third);
    assert_eq!(refused.status, 503, "{refused:?}");
    // What is small still finds room.
    assert_eq!(server.deliver("ping", "small", "{}").status, 202);
    for mut sending in held {
        sending.send(b" ").unwrap();
        assert_eq!(answer(sending).status, 401);
    }
    let mut again = begin(&server, LARGE);
    again.send(&almost).unwrap();
    again.send(b" ").unwrap();
    assert_eq!(answer(again).status, 401);
    server.until_run(&place.head(), State::Ended);
    server.stop();
}

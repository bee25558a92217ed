use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::support::{answer_all, until};

/// What a receiver does with a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Does {
    Fail,
    /// It has heard, and its answer is lost.
    LoseTheAnswer,
    Hang,
    Take,
}

/// What came in.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) path: String,
    headers: Vec<String>,
    pub(crate) body: String,
}

impl Told {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter().filter_map(|line| line.split_once(": "));
        headers.find_map(|(it, value)| it.eq_ignore_ascii_case(name).then_some(value))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }
}

/// Somebody who is told of runs; what it is to do with the first requests is given, all others are taken.
pub(crate) struct Receiver {
    address: String,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Receiver {
    pub(crate) fn start(does: &[Does]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let (told, does) = (Arc::<Mutex<Vec<Told>>>::default(), Mutex::new(VecDeque::from(does.to_vec())));
        let heard = Arc::clone(&told);
        answer_all(listener, move |stream| {
            let request = read(stream);
            let does = does.lock().expect("no panic").pop_front().unwrap_or(Does::Take);
            heard.lock().expect("no panic").push(request);
            answer(stream, does);
        });
        Self { address, told }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/canary-path/{path}", self.address)
    }

    /// Waits until so many requests came in.
    pub(crate) fn until_told(&self, count: usize) -> Vec<Told> {
        until(&format!("{count} notices"), || {
            let told = self.told.lock().expect("no panic").clone();
            (told.len() >= count).then_some(told)
        })
    }
}

fn read(stream: &TcpStream) -> Told {
    let mut reader = BufReader::new(stream);
    let mut lines = reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let path = lines.next().and_then(|line| line.split(' ').nth(1).map(str::to_owned)).unwrap_or_default();
    let headers: Vec<String> = lines.collect();
    let mut told = Told { path, headers, body: String::new() };
    let length = told.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    told.body = String::from_utf8(body).expect("text");
    told
}

fn answer(mut stream: &TcpStream, does: Does) {
    let status = match does {
        Does::Fail => "500 Internal Server Error",
        Does::LoseTheAnswer => return,
        Does::Hang => return std::thread::sleep(Duration::from_mins(1)),
        Does::Take => "200 OK",
    };
    // Who asks may be gone.
    let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

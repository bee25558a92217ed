use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use super::PATIENCE;

/// Sends requests, each over a connection of its own.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    port: u16,
    headers: Vec<(String, String)>,
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Client {
    pub(crate) fn new(port: u16) -> Self {
        Self { port, headers: Vec::new() }
    }

    /// With one more header in each request.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, b"")
    }

    /// Posts an event, or a batch of them.
    pub(crate) fn post(&self, events: &Value) -> Answer {
        self.try_post(events).expect("an answer")
    }

    pub(crate) fn try_post(&self, events: &Value) -> std::io::Result<Answer> {
        self.typed(events).try_send("POST", "/events", events.to_string().as_bytes())
    }

    /// Posts an event without reading the answer.
    pub(crate) fn begin_post(&self, events: &Value) -> TcpStream {
        let body = events.to_string();
        let head = self.typed(events).head("POST", "/events", &format!("Content-Length: {}", body.len()));
        let mut stream = self.connect().expect("a connection");
        stream.write_all((head + &body).as_bytes()).expect("a request");
        stream
    }

    fn typed(&self, events: &Value) -> Self {
        let format = if events.is_array() { "cloudevents-batch" } else { "cloudevents" };
        self.clone().with("Content-Type", &format!("application/{format}+json"))
    }

    pub(crate) fn send(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        self.try_send(method, path, body).expect("an answer")
    }

    pub(crate) fn try_send(&self, method: &str, path: &str, body: &[u8]) -> std::io::Result<Answer> {
        let mut stream = self.connect()?;
        let length = format!("Content-Length: {}", body.len());
        stream.write_all(self.head(method, path, &length).as_bytes())?;
        // Who refuses a body need not read it.
        let written = stream.write_all(body);
        read(stream).or_else(|error| written.and(Err(error)))
    }

    pub(crate) fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// A request's head, with one more line.
    pub(crate) fn head(&self, method: &str, path: &str, line: &str) -> String {
        let lines: Vec<String> =
            self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{line}\r\n{}\r\n",
            lines.concat()
        )
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The problem's type, if the answer is one.
    #[track_caller]
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{self:?}");
        for member in ["title", "detail", "instance", "trace_id"] {
            assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {self:?}");
        }
        let kind = problem["type"].as_str().expect("a type");
        kind.strip_prefix("urn:events:problem:").expect("a type of this API").to_owned()
    }

    /// Where events are, of an answer that says that all are acknowledged.
    #[track_caller]
    pub(crate) fn places(&self) -> Vec<(String, (i32, i64))> {
        assert_eq!(self.status, 202, "{self:?}");
        let told = self.json();
        let events = told["events"].as_array().cloned().unwrap_or_else(|| vec![told]);
        let place = |event: &Value| {
            let number = |name: &str| event[name].as_i64().expect("a number");
            let partition = i32::try_from(number("partition")).expect("a partition");
            (event["id"].as_str().expect("an id").to_owned(), (partition, number("offset")))
        };
        events.iter().map(place).collect()
    }
}

/// Reads an answer to its end.
pub(crate) fn read(mut stream: TcpStream) -> std::io::Result<Answer> {
    let mut bytes = Vec::new();
    let end = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        end?;
        return Err(std::io::Error::other(format!("no answer: {text}")));
    };
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status");
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    Ok(Answer { status, headers, body: body.to_owned() })
}

/// Posts a body in chunks, without telling before how long it is.
pub(crate) fn send_chunks(client: &Client, bytes: usize) -> std::io::Result<Answer> {
    let mut stream = client.connect()?;
    stream.write_all(client.head("POST", "/events", "Transfer-Encoding: chunked").as_bytes())?;
    let chunk = [b"1000\r\n".as_slice(), &[b' '; 0x1000], b"\r\n"].concat();
    let mut written = Ok(());
    for _ in 0..bytes / 0x1000 {
        written = stream.write_all(&chunk);
        if written.is_err() {
            break;
        }
    }
    read(stream).or_else(|error| written.and(Err(error)))
}

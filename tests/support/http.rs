//! Plain HTTP to a server on this machine, down to what a client can do wrong.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// A header; there is one.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut values = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        values.next().unwrap_or_else(|| panic!("no {name}: {self:?}"))
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A request whose body is sent by hand.
pub(crate) struct Sending(TcpStream);

/// Sends a request's head, which announces a body of this length.
pub(crate) fn begin(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    length: usize,
) -> std::io::Result<Sending> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_mins(1)))?;
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n")?;
    for (name, value) in headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    write!(stream, "Content-Length: {length}\r\n\r\n")?;
    Ok(Sending(stream))
}

impl Sending {
    pub(crate) fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write_all(bytes)
    }

    /// Reads the first line of an answer that may have no end.
    pub(crate) fn status(&self) -> u16 {
        let mut line = String::new();
        BufReader::new(&self.0).read_line(&mut line).expect("a first line");
        line.split_whitespace().nth(1).and_then(|code| code.parse().ok()).expect("a status")
    }

    /// Reads the answer to its end.
    pub(crate) fn answer(mut self) -> std::io::Result<Answer> {
        let mut bytes = Vec::new();
        // Who is refused in the middle of a body may see the connection reset behind the answer.
        let read = self.0.read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let status = text.split_whitespace().nth(1).and_then(|code| code.parse().ok());
        match (status, read) {
            (Some(status), _) => {
                let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
                Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
            }
            (None, Err(error)) => Err(error),
            (None, Ok(_)) => Err(std::io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// Asks and gets the answer.
pub(crate) fn ask(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> std::io::Result<Answer> {
    let mut sending = begin(address, method, path, headers, body.len())?;
    sending.send(body)?;
    sending.answer()
}

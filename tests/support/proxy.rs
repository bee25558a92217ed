use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What the names of operations begin with that change nothing.
const READS: [&str; 5] = ["Describe", "Get", "List", "BatchGet", "GET "];

/// Stands between the pipeline and the AWS API, and takes down every call.
#[derive(Debug, Clone)]
pub(crate) struct Proxy {
    port: u16,
    calls: Arc<Mutex<Vec<String>>>,
    refused: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// A proxy in front of the local cloud.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let proxy = Self { port, calls: Arc::default(), refused: Arc::default() };
        let (calls, refused) = (Arc::clone(&proxy.calls), Arc::clone(&proxy.refused));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (calls, refused) = (Arc::clone(&calls), Arc::clone(&refused));
                std::thread::spawn(move || drop(relay(&client, &calls, &refused)));
            }
        });
        proxy
    }

    /// From now on the caller lacks the permission for this operation.
    pub(crate) fn refuse(&self, operation: &str) {
        self.refused.lock().expect("no panic").push(operation.to_owned());
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The calls since the last time they were taken, by the names of their operations.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().expect("no panic"))
    }

    /// The calls among these that change something.
    pub(crate) fn writes(calls: &[String]) -> Vec<&String> {
        let reads = |call: &&String| READS.iter().any(|prefix| call.starts_with(prefix));
        calls.iter().filter(|call| !reads(call)).collect()
    }
}

/// One request and its answer; the connection is closed then, and the client opens another.
fn relay(
    client: &TcpStream,
    calls: &Mutex<Vec<String>>,
    refused: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(client);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if reader.read_until(b'\n', &mut head)? == 0 {
            return Ok(());
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = header(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let operation = operation(&head, &String::from_utf8_lossy(&body));
    calls.lock().expect("no panic").push(operation.clone());
    if refused.lock().expect("no panic").contains(&operation) {
        return refuse(client, &operation, header(&head, "x-amz-target").is_some());
    }
    let mut server = TcpStream::connect(upstream())?;
    let kept =
        head.lines().filter(|line| !line.is_empty() && !line.to_lowercase().starts_with("connection:"));
    let head: Vec<&str> = kept.chain(["Connection: close", "", ""]).collect();
    server.write_all(head.join("\r\n").as_bytes())?;
    server.write_all(&body)?;
    std::io::copy(&mut server, &mut &*client)?;
    Ok(())
}

/// What AWS answers to somebody without the permission, in the protocol of the operation.
fn refuse(mut client: &TcpStream, operation: &str, json: bool) -> std::io::Result<()> {
    let message = format!("User: test is not authorized to perform: {operation}");
    let body = if json {
        format!(r#"{{"__type":"AccessDeniedException","message":"{message}"}}"#)
    } else {
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>{message}</Message></Error></ErrorResponse>"
        )
    };
    let length = body.len();
    write!(client, "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
}

fn upstream() -> String {
    super::Cloud::endpoint().trim_start_matches("http://").to_owned()
}

fn header<'a>(head: &'a str, wanted: &str) -> Option<&'a str> {
    let mut headers = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    headers.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
}

/// The protocols name an operation in a header, in the body, or by method and path.
fn operation(head: &str, body: &str) -> String {
    if let Some(target) = header(head, "x-amz-target") {
        return target.rsplit('.').next().unwrap_or_default().to_owned();
    }
    if let Some(action) = body.split('&').find_map(|pair| pair.strip_prefix("Action=")) {
        return action.to_owned();
    }
    let mut words = head.split_whitespace();
    format!("{} {}", words.next().unwrap_or_default(), words.next().unwrap_or_default())
}

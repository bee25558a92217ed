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
    /// A form parameter that does not reach the API.
    dropped: Arc<Mutex<Option<String>>>,
}

impl Proxy {
    /// A proxy in front of the local cloud.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let proxy = Self { port, calls: Arc::default(), dropped: Arc::default() };
        let relaying = proxy.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let proxy = relaying.clone();
                std::thread::spawn(move || drop(relay(&client, &proxy)));
            }
        });
        proxy
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The calls since the last time they were taken, by the names of their operations.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().expect("no panic"))
    }

    /// From now on this form parameter is left out of every call, as if the API did not know it.
    pub(crate) fn drop_from_calls(&self, parameter: &str) {
        *self.dropped.lock().expect("no panic") = Some(parameter.to_owned());
    }

    /// The calls among these that change something.
    pub(crate) fn writes(calls: &[String]) -> Vec<&String> {
        let reads = |call: &&String| READS.iter().any(|prefix| call.starts_with(prefix));
        calls.iter().filter(|call| !reads(call)).collect()
    }
}

/// One request and its answer; the connection is closed then, and the client opens another.
fn relay(client: &TcpStream, proxy: &Proxy) -> std::io::Result<()> {
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
    proxy.calls.lock().expect("no panic").push(operation(&head, &String::from_utf8_lossy(&body)));
    if let Some(dropped) = proxy.dropped.lock().expect("no panic").as_ref() {
        body = String::from_utf8_lossy(&body).replace(dropped.as_str(), "Dropped=").into_bytes();
    }
    let mut server = TcpStream::connect(upstream())?;
    let kept =
        head.lines().filter(|line| !line.is_empty() && !has_any(line, ["connection:", "content-length:"]));
    let length = format!("Content-Length: {}", body.len());
    let head: Vec<&str> = kept.chain(["Connection: close", &length, "", ""]).collect();
    server.write_all(head.join("\r\n").as_bytes())?;
    server.write_all(&body)?;
    std::io::copy(&mut server, &mut &*client)?;
    Ok(())
}

fn has_any<const N: usize>(line: &str, names: [&str; N]) -> bool {
    names.iter().any(|name| line.to_lowercase().starts_with(name))
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

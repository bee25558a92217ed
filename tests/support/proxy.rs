use std::collections::HashMap;
use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// What the names of operations begin with that change nothing.
const READS: [&str; 5] = ["Describe", "Get", "List", "BatchGet", "GET "];

/// What becomes of a call on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is passed on, and so is the answer.
    Passed,
    /// It is answered with this status and error code, and not passed on.
    Refused(u16, &'static str),
    /// The connection ends before it is passed on.
    Lost,
    /// It is carried out, but the connection ends before the answer.
    Unanswered,
    /// It is carried out, but the connection ends in the middle of the answer.
    CutOff,
    /// The pipeline is killed before it is passed on.
    KilledBefore,
    /// It is carried out, and the pipeline killed before the answer.
    KilledAfter,
}

impl Fate {
    fn reaches_aws(self) -> bool {
        matches!(self, Self::Passed | Self::Unanswered | Self::CutOff | Self::KilledAfter)
    }
}

/// Decides on a call by its operation and how many calls of that operation came before.
type Plan = Box<dyn FnMut(&str, usize) -> Fate + Send>;

/// Stands between the pipeline and the AWS API, takes down every call that gets there, and lets calls go wrong.
#[derive(Clone)]
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    /// What reached the API.
    calls: Vec<String>,
    counts: HashMap<String, usize>,
    plan: Plan,
    /// The process that a fate may kill.
    victim: Option<Pid>,
    /// A form parameter that does not reach the API.
    dropped: Option<String>,
    /// The access keys that calls were signed with, in the order in which they first came.
    signers: Vec<String>,
    /// The secrets that the API gave away.
    secrets: Vec<String>,
    /// How long credentials are said to last, if not as long as the API says.
    lifetime: Option<Duration>,
}

impl Proxy {
    /// A proxy in front of the local cloud that passes everything.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let plan: Plan = Box::new(|_, _| Fate::Passed);
        let shared = Shared {
            calls: Vec::new(),
            counts: HashMap::new(),
            plan,
            victim: None,
            dropped: None,
            signers: Vec::new(),
            secrets: Vec::new(),
            lifetime: None,
        };
        let proxy = Self { port, shared: Arc::new(Mutex::new(shared)) };
        let relaying = proxy.clone();
        super::answer_all(listener, move |client| drop(relaying.relay(client)));
        proxy
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// From now on this decides what becomes of calls, which are counted anew.
    pub(crate) fn plan(&self, plan: impl FnMut(&str, usize) -> Fate + Send + 'static) {
        self.with(|shared| {
            shared.plan = Box::new(plan);
            shared.counts.clear();
        });
    }

    /// The process that is killed when the plan says so.
    pub(crate) fn may_kill(&self, pid: Pid) {
        self.with(|shared| shared.victim = Some(pid));
    }

    /// The calls that reached the API since the last time they were taken, by the names of their operations.
    pub(crate) fn take(&self) -> Vec<String> {
        self.with(|shared| std::mem::take(&mut shared.calls))
    }

    /// From now on this form parameter is left out of every call, as if the API did not know it.
    pub(crate) fn drop_from_calls(&self, parameter: &str) {
        self.with(|shared| shared.dropped = Some(parameter.to_owned()));
    }

    /// The access keys that calls were signed with so far.
    pub(crate) fn signers(&self) -> Vec<String> {
        self.with(|shared| shared.signers.clone())
    }

    /// The secrets that the API gave away so far.
    pub(crate) fn secrets(&self) -> Vec<String> {
        self.with(|shared| shared.secrets.clone())
    }

    /// From now on the credentials that the API gives away are said to last this long.
    pub(crate) fn credentials_last(&self, lifetime: Duration) {
        self.with(|shared| shared.lifetime = Some(lifetime));
    }

    /// The calls among these that change something.
    pub(crate) fn writes(calls: &[String]) -> Vec<&String> {
        calls.iter().filter(|call| Self::changes_something(call)).collect()
    }

    pub(crate) fn changes_something(call: &str) -> bool {
        !READS.iter().any(|prefix| call.starts_with(prefix))
    }

    fn with<T>(&self, change: impl FnOnce(&mut Shared) -> T) -> T {
        change(&mut self.shared.lock().expect("no panic"))
    }

    fn fate(&self, operation: &str) -> Fate {
        self.with(|shared| {
            let before = shared.counts.entry(operation.to_owned()).or_default();
            let fate = (shared.plan)(operation, *before);
            *before += 1;
            if fate.reaches_aws() {
                shared.calls.push(operation.to_owned());
            }
            fate
        })
    }

    fn kill(&self) {
        if let Some(victim) = self.with(|shared| shared.victim.take()) {
            // A signal takes its time; the call goes on when the process is gone, or was gone already.
            let _ = kill_process(victim, Signal::KILL);
        }
    }

    fn without_dropped(&self, body: Vec<u8>) -> Vec<u8> {
        match self.with(|shared| shared.dropped.clone()) {
            Some(dropped) => String::from_utf8_lossy(&body).replace(&dropped, "Dropped=").into_bytes(),
            None => body,
        }
    }

    fn take_down_signer(&self, head: &str) {
        let credential = header(head, "authorization").and_then(|value| value.split("Credential=").nth(1));
        if let Some(key) = credential.and_then(|scope| scope.split('/').next()) {
            self.with(|shared| {
                if !shared.signers.iter().any(|known| known == key) {
                    shared.signers.push(key.to_owned());
                }
            });
        }
    }

    /// The answer with credentials, which end as the test wants.
    fn credentials_given(&self, answer: &[u8]) -> Vec<u8> {
        let mut text = String::from_utf8_lossy(answer).into_owned();
        self.with(|shared| {
            let secrets =
                ["SecretAccessKey", "SessionToken"].map(|name| element(&text, name).map(str::to_owned));
            shared.secrets.extend(secrets.into_iter().flatten());
            if let (Some(lifetime), Some(told)) = (shared.lifetime, element(&text, "Expiration")) {
                let end = jiff::Timestamp::now() + jiff::SignedDuration::try_from(lifetime).expect("a time");
                text = text.replace(told, &end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
            }
        });
        text.into_bytes()
    }

    /// One request and its answer; the connection is closed then, and the client opens another.
    fn relay(&self, client: &TcpStream) -> std::io::Result<()> {
        let Some((head, body)) = read(client)? else { return Ok(()) };
        let operation = operation(&head, &String::from_utf8_lossy(&body));
        self.take_down_signer(&head);
        let fate = self.fate(&operation);
        if fate == Fate::KilledBefore {
            self.kill();
        }
        if let Fate::Refused(status, code) = fate {
            return (&mut &*client).write_all(refusal(&head, &body, status, code).as_bytes());
        }
        if !fate.reaches_aws() {
            return Ok(());
        }
        let mut answer = pass_on(&head, &self.without_dropped(body))?;
        if operation == "AssumeRoleWithWebIdentity" {
            answer = self.credentials_given(&answer);
        }
        match fate {
            Fate::KilledAfter => self.kill(),
            Fate::CutOff => (&mut &*client).write_all(&answer[..answer.len() - answer.len().min(9)])?,
            Fate::Passed => (&mut &*client).write_all(&answer)?,
            _ => {}
        }
        Ok(())
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("port", &self.port).finish_non_exhaustive()
    }
}

pub(super) fn read(client: &TcpStream) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut reader = BufReader::new(client);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if reader.read_until(b'\n', &mut head)? == 0 {
            return Ok(None);
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = header(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some((head, body)))
}

fn pass_on(head: &str, body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut server = TcpStream::connect(super::Cloud::endpoint().trim_start_matches("http://"))?;
    let ours = |line: &str| has_any(line, ["connection:", "content-length:"]);
    let kept = head.lines().filter(|line| !line.is_empty() && !ours(line));
    let length = format!("Content-Length: {}", body.len());
    let head: Vec<&str> = kept.chain(["Connection: close", &length, "", ""]).collect();
    server.write_all(head.join("\r\n").as_bytes())?;
    server.write_all(body)?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    Ok(answer)
}

/// What stands in an element of the XML.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    xml.split(&format!("<{name}>")).nth(1)?.split(&format!("</{name}>")).next()
}

fn has_any<const N: usize>(line: &str, names: [&str; N]) -> bool {
    names.iter().any(|name| line.to_lowercase().starts_with(name))
}

pub(super) fn header<'a>(head: &'a str, wanted: &str) -> Option<&'a str> {
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

/// What a refusal says.
const MESSAGE: &str = "said by the test";

/// An error as the call's protocol has it.
fn refusal(head: &str, body: &[u8], status: u16, code: &str) -> String {
    let (kind, body) = if body.starts_with(b"Action=") || body.windows(8).any(|part| part == b"&Action=") {
        let error =
            format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>{MESSAGE}</Message></Error>");
        ("text/xml", format!("<ErrorResponse>{error}<RequestId>1</RequestId></ErrorResponse>"))
    } else {
        ("application/json", format!(r#"{{"__type":"{code}","message":"{MESSAGE}"}}"#))
    };
    let name = match header(head, "x-amz-target") {
        Some(_) => String::new(),
        None => format!("x-amzn-errortype: {code}\r\n"),
    };
    format!(
        "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\n{name}Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

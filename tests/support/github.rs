use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::proxy::{header, read};

/// Where Prism checks requests against GitHub's own description of its API; `local/github` starts it.
const PRISM: &str = "127.0.0.1:4010";

/// What becomes of a request.
#[derive(Debug, Clone)]
pub(crate) enum Fate {
    /// It is carried out and answered.
    Passed,
    /// It is answered with this code, these headers and this message, and not carried out.
    Refused(u16, Vec<(&'static str, String)>, &'static str),
    /// The connection ends before it is carried out.
    Lost,
    /// It is carried out, and the connection ends without an answer.
    Unanswered,
    /// It is carried out, and the answer takes this long.
    Late(Duration),
}

/// A request as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// `POST /repos/o/r/statuses/<sha>`
    pub(crate) line: String,
    pub(crate) authorization: String,
    pub(crate) body: Value,
}

/// Decides on a request by `METHOD path` and how many requests of the same came before.
type Plan = Box<dyn FnMut(&str, usize) -> Fate + Send>;

/// A GitHub with one repository, `o/r`, that keeps what it is told and lets requests go wrong. When it is dropped, every
/// request that it got has to fit GitHub's own description of its API.
pub(crate) struct GitHub {
    pub(crate) url: String,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    plan: Plan,
    counts: HashMap<String, usize>,
    requests: Vec<Request>,
    things: Things,
    /// Whether the token is a person's, `ada`; else a job's.
    person: bool,
}

/// What is on GitHub.
#[derive(Debug, Default, Clone)]
pub(crate) struct Things {
    ids: u64,
    pub(crate) statuses: Vec<Value>,
    pub(crate) comments: Vec<Value>,
    pub(crate) checks: Vec<Value>,
    pub(crate) deployments: Vec<Value>,
    /// What whoever asks may do with the repository: `pull`, `push`…; it is not there for who may nothing.
    pub(crate) permissions: Vec<&'static str>,
    /// The teams that whoever asks is in: `acme/ops`.
    pub(crate) teams: Vec<&'static str>,
}

impl GitHub {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let shared = Arc::new(Mutex::new(Shared {
            plan: Box::new(|_, _| Fate::Passed),
            counts: HashMap::new(),
            requests: Vec::new(),
            things: Things::default(),
            person: false,
        }));
        let serving = Arc::clone(&shared);
        super::answer_all(listener, move |client| while matches!(serve(client, &serving), Ok(true)) {});
        Self { url, shared }
    }

    /// From now on this decides what becomes of requests, which are counted anew.
    pub(crate) fn plan(&self, plan: impl FnMut(&str, usize) -> Fate + Send + 'static) {
        let mut shared = self.shared.lock().expect("no panic");
        shared.plan = Box::new(plan);
        shared.counts.clear();
    }

    /// From now on the token is that of a person called `ada`.
    pub(crate) fn belongs_to_a_person(&self) {
        self.shared.lock().expect("no panic").person = true;
    }

    /// What is there now.
    pub(crate) fn things(&self) -> Things {
        self.shared.lock().expect("no panic").things.clone()
    }

    /// Changes what is there.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Things)) {
        change(&mut self.shared.lock().expect("no panic").things);
    }

    /// All requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.lock().expect("no panic").requests.clone()
    }

    /// The states that a context was given, in their order.
    pub(crate) fn states(&self, context: &str) -> Vec<String> {
        let things = self.things();
        let statuses = things.statuses.iter().filter(|status| status["context"] == context);
        statuses.map(|status| text(&status["state"])).collect()
    }
}

impl Drop for GitHub {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        // Signing in is described on a page of its own, and not with the API.
        let described = |request: &Request| !request.line.contains(" /login/oauth/");
        for request in self.requests().into_iter().filter(described) {
            let answer = ask_prism(&request).unwrap_or_else(|error| {
                panic!("{PRISM} does not answer ({error}): start it by local/github")
            });
            assert!(
                !answer.contains("stoplight.io/prism/errors"),
                "GitHub does not know this request: {} {}\n{answer}",
                request.line,
                request.body
            );
        }
    }
}

impl Things {
    fn id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    /// Adds a deployment that somebody else has made, with its newest status.
    pub(crate) fn deployed(&mut self, by: &str, sha: &str, environment: &str, status: &Value) -> u64 {
        let id = self.id();
        self.deployments.push(json!({
            "id": id, "sha": sha, "environment": environment, "creator": { "login": by },
            "payload": "", "statuses": [status],
        }));
        id
    }

    /// How each deployment stands, in the order in which they were made.
    pub(crate) fn deployment_states(&self) -> Vec<String> {
        let last =
            |made: &Value| text(&made["statuses"].as_array().and_then(|all| all.last())?["state"]).into();
        self.deployments.iter().filter_map(last).collect()
    }

    /// Adds a comment of somebody.
    pub(crate) fn commented(&mut self, by: &str, kind: &str, body: &str) {
        let id = self.id();
        self.comments.push(json!({ "id": id, "body": body, "user": { "login": by, "type": kind } }));
    }

    fn membership(&self, team: &str) -> (u16, Value) {
        if self.teams.contains(&team) {
            (200, json!({ "state": "active", "role": "member" }))
        } else {
            (404, json!({ "message": "Not Found" }))
        }
    }

    /// Carries a request out.
    fn answer(&mut self, method: &str, path: &str, body: &Value, person: bool) -> (u16, Value) {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let author = if person {
            json!({ "login": "ada", "type": "User" })
        } else {
            json!({ "login": "github-actions[bot]", "type": "Bot" })
        };
        let rest = match (parts.as_slice(), person) {
            (["user"], true) => return (200, author),
            (["user"], false) => {
                return (403, json!({ "message": "Resource not accessible by integration" }));
            }
            (["app", "installations", "11", "access_tokens"], _) => {
                let token = format!("ghs_installation_{}", self.id());
                return (
                    201,
                    json!({ "token": token, "expires_at": "2099-01-01T00:00:00Z", "permissions": {} }),
                );
            }
            (["login", "oauth", "access_token"], _) => return (200, token_for(body)),
            (["orgs", organization, "teams", team, "memberships", "ada"], true) => {
                return self.membership(&format!("{organization}/{team}"));
            }
            (["repos", "o", "r", rest @ ..], _) => rest,
            _ => return (404, json!({ "message": "Not Found" })),
        };
        match (method, rest) {
            ("GET", []) if !self.permissions.is_empty() => {
                let permissions: serde_json::Map<String, Value> =
                    self.permissions.iter().map(|name| ((*name).to_owned(), json!(true))).collect();
                (200, json!({ "full_name": "o/r", "permissions": permissions }))
            }
            ("GET", ["installation"]) => (200, json!({ "id": 11 })),
            ("GET", ["pulls", number]) => {
                (200, json!({ "number": number.parse::<u64>().ok(), "head": { "sha": "headofpullrequest" } }))
            }
            ("POST", ["statuses", sha]) => {
                let status = with(body, "sha", json!(sha));
                self.statuses.push(status.clone());
                (201, status)
            }
            ("GET", ["issues", _, "comments"]) => (200, page(self.comments.clone(), query)),
            ("POST", ["issues", _, "comments"]) => {
                let id = self.id();
                let comment = with(&with(body, "id", json!(id)), "user", author);
                self.comments.push(comment.clone());
                (201, comment)
            }
            ("PATCH", ["issues", "comments", id]) => changed(&mut self.comments, id, body),
            ("GET", ["commits", sha, "check-runs"]) => {
                let ours = self.checks.iter().filter(|check| check["head_sha"] == **sha).cloned().collect();
                (200, json!({ "total_count": 1, "check_runs": page(ours, query) }))
            }
            ("POST", ["check-runs"]) => {
                let id = self.id();
                let check = with(body, "id", json!(id));
                self.checks.push(check.clone());
                (201, check)
            }
            ("PATCH", ["check-runs", id]) => changed(&mut self.checks, id, body),
            ("GET", ["deployments"]) => {
                let wanted: Vec<(&str, &str)> =
                    query.split('&').filter_map(|pair| pair.split_once('=')).collect();
                let fits = |deployment: &&Value| {
                    wanted.iter().all(|(name, value)| {
                        !matches!(*name, "sha" | "environment") || deployment[*name] == *value
                    })
                };
                (200, page(self.deployments.iter().rev().filter(fits).cloned().collect(), query))
            }
            ("POST", ["deployments"]) => {
                let id = self.id();
                let made = with(&with(body, "id", json!(id)), "sha", body["ref"].clone());
                let made = with(&with(&made, "creator", author), "statuses", json!([]));
                self.deployments.push(made.clone());
                (201, made)
            }
            ("GET", ["deployments", id, "statuses"]) => {
                let found = self.deployments.iter().find(|made| is(made, id));
                let statuses =
                    found.and_then(|made| made["statuses"].as_array()).cloned().unwrap_or_default();
                (200, page(statuses.into_iter().rev().collect(), query))
            }
            ("POST", ["deployments", id, "statuses"]) => {
                let found = self.deployments.iter_mut().find(|made| is(made, id));
                let Some(made) = found else { return (404, json!({ "message": "Not Found" })) };
                made["statuses"].as_array_mut().expect("a list").push(body.clone());
                (201, body.clone())
            }
            _ => (404, json!({ "message": "Not Found" })),
        }
    }
}

/// A person's token for the code that a browser has brought along, if the client's secret is right.
fn token_for(body: &Value) -> Value {
    if body["code"] == "a-code" && body["client_secret"] == "canary/client+secret" {
        json!({ "access_token": "gho_canary", "scope": "repo", "token_type": "bearer" })
    } else {
        json!({ "error": "bad_verification_code", "error_description": "it is wrong" })
    }
}

fn is(thing: &Value, id: &str) -> bool {
    id.parse::<u64>().is_ok_and(|id| thing["id"] == id)
}

fn changed(things: &mut [Value], id: &str, body: &Value) -> (u16, Value) {
    let Some(thing) = things.iter_mut().find(|thing| is(thing, id)) else {
        return (404, json!({ "message": "Not Found" }));
    };
    for (name, value) in body.as_object().expect("an object") {
        thing[name] = value.clone();
    }
    (200, thing.clone())
}

fn with(body: &Value, name: &str, value: Value) -> Value {
    let mut body = body.clone();
    body[name] = value;
    body
}

/// The part of a list that is asked for.
fn page(list: Vec<Value>, query: &str) -> Value {
    let number = |name: &str, otherwise: usize| {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(key, _)| *key == name).find_map(|(_, value)| value.parse().ok()).unwrap_or(otherwise)
    };
    let size = number("per_page", 30);
    list.into_iter().skip((number("page", 1) - 1) * size).take(size).collect()
}

/// One request on a connection. Returns whether another may follow.
fn serve(client: &TcpStream, shared: &Mutex<Shared>) -> std::io::Result<bool> {
    let Some((head, body)) = read(client)? else { return Ok(false) };
    let line = head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
    let authorization = header(&head, "authorization").unwrap_or_default().to_owned();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let (method, path) = line.split_once(' ').expect("a request line");
    let (fate, answer) = {
        let mut shared = shared.lock().expect("no panic");
        shared.requests.push(Request { line: line.clone(), authorization, body: body.clone() });
        let key = path.split('?').next().unwrap_or_default();
        let key = format!("{method} {key}");
        let before = shared.counts.entry(key.clone()).or_default();
        let count = *before;
        *before += 1;
        let fate = (shared.plan)(&key, count);
        let person = shared.person;
        let carried_out = matches!(fate, Fate::Passed | Fate::Unanswered | Fate::Late(_));
        let answer = carried_out.then(|| shared.things.answer(method, path, &body, person));
        (fate, answer)
    };
    let (code, headers, answer) = match (fate, answer) {
        (Fate::Refused(code, headers, message), _) => (code, headers, json!({ "message": message })),
        (Fate::Late(time), Some((code, answer))) => {
            std::thread::sleep(time);
            (code, Vec::new(), answer)
        }
        (Fate::Passed, Some((code, answer))) => (code, Vec::new(), answer),
        _ => return Ok(false),
    };
    let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let headers = headers.concat();
    let answer = answer.to_string();
    write!(
        &mut &*client,
        "HTTP/1.1 {code} X\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n{answer}",
        answer.len()
    )?;
    Ok(true)
}

fn ask_prism(request: &Request) -> std::io::Result<String> {
    let mut prism = TcpStream::connect(PRISM)?;
    prism.set_read_timeout(Some(Duration::from_mins(1)))?;
    let body = if request.body.is_null() { String::new() } else { request.body.to_string() };
    write!(
        prism,
        "{} HTTP/1.1\r\nHost: {PRISM}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        request.line,
        body.len()
    )?;
    let mut answer = Vec::new();
    prism.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A private key as GitHub hands it out to an App.
pub(crate) fn app_key() -> String {
    let made = std::process::Command::new("openssl").args(["genrsa", "-traditional", "2048"]).output();
    String::from_utf8(made.expect("openssl").stdout).expect("text")
}

//! A server that is an App on GitHub: what git fetches with is a token of its installation.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use pipeline::event::RunResult;
use pipeline::store::State;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::server::Place;
use crate::support::github::{GitHub, app_key};

/// A git server that is reached through TLS, and asks for a name and a password.
struct GitServer {
    address: String,
    /// The certificate, which a client has to know.
    certificate: PathBuf,
    /// The names and passwords that it was shown.
    shown: Arc<Mutex<Vec<String>>>,
}

impl GitServer {
    /// Serves the repositories below a directory.
    fn start(root: &Path, directory: &Path) -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        let certificate = directory.join("certificate.pem");
        fs::write(&certificate, made.cert.pem()).expect("a file");
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.expect("versions").with_no_client_auth();
        let config = Arc::new(config.with_single_cert(vec![made.cert.der().clone()], key).expect("a server"));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (root, heard) = (root.to_owned(), Arc::clone(&shown));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (config, root, heard) = (Arc::clone(&config), root.clone(), Arc::clone(&heard));
                std::thread::spawn(move || {
                    let connection = ServerConnection::new(config).expect("a connection");
                    answer(StreamOwned::new(connection, client), &root, &heard)
                });
            }
        });
        Self { address, certificate, shown }
    }
}

/// Answers the requests of a connection.
fn answer(
    stream: StreamOwned<ServerConnection, TcpStream>,
    root: &Path,
    shown: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut request = String::new();
        if stream.read_line(&mut request)? == 0 {
            return Ok(());
        }
        let headers = headers(&mut stream)?;
        let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        let answer = match headers.get("authorization") {
            Some(authorization) => {
                let encoded = authorization.trim_start_matches("Basic ");
                let decoded = BASE64_STANDARD.decode(encoded).unwrap_or_default();
                shown.lock().expect("no panic").push(String::from_utf8_lossy(&decoded).into_owned());
                backend(root, &request, &headers, &body)
            }
            None => b"401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"git\"\r\nContent-Length: 0\r\n\r\n"
                .to_vec(),
        };
        stream.get_mut().write_all(b"HTTP/1.1 ")?;
        stream.get_mut().write_all(&answer)?;
        stream.get_mut().flush()?;
    }
}

fn headers(stream: &mut impl std::io::BufRead) -> std::io::Result<BTreeMap<String, String>> {
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { return Ok(headers) };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
}

/// What git's own server says, as an answer behind `HTTP/1.1 `.
fn backend(root: &Path, request: &str, headers: &BTreeMap<String, String>, body: &[u8]) -> Vec<u8> {
    let mut words = request.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let header = |name: &str| headers.get(name).map(String::as_str).unwrap_or_default();
    let mut process = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("REMOTE_USER", "somebody")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("git");
    process.stdin.take().expect("a pipe").write_all(body).expect("a body");
    let said = process.wait_with_output().expect("an end").stdout;
    let end = said.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
    let (head, content) = (String::from_utf8_lossy(&said[..end]), &said[end + 4..]);
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let mut answer = format!("{status}\r\n{head}\r\nContent-Length: {}\r\n\r\n", content.len()).into_bytes();
    answer.extend_from_slice(content);
    answer
}

#[test]
fn an_app_fetches_with_a_token_of_its_installation() {
    let place = Place::simple();
    let github = GitHub::start();
    let git = GitServer::start(place.directory(), place.directory());
    // As if it were the repository that the GitHub of the tests knows.
    fs::create_dir(place.directory().join("o")).expect("a directory");
    fs::rename(place.remote(), place.directory().join("o/r.git")).expect("a move");
    let server = place.serve_from(&format!("https://{}/o/r.git", git.address), |command| {
        command
            .env("SSL_CERT_FILE", &git.certificate)
            .env("GITHUB_SERVER_URL", "https://127.0.0.1")
            .env("GITHUB_API_URL", &github.url)
            .env("PIPELINE_GITHUB_APP_ID", "42")
            .env("PIPELINE_GITHUB_APP_KEY", app_key());
    });
    let run = server.until_run(&place.head(), State::Ended);
    assert_eq!(run.result, Some(RunResult::Changed), "{run:?}");
    let shown = git.shown.lock().expect("no panic").clone();
    assert!(!shown.is_empty());
    assert!(shown.iter().all(|shown| shown.starts_with("x-access-token:ghs_installation_")), "{shown:?}");
    let said = server.stop();
    assert!(!said.contains("ghs_installation_"), "{said}");
}

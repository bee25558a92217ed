use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What the container's agent answers on ECS.
const CREDENTIALS: &str = r#"{"AccessKeyId":"TESTKEY","SecretAccessKey":"TESTSECRET","Token":"TESTTOKEN","Expiration":"2099-01-01T00:00:00Z"}"#;

/// Gives credentials as ECS does.
pub(crate) struct Credentials {
    port: u16,
}

impl Credentials {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                drop(answer(&client));
            }
        });
        Self { port }
    }

    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}/credentials", self.port)
    }
}

fn answer(mut client: &TcpStream) -> std::io::Result<()> {
    for line in BufReader::new(client).lines() {
        if line?.is_empty() {
            break;
        }
    }
    let length = CREDENTIALS.len();
    write!(
        client,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{CREDENTIALS}"
    )
}

/// Stands before a broker as MSK does: speaks TLS, and may ask for a token, whatever that says.
pub(crate) struct Gate {
    port: u16,
    shared: Arc<Mutex<Shared>>,
    _runtime: tokio::runtime::Runtime,
}

#[derive(Default)]
struct Shared {
    target: u16,
    token: Option<String>,
}

/// Numbers of requests of the Kafka protocol.
const SASL_HANDSHAKE: i16 = 17;
const API_VERSIONS: i16 = 18;
const SASL_AUTHENTICATE: i16 = 36;

impl Gate {
    pub(crate) fn start(certificate: &str, key: &str, asks_for_token: bool) -> Self {
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("a certificate")];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
        let config =
            ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).expect("a pair");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Mutex::new(Shared::default()));
        let known = Arc::clone(&shared);
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (acceptor, shared) = (acceptor.clone(), Arc::clone(&known));
                tokio::spawn(async move {
                    // A client that goes away ends its connection only.
                    drop(let_through(acceptor.accept(client).await?, asks_for_token, &shared).await);
                    std::io::Result::Ok(())
                });
            }
        });
        Self { port, shared, _runtime: runtime }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Passes connections on to this port.
    pub(crate) fn open(&self, target: u16) {
        self.shared.lock().expect("no panic").target = target;
    }

    /// The token that was shown last, decoded.
    pub(crate) fn token(&self) -> String {
        self.shared.lock().expect("no panic").token.clone().expect("a token")
    }
}

async fn let_through<S>(mut client: S, asks_for_token: bool, shared: &Mutex<Shared>) -> std::io::Result<()>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let target = shared.lock().expect("no panic").target;
    let mut broker = tokio::net::TcpStream::connect(("127.0.0.1", target)).await?;
    let mut closed = asks_for_token;
    while closed {
        let request = frame(&mut client).await?;
        let kind = i16::from_be_bytes([request[0], request[1]]);
        let correlation = &request[4..8];
        match kind {
            API_VERSIONS => {
                send(&mut broker, &request).await?;
                let answer = frame(&mut broker).await?;
                send(&mut client, &answer).await?;
            }
            SASL_HANDSHAKE => {
                let mechanism = b"OAUTHBEARER";
                let head = [correlation, &[0, 0, 0, 0, 0, 1, 0, 11], mechanism].concat();
                send(&mut client, &head).await?;
            }
            SASL_AUTHENTICATE => {
                shared.lock().expect("no panic").token = Some(token(&request));
                // No error, no message, no bytes; from version 1 on: valid as long as the connection.
                let lifetime: &[u8] = if request[3] == 0 { &[] } else { &[0; 8] };
                send(&mut client, &[correlation, &[0, 0, 0xff, 0xff, 0, 0, 0, 0], lifetime].concat()).await?;
                closed = false;
            }
            other => return Err(std::io::Error::other(format!("request {other} before authentication"))),
        }
    }
    tokio::io::copy_bidirectional(&mut client, &mut broker).await.map(|_| ())
}

/// What stands between `auth=Bearer ` and a control character.
fn token(request: &[u8]) -> String {
    let text = String::from_utf8_lossy(request);
    let token =
        text.split("auth=Bearer ").nth(1).and_then(|rest| rest.split('\u{1}').next()).expect("a token");
    String::from_utf8(URL_SAFE_NO_PAD.decode(token).expect("Base64")).expect("UTF-8")
}

async fn frame(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; stream.read_u32().await? as usize];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn send(stream: &mut (impl tokio::io::AsyncWrite + Unpin), bytes: &[u8]) -> std::io::Result<()> {
    stream.write_u32(u32::try_from(bytes.len()).expect("a short frame")).await?;
    stream.write_all(bytes).await?;
    stream.flush().await
}

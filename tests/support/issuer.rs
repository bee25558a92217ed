use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::canary::REQUEST_TOKEN;

/// Who the job is if nothing else is asked for.
pub(crate) const SUBJECT: &str = "repo:acme@42/shop@77:environment:local";

/// Stands for GitHub where a job asks who it is: an `OpenID` Connect issuer on this machine that signs tokens.
#[derive(Clone)]
pub(crate) struct Issuer {
    url: String,
    shared: Arc<Mutex<Shared>>,
}

/// How the issuer behaves.
#[derive(Clone)]
pub(crate) struct Behaviour {
    /// Who it says the job is.
    pub(crate) subject: String,
    /// For whom it makes tokens; for whom it is asked, if not given.
    pub(crate) audience: Option<String>,
    /// For how many seconds tokens are valid.
    pub(crate) lifetime: i64,
    /// Whether it signs with a key that it does not publish.
    pub(crate) forges: bool,
    /// What it answers to those who ask for a token.
    pub(crate) status: u16,
    /// How long it takes for that.
    pub(crate) delay: Duration,
    /// After so many tokens it gives no more.
    pub(crate) gives: usize,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            subject: SUBJECT.to_owned(),
            audience: None,
            lifetime: 300,
            forges: false,
            status: 200,
            delay: Duration::ZERO,
            gives: usize::MAX,
        }
    }
}

struct Shared {
    published: KeyPair,
    other: KeyPair,
    behaviour: Behaviour,
    given: Vec<String>,
}

impl Issuer {
    /// An issuer that does all as it should.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let key = || KeyPair::generate(KeySize::Rsa2048).expect("a key");
        let issuer = Self {
            url: format!("http://{}", listener.local_addr().expect("an address")),
            shared: Arc::new(Mutex::new(Shared {
                published: key(),
                other: key(),
                behaviour: Behaviour::default(),
                given: Vec::new(),
            })),
        };
        let serving = issuer.clone();
        super::answer_all(listener, move |client| drop(serving.serve(client)));
        issuer
    }

    /// The address that it is known by.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Where a job asks for a token; there is something in the address already, as on GitHub.
    pub(crate) fn request_url(&self) -> String {
        format!("{}/token?api-version=2.0", self.url)
    }

    /// From now on it behaves like this.
    pub(crate) fn behave(&self, behaviour: Behaviour) {
        self.with(|shared| shared.behaviour = behaviour);
    }

    /// The tokens that it has given.
    pub(crate) fn given(&self) -> Vec<String> {
        self.with(|shared| shared.given.clone())
    }

    fn with<T>(&self, change: impl FnOnce(&mut Shared) -> T) -> T {
        change(&mut self.shared.lock().expect("no panic"))
    }

    fn serve(&self, client: &TcpStream) -> std::io::Result<()> {
        let mut head = Vec::new();
        for line in BufReader::new(client).lines() {
            let line = line?;
            if line.is_empty() {
                break;
            }
            head.push(line);
        }
        let path = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
        let (status, body) = self.answer(path, &head);
        let body = body.to_string();
        write!(
            &mut &*client,
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    fn answer(&self, path: &str, head: &[String]) -> (u16, Value) {
        match path.split_once('?').unwrap_or((path, "")) {
            ("/.well-known/openid-configuration", _) => {
                (200, json!({ "issuer": self.url, "jwks_uri": format!("{}/jwks", self.url) }))
            }
            ("/jwks", _) => (200, json!({ "keys": [self.with(|shared| public(&shared.published))] })),
            ("/token", query) => self.token(query, head),
            _ => (404, json!({})),
        }
    }

    fn token(&self, query: &str, head: &[String]) -> (u16, Value) {
        let behaviour = self.with(|shared| shared.behaviour.clone());
        std::thread::sleep(behaviour.delay);
        let wanted = format!("bearer {REQUEST_TOKEN}");
        let authorized = head.iter().filter_map(|line| line.split_once(": ")).any(|(name, value)| {
            name.eq_ignore_ascii_case("authorization") && value.to_lowercase() == wanted
        });
        let asked = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "audience");
        let status = match (authorized, &asked) {
            (false, _) => 401,
            (true, None) => 400,
            (true, Some(_)) if self.given().len() >= behaviour.gives => 500,
            (true, Some(_)) => behaviour.status,
        };
        let Some((_, audience)) = asked.filter(|_| status == 200) else {
            // It repeats what it was shown, as servers do.
            return (status, json!({ "message": format!("no token for {head:?}") }));
        };
        let audience = behaviour.audience.clone().unwrap_or_else(|| audience.into_owned());
        (200, json!({ "value": self.signed(&behaviour, &audience), "count": 1 }))
    }

    fn signed(&self, behaviour: &Behaviour, audience: &str) -> String {
        let now = jiff::Timestamp::now().as_second();
        let claims = json!({
            "iss": self.url,
            "aud": audience,
            "sub": behaviour.subject,
            "repository_id": "77",
            "jti": super::unique(),
            "iat": now.min(now + behaviour.lifetime),
            "exp": now + behaviour.lifetime,
        });
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": "published" });
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        self.with(|shared| {
            let key = if behaviour.forges { &shared.other } else { &shared.published };
            let mut signature = vec![0; key.public_modulus_len()];
            key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
                .expect("a signature");
            let token = format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature));
            shared.given.push(token.clone());
            token
        })
    }
}

/// The key as issuers publish it.
fn public(key: &KeyPair) -> Value {
    let key = key.public_key();
    let number = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    json!({
        "kty": "RSA",
        "alg": "RS256",
        "use": "sig",
        "kid": "published",
        "n": number(key.modulus().big_endian_without_leading_zero()),
        "e": number(key.exponent().big_endian_without_leading_zero()),
    })
}

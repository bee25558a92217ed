use std::collections::BTreeSet;
use std::fmt;

use git2::{Config, Cred, CredentialType, Error};

use super::url::RemoteUrl;

/// A token and the host it is for.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    host: String,
    secret: String,
}

impl Token {
    /// A token that is sent to this host only, and only through TLS.
    pub fn new(host: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { host: host.into(), secret: secret.into() }
    }

    /// `GITHUB_TOKEN`, for the host in `GITHUB_SERVER_URL` (which GitHub Actions sets) or else github.com.
    #[must_use]
    pub fn from_environment() -> Option<Self> {
        let secret = std::env::var("GITHUB_TOKEN").ok().filter(|secret| !secret.is_empty())?;
        Some(Self::for_github(secret))
    }

    /// A token for the host in `GITHUB_SERVER_URL`, or else github.com.
    #[must_use]
    pub fn for_github(secret: impl Into<String>) -> Self {
        let server = std::env::var("GITHUB_SERVER_URL").unwrap_or_default();
        let host = server.strip_prefix("https://").map_or("github.com", |host| host.trim_end_matches('/'));
        Self::new(host, secret)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("host", &self.host).finish_non_exhaustive()
    }
}

/// A way to prove to a remote who one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Method {
    /// The name alone; ssh asks for it first.
    Username,
    /// A key that the ssh agent holds.
    Agent,
    /// The token for this host.
    Token,
    /// What `credential.helper` in git's configuration knows.
    Helper,
}

/// Answers a remote that asks for credentials. Each method is tried once: libgit2 asks again for as long as it gets
/// an answer, even if it is always the same wrong one.
pub(super) struct Credentials<'a> {
    origin: &'a str,
    token: Option<&'a Token>,
    config: Config,
    tried: BTreeSet<Method>,
}

impl<'a> Credentials<'a> {
    /// Credentials for the remote at `origin`, and for nobody it may point to.
    pub(super) fn new(origin: &'a str, token: Option<&'a Token>, config: Config) -> Self {
        Self { origin, token, config, tried: BTreeSet::new() }
    }

    pub(super) fn answer(
        &mut self,
        url: &str,
        user: Option<&str>,
        allowed: CredentialType,
    ) -> Result<Cred, Error> {
        if !same_host(self.origin, url) {
            return Err(Error::from_str("another host asked for credentials than the remote's own"));
        }
        let token =
            self.token.filter(|token| RemoteUrl::parse(url).is_some_and(|url| url.is_https_at(&token.host)));
        while let Some(method) = next(allowed, token.is_some(), &self.tried) {
            self.tried.insert(method);
            if let Ok(credential) = self.credential(method, token, url, user) {
                return Ok(credential);
            }
        }
        Err(Error::from_str(
            "no credentials were accepted; tried the ssh agent (ssh), GITHUB_TOKEN and git's credential helper (https)",
        ))
    }

    fn credential(
        &self,
        method: Method,
        token: Option<&Token>,
        url: &str,
        user: Option<&str>,
    ) -> Result<Cred, Error> {
        match method {
            Method::Username => Cred::username(user.unwrap_or("git")),
            Method::Agent => Cred::ssh_key_from_agent(user.unwrap_or("git")),
            // GitHub takes any name with a token; this one is from its documentation for installation tokens.
            Method::Token => {
                Cred::userpass_plaintext("x-access-token", token.map_or("", |token| &token.secret))
            }
            Method::Helper => Cred::credential_helper(&self.config, url, user),
        }
    }
}

/// The next method to try.
fn next(allowed: CredentialType, has_token: bool, tried: &BTreeSet<Method>) -> Option<Method> {
    let usable = |method: &Method| match method {
        Method::Username => allowed.is_username(),
        Method::Agent => allowed.is_ssh_key(),
        Method::Token => has_token && allowed.is_user_pass_plaintext(),
        Method::Helper => allowed.is_user_pass_plaintext(),
    };
    [Method::Username, Method::Agent, Method::Token, Method::Helper]
        .into_iter()
        .find(|method| usable(method) && !tried.contains(method))
}

fn same_host(one: &str, other: &str) -> bool {
    let (one, other) = (RemoteUrl::parse(one), RemoteUrl::parse(other));
    one.zip(other).is_some_and(|(one, other)| {
        one.host.eq_ignore_ascii_case(other.host) && one.scheme.eq_ignore_ascii_case(other.scheme)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: CredentialType = CredentialType::USER_PASS_PLAINTEXT;

    fn methods(allowed: CredentialType, has_token: bool) -> Vec<Method> {
        let mut tried = BTreeSet::new();
        std::iter::from_fn(|| {
            let method = next(allowed, has_token, &tried)?;
            tried.insert(method);
            Some(method)
        })
        .collect()
    }

    fn answer(origin: &str, url: &str, token: &Token) -> Vec<Result<Cred, Error>> {
        let config = Config::new().unwrap();
        let mut credentials = Credentials::new(origin, Some(token), config);
        (0..3).map(|_| credentials.answer(url, None, PASSWORD)).collect()
    }

    #[test]
    fn every_method_is_tried_once() {
        assert_eq!(methods(PASSWORD, true), [Method::Token, Method::Helper]);
        assert_eq!(methods(PASSWORD, false), [Method::Helper]);
        assert_eq!(methods(CredentialType::USERNAME, true), [Method::Username]);
        assert_eq!(methods(CredentialType::SSH_KEY, true), [Method::Agent]);
        assert_eq!(methods(CredentialType::DEFAULT, true), []);
    }

    #[test]
    fn a_token_goes_to_its_host_through_tls_and_only_once() {
        let token = Token::new("github.com", "secret");
        let given = |origin, url| answer(origin, url, &token).iter().filter(|answer| answer.is_ok()).count();
        assert_eq!(given("https://github.com/o/r", "https://github.com/o/r"), 1);
        assert_eq!(given("https://x@github.com/o/r.git", "https://github.com:443/o/r.git"), 1);
        assert_eq!(given("http://github.com/o/r", "http://github.com/o/r"), 0);
        assert_eq!(given("https://github.com/o/r", "https://example.org/o/r"), 0);
        assert_eq!(given("https://example.org/o/r", "https://example.org/o/r"), 0);
        assert_eq!(given("https://example.org/o/r", "https://github.com/o/r"), 0);
        assert_eq!(given("https://github.com/o/r", "https://github.com.example.org/o/r"), 0);
    }

    #[test]
    fn a_token_is_not_shown() {
        assert!(!format!("{:?}", Token::new("github.com", "secret")).contains("secret"));
    }
}

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::failure::Failure;
use crate::store::SecretHash;

/// Shorter secrets can be guessed.
const MIN_LENGTH: usize = 16;

/// What GitHub signs deliveries with: the secret, and while it is changed the old one too.
#[derive(Clone)]
pub struct WebhookSecrets(Vec<String>);

impl WebhookSecrets {
    /// The secret, and the one that it replaces.
    ///
    /// # Errors
    /// If one is too short.
    pub fn new(secret: String, old: Option<String>) -> Result<Self, Failure> {
        let secrets: Vec<String> = [Some(secret), old].into_iter().flatten().collect();
        if secrets.iter().any(|secret| secret.len() < MIN_LENGTH) {
            return Err(Failure::new(format!("the webhook's secret has less than {MIN_LENGTH} characters"))
                .hint("make one with `openssl rand -hex 32`, and give it to GitHub too"));
        }
        Ok(Self(secrets))
    }

    /// Whether a body was signed with one of the secrets, given the header `X-Hub-Signature-256`.
    #[must_use]
    pub(super) fn signed(&self, body: &[u8], signature: &Signature) -> bool {
        // Every secret is tried: how long it takes tells nothing about which one fits.
        self.0.iter().fold(false, |found, secret| found | signature.fits(secret.as_bytes(), body))
    }
}

impl fmt::Debug for WebhookSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WebhookSecrets").field(&self.0.len()).finish()
    }
}

/// A signature as it stands in `X-Hub-Signature-256`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signature([u8; 32]);

impl Signature {
    pub(super) fn parse(header: &[u8]) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(header.strip_prefix(b"sha256=")?, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    fn fits(&self, secret: &[u8], body: &[u8]) -> bool {
        // Keys of any length are taken.
        Hmac::<Sha256>::new_from_slice(secret)
            .is_ok_and(|mac| mac.chain_update(body).verify_slice(&self.0).is_ok())
    }
}

/// What notices are signed with.
#[derive(Clone)]
pub struct SigningSecret(String);

impl SigningSecret {
    /// The secret.
    ///
    /// # Errors
    /// If it is too short.
    pub fn new(secret: String) -> Result<Self, Failure> {
        if secret.len() < MIN_LENGTH {
            return Err(Failure::new(format!("the secret of notices has less than {MIN_LENGTH} characters"))
                .hint("make one with `openssl rand -hex 32`, and give it to the receiver too"));
        }
        Ok(Self(secret))
    }

    /// The signature of a body, as GitHub writes it in `X-Hub-Signature-256`.
    pub(super) fn sign(&self, body: &[u8]) -> String {
        // Keys of any length are taken.
        let mac =
            Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).map(|mac| mac.chain_update(body).finalize());
        format!("sha256={}", mac.map(|mac| hex::encode(mac.into_bytes())).unwrap_or_default())
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret")
    }
}

/// A token that allows everything, as its hash.
#[derive(Clone)]
pub struct ApiToken(SecretHash);

impl ApiToken {
    /// The token.
    ///
    /// # Errors
    /// If it is too short.
    pub fn new(token: &str) -> Result<Self, Failure> {
        if token.len() < MIN_LENGTH {
            return Err(Failure::new(format!("the API's token has less than {MIN_LENGTH} characters"))
                .hint("make one with `openssl rand -hex 32`"));
        }
        Ok(Self(SecretHash::of(token)))
    }

    /// Whether it is the token with this hash.
    pub(super) fn is(&self, token: &SecretHash) -> bool {
        self.0.as_str().as_bytes().ct_eq(token.as_str().as_bytes()).into()
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiToken")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From GitHub's documentation of webhooks.
    const SECRET: &str = "It's a Secret to Everybody";
    const BODY: &[u8] = b"Hello, World!";
    const HEADER: &[u8] = b"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    #[test]
    fn githubs_own_example_is_signed() {
        let signature = Signature::parse(HEADER).unwrap();
        let signed = |secret: &str, old: Option<&str>, body| {
            WebhookSecrets::new(secret.to_owned(), old.map(str::to_owned)).unwrap().signed(body, &signature)
        };
        assert!(signed(SECRET, None, BODY));
        assert!(signed("another one of some length", Some(SECRET), BODY));
        assert!(!signed(SECRET, None, b"Hello, World?"));
        assert!(!signed("another one of some length", None, BODY));
    }

    #[test]
    fn what_is_signed_is_signed_as_github_does() {
        let header = SigningSecret::new(SECRET.to_owned()).unwrap().sign(BODY);
        assert_eq!(header.as_bytes(), HEADER);
    }

    #[test]
    fn what_is_no_signature_is_none() {
        let wrong: [&[u8]; 5] = [b"", b"sha256=", b"sha1=757107ea", &HEADER[..70], b"sha256=zz"];
        for wrong in wrong {
            assert_eq!(Signature::parse(wrong), None);
        }
    }

    #[test]
    fn only_the_token_is_the_token() {
        let token = ApiToken::new("a token of some length").unwrap();
        assert!(token.is(&SecretHash::of("a token of some length")));
        for wrong in ["another token of it", "", "a token of some lengt"] {
            assert!(!token.is(&SecretHash::of(wrong)), "{wrong}");
        }
    }

    #[test]
    fn secrets_are_not_shown_and_not_short() {
        let secrets = WebhookSecrets::new(SECRET.to_owned(), None).unwrap();
        assert!(!format!("{secrets:?}").contains("Secret to"));
        assert!(WebhookSecrets::new("short".to_owned(), None).is_err());
        assert!(WebhookSecrets::new(SECRET.to_owned(), Some(String::new())).is_err());
        assert!(ApiToken::new("short").is_err());
    }
}

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::redact::keep_secret;

/// A signed token that tells who a job is. It is a secret, and shown by nothing.
#[derive(Clone)]
pub(super) struct IdToken(String);

impl IdToken {
    /// Takes note that it is a secret.
    pub(super) fn new(token: String) -> Self {
        keep_secret(&token);
        Self(token)
    }

    /// The token itself, to be sent.
    pub(super) fn secret(&self) -> &str {
        &self.0
    }

    /// What it says, as far as it can be read. Whether that is true is for the receiver to check.
    pub(super) fn claims(&self) -> Claims {
        let payload = self.0.split('.').nth(1).and_then(|part| BASE64_URL_SAFE_NO_PAD.decode(part).ok());
        payload.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default()
    }
}

impl fmt::Debug for IdToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdToken({})", self.claims())
    }
}

/// What of a token decides whether it is accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Claims {
    /// Who the job is.
    pub(super) sub: Option<String>,
    /// For whom the token was made.
    pub(super) aud: Option<String>,
    /// Who signed it.
    pub(super) iss: Option<String>,
}

impl fmt::Display for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = |claim: &Option<String>| claim.clone().unwrap_or_else(|| "not told".to_owned());
        write!(f, "sub {}, aud {}, iss {}", told(&self.sub), told(&self.aud), told(&self.iss))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_claims_are_shown_and_the_token_is_not() {
        let payload = r#"{"iss":"https://issuer.example","aud":"sts.amazonaws.com","sub":"repo:a/b:ref:refs/heads/main"}"#;
        let token = IdToken::new(format!("e30.{}.c2lnbmF0dXJl", BASE64_URL_SAFE_NO_PAD.encode(payload)));
        assert_eq!(
            format!("{token:?}"),
            "IdToken(sub repo:a/b:ref:refs/heads/main, aud sts.amazonaws.com, iss https://issuer.example)"
        );
    }

    proptest! {
        #[test]
        fn no_token_is_too_strange(token in "\\PC*") {
            prop_assert!(!IdToken(token).claims().to_string().is_empty());
        }
    }
}

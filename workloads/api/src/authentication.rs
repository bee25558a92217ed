use std::collections::BTreeMap;
use std::fmt;

use anyhow::Context;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use hex::FromHex as _;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

/// Who may send events.
#[derive(Clone)]
pub struct Authentication {
    /// Each caller's name and the hash of its key; `None` lets everybody in.
    callers: Option<Vec<(String, [u8; 32])>>,
}

impl Authentication {
    /// Everybody.
    #[must_use]
    pub fn none() -> Self {
        Self { callers: None }
    }

    /// Callers that have a key. A caller may be named several times under different names while its key is rotated.
    ///
    /// # Errors
    /// If this is no JSON object of names and SHA-256 hashes in hex.
    pub fn api_keys(json: &str) -> anyhow::Result<Self> {
        // Neither error shows the value: somebody may have put a key there instead of its hash.
        let hashes: BTreeMap<String, String> = serde_json::from_str(json).map_err(|error| {
            anyhow::anyhow!(
                "it is no JSON object of texts (line {}, column {}): write {{\"NAME\": \"SHA-256 of the key, hex\"}}",
                error.line(),
                error.column()
            )
        })?;
        let callers = hashes.into_iter().map(|(name, hash)| {
            let hash = <[u8; 32]>::from_hex(hash).ok().with_context(|| {
                format!(
                    "the value of `{name}` is no SHA-256 of 64 hex digits: `printf %s KEY | sha256sum` makes one"
                )
            })?;
            Ok((name, hash))
        });
        Ok(Self { callers: Some(callers.collect::<anyhow::Result<_>>()?) })
    }

    /// The caller's name, or `anonymous` where everybody may send.
    ///
    /// # Errors
    /// If the caller shows no key, or none that is known; the error says which of the two.
    pub fn caller(&self, headers: &HeaderMap) -> Result<&str, &'static str> {
        let Some(callers) = &self.callers else { return Ok("anonymous") };
        let key = bearer(headers).ok_or("the request has no header `Authorization: Bearer KEY`")?;
        let hash = Sha256::digest(key);
        // All are compared, and each in constant time: how long it takes tells nothing about any key.
        let mut found = None;
        for (name, known) in callers {
            if bool::from(known[..].ct_eq(&hash[..])) {
                found = Some(name.as_str());
            }
        }
        found.ok_or("the key is not known")
    }
}

impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.callers.iter().flatten().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, key) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| key.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of `first` and `second`.
    const KEYS: &str = r#"{
        "shop": "a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e",
        "shop-new": "16367aacb67a4a017c8da8ab95682ccb390863780f7114dda0a0e0c55644c7c4"
    }"#;

    fn caller(authentication: &Authentication, authorization: &str) -> Result<String, &'static str> {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, authorization.parse().unwrap())]);
        authentication.caller(&headers).map(str::to_owned)
    }

    #[test]
    fn every_key_lets_its_caller_in() {
        let authentication = Authentication::api_keys(KEYS).unwrap();
        assert_eq!(caller(&authentication, "Bearer first"), Ok("shop".to_owned()));
        assert_eq!(caller(&authentication, "bearer second "), Ok("shop-new".to_owned()));
        for wrong in ["Bearer third", "Bearer ", "Bearer", "Basic first", "first", "Bearerfirst"] {
            assert!(caller(&authentication, wrong).is_err(), "{wrong}");
        }
        assert!(authentication.caller(&HeaderMap::new()).is_err());
    }

    #[test]
    fn no_keys_let_nobody_in_and_none_everybody() {
        assert!(caller(&Authentication::api_keys("{}").unwrap(), "Bearer first").is_err());
        assert_eq!(Authentication::none().caller(&HeaderMap::new()), Ok("anonymous"));
    }

    #[test]
    fn a_mistake_does_not_show_what_may_be_a_key() {
        for wrong in
            [r#"{"shop": "secret"}"#, r#"{"shop": 1, "secret": "secret"}"#, "secret", r#"["secret"]"#]
        {
            let error = format!("{:#}", Authentication::api_keys(wrong).unwrap_err());
            assert!(!error.contains("secret"), "{error}");
        }
    }
}

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::failure::Failure;
use crate::redact::TOKEN_PREFIX;

/// A random secret of 256 bits. Only its hash is stored: as nobody can guess it, that need not be a slow one.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// The SHA-256 of a secret, in hexadecimal. How long it takes to find one tells of hashes, not of secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretHash(pub(super) String);

impl Secret {
    /// A new one.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub fn random() -> Result<Self, Failure> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)
            .map_err(|error| Failure::new(format!("asking the system for random numbers: {error}")))?;
        Ok(Self(hex::encode(bytes)))
    }

    /// A new one that can be told to be a token.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub fn token() -> Result<Self, Failure> {
        Ok(Self(format!("{TOKEN_PREFIX}{}", Self::random()?.0)))
    }

    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Its hash.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl SecretHash {
    /// Of a secret that somebody shows.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        Self(hex::encode(Sha256::digest(secret)))
    }

    /// It in hexadecimal.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

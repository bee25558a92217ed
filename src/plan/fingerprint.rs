use sha2::{Digest as _, Sha256};

/// Stands for some parts, none of which can run over into the next.
#[derive(Debug, Clone)]
pub(super) struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(super) fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    /// The order of the parts means nothing.
    pub(super) fn of_set(parts: impl Iterator<Item = Self>) -> Self {
        let mut parts: Vec<Self> = parts.collect();
        parts.sort_unstable_by_key(|part| part.0);
        Self::of(parts.iter().map(Self::bytes))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its first hexadecimal digits.
    pub(super) fn start(&self, digits: usize) -> String {
        let mut text = hex::encode(self.0);
        text.truncate(digits);
        text
    }
}

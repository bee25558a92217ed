use std::io;
use std::ops::Deref;

use memmap2::MmapMut;

/// What has more than this is kept outside of the allocator, which would not give it back: a server that was sent large
/// bodies once would be a large server for good.
const SMALL: usize = 64 * 1024;

/// Bytes that arrive bit by bit.
#[derive(Debug)]
pub(super) enum Buffer {
    Small(Vec<u8>),
    /// Memory of its own, as much as there may come, of which what is written takes place; and how much that is.
    Large(MmapMut, usize),
}

impl Default for Buffer {
    fn default() -> Self {
        Self::Small(Vec::new())
    }
}

impl Buffer {
    /// Appends bytes; there are never more than `limit` in all.
    ///
    /// # Errors
    /// If the system has no memory for that many.
    pub(super) fn push(&mut self, bytes: &[u8], limit: usize) -> io::Result<()> {
        match self {
            Self::Small(there) if there.len() + bytes.len() > SMALL => {
                let (mut large, length) = (MmapMut::map_anon(limit)?, there.len());
                large[..length].copy_from_slice(there);
                *self = Self::Large(large, length);
                self.push(bytes, limit)?;
            }
            Self::Small(there) => there.extend_from_slice(bytes),
            Self::Large(there, length) => {
                there[*length..][..bytes.len()].copy_from_slice(bytes);
                *length += bytes.len();
            }
        }
        Ok(())
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Small(bytes) => bytes,
            Self::Large(bytes, length) => &bytes[..*length],
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_arrives_bit_by_bit_is_what_was_sent(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9000), 0..24)
        ) {
            let sent: Vec<u8> = pieces.concat();
            let mut buffer = Buffer::default();
            for piece in &pieces {
                buffer.push(piece, sent.len()).unwrap();
            }
            prop_assert_eq!(&*buffer, &sent[..]);
        }
    }
}

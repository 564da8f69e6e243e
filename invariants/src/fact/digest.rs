//! Digests of contents.

use super::Term;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A 64-bit digest of a content. Equal contents have equal digests; different contents almost surely differ.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(pub u64);

impl Digest {
    /// The digest of the empty log and of the empty content.
    pub const EMPTY: Digest = Digest(0x9e37_79b9_7f4a_7c15);

    /// The digest of this content followed by `word`. Order matters.
    #[must_use]
    pub const fn then(self, word: u64) -> Digest {
        // One widening multiplication of two odd-keyed words, folded: every input bit affects every output bit.
        let product =
            ((self.0 ^ 0xa076_1d64_78bd_642f) as u128) * ((word ^ 0xe703_7ed1_a0b4_28db) as u128 | 1 << 63);
        Digest((product as u64) ^ ((product >> 64) as u64) ^ word.rotate_left(32))
    }

    /// The digest of this log followed by one entry. [`Fact::Started`](super::Fact::Started) folds a whole log with it.
    #[must_use]
    pub const fn then_entry(self, term: Term, entry: Digest) -> Digest {
        self.then(term).then(entry.0)
    }

    /// The digest of a byte string.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Digest {
        let mut digest = Digest::EMPTY.then(bytes.len() as u64);
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            digest = digest.then(u64::from_le_bytes(word.try_into().expect("chunks of eight")));
        }
        let mut last = [0; 8];
        last[..words.remainder().len()].copy_from_slice(words.remainder());
        digest.then(u64::from_le_bytes(last))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0 >> 32)
    }
}

//! Digests of contents, and of facts.

use super::{ConfChange, ConfChangeOp, ConfChangeResponse, Configuration, LogId, Node, RequestId, Term};
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

/// A field of a fact, as part of a digest. Digests are stored: what each type adds never changes.
pub(super) trait Fold {
    fn fold(&self, digest: Digest) -> Digest;
}

impl Fold for u64 {
    #[inline]
    fn fold(&self, digest: Digest) -> Digest {
        digest.then(*self)
    }
}

impl Fold for bool {
    #[inline]
    fn fold(&self, digest: Digest) -> Digest {
        digest.then(u64::from(*self))
    }
}

impl Fold for Digest {
    #[inline]
    fn fold(&self, digest: Digest) -> Digest {
        digest.then(self.0)
    }
}

/// A server may state any number.
impl Fold for Option<u64> {
    #[inline]
    fn fold(&self, digest: Digest) -> Digest {
        digest.then(self.map_or(0, |number| number.wrapping_add(1)))
    }
}

impl Fold for LogId {
    #[inline]
    fn fold(&self, digest: Digest) -> Digest {
        digest.then(self.index).then(self.term)
    }
}

impl Fold for RequestId {
    #[inline]
    fn fold(&self, digest: Digest) -> Digest {
        digest.then(self.session).then(self.sequence)
    }
}

impl Fold for Option<RequestId> {
    #[inline]
    fn fold(&self, digest: Digest) -> Digest {
        self.map_or(digest, |id| id.fold(digest))
    }
}

impl Fold for Vec<Node> {
    fn fold(&self, digest: Digest) -> Digest {
        self.iter().fold(digest.then(self.len() as u64), |digest, node| digest.then(*node))
    }
}

impl Fold for Box<Configuration> {
    fn fold(&self, digest: Digest) -> Digest {
        let digest = self.digest.map_or(digest, |whole| digest.then(whole.0));
        [&self.voters, &self.joint, &self.learners].into_iter().fold(digest, |digest, list| list.fold(digest))
    }
}

impl Fold for Box<ConfChange> {
    fn fold(&self, digest: Digest) -> Digest {
        let kind = match **self {
            ConfChange::Steps(_) => 1,
            ConfChange::Joint(_) => 2,
            ConfChange::Leave => 3,
        };
        self.ops().iter().fold(digest.then(kind), |digest, op| match *op {
            ConfChangeOp::Voter(node) => digest.then(1).then(node),
            ConfChangeOp::Learner(node) => digest.then(2).then(node),
            ConfChangeOp::Remove(node) => digest.then(3).then(node),
        })
    }
}

impl Fold for ConfChangeResponse {
    fn fold(&self, digest: Digest) -> Digest {
        digest.then(match self {
            ConfChangeResponse::Done => 0,
            ConfChangeResponse::Rejected => 1,
            ConfChangeResponse::Unknown => 2,
        })
    }
}

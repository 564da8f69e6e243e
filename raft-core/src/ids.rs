//! Numbers with a type each, so that none can be taken for another.

use std::fmt;

/// A server's number in its cluster.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId(pub u64);

/// Identifies the contents of a server's disk (directory ID, KIP-853): drawn when the disk is first
/// initialised. It survives restarts but not a wiped disk, because a server that lost its promises must not
/// count as the replica that made them. 0 if the host draws none.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DirectoryId(pub u64);

/// One replica: a server together with the directory ID of its disk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ReplicaKey {
    /// The server.
    pub id: NodeId,
    /// The directory ID of its disk.
    pub directory_id: DirectoryId,
}

/// A term: Raft's logical clock. 0 is before the first election.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Term(pub u64);

/// A position in the log. The first entry is at 1; 0 is before it.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Index(pub u64);

/// The index and term of an entry. By the log matching property (5.3) it identifies the whole log up to
/// there.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
pub struct LogId {
    /// The index.
    pub index: Index,
    /// The term of the entry there; 0 before the first entry.
    pub term: Term,
}

/// Nanoseconds on this server's own monotonic clock. Not comparable between servers or incarnations.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Timestamp(pub u64);

/// A write that the host was asked to make durable. IDs increase; 0 is what boot recovered.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SaveId(pub u64);

/// The host's identifier of a request. The core returns it with the response and does not interpret it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestId(pub u64);

/// The host's name of a read, the same on every server that handles it: a client's session and number, for
/// example. The core returns it when a leader confirms the read, and does not interpret it.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ReadKey(pub u64, pub u64);

impl Term {
    /// The next term.
    #[must_use]
    pub const fn next(self) -> Term {
        Term(self.0 + 1)
    }
}

impl Index {
    /// The next index.
    #[must_use]
    pub const fn next(self) -> Index {
        Index(self.0 + 1)
    }

    /// The previous index; 0 for 0.
    #[must_use]
    pub const fn previous(self) -> Index {
        Index(self.0.saturating_sub(1))
    }
}

impl Timestamp {
    /// This time plus a duration of `nanoseconds`.
    #[must_use]
    pub const fn after(self, nanoseconds: u64) -> Timestamp {
        Timestamp(self.0.saturating_add(nanoseconds))
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

impl fmt::Display for ReplicaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.index, self.term)
    }
}

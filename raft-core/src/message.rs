//! The messages between servers.
//!
//! A message carries the term of its sender when it was made. Each field says what a receiver may conclude
//! from it.

use crate::ids::{Index, LogId, ReadKey, ReplicaKey, Term, Timestamp};
use crate::log::Entries;
use crate::response::Response;
use crate::snapshot::SnapshotChunk;
use bytes::Bytes;
use std::fmt;

/// A message in transit. A receiver drops it if it names another cluster or another directory ID of the
/// receiver, and drops a response from a replica that is in no configuration which may be in force at the
/// receiver. Requests are accepted from any server: the receiver may not know the newest configuration yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Envelope {
    /// The cluster.
    pub cluster: u64,
    /// The sender.
    pub from: ReplicaKey,
    /// The receiver.
    pub to: ReplicaKey,
    /// The message.
    pub message: Message,
}

/// What a leader attaches to a message and gets back with the response. It says when the leader asked.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct MessageContext {
    /// The newest round of leadership confirmation for reads (8, thesis 6.4).
    pub round: u64,
    /// The leader's own clock when it sent this: a lease begins there (thesis 6.4.1).
    pub sent_at: Timestamp,
}

/// A request that a follower forwards to its leader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ForwardRequest {
    /// Append this command.
    Propose(Bytes),
    /// Return the index up to which the reader must apply.
    Read(ReadKey),
}

/// The result of a forwarded request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ForwardOutcome {
    /// It was appended here. Whether it is committed shows in every server's log.
    Appended(LogId),
    /// The read may be served once this index is applied.
    ReadAt(Index),
    /// It ended with this response.
    Completed(Response),
}

/// A message from one server to another.
///
/// The tag is as wide as a word (`repr(u64)`): messages are moved often, as whole words. After a one-byte tag
/// the fields would be copied at other boundaries than they were written, and loads would stall on store
/// forwarding.
#[derive(Clone, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum Message {
    /// Asks whether the sender could win an election; changes nothing at the receiver (thesis 9.6).
    PreVote {
        /// The term that the sender would campaign in: its own plus one.
        term: Term,
        /// The end of its log.
        last: LogId,
    },
    /// The response to `PreVote`.
    PreVoteResponse {
        /// If granted, the term asked for. If rejected, the receiver's own, so that a sender in an older term
        /// learns it.
        term: Term,
        /// Whether the receiver would vote for the sender.
        granted: bool,
    },
    /// Asks for a vote (5.2). A promise: the sender's vote for itself is durable.
    RequestVote {
        /// The candidate's term.
        term: Term,
        /// The end of the candidate's log: a receiver with a more up-to-date log rejects (5.4.1).
        last: LogId,
        /// Whether the leader asked for this election: then voters that hear from the leader vote all the
        /// same.
        transfer: bool,
    },
    /// A vote, or its rejection. If granted, a promise.
    RequestVoteResponse {
        /// The voter's term. The vote counts only in this term.
        term: Term,
        /// Whether the vote is granted.
        granted: bool,
    },
    /// Asks the receiver to campaign now: the leader transfers leadership (thesis 3.10).
    TimeoutNow {
        /// The leader's term.
        term: Term,
    },
    /// Entries to append; without entries, a heartbeat (5.3).
    AppendEntries {
        /// The leader's term.
        term: Term,
        /// The entry before the first of `entries`: a receiver that has it has all entries before it too.
        prev_log: LogId,
        /// The entries after it.
        entries: Entries,
        /// The leader's commit index.
        commit_index: Index,
        /// Returned with the response.
        context: MessageContext,
    },
    /// The log holds the entries that were sent, durably. A promise.
    AppendEntriesResponse {
        /// The term of the leader that gets the promise.
        term: Term,
        /// The log equals the leader's up to here.
        match_index: Index,
        /// Of the request.
        context: MessageContext,
    },
    /// The log does not hold `prev_log`, or the sender's term is over.
    AppendEntriesRejected {
        /// The receiver's term.
        term: Term,
        /// The rejected index: by it the leader tells an old rejection from a new one.
        prev_log: Index,
        /// The last entry at which the receiver's log may still agree: between it and `prev_log` the
        /// receiver's entries have terms above the leader's.
        hint: LogId,
    },
    /// A chunk of a snapshot that replaces compacted entries; without bytes, a heartbeat (7).
    InstallSnapshot {
        /// The leader's term.
        term: Term,
        /// The chunk. Boxed because all other messages are smaller and are moved far more often.
        chunk: Box<SnapshotChunk>,
        /// Returned with the response.
        context: MessageContext,
    },
    /// How much of that snapshot has arrived. Once the whole is durable, the response is
    /// `AppendEntriesResponse`. A promise in its term.
    InstallSnapshotResponse {
        /// The term of the leader that gets the promise.
        term: Term,
        /// The last entry of the snapshot.
        last: LogId,
        /// How many bytes have arrived without a gap.
        received: u64,
        /// The end of the chunk that this answers: if above `received`, a chunk before it was lost.
        end: u64,
        /// Of the request.
        context: MessageContext,
    },
    /// A client's request to a server that is not the leader.
    Forward {
        /// The sender's term.
        term: Term,
        /// The sender's ID of the request; never used twice, not even by another incarnation.
        forward_id: u64,
        /// The request.
        request: ForwardRequest,
    },
    /// The response to `Forward`.
    ForwardResponse {
        /// The sender's term.
        term: Term,
        /// The ID of the forwarded request.
        forward_id: u64,
        /// The result.
        outcome: ForwardOutcome,
    },
}

impl Message {
    /// Its term.
    #[must_use]
    pub const fn term(&self) -> Term {
        match *self {
            Message::PreVote { term, .. }
            | Message::PreVoteResponse { term, .. }
            | Message::RequestVote { term, .. }
            | Message::RequestVoteResponse { term, .. }
            | Message::TimeoutNow { term }
            | Message::AppendEntries { term, .. }
            | Message::AppendEntriesResponse { term, .. }
            | Message::AppendEntriesRejected { term, .. }
            | Message::InstallSnapshot { term, .. }
            | Message::InstallSnapshotResponse { term, .. }
            | Message::Forward { term, .. }
            | Message::ForwardResponse { term, .. } => term,
        }
    }

    /// Whether it responds to a message of its receiver.
    #[must_use]
    pub const fn is_response(&self) -> bool {
        match self {
            Message::PreVoteResponse { .. }
            | Message::RequestVoteResponse { .. }
            | Message::AppendEntriesResponse { .. }
            | Message::AppendEntriesRejected { .. }
            | Message::InstallSnapshotResponse { .. }
            | Message::ForwardResponse { .. } => true,
            Message::PreVote { .. }
            | Message::RequestVote { .. }
            | Message::TimeoutNow { .. }
            | Message::AppendEntries { .. }
            | Message::InstallSnapshot { .. }
            | Message::Forward { .. } => false,
        }
    }
}

impl fmt::Display for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.message.fmt(f)
    }
}

impl fmt::Display for MessageContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.round > 0 { write!(f, " round {}", self.round) } else { Ok(()) }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::PreVote { term, last } => write!(f, "PreVote term {term} last {last}"),
            Message::PreVoteResponse { term, granted } => {
                write!(f, "PreVoteResponse {} term {term}", if *granted { "yes" } else { "no" })
            }
            Message::RequestVote { term, last, transfer } => {
                write!(f, "RequestVote term {term} last {last}{}", if *transfer { " transfer" } else { "" })
            }
            Message::TimeoutNow { term } => write!(f, "TimeoutNow term {term}"),
            Message::RequestVoteResponse { term, granted } => {
                write!(f, "RequestVoteResponse {} term {term}", if *granted { "yes" } else { "no" })
            }
            Message::AppendEntries { term, prev_log, entries, commit_index, context } => {
                write!(f, "AppendEntries term {term} after {prev_log}")?;
                if let (Some(first), Some(last)) = (entries.first(), entries.last()) {
                    let index = prev_log.index.next();
                    write!(f, " [{index}@{}", first.term)?;
                    if entries.len() > 1 {
                        write!(f, "..{}@{}", prev_log.index.0 + entries.len() as u64, last.term)?;
                    }
                    write!(f, "]")?;
                }
                write!(f, " commit {commit_index}{context}")
            }
            Message::AppendEntriesResponse { term, match_index, context } => {
                write!(f, "AppendEntriesResponse term {term} matched {match_index}{context}")
            }
            Message::AppendEntriesRejected { term, prev_log, hint } => {
                write!(f, "AppendEntriesRejected term {term} at {prev_log} hint {hint}")
            }
            Message::InstallSnapshot { term, chunk, context } => {
                let SnapshotChunk { last, size, offset, data, .. } = &**chunk;
                let end = offset + data.len() as u64;
                write!(f, "InstallSnapshot term {term} up to {last} bytes {offset}..{end} of {size}{context}")
            }
            Message::InstallSnapshotResponse { term, last, received, context, .. } => {
                write!(f, "InstallSnapshotResponse term {term} up to {last} received {received}{context}")
            }
            Message::Forward { request: ForwardRequest::Propose(command), .. } => {
                write!(f, "Forward proposal of {} bytes", command.len())
            }
            Message::Forward { request: ForwardRequest::Read(_), .. } => write!(f, "Forward read"),
            Message::ForwardResponse { outcome, .. } => match outcome {
                ForwardOutcome::Appended(at) => write!(f, "ForwardResponse appended at {at}"),
                ForwardOutcome::ReadAt(index) => write!(f, "ForwardResponse read at {index}"),
                ForwardOutcome::Completed(response) => write!(f, "ForwardResponse {response}"),
            },
        }
    }
}

//! What servers send each other.
//!
//! A message speaks of the term in which it was made. What a receiver may conclude stands with each field.

use crate::answer::Response;
use crate::ids::{Index, LogId, ReplicaKey, Term, Timestamp};
use crate::log::Entries;
use crate::snapshot::SnapshotChunk;
use bytes::Bytes;
use std::fmt;

/// A message on its way. One from or for another group, or for another life of its receiver, is dropped, and so is a
/// response from a server, or a life of one, that is in no configuration which the receiver takes to be in force. A request
/// is heard from anybody: the receiver may be the one that does not know yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Envelope {
    /// The group.
    pub cluster: u64,
    /// Who sent it.
    pub from: ReplicaKey,
    /// Whom it is for.
    pub to: ReplicaKey,
    /// What it says.
    pub message: Message,
}

/// What a leader writes on a message and gets back with the answer: so it knows when that was asked for.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct MessageContext {
    /// The newest round of "do I still lead" for reads (8, thesis 6.4).
    pub round: u64,
    /// The leader's own clock when it sent this: what a lease is counted from (thesis 6.4.1).
    pub sent_at: Timestamp,
}

/// What a follower passes on to its leader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ForwardRequest {
    /// Append this.
    Propose(Bytes),
    /// Say up to where a reader must wait.
    Read,
}

/// What became of a request that was passed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ForwardOutcome {
    /// It was appended here. Whether it is committed shows in everybody's log.
    Appended(LogId),
    /// Whoever has applied this much may answer the read.
    ReadAt(Index),
    /// It ended like this.
    Completed(Response),
}

/// What one server sends another.
///
/// Its tag is as wide as all else in it: a letter passes through many hands, each time a handful of whole words. With a tag
/// of a byte the rest would be moved in pieces that begin behind it, and a processor waits where a word that is read was
/// written in two pieces.
#[derive(Clone, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum Message {
    /// Could I win? Asked before a campaign; changes nothing at the receiver (thesis 9.6).
    PreVote {
        /// The term that the sender would campaign in: one above its own.
        term: Term,
        /// Where its log ends.
        last: LogId,
    },
    /// What a receiver of `PreVote` thinks of it.
    PreVoteResponse {
        /// Granted: the term asked for. Refused: the receiver's own term, from which a stale asker learns.
        term: Term,
        /// Whether it would vote for the asker.
        granted: bool,
    },
    /// Vote for me (5.2). A promise: whoever asks has voted for itself, durably.
    RequestVote {
        /// The term of the candidacy.
        term: Term,
        /// Where the candidate's log ends: a receiver whose own log ends later refuses (5.4.1).
        last: LogId,
        /// Whether the leader itself asked for this candidacy: then nobody protects the leader from it.
        transfer: bool,
    },
    /// A vote, or none. Granted, it is a promise.
    RequestVoteResponse {
        /// The voter's term. It counts only for a candidacy in this very term.
        term: Term,
        /// Whether the vote is given.
        granted: bool,
    },
    /// Campaign now: the sender leads and hands over (thesis 3.10).
    TimeoutNow {
        /// The leader's term.
        term: Term,
    },
    /// What to add to the log; without entries, "I lead" (5.3).
    AppendEntries {
        /// The leader's term.
        term: Term,
        /// The entry before the first of `entries`: a receiver that has it has all before it as well.
        prev_log: LogId,
        /// What follows it.
        entries: Entries,
        /// How far the leader knows everything to be committed.
        commit_index: Index,
        /// An answer gives it back.
        context: MessageContext,
    },
    /// The log has what was sent, durably. A promise.
    AppendEntriesResponse {
        /// The term of the leader that it is made to.
        term: Term,
        /// Everything up to here equals the leader's log.
        match_index: Index,
        /// Of the message that this answers.
        context: MessageContext,
    },
    /// The log does not have the previous entry, or the sender's term is over.
    AppendEntriesRejected {
        /// The receiver's term.
        term: Term,
        /// The index that was refused: by it the leader knows an old refusal from a new one.
        prev_log: Index,
        /// The last place where the receiver's log may still agree: its own entries between here and `previous` have
        /// terms above the leader's there.
        hint: LogId,
    },
    /// A part of the snapshot that stands in for entries that the leader no longer has; without any bytes, "I lead" (7).
    InstallSnapshot {
        /// The leader's term.
        term: Term,
        /// Which part. Boxed: all other messages are moved about far more often, and are smaller.
        chunk: Box<SnapshotChunk>,
        /// An answer gives it back.
        context: MessageContext,
    },
    /// So much of that snapshot has come. Once all of it is durable, the answer is `AppendEntriesResponse`. A promise, of
    /// the term that it speaks of.
    InstallSnapshotResponse {
        /// The term of the leader that it is made to.
        term: Term,
        /// Of which snapshot.
        last: LogId,
        /// How many bytes have come, without a gap.
        received: u64,
        /// Where the part ended that this answers: beyond `received`, something was lost before it.
        end: u64,
        /// Of the message that this answers.
        context: MessageContext,
    },
    /// A client asked the sender, who does not lead.
    Forward {
        /// The sender's term.
        term: Term,
        /// The sender's name for it; none is used twice, not even by another incarnation.
        forward_id: u64,
        /// What the client asked.
        request: ForwardRequest,
    },
    /// What became of that.
    ForwardResponse {
        /// The sender's term.
        term: Term,
        /// The name under which it was passed on.
        forward_id: u64,
        /// What became of it.
        outcome: ForwardOutcome,
    },
}

impl Message {
    /// The term that it speaks of.
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

    /// Whether it responds to something that its receiver has sent.
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
            Message::AppendEntries { term, prev_log, entries, commit_index, context: stamp } => {
                write!(f, "AppendEntries term {term} after {prev_log}")?;
                if let (Some(first), Some(last)) = (entries.first(), entries.last()) {
                    let index = prev_log.index.next();
                    write!(f, " [{index}@{}", first.term)?;
                    if entries.len() > 1 {
                        write!(f, "..{}@{}", prev_log.index.0 + entries.len() as u64, last.term)?;
                    }
                    write!(f, "]")?;
                }
                write!(f, " commit {commit_index}{stamp}")
            }
            Message::AppendEntriesResponse { term, match_index, context } => {
                write!(f, "AppendEntriesResponse term {term} matched {match_index}{context}")
            }
            Message::AppendEntriesRejected { term, prev_log, hint } => {
                write!(f, "AppendEntriesRefused term {term} at {prev_log} hint {hint}")
            }
            Message::InstallSnapshot { term, chunk: part, context: stamp } => {
                let SnapshotChunk { last, size, offset, data, .. } = &**part;
                let end = offset + data.len() as u64;
                write!(f, "InstallSnapshot term {term} up to {last} bytes {offset}..{end} of {size}{stamp}")
            }
            Message::InstallSnapshotResponse { term, last, received, context: stamp, .. } => {
                write!(f, "InstallSnapshotResponse term {term} up to {last} received {received}{stamp}")
            }
            Message::Forward { request: ForwardRequest::Propose(command), .. } => {
                write!(f, "Forward proposal of {} bytes", command.len())
            }
            Message::Forward { request: ForwardRequest::Read, .. } => write!(f, "Forward read"),
            Message::ForwardResponse { outcome, .. } => match outcome {
                ForwardOutcome::Appended(at) => write!(f, "ForwardResponse appended at {at}"),
                ForwardOutcome::ReadAt(index) => write!(f, "ForwardResponse read at {index}"),
                ForwardOutcome::Completed(answer) => write!(f, "ForwardResponse {answer}"),
            },
        }
    }
}

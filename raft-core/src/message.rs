//! What servers send each other.
//!
//! A message speaks of the term in which it was made. What a receiver may conclude stands with each field.

use crate::ids::{Index, LogId, Term};
use crate::log::Entries;
use std::fmt;

/// What one server sends another.
#[derive(Clone, PartialEq, Eq, Debug)]
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
        previous: LogId,
        /// What follows it.
        entries: Entries,
        /// How far the leader knows everything to be committed.
        commit: Index,
        /// The newest round of "do I still lead" for reads (8, thesis 6.4). An answer gives it back.
        round: u64,
    },
    /// The log has what was sent, durably. A promise.
    AppendEntriesResponse {
        /// The term of the leader that it is made to.
        term: Term,
        /// Everything up to here equals the leader's log.
        matched: Index,
        /// The round that this confirms.
        round: u64,
    },
    /// The log does not have the previous entry, or the sender's term is over.
    AppendEntriesRefused {
        /// The receiver's term.
        term: Term,
        /// The index that was refused: by it the leader knows an old refusal from a new one.
        previous: Index,
        /// The last place where the receiver's log may still agree: its own entries between here and `previous` have
        /// terms above the leader's there.
        hint: LogId,
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
            | Message::AppendEntriesRefused { term, .. } => term,
        }
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
            Message::AppendEntries { term, previous, entries, commit, round } => {
                write!(f, "AppendEntries term {term} after {previous}")?;
                if let (Some(first), Some(last)) = (entries.first(), entries.last()) {
                    let index = previous.index.next();
                    write!(f, " [{index}@{}", first.term)?;
                    if entries.len() > 1 {
                        write!(f, "..{}@{}", previous.index.0 + entries.len() as u64, last.term)?;
                    }
                    write!(f, "]")?;
                }
                write!(f, " commit {commit}")?;
                if *round > 0 { write!(f, " round {round}") } else { Ok(()) }
            }
            Message::AppendEntriesResponse { term, matched, round } => {
                write!(f, "AppendEntriesResponse term {term} matched {matched}")?;
                if *round > 0 { write!(f, " round {round}") } else { Ok(()) }
            }
            Message::AppendEntriesRefused { term, previous, hint } => {
                write!(f, "AppendEntriesRefused term {term} at {previous} hint {hint}")
            }
        }
    }
}

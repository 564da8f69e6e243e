//! An explored server: the core, its disk, and the bounded history.

use super::explored_disk::Disk;
use crate::explore::Limit;
use invariants::Digest;
use raft_core::canonical::Due;
use raft_core::{
    ConfChange, ConfChangeOp, Config, Effect, LogId, NodeId, Raft, Recovered, RequestId, Timestamp, canonical,
};

/// The time of every step.
pub(super) const NOW: Timestamp = Timestamp(1 << 50);

/// A server.
#[derive(Clone)]
pub struct CoreServer {
    pub(super) raft: Raft,
    pub(super) disk: Disk,
    pub(super) history: History,
    /// The state of the application: the digest of the entries that it has applied.
    pub(super) applied: Digest,
}

/// What properties compare with the past.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct History {
    /// The newest vote that was sent: its term and candidate. A candidacy is a vote for oneself.
    pub(super) vote: Option<(u64, u64)>,
    /// The furthest acknowledgement that was sent: its term and index.
    pub(super) acknowledged: Option<(u64, u64)>,
    /// The terms led, each with the end of the log at the election.
    pub(super) led: Vec<(u64, LogId)>,
    /// The furthest entry committed as leader, and the leader's term.
    pub(super) committed: Option<(LogId, u64)>,
    /// The last write that was acknowledged to a client here. Kept in scopes with reads only.
    pub(super) known: u64,
    /// The open reads: their number, and the last write that was acknowledged anywhere before.
    pub(super) reads: Vec<(u32, u32)>,
}

/// The request of the n-th event of a limit. Numbers of different limits do not meet.
pub(super) fn request(limit: Limit, number: u32) -> RequestId {
    RequestId(u64::from((limit as u32) << 4 | number))
}

impl CoreServer {
    /// Drops from the history what no later step can contradict: promises of terms before the durable one.
    pub(super) fn forget_past(&mut self) {
        let durable = self.disk.term();
        self.history.vote.take_if(|(term, _)| *term < durable);
        self.history.acknowledged.take_if(|(term, _)| *term < durable);
    }
}

impl History {
    pub(super) fn words(&self, renaming: &canonical::Renaming, words: &mut Vec<u32>) {
        let History { vote, acknowledged, led, committed, known, reads } = self;
        let mut numbers = |numbers: &[u64]| words.extend(numbers.iter().map(|number| *number as u32));
        let (term, candidate) = vote.map_or((0, 0), |(term, node)| (term, renaming.of(NodeId(node)).0));
        numbers(&[term, candidate]);
        let (term, index) = acknowledged.unwrap_or_default();
        numbers(&[term, index]);
        numbers(&[led.len() as u64]);
        led.iter().for_each(|(term, last)| numbers(&[*term, last.index.0, last.term.0]));
        let (entry, term) = committed.unwrap_or_default();
        numbers(&[entry.index.0, entry.term.0, term, *known, reads.len() as u64]);
        reads.iter().for_each(|(number, before)| numbers(&[u64::from(*number), u64::from(*before)]));
    }
}

/// A change of the membership.
pub(super) fn change(ops: Vec<ConfChangeOp>) -> ConfChange {
    ConfChange::Auto(ops)
}

/// Steps a server at the one time of all steps.
pub(super) fn step_now(raft: &mut Raft, input: raft_core::Input, effects: &mut Vec<Effect>) {
    raft.step(NOW, input, effects);
}

/// Starts a server at the one time of all steps.
pub(super) fn start_now(config: Config, recovered: Recovered) -> Raft {
    Raft::new(config, recovered, NOW)
        .unwrap_or_else(|error| panic!("raft-core rejects the recovered state: {error}"))
}

/// Makes a timer due at the one time of all steps.
pub(super) fn make_due_now(raft: &mut Raft, due: Due) -> bool {
    raft.make_due(due, NOW)
}

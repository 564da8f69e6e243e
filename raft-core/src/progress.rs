//! The leader's view of one follower.

use crate::ids::{Index, LogId, ReplicaKey, Timestamp};
use crate::message::MessageContext;
use crate::snapshot::Snapshot;
use std::collections::VecDeque;

/// What a leader knows about one follower, and what it has sent to it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Progress {
    /// The follower and its directory ID: another replica of the same server shares none of this.
    pub(crate) replica: ReplicaKey,
    /// Up to here the follower's log is durable and equals the leader's. Never decreases.
    pub(crate) match_index: Index,
    /// The next entry to send. Above `match_index`.
    pub(crate) next_index: Index,
    /// How entries are sent.
    pub(crate) state: ProgressState,
    /// The newest confirmed read round, and the newest time at which the follower is known to have followed
    /// this leader.
    pub(crate) confirmed: MessageContext,
    /// Whether entries are to be sent to it at the end of this step.
    pub(crate) pending_send: bool,
    /// When the last message was sent to it.
    pub(crate) last_sent: Timestamp,
    /// When its last response in this term arrived; at first, when the leader began to track it.
    pub(crate) last_contact: Timestamp,
}

/// How entries are sent to a follower.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum ProgressState {
    /// The leader does not know where the logs agree. It sends one message, then waits for a response or a
    /// heartbeat.
    Probe {
        /// Whether the message is in flight.
        waiting: bool,
    },
    /// The logs agree before `next_index`: messages are pipelined.
    Replicate {
        /// The last index and the bytes of each message in flight, ascending.
        in_flight: VecDeque<(Index, u64)>,
        /// The sum of those bytes.
        bytes: u64,
    },
    /// The entries that it needs are compacted: it gets a snapshot in chunks (7).
    Snapshot {
        /// The snapshot being sent. The leader may have made a newer one since.
        snapshot: Snapshot,
        /// Whether a response has arrived since sending began at 0: then this snapshot is sent to its end.
        answered: bool,
        /// How many bytes the follower is known to have.
        received: u64,
        /// How many bytes were sent.
        sent: u64,
        /// When sending went back to `received`: responses to earlier chunks do not show a loss.
        resent_at: Timestamp,
    },
}

/// The limits of what may be in flight to one follower.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FlightLimits {
    /// Messages.
    pub(crate) messages: usize,
    /// Bytes of commands.
    pub(crate) bytes: u64,
}

impl Progress {
    /// A follower as a new leader sees it (5.3): its log may match up to `last`.
    #[must_use]
    pub(crate) fn new(replica: ReplicaKey, last: Index, now: Timestamp) -> Progress {
        Progress {
            replica,
            match_index: Index(0),
            next_index: last.next(),
            state: ProgressState::Probe { waiting: false },
            confirmed: MessageContext::default(),
            pending_send: false,
            last_sent: now,
            last_contact: now,
        }
    }

    /// Whether a message with entries may be sent now.
    #[must_use]
    pub(crate) fn may_send(&self, limits: FlightLimits) -> bool {
        match &self.state {
            ProgressState::Probe { waiting } => !waiting,
            ProgressState::Replicate { in_flight, bytes } => {
                in_flight.len() < limits.messages && *bytes < limits.bytes
            }
            ProgressState::Snapshot { .. } => false,
        }
    }

    /// A message with entries up to `last` and `size` bytes of commands was sent.
    pub(crate) fn record_sent(&mut self, last: Index, size: u64) {
        match &mut self.state {
            ProgressState::Probe { waiting } => *waiting = true,
            ProgressState::Replicate { in_flight, bytes } => {
                in_flight.push_back((last, size));
                *bytes += size;
                self.next_index = last.next();
            }
            ProgressState::Snapshot { .. } => {}
        }
    }

    /// The entry before `next_index` is compacted: the follower gets this snapshot.
    pub(crate) fn become_snapshot(&mut self, snapshot: Snapshot, now: Timestamp) {
        self.state =
            ProgressState::Snapshot { snapshot, answered: false, received: 0, sent: 0, resent_at: now };
    }

    /// Whether a newer snapshot may replace the one being sent: no response to it has arrived, or the
    /// follower is `silent`.
    #[must_use]
    pub(crate) fn can_replace_snapshot(&self, newest: &Snapshot, silent: bool) -> bool {
        matches!(&self.state, ProgressState::Snapshot { snapshot, answered, .. }
            if newest.last.index > snapshot.last.index && (silent || !answered))
    }

    /// Sends this snapshot in place of the current one. Responses to the old one still count as contact.
    pub(crate) fn replace_snapshot(&mut self, newest: Snapshot) {
        if let ProgressState::Snapshot { snapshot, answered, received, sent, .. } = &mut self.state {
            (*snapshot, *answered, *received, *sent) = (newest, false, 0, 0);
        }
    }

    /// A response says that `bytes` have arrived; it answers a chunk that ended at `end` and was sent at
    /// `sent_at`. If an earlier chunk was lost, everything after the gap is sent again.
    pub(crate) fn on_chunk_received(
        &mut self,
        last: LogId,
        bytes: u64,
        end: u64,
        sent_at: Timestamp,
        now: Timestamp,
    ) {
        if let ProgressState::Snapshot { snapshot, answered, received, sent, resent_at } = &mut self.state
            && snapshot.last == last
        {
            let lost = bytes < end && sent_at >= *resent_at && bytes <= *sent;
            // The follower may have restarted from 0, so the latest response counts even if it is lower.
            *received = if lost { bytes } else { bytes.max(*received) };
            if lost {
                (*sent, *resent_at) = (bytes, now);
                *answered = bytes > 0;
            }
            *sent = (*sent).max(*received);
        }
    }

    /// The follower's log matches up to `match_index`. `compacted` is the leader's compacted index.
    pub(crate) fn on_accepted(&mut self, match_index: Index, compacted: Index) {
        self.match_index = self.match_index.max(match_index);
        self.next_index = self.next_index.max(self.match_index.next());
        match &mut self.state {
            ProgressState::Probe { .. } => {
                // A probe does not advance `next_index`, whatever it carried: `match_index` decides.
                self.next_index = self.match_index.next();
                self.state = ProgressState::Replicate { in_flight: VecDeque::new(), bytes: 0 };
            }
            ProgressState::Replicate { in_flight, bytes } => {
                while let Some((_, size)) = in_flight.pop_front_if(|(last, _)| *last <= match_index) {
                    *bytes -= size;
                }
            }
            // The entries that it needs next are in the log again.
            ProgressState::Snapshot { .. } if self.match_index >= compacted => {
                self.next_index = self.match_index.next();
                self.state = ProgressState::Replicate { in_flight: VecDeque::new(), bytes: 0 };
            }
            // It has the snapshot, but the entries after that are compacted by now: it will need a newer
            // snapshot.
            ProgressState::Snapshot { snapshot, .. } if self.match_index >= snapshot.last.index => {
                self.next_index = self.match_index.next();
                self.state = ProgressState::Probe { waiting: false };
            }
            ProgressState::Snapshot { .. } => {}
        }
    }

    /// A response to a message with this context: at that time the follower still followed this leader.
    pub(crate) fn on_confirmed(&mut self, context: MessageContext, now: Timestamp) {
        self.confirmed.round = self.confirmed.round.max(context.round);
        self.confirmed.sent_at = self.confirmed.sent_at.max(context.sent_at);
        self.last_contact = now;
        if let ProgressState::Snapshot { answered, resent_at, .. } = &mut self.state {
            *answered |= context.sent_at >= *resent_at;
        }
    }

    /// Sends everything after `agree` again, whatever the follower has acknowledged: for a bug.
    pub(crate) fn rewind(&mut self, agree: Index) {
        self.next_index = self.next_index.min(agree.next());
        self.state = ProgressState::Probe { waiting: false };
    }

    /// Sends what follows the follower's hint next, whether the logs agree there or not: for a bug.
    pub(crate) fn retry_at(&mut self, hint: Index) {
        self.next_index = hint.max(self.match_index).next();
    }

    /// Whether a rejection of entries after `prev_log` says something about the current `next_index`; otherwise it
    /// is stale.
    #[must_use]
    pub(crate) fn is_current(&self, prev_log: Index) -> bool {
        // A rejection at or below `match_index` contradicts an earlier acknowledgement. Sending the same
        // entries at once would repeat it; the next heartbeat tries again.
        prev_log > self.match_index
            && match self.state {
                ProgressState::Probe { .. } => prev_log == self.next_index.previous(),
                ProgressState::Replicate { .. } => prev_log < self.next_index,
                ProgressState::Snapshot { .. } => false,
            }
    }

    /// The follower rejected entries after `prev_log`, which [is current](Progress::is_current); the logs may agree
    /// up to `agree`.
    pub(crate) fn on_rejected(&mut self, prev_log: Index, agree: Index) {
        self.next_index = agree.next().min(prev_log).max(self.match_index.next());
        self.state = ProgressState::Probe { waiting: false };
    }
}

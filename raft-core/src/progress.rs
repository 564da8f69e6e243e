//! What a leader knows of one follower.

use crate::ids::{Index, LogId, ReplicaKey, Timestamp};
use crate::message::MessageContext;
use crate::snapshot::Snapshot;
use std::collections::VecDeque;

/// What a leader knows of one follower, and what it has sent it.
#[derive(Clone, PartialEq, Debug)]
pub struct Progress {
    /// The follower, and which life of it: another life has none of this.
    pub peer: ReplicaKey,
    /// Everything up to here is durable there and equals the leader's log. Never falls.
    pub match_index: Index,
    /// What to send next. Above `match_index`.
    pub next_index: Index,
    /// How it is sent.
    pub state: ProgressState,
    /// The newest of what it has confirmed: up to which round this server leads, and as of when.
    pub confirmed: MessageContext,
    /// Whether it is sent what it lacks at the end of this step.
    pub pending_send: bool,
    /// When something was last sent to it.
    pub last_sent: Timestamp,
    /// When it last answered in this term; at first, when the leader began to count on it.
    pub last_contact: Timestamp,
}

/// How entries are sent to a follower.
#[derive(Clone, PartialEq, Debug)]
pub enum ProgressState {
    /// The leader does not know where the logs agree: one message, then an answer or a heartbeat's time.
    Probe {
        /// Whether the one message is out.
        waiting: bool,
    },
    /// The logs agree before `next`: messages go out without waiting.
    Replicate {
        /// The last index of each message in flight, ascending, and its bytes.
        in_flight: VecDeque<(Index, u64)>,
        /// The sum of those bytes.
        bytes: u64,
    },
    /// What it lacks the leader no longer has: it gets a snapshot instead, in parts (7).
    Snapshot {
        /// Which one. The leader may have made a newer one since.
        snapshot: Snapshot,
        /// Whether an answer has come since sending began from nothing: what is begun is then brought to its end.
        answered: bool,
        /// How many bytes it is known to have.
        received: u64,
        /// How many bytes were sent.
        sent: u64,
        /// When sending went back to `received`: answers to what was sent before say nothing about a loss.
        resent_at: Timestamp,
    },
}

/// How much may be in flight to one follower.
#[derive(Clone, Copy, Debug)]
pub struct FlightLimits {
    /// So many messages.
    pub messages: usize,
    /// And so many bytes of commands.
    pub bytes: u64,
}

impl Progress {
    /// Of a follower that nothing is known of, as a new leader sees it (5.3): perhaps it has all up to `last`.
    #[must_use]
    pub fn new(peer: ReplicaKey, last: Index, now: Timestamp) -> Progress {
        Progress {
            peer,
            match_index: Index(0),
            next_index: last.next(),
            state: ProgressState::Probe { waiting: false },
            confirmed: MessageContext::default(),
            pending_send: false,
            last_sent: now,
            last_contact: now,
        }
    }

    /// Whether a message with entries may go out now.
    #[must_use]
    pub fn may_send(&self, window: FlightLimits) -> bool {
        match &self.state {
            ProgressState::Probe { waiting } => !waiting,
            ProgressState::Replicate { in_flight, bytes } => {
                in_flight.len() < window.messages && *bytes < window.bytes
            }
            ProgressState::Snapshot { .. } => false,
        }
    }

    /// A message with entries up to `last` went out, with so many bytes of commands.
    pub fn record_sent(&mut self, last: Index, size: u64) {
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

    /// What follows `next` is gone: it gets this snapshot instead.
    pub fn become_snapshot(&mut self, snapshot: Snapshot, now: Timestamp) {
        self.state =
            ProgressState::Snapshot { snapshot, answered: false, received: 0, sent: 0, resent_at: now };
    }

    /// Whether this snapshot may take the place of an older one that is being sent: nothing of that is known to have come,
    /// or the follower is `silent`.
    #[must_use]
    pub fn can_replace_snapshot(&self, newest: &Snapshot, silent: bool) -> bool {
        matches!(&self.state, ProgressState::Snapshot { snapshot, answered, .. }
            if newest.last.index > snapshot.last.index && (silent || !answered))
    }

    /// It gets this snapshot instead of the one that is being sent. Answers to that one still show that it is there.
    pub fn replace_snapshot(&mut self, newest: Snapshot) {
        if let ProgressState::Snapshot { snapshot, answered, received, sent, .. } = &mut self.state {
            (*snapshot, *answered, *received, *sent) = (newest, false, 0, 0);
        }
    }

    /// So many bytes of the snapshot have come, says the answer to a part that ended at `end` and was sent at `sent_at`.
    /// Where something was lost before that part, all after the loss is sent again.
    pub fn on_chunk_received(
        &mut self,
        last: LogId,
        bytes: u64,
        end: u64,
        sent_at: Timestamp,
        now: Timestamp,
    ) {
        if let ProgressState::Snapshot { snapshot, answered, received, sent, resent_at: again } =
            &mut self.state
            && snapshot.last == last
        {
            let lost = bytes < end && sent_at >= *again && bytes <= *sent;
            // It may have begun anew, with nothing: what counts is what it says last.
            *received = if lost { bytes } else { bytes.max(*received) };
            if lost {
                (*sent, *again) = (bytes, now);
                *answered = bytes > 0;
            }
            *sent = (*sent).max(*received);
        }
    }

    /// It has everything up to `match_index`. `compacted` is what this leader's own log begins after.
    pub fn on_accepted(&mut self, match_index: Index, compacted: Index) {
        self.match_index = self.match_index.max(match_index);
        self.next_index = self.next_index.max(self.match_index.next());
        match &mut self.state {
            ProgressState::Probe { .. } => {
                // A probe does not move `next`: whatever it carried, what is matched is what counts.
                self.next_index = self.match_index.next();
                self.state = ProgressState::Replicate { in_flight: VecDeque::new(), bytes: 0 };
            }
            ProgressState::Replicate { in_flight, bytes } => {
                while let Some((_, size)) = in_flight.pop_front_if(|(last, _)| *last <= match_index) {
                    *bytes -= size;
                }
            }
            // However it got there: from here on the log serves it again.
            ProgressState::Snapshot { .. } if self.match_index >= compacted => {
                self.next_index = self.match_index.next();
                self.state = ProgressState::Replicate { in_flight: VecDeque::new(), bytes: 0 };
            }
            // It has what it was to get, and lacks what is gone by now: a newer one.
            ProgressState::Snapshot { snapshot, .. } if self.match_index >= snapshot.last.index => {
                self.next_index = self.match_index.next();
                self.state = ProgressState::Probe { waiting: false };
            }
            ProgressState::Snapshot { .. } => {}
        }
    }

    /// An answer to a message with this stamp: it still takes this server for its leader.
    pub fn on_confirmed(&mut self, stamp: MessageContext, now: Timestamp) {
        self.confirmed.round = self.confirmed.round.max(stamp.round);
        self.confirmed.sent_at = self.confirmed.sent_at.max(stamp.sent_at);
        self.last_contact = now;
        if let ProgressState::Snapshot { answered, resent_at: again, .. } = &mut self.state {
            *answered |= stamp.sent_at >= *again;
        }
    }

    /// It refused what should have followed `previous`; the logs may agree up to `agree`. Returns whether that was
    /// news: answers to older messages say nothing about what is tried now.
    pub fn on_rejected(&mut self, previous: Index, agree: Index) -> bool {
        // What it once acknowledged it has for ever: a refusal of that is a broken promise, which sending the same again
        // and again would not mend. The next heartbeat tries once more.
        let news = previous > self.match_index
            && match self.state {
                ProgressState::Probe { .. } => previous == self.next_index.previous(),
                ProgressState::Replicate { .. } => previous < self.next_index,
                ProgressState::Snapshot { .. } => false,
            };
        if news {
            self.next_index = agree.next().min(previous).max(self.match_index.next());
            self.state = ProgressState::Probe { waiting: false };
        }
        news
    }
}

//! What a leader knows of one follower.

use crate::ids::{Index, Instant, LogId, Peer};
use crate::message::Stamp;
use crate::snapshot::Snapshot;
use std::collections::VecDeque;

/// What a leader knows of one follower, and what it has sent it.
#[derive(Clone, PartialEq, Debug)]
pub struct Progress {
    /// The follower, and which life of it: another life has none of this.
    pub peer: Peer,
    /// Everything up to here is durable there and equals the leader's log. Never falls.
    pub matched: Index,
    /// What to send next. Above `matched`.
    pub next: Index,
    /// How it is sent.
    pub pace: Pace,
    /// The newest of what it has confirmed: up to which round this server leads, and as of when.
    pub confirmed: Stamp,
    /// Whether it is sent what it lacks at the end of this step.
    pub owed: bool,
    /// When something was last sent to it.
    pub sent: Instant,
    /// When it last answered in this term; at first, when the leader began to count on it.
    pub heard: Instant,
}

/// How entries are sent to a follower.
#[derive(Clone, PartialEq, Debug)]
pub enum Pace {
    /// The leader does not know where the logs agree: one message, then an answer or a heartbeat's time.
    Probing {
        /// Whether the one message is out.
        waiting: bool,
    },
    /// The logs agree before `next`: messages go out without waiting.
    Streaming {
        /// The last index of each message in flight, ascending, and its bytes.
        in_flight: VecDeque<(Index, u64)>,
        /// The sum of those bytes.
        bytes: u64,
    },
    /// What it lacks the leader no longer has: it gets a snapshot instead, in parts (7).
    Snapshotting {
        /// Which one. The leader may have made a newer one since.
        snapshot: Snapshot,
        /// Whether an answer has come since sending began from nothing: what is begun is then brought to its end.
        answered: bool,
        /// How many bytes it is known to have.
        received: u64,
        /// How many bytes were sent.
        sent: u64,
        /// When sending went back to `received`: answers to what was sent before say nothing about a loss.
        again: Instant,
    },
}

/// How much may be in flight to one follower.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// So many messages.
    pub messages: usize,
    /// And so many bytes of commands.
    pub bytes: u64,
}

impl Progress {
    /// Of a follower that nothing is known of, as a new leader sees it (5.3): perhaps it has all up to `last`.
    #[must_use]
    pub fn new(peer: Peer, last: Index, now: Instant) -> Progress {
        Progress {
            peer,
            matched: Index(0),
            next: last.next(),
            pace: Pace::Probing { waiting: false },
            confirmed: Stamp::default(),
            owed: false,
            sent: now,
            heard: now,
        }
    }

    /// Whether a message with entries may go out now.
    #[must_use]
    pub fn may_send(&self, window: Window) -> bool {
        match &self.pace {
            Pace::Probing { waiting } => !waiting,
            Pace::Streaming { in_flight, bytes } => {
                in_flight.len() < window.messages && *bytes < window.bytes
            }
            Pace::Snapshotting { .. } => false,
        }
    }

    /// A message with entries up to `last` went out, with so many bytes of commands.
    pub fn sent_up_to(&mut self, last: Index, size: u64) {
        match &mut self.pace {
            Pace::Probing { waiting } => *waiting = true,
            Pace::Streaming { in_flight, bytes } => {
                in_flight.push_back((last, size));
                *bytes += size;
                self.next = last.next();
            }
            Pace::Snapshotting { .. } => {}
        }
    }

    /// What follows `next` is gone: it gets this snapshot instead.
    pub fn needs(&mut self, snapshot: Snapshot, now: Instant) {
        self.pace = Pace::Snapshotting { snapshot, answered: false, received: 0, sent: 0, again: now };
    }

    /// Whether this snapshot may take the place of an older one that is being sent: nothing of that is known to have come,
    /// or the follower is `silent`.
    #[must_use]
    pub fn may_switch_to(&self, newest: &Snapshot, silent: bool) -> bool {
        matches!(&self.pace, Pace::Snapshotting { snapshot, answered, .. }
            if newest.last.index > snapshot.last.index && (silent || !answered))
    }

    /// It gets this snapshot instead of the one that is being sent. Answers to that one still show that it is there.
    pub fn switch_to(&mut self, newest: Snapshot) {
        if let Pace::Snapshotting { snapshot, answered, received, sent, .. } = &mut self.pace {
            (*snapshot, *answered, *received, *sent) = (newest, false, 0, 0);
        }
    }

    /// So many bytes of the snapshot have come, says the answer to a part that ended at `end` and was sent at `sent_at`.
    /// Where something was lost before that part, all after the loss is sent again.
    pub fn received(&mut self, last: LogId, bytes: u64, end: u64, sent_at: Instant, now: Instant) {
        if let Pace::Snapshotting { snapshot, answered, received, sent, again } = &mut self.pace
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

    /// It has everything up to `matched`. `base` is what this leader's own log begins after.
    pub fn accepted(&mut self, matched: Index, base: Index) {
        self.matched = self.matched.max(matched);
        self.next = self.next.max(self.matched.next());
        match &mut self.pace {
            Pace::Probing { .. } => {
                // A probe does not move `next`: whatever it carried, what is matched is what counts.
                self.next = self.matched.next();
                self.pace = Pace::Streaming { in_flight: VecDeque::new(), bytes: 0 };
            }
            Pace::Streaming { in_flight, bytes } => {
                while let Some((_, size)) = in_flight.pop_front_if(|(last, _)| *last <= matched) {
                    *bytes -= size;
                }
            }
            // However it got there: from here on the log serves it again.
            Pace::Snapshotting { .. } if self.matched >= base => {
                self.next = self.matched.next();
                self.pace = Pace::Streaming { in_flight: VecDeque::new(), bytes: 0 };
            }
            // It has what it was to get, and lacks what is gone by now: a newer one.
            Pace::Snapshotting { snapshot, .. } if self.matched >= snapshot.last.index => {
                self.next = self.matched.next();
                self.pace = Pace::Probing { waiting: false };
            }
            Pace::Snapshotting { .. } => {}
        }
    }

    /// An answer to a message with this stamp: it still takes this server for its leader.
    pub fn confirms(&mut self, stamp: Stamp, now: Instant) {
        self.confirmed.round = self.confirmed.round.max(stamp.round);
        self.confirmed.sent = self.confirmed.sent.max(stamp.sent);
        self.heard = now;
        if let Pace::Snapshotting { answered, again, .. } = &mut self.pace {
            *answered |= stamp.sent >= *again;
        }
    }

    /// It refused what should have followed `previous`; the logs may agree up to `agree`. Returns whether that was
    /// news: answers to older messages say nothing about what is tried now.
    pub fn refused(&mut self, previous: Index, agree: Index) -> bool {
        // What it once acknowledged it has for ever: a refusal of that is a broken promise, which sending the same again
        // and again would not mend. The next heartbeat tries once more.
        let news = previous > self.matched
            && match self.pace {
                Pace::Probing { .. } => previous == self.next.previous(),
                Pace::Streaming { .. } => previous < self.next,
                Pace::Snapshotting { .. } => false,
            };
        if news {
            self.next = agree.next().min(previous).max(self.matched.next());
            self.pace = Pace::Probing { waiting: false };
        }
        news
    }
}

//! What a leader knows of one follower.

use crate::ids::{Index, Instant, NodeId};
use std::collections::VecDeque;

/// What a leader knows of one follower, and what it has sent it.
#[derive(Clone, PartialEq, Debug)]
pub struct Progress {
    /// The follower.
    pub node: NodeId,
    /// Everything up to here is durable there and equals the leader's log. Never falls.
    pub matched: Index,
    /// What to send next. Above `matched`.
    pub next: Index,
    /// How it is sent.
    pub pace: Pace,
    /// The newest round of "do I still lead" that it has confirmed.
    pub round: u64,
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
        /// The last index of each message in flight, ascending.
        in_flight: VecDeque<Index>,
    },
}

impl Progress {
    /// Of a follower that nothing is known of, as a new leader sees it (5.3): perhaps it has all up to `last`.
    #[must_use]
    pub fn new(node: NodeId, last: Index, now: Instant) -> Progress {
        Progress {
            node,
            matched: Index(0),
            next: last.next(),
            pace: Pace::Probing { waiting: false },
            round: 0,
            sent: now,
            heard: now,
        }
    }

    /// Whether a message with entries may go out now.
    #[must_use]
    pub fn may_send(&self, max_in_flight: usize) -> bool {
        match &self.pace {
            Pace::Probing { waiting } => !waiting,
            Pace::Streaming { in_flight } => in_flight.len() < max_in_flight,
        }
    }

    /// A message with entries up to `last` went out.
    pub fn sent_up_to(&mut self, last: Index) {
        match &mut self.pace {
            Pace::Probing { waiting } => *waiting = true,
            Pace::Streaming { in_flight } => {
                in_flight.push_back(last);
                self.next = last.next();
            }
        }
    }

    /// It has everything up to `matched`.
    pub fn accepted(&mut self, matched: Index) {
        self.matched = self.matched.max(matched);
        self.next = self.next.max(self.matched.next());
        match &mut self.pace {
            Pace::Probing { .. } => {
                // A probe does not move `next`: whatever it carried, what is matched is what counts.
                self.next = self.matched.next();
                self.pace = Pace::Streaming { in_flight: VecDeque::new() };
            }
            Pace::Streaming { in_flight } => {
                while in_flight.front().is_some_and(|&last| last <= matched) {
                    in_flight.pop_front();
                }
            }
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
            };
        if news {
            self.next = agree.next().min(previous).max(self.matched.next());
            self.pace = Pace::Probing { waiting: false };
        }
        news
    }
}

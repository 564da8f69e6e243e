//! Asynchronous saves: what is durable, what is on its way, and which promises wait for it.
//!
//! The contract (`io.rs`) lets several writes be in flight while the core goes on. Three rules keep that safe:
//!
//! * a promise waits for the newest write issued when it was made, not only for the write that it caused, and is
//!   dropped, never restamped, once the term has moved;
//! * a completion names a write, never an index, so an old completion cannot vouch for a new entry in an old place;
//! * a cut of the tail lowers the durable index at once, and what a write in flight had beyond the cut is forgotten,
//!   so a late completion cannot raise the durable index over it.

use crate::ids::{Index, ReplicaKey, SaveId, Term, Timestamp};
use crate::message::Message;
use std::collections::VecDeque;

/// Something that others will rely on.
#[derive(Clone, PartialEq, Debug)]
pub enum Promise {
    /// A message.
    Send(ReplicaKey, Message),
    /// The vote that a candidate gives itself.
    OwnVote,
}

/// What is durable, what is on its way, and what waits.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Saves {
    /// The newest write issued.
    newest: SaveId,
    /// Every write up to here is durable; nothing, until boot's write 0 is.
    durable: Option<SaveId>,
    /// Every entry up to here is durable and still in the log.
    durable_index: Index,
    in_flight: VecDeque<InFlight>,
    pending: VecDeque<PendingPromise>,
    /// How many of `held`, at the back, were made in this step and do not yet know what they wait for.
    unsettled: usize,
}

/// A write on its way.
#[derive(Clone, PartialEq, Debug)]
struct InFlight {
    id: SaveId,
    /// Where the log ends once it is durable, less what was cut since.
    last: Index,
    issued: Timestamp,
}

/// A promise that waits.
#[derive(Clone, PartialEq, Debug)]
struct PendingPromise {
    needs: SaveId,
    term: Term,
    promise: Promise,
}

impl PendingPromise {
    /// Whether this acknowledges at least what `before` does, to the same leader, waiting for the same write.
    fn supersedes(&self, before: &PendingPromise) -> bool {
        let both = (&self.promise, &before.promise);
        let (
            Promise::Send(to, Message::AppendEntriesResponse { match_index, context: stamp, .. }),
            Promise::Send(
                before_to,
                Message::AppendEntriesResponse { match_index: before_matched, context: before_stamp, .. },
            ),
        ) = both
        else {
            return false;
        };
        (to, self.term, self.needs) == (before_to, before.term, before.needs)
            && match_index >= before_matched
            && stamp.round >= before_stamp.round
            && stamp.sent_at >= before_stamp.sent_at
    }
}

impl Saves {
    /// Of a new incarnation: what it recovered, a log up to `last`, is write 0 and still in flight.
    #[must_use]
    pub fn recovered(last: Index, now: Timestamp) -> Saves {
        Saves {
            in_flight: VecDeque::from([InFlight { id: SaveId(0), last, issued: now }]),
            ..Saves::default()
        }
    }

    /// Every entry up to here is durable and still in the log.
    #[must_use]
    pub const fn durable_index(&self) -> Index {
        self.durable_index
    }

    /// Since when the oldest write has been on its way.
    #[must_use]
    pub fn oldest_in_flight(&self) -> Option<Timestamp> {
        self.in_flight.front().map(|write| write.issued)
    }

    /// The log was cut after `index`.
    pub fn truncate(&mut self, index: Index) {
        self.durable_index = self.durable_index.min(index);
        for write in &mut self.in_flight {
            write.last = write.last.min(index);
        }
    }

    /// No promise will ever be kept.
    pub fn discard(&mut self) {
        self.pending.clear();
        self.unsettled = 0;
        self.in_flight.clear();
    }

    /// A new write, after which the log ends at `last`.
    pub fn issue(&mut self, last: Index, now: Timestamp) -> SaveId {
        self.newest = SaveId(self.newest.0 + 1);
        self.in_flight.push_back(InFlight { id: self.newest, last, issued: now });
        self.newest
    }

    /// Every write up to `id` is durable.
    pub fn complete(&mut self, id: SaveId) {
        assert!(id <= self.newest, "the host says that write {} is durable, which was never issued", id.0);
        self.durable = self.durable.max(Some(id));
        while self.in_flight.front().is_some_and(|write| write.id <= id) {
            let write = self.in_flight.pop_front().expect("just looked at");
            self.durable_index = self.durable_index.max(write.last);
        }
    }

    /// Keeps a promise, made in `term`, until it may leave.
    pub fn defer(&mut self, term: Term, promise: Promise) {
        self.pending.push_back(PendingPromise { needs: self.newest, term, promise });
        self.unsettled += 1;
    }

    /// The step's own write, if there is one, is issued: what was held during the step waits for it as well.
    pub fn settle(&mut self) {
        // Nothing was held, so the newest repeats nothing that it did not repeat before.
        if self.unsettled == 0 {
            return;
        }
        for held in self.pending.iter_mut().rev().take(self.unsettled) {
            held.needs = self.newest;
        }
        self.unsettled = 0;
        // While a disk hangs, every heartbeat is acknowledged anew: the newest acknowledgement says it all.
        while let Some(before) = self.pending.len().checked_sub(2)
            && self.pending[before + 1].supersedes(&self.pending[before])
        {
            self.pending.swap_remove_back(before);
        }
    }

    /// Whether the oldest promise waits for nothing any more.
    #[must_use]
    #[inline]
    pub fn can_release(&self) -> bool {
        self.pending.len() > self.unsettled
            && self.pending.front().is_some_and(|held| Some(held.needs) <= self.durable)
    }

    /// The next promise that may leave, in the order in which they were made. Those of past terms are dropped.
    pub fn release(&mut self, term: Term) -> Option<Promise> {
        while self.can_release() {
            let held = self.pending.pop_front().expect("just looked at");
            if held.term == term {
                return Some(held.promise);
            }
        }
        None
    }
}

//! Asynchronous writes: what is durable, what is in flight, and which promises wait.
//!
//! The contract (`io.rs`) allows several writes in flight while the core continues. Three rules make that
//! safe:
//!
//! * a promise waits for the newest write issued when it was made, not only for the write that it caused. If
//!   the term has changed by then, it is dropped, and never sent in the new term;
//! * a completion names a write, never an index, so an old completion cannot make a new entry at an old index
//!   durable;
//! * truncating the log lowers the durable index at once, and lowers the end of each write in flight, so a
//!   late completion cannot raise the durable index past the truncation.

use crate::ids::{Index, ReplicaKey, SaveId, Term, Timestamp};
use crate::message::Message;
use std::collections::VecDeque;

/// A statement that other servers will rely on.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Promise {
    /// A message.
    Send(ReplicaKey, Message),
    /// The vote that a candidate gives itself.
    OwnVote,
}

/// The state of writes and of the promises that wait for them.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Saves {
    /// The newest write issued.
    pub(crate) newest: SaveId,
    /// Every write up to here is durable; `None` until boot's write 0 is.
    pub(crate) durable: Option<SaveId>,
    /// Every entry up to here is durable and still in the log.
    pub(crate) durable_index: Index,
    pub(crate) in_flight: VecDeque<InFlight>,
    pub(crate) pending: VecDeque<PendingPromise>,
    /// How many of `pending`, at the back, were made in this step and do not yet know their write.
    pub(crate) unsettled: usize,
}

/// A write in flight.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct InFlight {
    pub(crate) id: SaveId,
    /// The end of the log in this write, lowered by later truncations.
    pub(crate) last: Index,
    pub(crate) issued: Timestamp,
}

/// A promise that waits for a write.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct PendingPromise {
    pub(crate) needs: SaveId,
    pub(crate) term: Term,
    pub(crate) promise: Promise,
}

impl PendingPromise {
    /// Whether this acknowledges at least as much as `before`, to the same leader, after the same write.
    fn supersedes(&self, before: &PendingPromise) -> bool {
        let both = (&self.promise, &before.promise);
        let (
            Promise::Send(to, Message::AppendEntriesResponse { match_index, context, .. }),
            Promise::Send(
                before_to,
                Message::AppendEntriesResponse { match_index: before_match, context: before_context, .. },
            ),
        ) = both
        else {
            return false;
        };
        (to, self.term, self.needs) == (before_to, before.term, before.needs)
            && match_index >= before_match
            && context.round >= before_context.round
            && context.sent_at >= before_context.sent_at
    }
}

impl Saves {
    /// The state of a new incarnation: the recovered log, up to `last`, is write 0 and in flight.
    #[must_use]
    pub(crate) fn recovered(last: Index, now: Timestamp) -> Saves {
        Saves {
            in_flight: VecDeque::from([InFlight { id: SaveId(0), last, issued: now }]),
            ..Saves::default()
        }
    }

    /// Every entry up to here is durable and still in the log.
    #[must_use]
    pub(crate) const fn durable_index(&self) -> Index {
        self.durable_index
    }

    /// When the oldest write in flight was issued.
    #[must_use]
    pub(crate) fn oldest_in_flight(&self) -> Option<Timestamp> {
        self.in_flight.front().map(|write| write.issued)
    }

    /// The log was truncated after `index`.
    pub(crate) fn truncate(&mut self, index: Index) {
        self.durable_index = self.durable_index.min(index);
        for write in &mut self.in_flight {
            write.last = write.last.min(index);
        }
    }

    /// Drops all promises: no write will complete.
    pub(crate) fn discard(&mut self) {
        self.pending.clear();
        self.unsettled = 0;
        self.in_flight.clear();
    }

    /// Issues a write, after which the log ends at `last`.
    pub(crate) fn issue(&mut self, last: Index, now: Timestamp) -> SaveId {
        self.newest = SaveId(self.newest.0 + 1);
        self.in_flight.push_back(InFlight { id: self.newest, last, issued: now });
        self.newest
    }

    /// Every write up to `id` is durable.
    pub(crate) fn complete(&mut self, id: SaveId) {
        assert!(id <= self.newest, "the host says that write {} is durable, which was never issued", id.0);
        self.durable = self.durable.max(Some(id));
        while self.in_flight.front().is_some_and(|write| write.id <= id) {
            let write = self.in_flight.pop_front().expect("the queue must not be empty");
            self.durable_index = self.durable_index.max(write.last);
        }
    }

    /// Defers a promise, made in `term`, until its write is durable.
    pub(crate) fn defer(&mut self, term: Term, promise: Promise) {
        self.pending.push_back(PendingPromise { needs: self.newest, term, promise });
        self.unsettled += 1;
    }

    /// Called once the step's write, if any, is issued: the promises of this step wait for it.
    pub(crate) fn settle(&mut self) {
        // Without new promises, no promise newly supersedes another.
        if self.unsettled == 0 {
            return;
        }
        for pending in self.pending.iter_mut().rev().take(self.unsettled) {
            pending.needs = self.newest;
        }
        self.unsettled = 0;
        // While a disk hangs, every heartbeat is acknowledged again: the newest acknowledgement replaces the
        // others.
        while let Some(before) = self.pending.len().checked_sub(2)
            && self.pending[before + 1].supersedes(&self.pending[before])
        {
            self.pending.swap_remove_back(before);
        }
    }

    /// Whether the write of the oldest promise is durable.
    #[must_use]
    #[inline]
    pub(crate) fn can_release(&self) -> bool {
        self.pending.len() > self.unsettled
            && self.pending.front().is_some_and(|pending| Some(pending.needs) <= self.durable)
    }

    /// The next promise whose write is durable, and its term, in the order in which they were made. Those of past
    /// terms are dropped, unless `sends_late`.
    pub(crate) fn release(&mut self, term: Term, sends_late: impl Fn() -> bool) -> Option<(Term, Promise)> {
        while self.can_release() {
            let pending = self.pending.pop_front().expect("the queue must not be empty");
            if pending.term == term || sends_late() {
                return Some((pending.term, pending.promise));
            }
        }
        None
    }
}

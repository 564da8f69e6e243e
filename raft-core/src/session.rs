//! Exactly-once client sessions for any state machine (thesis 6.3).
//!
//! A client that got no answer asks again, and the log may then hold its request twice. The state machine keeps the
//! response of each request, by session and sequence number, and answers the second one from this table instead of
//! carrying it out again. That is right only if the table is part of the state: it is asked when an entry is *applied*,
//! never when it is proposed, and it belongs into every snapshot.
//!
//! A client may have several requests in flight, so numbers come in any order, and no single "newest number" could tell
//! what was done. With each request the client says up to which number everything in its session has been answered;
//! those responses are forgotten, and so is any request at or below that mark which turns up again: its client has had
//! its answer. Numbers start at 1.
//!
//! ```
//! use raft_core::session::{Applied, Sessions};
//!
//! let mut balance = 0;
//! let mut sessions = Sessions::new();
//! let mut deposit = |sequence, acknowledged, amount| {
//!     let applied = sessions.apply(7, sequence, acknowledged, || {
//!         balance += amount;
//!         balance
//!     });
//!     match applied {
//!         Applied::Fresh(response) | Applied::Repeated(response) => Some(*response),
//!         Applied::Forgotten => None,
//!     }
//! };
//! assert_eq!(deposit(1, 0, 10), Some(10));
//! assert_eq!(deposit(2, 0, 5), Some(15));
//! assert_eq!(deposit(1, 0, 10), Some(10), "a retry gets the first answer and moves nothing");
//! assert_eq!(deposit(3, 2, 1), Some(16), "the client has had the answers to 1 and 2");
//! assert_eq!(deposit(2, 0, 5), None, "and a late double of 2 is of no use to anybody");
//! ```
//!
//! Left out for now: registration and expiry. A session begins with its first request and is kept for ever; how much is
//! kept for it is bounded by how much its client has in flight.

use std::collections::{BTreeMap, VecDeque};

/// The sessions of a state machine, each with the responses that its client may still ask for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sessions<R> {
    sessions: BTreeMap<u64, Session<R>>,
}

/// What one session keeps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session<R> {
    /// Everything up to here has been answered. Only grows.
    acknowledged: u64,
    /// Responses by number, all above the mark, ascending.
    responses: VecDeque<(u64, R)>,
}

/// What came of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Applied<'a, R> {
    /// It was carried out now; this is its response.
    Fresh(&'a R),
    /// It was carried out before; this was its response.
    Repeated(&'a R),
    /// Its client has had the answer: there was no effect, and there is no response any more.
    Forgotten,
}

impl<R> Sessions<R> {
    /// No sessions.
    #[must_use]
    pub const fn new() -> Sessions<R> {
        Sessions { sessions: BTreeMap::new() }
    }

    /// Carries out request `sequence` of `session`, unless that was done before. Everything in this session up to
    /// `acknowledged` has been answered, says the client.
    pub fn apply(
        &mut self,
        session: u64,
        sequence: u64,
        acknowledged: u64,
        carry_out: impl FnOnce() -> R,
    ) -> Applied<'_, R> {
        let session = self.sessions.entry(session).or_default();
        session.acknowledge(acknowledged, drop);
        if sequence <= session.acknowledged {
            return Applied::Forgotten;
        }
        match session.place(sequence) {
            Ok(place) => Applied::Repeated(&session.responses[place].1),
            Err(place) => {
                session.responses.insert(place, (sequence, carry_out()));
                Applied::Fresh(&session.responses[place].1)
            }
        }
    }

    /// Forgets the responses of `session` up to `acknowledged` and hands each of them to `forgotten`, ascending.
    ///
    /// [`Sessions::apply`] does this by itself; a state machine that keeps a digest of its items calls it before, to
    /// learn which of them go. Returns the mark as it was: 0 for a session that is new.
    pub fn acknowledge(&mut self, session: u64, acknowledged: u64, mut forgotten: impl FnMut(u64, R)) -> u64 {
        let session = self.sessions.entry(session).or_default();
        let before = session.acknowledged;
        session.acknowledge(acknowledged, |(sequence, response)| forgotten(sequence, response));
        before
    }

    /// The sessions by number, ascending: all there is to a snapshot or a digest of this table.
    pub fn items(&self) -> impl Iterator<Item = (u64, &Session<R>)> {
        self.sessions.iter().map(|(number, session)| (*number, session))
    }

    /// One session; `None` if nothing was ever asked in it.
    #[must_use]
    pub fn get(&self, session: u64) -> Option<&Session<R>> {
        self.sessions.get(&session)
    }
}

impl<R> Default for Sessions<R> {
    fn default() -> Sessions<R> {
        Sessions::new()
    }
}

impl<R> Session<R> {
    /// Everything up to this number has been answered.
    #[must_use]
    pub const fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// The responses that are kept, by number, ascending.
    pub fn responses(&self) -> impl Iterator<Item = (u64, &R)> {
        self.responses.iter().map(|(sequence, response)| (*sequence, response))
    }

    /// Where the response to a request is, or where it belongs.
    fn place(&self, sequence: u64) -> Result<usize, usize> {
        // Most requests come in order, and then the end is the place.
        match self.responses.back() {
            Some((last, _)) if *last >= sequence => {
                self.responses.binary_search_by_key(&sequence, |(number, _)| *number)
            }
            _ => Err(self.responses.len()),
        }
    }

    /// A mark that comes late, with an old double, moves nothing back: it would let a forgotten request in again.
    fn acknowledge(&mut self, acknowledged: u64, mut forgotten: impl FnMut((u64, R))) {
        self.acknowledged = self.acknowledged.max(acknowledged);
        while self.responses.front().is_some_and(|(sequence, _)| *sequence <= self.acknowledged) {
            forgotten(self.responses.pop_front().expect("it was just looked at"));
        }
    }
}

impl<R> Default for Session<R> {
    fn default() -> Session<R> {
        Session { acknowledged: 0, responses: VecDeque::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn requests_in_flight_come_in_any_order_and_each_counts_once() {
        let mut sessions = Sessions::new();
        for sequence in [3, 1, 2] {
            assert_eq!(sessions.apply(1, sequence, 0, || sequence * 10), Applied::Fresh(&(sequence * 10)));
        }
        for sequence in 1..=3 {
            let applied = sessions.apply(1, sequence, 0, || unreachable!("it was done before"));
            assert_eq!(applied, Applied::Repeated(&(sequence * 10)));
        }
    }

    #[test]
    fn what_was_acknowledged_is_forgotten_and_stays_so() {
        let mut sessions = Sessions::new();
        sessions.apply(1, 1, 0, || "one");
        sessions.apply(1, 2, 1, || "two");
        assert_eq!(sessions.get(1).unwrap().responses().collect::<Vec<_>>(), [(2, &"two")]);
        // The double of the first request carries the mark of its time, and must not be carried out again.
        assert_eq!(sessions.apply(1, 1, 0, || "again"), Applied::Forgotten);
        assert_eq!(sessions.get(1).unwrap().acknowledged(), 1);
    }

    #[test]
    fn sessions_do_not_know_each_other() {
        let mut sessions = Sessions::new();
        sessions.apply(1, 5, 4, || 'a');
        assert_eq!(sessions.apply(2, 1, 0, || 'b'), Applied::Fresh(&'b'));
        assert_eq!(sessions.apply(2, 5, 0, || 'c'), Applied::Fresh(&'c'));
    }

    #[test]
    fn who_keeps_a_digest_learns_what_goes() {
        let mut sessions = Sessions::new();
        for sequence in 1..=3 {
            sessions.apply(9, sequence, 0, || sequence * 100);
        }
        let mut gone = Vec::new();
        assert_eq!(sessions.acknowledge(9, 2, |sequence, response| gone.push((sequence, response))), 0);
        assert_eq!(gone, [(1, 100), (2, 200)]);
        assert_eq!(sessions.acknowledge(9, 1, |_, _| unreachable!("it is gone")), 2);
    }

    proptest! {
        /// The stupid twin keeps every request that ever came, and answers by looking through all of them.
        #[test]
        fn the_table_answers_as_one_that_never_forgets(
            requests in prop::collection::vec((1..4_u64, 1..9_u64, 0..9_u64), 0..80),
        ) {
            let mut sessions = Sessions::new();
            let mut past: Vec<(u64, u64, u64)> = Vec::new();
            let mut done: Vec<(u64, u64, usize)> = Vec::new();
            for (number, (session, sequence, acknowledged)) in requests.into_iter().enumerate() {
                past.push((session, sequence, acknowledged));
                let mark = past.iter().filter(|past| past.0 == session).map(|past| past.2).max().unwrap();
                let first = done.iter().find(|done| (done.0, done.1) == (session, sequence)).copied();
                let applied = sessions.apply(session, sequence, acknowledged, || number);
                if sequence <= mark {
                    prop_assert_eq!(applied, Applied::Forgotten);
                } else if let Some((.., response)) = first {
                    prop_assert_eq!(applied, Applied::Repeated(&response));
                } else {
                    prop_assert_eq!(applied, Applied::Fresh(&number));
                    done.push((session, sequence, number));
                }
                done.sort_unstable();
                let kept = sessions.items().flat_map(|(session, kept)| {
                    kept.responses().map(move |(sequence, response)| (session, sequence, *response))
                });
                let should = done.iter().copied().filter(|(session, sequence, _)| {
                    !past.iter().any(|past| past.0 == *session && past.2 >= *sequence)
                });
                prop_assert_eq!(kept.collect::<Vec<_>>(), should.collect::<Vec<_>>());
            }
        }
    }
}

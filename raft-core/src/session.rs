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
//!         Applied::Forgotten | Applied::Expired => None,
//!     }
//! };
//! assert_eq!(deposit(1, 0, 10), Some(10));
//! assert_eq!(deposit(2, 0, 5), Some(15));
//! assert_eq!(deposit(1, 0, 10), Some(10), "a retry gets the first answer and moves nothing");
//! assert_eq!(deposit(3, 2, 1), Some(16), "the client has had the answers to 1 and 2");
//! assert_eq!(deposit(2, 0, 5), None, "and a late double of 2 is of no use to anybody");
//! ```
//!
//! # Sessions that end
//!
//! Clients come and go, and a table that never forgets grows for ever. With a *lifetime*, a session that is not used for so
//! long is forgotten, and all servers must forget it at the same entry, or their states part ways. So no server asks its
//! own clock: each command carries the wall clock's reading of the leader that appended it, its *stamp*, and **log time**
//! is the greatest stamp applied so far. A host that lets followers forward puts its own stamp in place of the follower's
//! when it leads and a `Message::Forward` arrives, before it steps the core. It never goes back, whatever a wall clock does. One that leaps ahead ends sessions
//! early, on all servers alike, and then none ends until the other clocks have come so far: that breaks nothing.
//!
//! Whoever forgets a session forgets what was done in it, so a session that was forgotten must never begin again: a late
//! double of one of its requests would be carried out once more. That is why, with a lifetime, sessions are registered:
//! a session's number is the log index of its registration, which no other entry ever has, and a late double of the
//! registration begins another session, which nobody uses. A request in a session that does not exist (any more) has no
//! effect, and its client is told so.
//!
//! ```
//! use raft_core::session::{Applied, Sessions};
//!
//! let mut sessions = Sessions::expiring(60);
//! let mut lost = Vec::new();
//! // The entry at 5 registers a session, and was proposed at 1000 on the wall clock of that leader.
//! let now = sessions.advance(1000);
//! sessions.forget_unused(now, |number, _| lost.push(number));
//! sessions.register(5);
//! assert_eq!(sessions.apply(5, 1, 0, || "done"), Applied::Fresh(&"done"));
//! // Another leader's clock is ahead.
//! let now = sessions.advance(1060);
//! sessions.forget_unused(now, |number, _| lost.push(number));
//! assert_eq!(lost, [5]);
//! assert_eq!(sessions.apply(5, 2, 1, || unreachable!("it has no effect")), Applied::Expired);
//! ```
//!
//! Without a lifetime a session begins with its first request, under any number, and lives for ever; how much is kept for
//! it is bounded by how much its client has in flight. That is safe, because nothing is ever forgotten.

use std::collections::{BTreeMap, VecDeque};

/// The sessions of a state machine, each with the responses that its client may still ask for.
#[derive(Clone, Debug)]
pub struct Sessions<R> {
    /// For how much log time a session may go unused. 0: for ever.
    lifetime: u64,
    /// The greatest stamp so far.
    log_time: u64,
    /// Nothing expires before log time is here: at most the earliest end of a session, so that the common command looks at
    /// one number and at no session.
    next_expiry: u64,
    sessions: BTreeMap<u64, Session<R>>,
}

/// What one session keeps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session<R> {
    /// Everything up to here has been answered. Only grows.
    acknowledged: u64,
    /// Log time at its last use.
    last_use: u64,
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
    /// There is no such session, or it has ended: there was no effect, and never will be. An earlier double may have had
    /// its effect while the session lived.
    Expired,
}

/// What a session was before a request used it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PreviousUse {
    /// The mark.
    pub acknowledged: u64,
    /// Log time at its last use.
    pub last_use: u64,
}

impl<R> Sessions<R> {
    /// No sessions. They begin with their first request and live for ever.
    #[must_use]
    pub const fn new() -> Sessions<R> {
        Sessions::with_lifetime(0)
    }

    /// No sessions. They must be registered, and end when they were not used for so much log time, which is counted in
    /// whatever stamps are counted in. 0 is [`Sessions::new`]. All servers must be given the same one.
    #[must_use]
    pub const fn with_lifetime(lifetime: u64) -> Sessions<R> {
        Sessions { lifetime, log_time: 0, next_expiry: u64::MAX, sessions: BTreeMap::new() }
    }

    /// The table as it was when its parts were taken from it: log time, and [`Sessions::items`]. `None` if no table ever had
    /// these parts.
    #[must_use]
    pub fn from_parts(
        lifetime: u64,
        log_time: u64,
        items: impl IntoIterator<Item = (u64, Session<R>)>,
    ) -> Option<Sessions<R>> {
        let mut table = Sessions { log_time, ..Sessions::with_lifetime(lifetime) };
        for (number, session) in items {
            let ascends = table.sessions.last_key_value().is_none_or(|(last, _)| *last < number);
            if !ascends || session.last_use > log_time {
                return None;
            }
            table.sessions.insert(number, session);
        }
        table.next_expiry = table.earliest_end();
        Some(table)
    }

    /// A command with this stamp is applied. Returns log time, which is never less than it was.
    pub const fn advance(&mut self, stamp: u64) -> u64 {
        if stamp > self.log_time {
            self.log_time = stamp;
        }
        self.log_time
    }

    /// Forgets every session that at log time `now` has not been used for a lifetime, and hands each to `forgotten`,
    /// ascending.
    ///
    /// `now` is what [`Sessions::advance`] returned. Nothing else will do: no two clocks agree, and servers that forget at
    /// different entries answer differently. It is called for every command that is applied, before anything else is done.
    pub fn expire(&mut self, now: u64, mut forgotten: impl FnMut(u64, Session<R>)) {
        if now < self.next_expiry || self.lifetime == 0 {
            return;
        }
        let lifetime = self.lifetime;
        let unused = |session: &Session<R>| now.saturating_sub(session.last_use) >= lifetime;
        let ended = self.sessions.extract_if(.., |_, session| unused(session));
        ended.for_each(|(number, session)| forgotten(number, session));
        self.next_expiry = self.earliest_end();
    }

    /// The entry at `index` registers a session: that is its number.
    ///
    /// # Panics
    /// Where nothing expires, there is nothing to register; and a number is given once, to the newest session.
    pub fn register(&mut self, index: u64) {
        assert!(self.lifetime > 0, "sessions that never end begin with their first request");
        let newest = self.sessions.last_key_value().is_none_or(|(last, _)| *last < index);
        assert!(newest, "entries are applied in order, and {index} was applied before");
        let session = Session { acknowledged: 0, last_use: self.log_time, responses: VecDeque::new() };
        self.next_expiry = self.next_expiry.min(session.ends(self.lifetime));
        self.sessions.insert(index, session);
    }

    /// Carries out request `sequence` of `session`, unless that was done before or there is no such session. Everything in
    /// this session up to `acknowledged` has been answered, says the client.
    pub fn apply(
        &mut self,
        session: u64,
        sequence: u64,
        acknowledged: u64,
        carry_out: impl FnOnce() -> R,
    ) -> Applied<'_, R> {
        let Some((_, session)) = self.session(session) else { return Applied::Expired };
        session.acknowledge(acknowledged, drop);
        if sequence <= session.acknowledged {
            return Applied::Forgotten;
        }
        match session.position(sequence) {
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
    /// learn which of them go. Returns what the session was before, zeros for one that begins now; `None` if there is no
    /// such session and none begins like this.
    pub fn acknowledge(
        &mut self,
        session: u64,
        acknowledged: u64,
        mut forgotten: impl FnMut(u64, R),
    ) -> Option<PreviousUse> {
        let (last_use, session) = self.session(session)?;
        let before = PreviousUse { acknowledged: session.acknowledged, last_use };
        session.acknowledge(acknowledged, |(sequence, response)| forgotten(sequence, response));
        Some(before)
    }

    /// For how much log time a session may go unused; 0: for ever.
    #[must_use]
    pub const fn lifetime(&self) -> u64 {
        self.lifetime
    }

    /// The greatest stamp so far.
    #[must_use]
    pub const fn log_time(&self) -> u64 {
        self.log_time
    }

    /// The sessions by number, ascending: with log time, all there is to a snapshot or a digest of this table.
    pub fn items(&self) -> impl ExactSizeIterator<Item = (u64, &Session<R>)> {
        self.sessions.iter().map(|(number, session)| (*number, session))
    }

    /// One session; `None` if there is none of this number.
    #[must_use]
    pub fn get(&self, session: u64) -> Option<&Session<R>> {
        self.sessions.get(&session)
    }

    /// A session that is now used, and its last use before. Where nothing is ever forgotten, one that is not there begins.
    fn session(&mut self, number: u64) -> Option<(u64, &mut Session<R>)> {
        let session = if self.lifetime == 0 {
            self.sessions.entry(number).or_default()
        } else {
            self.sessions.get_mut(&number)?
        };
        let before = std::mem::replace(&mut session.last_use, self.log_time);
        Some((before, session))
    }

    fn earliest_end(&self) -> u64 {
        let ends = self.sessions.values().map(|session| session.ends(self.lifetime));
        ends.min().unwrap_or(u64::MAX)
    }
}

/// How well a table knows when it next has to look is no part of what it says.
impl<R: PartialEq> PartialEq for Sessions<R> {
    fn eq(&self, other: &Sessions<R>) -> bool {
        let parts = |table: &Sessions<R>| (table.lifetime, table.log_time);
        parts(self) == parts(other) && self.sessions == other.sessions
    }
}

impl<R: Eq> Eq for Sessions<R> {}

impl<R> Default for Sessions<R> {
    fn default() -> Sessions<R> {
        Sessions::new()
    }
}

impl<R> Session<R> {
    /// The session as it was when its parts were taken from it: its mark, log time at its last use, and
    /// [`Session::responses`]. `None` if no session ever had these parts.
    #[must_use]
    pub fn from_parts(
        acknowledged: u64,
        last_use: u64,
        responses: impl IntoIterator<Item = (u64, R)>,
    ) -> Option<Session<R>> {
        let responses: VecDeque<(u64, R)> = responses.into_iter().collect();
        let numbers = std::iter::once(acknowledged).chain(responses.iter().map(|(sequence, _)| *sequence));
        let possible = numbers.is_sorted_by(|before, after| before < after);
        possible.then_some(Session { acknowledged, last_use, responses })
    }

    /// Everything up to this number has been answered.
    #[must_use]
    pub const fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Log time at its last use.
    #[must_use]
    pub const fn last_use(&self) -> u64 {
        self.last_use
    }

    /// The responses that are kept, by number, ascending.
    pub fn responses(&self) -> impl ExactSizeIterator<Item = (u64, &R)> {
        self.responses.iter().map(|(sequence, response)| (*sequence, response))
    }

    /// The log time at which it ends, unless it is used before.
    const fn ends(&self, lifetime: u64) -> u64 {
        self.last_use.saturating_add(lifetime)
    }

    /// Where the response to a request is, or where it belongs.
    fn position(&self, sequence: u64) -> Result<usize, usize> {
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
        Session { acknowledged: 0, last_use: 0, responses: VecDeque::new() }
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
        let mut mark = |acknowledged, forgotten: &mut dyn FnMut(u64, u64)| {
            sessions.acknowledge(9, acknowledged, forgotten).expect("it began").acknowledged
        };
        assert_eq!(mark(2, &mut |sequence, response| gone.push((sequence, response))), 0);
        assert_eq!(gone, [(1, 100), (2, 200)]);
        assert_eq!(mark(1, &mut |_, _| unreachable!("it is gone")), 2);
    }

    #[test]
    fn a_session_ends_when_it_was_not_used_for_a_lifetime_and_never_begins_again() {
        let mut sessions = Sessions::with_lifetime(10);
        assert_eq!(sessions.apply(1, 1, 0, || 'x'), Applied::Expired, "it was not registered");
        sessions.advance(100);
        sessions.register(1);
        sessions.register(2);
        sessions.advance(109);
        sessions.expire(109, |number, _| unreachable!("{number} was used just now"));
        assert_eq!(sessions.apply(2, 1, 0, || 'a'), Applied::Fresh(&'a'));
        let mut ended = Vec::new();
        assert_eq!(sessions.advance(110), 110);
        sessions.expire(110, |number, session| ended.push((number, session.last_use())));
        assert_eq!(ended, [(1, 100)]);
        assert_eq!(sessions.apply(1, 1, 0, || 'b'), Applied::Expired);
        // The clock of the next leader is behind: log time stands still, and nothing ends.
        assert_eq!(sessions.advance(7), 110);
        sessions.expire(110, |number, _| unreachable!("{number} is in use"));
        assert_eq!(sessions.apply(2, 1, 0, || 'c'), Applied::Repeated(&'a'));
        assert_eq!(sessions.get(2).unwrap().last_use(), 110, "a retry is a use, too");
    }

    #[test]
    fn at_the_end_of_all_time_sessions_still_live() {
        let mut sessions: Sessions<()> = Sessions::with_lifetime(10);
        for index in 1..3 {
            let now = sessions.advance(u64::MAX);
            sessions.expire(now, |number, _| unreachable!("{number} was used just now"));
            sessions.register(index);
        }
    }

    #[test]
    fn a_table_that_cannot_have_been_is_not_restored() {
        let session = |acknowledged, last_use, numbers: &[u64]| {
            Session::from_parts(acknowledged, last_use, numbers.iter().map(|number| (*number, ())))
        };
        assert!(session(2, 5, &[3, 4]).is_some());
        assert_eq!(session(2, 5, &[2, 4]), None, "it was acknowledged");
        assert_eq!(session(2, 5, &[4, 3]), None);
        assert_eq!(session(2, 5, &[3, 3]), None);
        let table = |log_time, numbers: [u64; 2]| {
            Sessions::from_parts(9, log_time, numbers.map(|number| (number, session(0, 5, &[]).unwrap())))
        };
        assert!(table(5, [1, 2]).is_some());
        assert_eq!(table(4, [1, 2]), None, "used in the future");
        assert_eq!(table(5, [2, 1]), None);
        assert_eq!(table(5, [1, 1]), None);
    }

    /// One command that is applied: its stamp, and a request or (without a session) a registration.
    type Command = (u64, Option<(usize, u64, u64)>);

    /// All that ever happened in a session.
    struct Past {
        number: u64,
        /// Log time at each.
        uses: Vec<u64>,
        marks: Vec<u64>,
        /// The requests that were carried out.
        done: Vec<u64>,
    }

    impl Past {
        fn last_use(&self) -> u64 {
            *self.uses.last().expect("its registration is one")
        }
    }

    /// Stamps that creep, leap ahead and fall back.
    fn commands() -> impl Strategy<Value = Vec<Command>> {
        let stamp = prop_oneof![5 => 0..60_u64, 1 => 0..400_u64, 1 => Just(0)];
        let request = (0..6_usize, 1..6_u64, 0..5_u64);
        prop::collection::vec((stamp, prop::option::weighted(0.8, request)), 0..120)
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

        /// The stupid twin keeps every command that ever came, and works out from all of them what is left. Halfway the
        /// table is taken apart and put together again, as a snapshot would.
        #[test]
        fn sessions_end_as_they_do_for_one_that_looks_at_everything_again(
            commands in commands(), lifetime in 1..50_u64, restored_at in 0..120_usize,
        ) {
            let mut sessions = Sessions::with_lifetime(lifetime);
            let mut past: Vec<Past> = Vec::new();
            let mut stamps = Vec::new();
            for (place, (stamp, request)) in commands.into_iter().enumerate() {
                if place == restored_at {
                    let items = sessions.items().map(|(number, session)| {
                        let responses = session.responses().map(|(sequence, response)| (sequence, *response));
                        (number, Session::from_parts(session.acknowledged(), session.last_use(), responses).unwrap())
                    });
                    let restored = Sessions::from_parts(lifetime, sessions.log_time(), items.collect::<Vec<_>>());
                    prop_assert_eq!(restored.as_ref(), Some(&sessions));
                    sessions = restored.unwrap();
                }
                stamps.push(stamp);
                let log_time = *stamps.iter().max().unwrap();
                let lives = |past: &Past| log_time - past.last_use() < lifetime;
                let should_end = past.iter().filter(|past| !lives(past)).map(|past| past.number);
                let should_end: Vec<u64> = should_end.collect();
                past.retain(lives);
                let mut ended = Vec::new();
                prop_assert_eq!(sessions.advance(stamp), log_time);
                sessions.expire(log_time, |number, _| ended.push(number));
                prop_assert_eq!(ended, should_end);
                let index = place as u64 + 1;
                match request {
                    None => {
                        sessions.register(index);
                        past.push(Past { number: index, uses: vec![log_time], marks: Vec::new(), done: Vec::new() });
                    }
                    Some((whose, sequence, acknowledged)) => {
                        // Some that live, and some numbers under which there is none.
                        let number = past.get(whose).map_or(1_000 + whose as u64, |past| past.number);
                        let before = past.get(whose).map(|past| PreviousUse {
                            acknowledged: past.marks.iter().copied().max().unwrap_or(0),
                            last_use: past.last_use(),
                        });
                        prop_assert_eq!(sessions.acknowledge(number, acknowledged, |_, _| {}), before);
                        let applied = sessions.apply(number, sequence, acknowledged, || sequence);
                        let Some(Past { uses, marks, done, .. }) = past.get_mut(whose) else {
                            prop_assert_eq!(applied, Applied::Expired);
                            continue;
                        };
                        uses.push(log_time);
                        marks.push(acknowledged);
                        if marks.iter().any(|mark| *mark >= sequence) {
                            prop_assert_eq!(applied, Applied::Forgotten);
                        } else if done.contains(&sequence) {
                            prop_assert_eq!(applied, Applied::Repeated(&sequence));
                        } else {
                            prop_assert_eq!(applied, Applied::Fresh(&sequence));
                            done.push(sequence);
                        }
                    }
                }
                let numbers: Vec<u64> = sessions.items().map(|(number, _)| number).collect();
                prop_assert_eq!(numbers, past.iter().map(|past| past.number).collect::<Vec<_>>());
            }
        }
    }
}

//! Exactly-once client sessions for any state machine (thesis 6.3).
//!
//! A client that got no response retries, and the log may then hold its request twice. The state machine
//! keeps the response of each request, by session and sequence number, and answers a duplicate from this
//! table instead of executing it. That is correct only if the table is part of the state: it is consulted
//! when an entry is *applied*, never when it is proposed, and it belongs into every snapshot.
//!
//! A client may have several requests in flight, so sequence numbers may arrive in any order, and the highest
//! number alone does not tell which were executed. Each request carries a *watermark*: the client has
//! received all responses of its session up to this number. Those responses are discarded, and a duplicate at
//! or below the watermark is ignored. Sequence numbers start at 1.
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
//! assert_eq!(deposit(1, 0, 10), Some(10), "a retry gets the first response and has no effect");
//! assert_eq!(deposit(3, 2, 1), Some(16), "the client has the responses of 1 and 2");
//! assert_eq!(deposit(2, 0, 5), None, "a late duplicate of 2 has no effect and no response");
//! ```
//!
//! # Sessions that expire
//!
//! Without expiry the table grows with every client. With a *lifetime*, a session expires when it was not
//! used for that long. All servers must expire it at the same entry, or their states diverge, so no server
//! uses its own clock: each command carries a *timestamp*, read from the wall clock of the leader that
//! appended it, and **log time** is the greatest timestamp applied so far. It never decreases. If one clock
//! jumps ahead, sessions expire early, on all servers alike, and then none expires until the other clocks
//! have caught up: correctness does not depend on clocks. Where followers forward, the host of a leader
//! replaces the timestamp in an arriving [`Message::Forward`](crate::Message::Forward) by its own before it
//! steps the core.
//!
//! An expired session must never begin again, because the record of its requests is gone: a late duplicate
//! would be executed twice. So, with a lifetime, sessions are registered. A session's number is the log index
//! of its registration, which no other entry ever has; a late duplicate of the registration begins another
//! session, which no client uses. A request in a session that does not exist, or not any more, has no effect
//! and is answered so.
//!
//! ```
//! use raft_core::session::{Applied, Sessions};
//!
//! let mut sessions = Sessions::with_lifetime(60);
//! let mut expired = Vec::new();
//! // The entry at 5, with timestamp 1000, registers a session.
//! let now = sessions.advance(1000);
//! sessions.expire(now, |number, _| expired.push(number));
//! sessions.register(5);
//! assert_eq!(sessions.apply(5, 1, 0, || "done"), Applied::Fresh(&"done"));
//! // Another leader's clock is ahead.
//! let now = sessions.advance(1060);
//! sessions.expire(now, |number, _| expired.push(number));
//! assert_eq!(expired, [5]);
//! assert_eq!(sessions.apply(5, 2, 1, || unreachable!("it has no effect")), Applied::Expired);
//! ```
//!
//! Without a lifetime a session begins with its first request, under any number, and never expires. What is
//! stored for it is bounded by the requests that its client has in flight.

use std::collections::{BTreeMap, VecDeque};

/// The sessions of a state machine, each with the responses that its client may still request.
#[derive(Clone, Debug)]
pub struct Sessions<R> {
    /// The log time after which an unused session expires. 0: never.
    lifetime: u64,
    /// The greatest timestamp applied so far.
    log_time: u64,
    /// A lower bound on the log time at which the next session expires, so that most commands need not look
    /// at sessions.
    next_expiry: u64,
    sessions: BTreeMap<u64, Session<R>>,
}

/// One session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session<R> {
    /// The watermark: the client has received all responses up to here. Never decreases.
    acknowledged: u64,
    /// The log time of its last use.
    last_use: u64,
    /// Responses by sequence number, all above the watermark, ascending.
    responses: VecDeque<(u64, R)>,
}

/// The result of applying a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Applied<'a, R> {
    /// Executed now, with this response.
    Fresh(&'a R),
    /// Executed before, with this response.
    Repeated(&'a R),
    /// At or below the watermark: no effect, and the response is discarded.
    Forgotten,
    /// The session does not exist, or has expired: no effect, now or later. An earlier duplicate may have
    /// been executed while the session existed.
    Expired,
}

/// The state of a session before its current use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PreviousUse {
    /// The watermark.
    pub acknowledged: u64,
    /// The log time of its last use.
    pub last_use: u64,
}

impl<R> Sessions<R> {
    /// An empty table. Sessions begin with their first request and never expire.
    #[must_use]
    pub const fn new() -> Sessions<R> {
        Sessions::with_lifetime(0)
    }

    /// An empty table. Sessions must be registered, and expire when they were not used for `lifetime`, in the
    /// unit of timestamps. 0 is [`Sessions::new`]. Must be the same on all servers.
    #[must_use]
    pub const fn with_lifetime(lifetime: u64) -> Sessions<R> {
        Sessions { lifetime, log_time: 0, next_expiry: u64::MAX, sessions: BTreeMap::new() }
    }

    /// Restores a table from log time and [`Sessions::items`]. `None` if no table can have these parts.
    #[must_use]
    pub fn from_parts(
        lifetime: u64,
        log_time: u64,
        items: impl IntoIterator<Item = (u64, Session<R>)>,
    ) -> Option<Sessions<R>> {
        let mut table = Sessions { log_time, ..Sessions::with_lifetime(lifetime) };
        for (number, session) in items {
            let is_ascending = table.sessions.last_key_value().is_none_or(|(last, _)| *last < number);
            if !is_ascending || session.last_use > log_time {
                return None;
            }
            table.sessions.insert(number, session);
        }
        table.next_expiry = table.earliest_expiry();
        Some(table)
    }

    /// Called when a command with this timestamp is applied. Returns the new log time, which never decreases.
    pub const fn advance(&mut self, timestamp: u64) -> u64 {
        if timestamp > self.log_time {
            self.log_time = timestamp;
        }
        self.log_time
    }

    /// Expires every session that was not used for a lifetime at log time `now`, and passes each to
    /// `on_expired`, ascending.
    ///
    /// `now` must be the result of [`Sessions::advance`]: servers that expire sessions at different entries
    /// diverge. Call it for every applied command, before anything else.
    pub fn expire(&mut self, now: u64, mut on_expired: impl FnMut(u64, Session<R>)) {
        if !self.may_expire(now) {
            return;
        }
        let lifetime = self.lifetime;
        let unused = |session: &Session<R>| now.saturating_sub(session.last_use) >= lifetime;
        let expired = self.sessions.extract_if(.., |_, session| unused(session));
        expired.for_each(|(number, session)| on_expired(number, session));
        self.next_expiry = self.earliest_expiry();
    }

    /// Whether [`Sessions::expire`] with this log time has sessions to look at. If not, it does nothing.
    #[must_use]
    pub const fn may_expire(&self, now: u64) -> bool {
        self.lifetime > 0 && now >= self.next_expiry
    }

    /// The entry at `index` registers a session with that number.
    ///
    /// # Panics
    /// If sessions do not expire, or `index` is not above the newest session's number.
    pub fn register(&mut self, index: u64) {
        assert!(self.lifetime > 0, "sessions without a lifetime are not registered");
        let is_newest = self.sessions.last_key_value().is_none_or(|(last, _)| *last < index);
        assert!(is_newest, "the index of a registration must increase: {index} was applied before");
        let session = Session { acknowledged: 0, last_use: self.log_time, responses: VecDeque::new() };
        self.next_expiry = self.next_expiry.min(session.expires_at(self.lifetime));
        self.sessions.insert(index, session);
    }

    /// Executes request `sequence` of `session`, unless it was executed before or there is no such session.
    /// The client has received all responses of this session up to `acknowledged`.
    pub fn apply(
        &mut self,
        session: u64,
        sequence: u64,
        acknowledged: u64,
        execute: impl FnOnce() -> R,
    ) -> Applied<'_, R> {
        let Some((_, session)) = self.session(session) else { return Applied::Expired };
        session.acknowledge(acknowledged, drop);
        if sequence <= session.acknowledged {
            return Applied::Forgotten;
        }
        match session.position(sequence) {
            Ok(position) => Applied::Repeated(&session.responses[position].1),
            Err(position) => {
                session.responses.insert(position, (sequence, execute()));
                Applied::Fresh(&session.responses[position].1)
            }
        }
    }

    /// Discards the responses of `session` up to `acknowledged`, and passes each to `on_discarded`,
    /// ascending.
    ///
    /// [`Sessions::apply`] includes this. A state machine that keeps a digest of its items calls it first, to
    /// learn which are removed. Returns the state before, zeros for a new session; `None` if there is no such
    /// session and none begins.
    pub fn acknowledge(
        &mut self,
        session: u64,
        acknowledged: u64,
        mut on_discarded: impl FnMut(u64, R),
    ) -> Option<PreviousUse> {
        let (last_use, session) = self.session(session)?;
        let before = PreviousUse { acknowledged: session.acknowledged, last_use };
        session.acknowledge(acknowledged, |(sequence, response)| on_discarded(sequence, response));
        Some(before)
    }

    /// The log time after which an unused session expires; 0: never.
    #[must_use]
    pub const fn lifetime(&self) -> u64 {
        self.lifetime
    }

    /// The greatest timestamp applied so far.
    #[must_use]
    pub const fn log_time(&self) -> u64 {
        self.log_time
    }

    /// The sessions by number, ascending. With log time, all that a snapshot or digest of this table needs.
    pub fn items(&self) -> impl ExactSizeIterator<Item = (u64, &Session<R>)> {
        self.sessions.iter().map(|(number, session)| (*number, session))
    }

    /// The session with this number.
    #[must_use]
    pub fn get(&self, session: u64) -> Option<&Session<R>> {
        self.sessions.get(&session)
    }

    /// Uses a session; returns its last use before. Without a lifetime, a missing session begins.
    fn session(&mut self, number: u64) -> Option<(u64, &mut Session<R>)> {
        let session = if self.lifetime == 0 {
            self.sessions.entry(number).or_default()
        } else {
            self.sessions.get_mut(&number)?
        };
        let before = std::mem::replace(&mut session.last_use, self.log_time);
        Some((before, session))
    }

    fn earliest_expiry(&self) -> u64 {
        let expiries = self.sessions.values().map(|session| session.expires_at(self.lifetime));
        expiries.min().unwrap_or(u64::MAX)
    }
}

/// `next_expiry` is a cached bound and does not count.
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
    /// Restores a session from its watermark, the log time of its last use, and [`Session::responses`].
    /// `None` if no session can have these parts.
    #[must_use]
    pub fn from_parts(
        acknowledged: u64,
        last_use: u64,
        responses: impl IntoIterator<Item = (u64, R)>,
    ) -> Option<Session<R>> {
        let responses: VecDeque<(u64, R)> = responses.into_iter().collect();
        let numbers = std::iter::once(acknowledged).chain(responses.iter().map(|(sequence, _)| *sequence));
        let is_ascending = numbers.is_sorted_by(|before, after| before < after);
        is_ascending.then_some(Session { acknowledged, last_use, responses })
    }

    /// The watermark: the client has received all responses up to here.
    #[must_use]
    pub const fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// The log time of its last use.
    #[must_use]
    pub const fn last_use(&self) -> u64 {
        self.last_use
    }

    /// The stored responses by sequence number, ascending.
    pub fn responses(&self) -> impl ExactSizeIterator<Item = (u64, &R)> {
        self.responses.iter().map(|(sequence, response)| (*sequence, response))
    }

    /// The log time at which it expires, unless it is used before.
    const fn expires_at(&self, lifetime: u64) -> u64 {
        self.last_use.saturating_add(lifetime)
    }

    /// The position of a response, or where to insert it.
    fn position(&self, sequence: u64) -> Result<usize, usize> {
        // Fast path: most requests arrive in order.
        match self.responses.back() {
            Some((last, _)) if *last >= sequence => {
                self.responses.binary_search_by_key(&sequence, |(number, _)| *number)
            }
            _ => Err(self.responses.len()),
        }
    }

    /// A lower watermark of a late duplicate changes nothing: it would let a discarded request execute again.
    fn acknowledge(&mut self, acknowledged: u64, mut on_discarded: impl FnMut((u64, R))) {
        self.acknowledged = self.acknowledged.max(acknowledged);
        while self.responses.front().is_some_and(|(sequence, _)| *sequence <= self.acknowledged) {
            on_discarded(self.responses.pop_front().expect("the queue must not be empty"));
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
    fn requests_in_any_order_execute_once_each() {
        let mut sessions = Sessions::new();
        for sequence in [3, 1, 2] {
            assert_eq!(sessions.apply(1, sequence, 0, || sequence * 10), Applied::Fresh(&(sequence * 10)));
        }
        for sequence in 1..=3 {
            let applied = sessions.apply(1, sequence, 0, || unreachable!("it was executed before"));
            assert_eq!(applied, Applied::Repeated(&(sequence * 10)));
        }
    }

    #[test]
    fn acknowledged_requests_are_discarded_and_never_execute_again() {
        let mut sessions = Sessions::new();
        sessions.apply(1, 1, 0, || "one");
        sessions.apply(1, 2, 1, || "two");
        assert_eq!(sessions.get(1).unwrap().responses().collect::<Vec<_>>(), [(2, &"two")]);
        // The duplicate of the first request carries its old watermark, and must not execute again.
        assert_eq!(sessions.apply(1, 1, 0, || "again"), Applied::Forgotten);
        assert_eq!(sessions.get(1).unwrap().acknowledged(), 1);
    }

    #[test]
    fn sessions_are_independent() {
        let mut sessions = Sessions::new();
        sessions.apply(1, 5, 4, || 'a');
        assert_eq!(sessions.apply(2, 1, 0, || 'b'), Applied::Fresh(&'b'));
        assert_eq!(sessions.apply(2, 5, 0, || 'c'), Applied::Fresh(&'c'));
    }

    #[test]
    fn acknowledge_passes_on_each_discarded_response() {
        let mut sessions = Sessions::new();
        for sequence in 1..=3 {
            sessions.apply(9, sequence, 0, || sequence * 100);
        }
        let mut discarded = Vec::new();
        let mut acknowledge = |acknowledged, on_discarded: &mut dyn FnMut(u64, u64)| {
            sessions.acknowledge(9, acknowledged, on_discarded).expect("session 9 must exist").acknowledged
        };
        assert_eq!(acknowledge(2, &mut |sequence, response| discarded.push((sequence, response))), 0);
        assert_eq!(discarded, [(1, 100), (2, 200)]);
        assert_eq!(acknowledge(1, &mut |_, _| unreachable!("the responses up to 2 were discarded")), 2);
    }

    #[test]
    fn a_session_unused_for_a_lifetime_expires_and_never_begins_again() {
        let mut sessions = Sessions::with_lifetime(10);
        assert_eq!(
            sessions.apply(1, 1, 0, || 'x'),
            Applied::Expired,
            "an unregistered session must be rejected"
        );
        sessions.advance(100);
        sessions.register(1);
        sessions.register(2);
        sessions.advance(109);
        sessions.expire(109, |number, _| unreachable!("session {number} was just used"));
        assert_eq!(sessions.apply(2, 1, 0, || 'a'), Applied::Fresh(&'a'));
        let mut expired = Vec::new();
        assert_eq!(sessions.advance(110), 110);
        sessions.expire(110, |number, session| expired.push((number, session.last_use())));
        assert_eq!(expired, [(1, 100)]);
        assert_eq!(sessions.apply(1, 1, 0, || 'b'), Applied::Expired);
        // The next leader's clock is behind: log time does not move, and no session expires.
        assert_eq!(sessions.advance(7), 110);
        sessions.expire(110, |number, _| unreachable!("session {number} was just used"));
        assert_eq!(sessions.apply(2, 1, 0, || 'c'), Applied::Repeated(&'a'));
        assert_eq!(sessions.get(2).unwrap().last_use(), 110, "a retry must count as a use");
    }

    #[test]
    fn sessions_at_the_greatest_log_time_do_not_expire() {
        let mut sessions: Sessions<()> = Sessions::with_lifetime(10);
        for index in 1..3 {
            let now = sessions.advance(u64::MAX);
            sessions.expire(now, |number, _| unreachable!("session {number} was just used"));
            sessions.register(index);
        }
    }

    #[test]
    fn impossible_parts_are_not_restored() {
        let session = |acknowledged, last_use, numbers: &[u64]| {
            Session::from_parts(acknowledged, last_use, numbers.iter().map(|number| (*number, ())))
        };
        assert!(session(2, 5, &[3, 4]).is_some());
        assert_eq!(session(2, 5, &[2, 4]), None, "a response must be above the watermark");
        assert_eq!(session(2, 5, &[4, 3]), None);
        assert_eq!(session(2, 5, &[3, 3]), None);
        let table = |log_time, numbers: [u64; 2]| {
            Sessions::from_parts(9, log_time, numbers.map(|number| (number, session(0, 5, &[]).unwrap())))
        };
        assert!(table(5, [1, 2]).is_some());
        assert_eq!(table(4, [1, 2]), None, "a last use must not be after log time");
        assert_eq!(table(5, [2, 1]), None);
        assert_eq!(table(5, [1, 1]), None);
    }

    /// One applied command: its timestamp, and a request or (`None`) a registration.
    type Command = (u64, Option<(usize, u64, u64)>);

    /// The whole history of a session.
    struct History {
        number: u64,
        /// The log time of each use.
        uses: Vec<u64>,
        watermarks: Vec<u64>,
        /// The executed requests.
        executed: Vec<u64>,
    }

    impl History {
        fn last_use(&self) -> u64 {
            *self.uses.last().expect("a registration must count as a use")
        }
    }

    /// Timestamps that increase slowly, jump ahead and fall back.
    fn commands() -> impl Strategy<Value = Vec<Command>> {
        let timestamp = prop_oneof![5 => 0..60_u64, 1 => 0..400_u64, 1 => Just(0)];
        let request = (0..6_usize, 1..6_u64, 0..5_u64);
        prop::collection::vec((timestamp, prop::option::weighted(0.8, request)), 0..120)
    }

    proptest! {
        /// The reference model stores every request, and answers by a search through all of them.
        #[test]
        fn the_table_answers_like_a_model_that_stores_every_request(
            requests in prop::collection::vec((1..4_u64, 1..9_u64, 0..9_u64), 0..80),
        ) {
            let mut sessions = Sessions::new();
            let mut history: Vec<(u64, u64, u64)> = Vec::new();
            let mut executed: Vec<(u64, u64, usize)> = Vec::new();
            for (number, (session, sequence, acknowledged)) in requests.into_iter().enumerate() {
                history.push((session, sequence, acknowledged));
                let watermark = history.iter().filter(|history| history.0 == session).map(|history| history.2).max().unwrap();
                let first = executed.iter().find(|executed| (executed.0, executed.1) == (session, sequence)).copied();
                let applied = sessions.apply(session, sequence, acknowledged, || number);
                if sequence <= watermark {
                    prop_assert_eq!(applied, Applied::Forgotten);
                } else if let Some((.., response)) = first {
                    prop_assert_eq!(applied, Applied::Repeated(&response));
                } else {
                    prop_assert_eq!(applied, Applied::Fresh(&number));
                    executed.push((session, sequence, number));
                }
                executed.sort_unstable();
                let stored = sessions.items().flat_map(|(session, stored)| {
                    stored.responses().map(move |(sequence, response)| (session, sequence, *response))
                });
                let expected = executed.iter().copied().filter(|(session, sequence, _)| {
                    !history.iter().any(|history| history.0 == *session && history.2 >= *sequence)
                });
                prop_assert_eq!(stored.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
            }
        }

        /// The reference model stores every command, and recomputes the table from all of them. Halfway the
        /// table is restored from its parts, as from a snapshot.
        #[test]
        fn sessions_expire_like_in_a_model_that_recomputes_them(
            commands in commands(), lifetime in 1..50_u64, restored_at in 0..120_usize,
        ) {
            let mut sessions = Sessions::with_lifetime(lifetime);
            let mut history: Vec<History> = Vec::new();
            let mut timestamps = Vec::new();
            for (position, (timestamp, request)) in commands.into_iter().enumerate() {
                if position == restored_at {
                    let items = sessions.items().map(|(number, session)| {
                        let responses = session.responses().map(|(sequence, response)| (sequence, *response));
                        (number, Session::from_parts(session.acknowledged(), session.last_use(), responses).unwrap())
                    });
                    let restored = Sessions::from_parts(lifetime, sessions.log_time(), items.collect::<Vec<_>>());
                    prop_assert_eq!(restored.as_ref(), Some(&sessions));
                    sessions = restored.unwrap();
                }
                timestamps.push(timestamp);
                let log_time = *timestamps.iter().max().unwrap();
                let is_alive = |history: &History| log_time - history.last_use() < lifetime;
                let should_expire = history.iter().filter(|history| !is_alive(history)).map(|history| history.number);
                let should_expire: Vec<u64> = should_expire.collect();
                history.retain(is_alive);
                let mut expired = Vec::new();
                prop_assert_eq!(sessions.advance(timestamp), log_time);
                sessions.expire(log_time, |number, _| expired.push(number));
                prop_assert_eq!(expired, should_expire);
                let index = position as u64 + 1;
                match request {
                    None => {
                        sessions.register(index);
                        history.push(History { number: index, uses: vec![log_time], watermarks: Vec::new(), executed: Vec::new() });
                    }
                    Some((owner, sequence, acknowledged)) => {
                        // Existing sessions, and some numbers without one.
                        let number = history.get(owner).map_or(1_000 + owner as u64, |history| history.number);
                        let before = history.get(owner).map(|history| PreviousUse {
                            acknowledged: history.watermarks.iter().copied().max().unwrap_or(0),
                            last_use: history.last_use(),
                        });
                        prop_assert_eq!(sessions.acknowledge(number, acknowledged, |_, _| {}), before);
                        let applied = sessions.apply(number, sequence, acknowledged, || sequence);
                        let Some(History { uses, watermarks, executed, .. }) = history.get_mut(owner) else {
                            prop_assert_eq!(applied, Applied::Expired);
                            continue;
                        };
                        uses.push(log_time);
                        watermarks.push(acknowledged);
                        if watermarks.iter().any(|watermark| *watermark >= sequence) {
                            prop_assert_eq!(applied, Applied::Forgotten);
                        } else if executed.contains(&sequence) {
                            prop_assert_eq!(applied, Applied::Repeated(&sequence));
                        } else {
                            prop_assert_eq!(applied, Applied::Fresh(&sequence));
                            executed.push(sequence);
                        }
                    }
                }
                let numbers: Vec<u64> = sessions.items().map(|(number, _)| number).collect();
                prop_assert_eq!(numbers, history.iter().map(|history| history.number).collect::<Vec<_>>());
            }
        }
    }
}

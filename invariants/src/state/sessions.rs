//! The sessions of clients as the facts describe them: registered and used in log time.

use crate::fact::{Index, SessionEnd};
use std::collections::BTreeMap;

/// All sessions, after the entries so far.
#[derive(Default, Debug)]
pub(crate) struct Sessions {
    /// How long a session may be unused, in log time. 0: for ever. `None`: that was not stated.
    lifetime: Option<u64>,
    log_time: u64,
    by_number: BTreeMap<u64, Session>,
}

/// A session.
#[derive(Clone, Copy, Default, Debug)]
struct Session {
    /// The client has all responses up to this sequence number.
    mark: u64,
    /// The log time at which it was registered or last used.
    last_use: u64,
    /// The index of the entry that did so.
    last_index: Index,
    /// The entry in which a request of this session was answered as expired.
    expired_at: Option<Index>,
}

impl Sessions {
    /// How long a session may be unused.
    pub(crate) fn set_lifetime(&mut self, lifetime: u64) {
        self.lifetime = Some(lifetime);
    }

    /// Whether the lifetime was stated, so that the end of each session is known.
    pub(crate) fn has_known_lifetime(&self) -> bool {
        self.lifetime.is_some()
    }

    /// Sets log time. Returns the one before if that was later.
    pub(crate) fn advance(&mut self, log_time: u64) -> Option<u64> {
        if log_time < self.log_time {
            return Some(self.log_time);
        }
        self.log_time = log_time;
        None
    }

    /// The entry at `index` registers a session.
    pub(crate) fn register(&mut self, index: Index) {
        self.by_number
            .insert(index, Session { last_use: self.log_time, last_index: index, ..Session::default() });
    }

    /// Why a session is over now, as far as it is known.
    pub(crate) fn end(&self, number: u64) -> Option<SessionEnd> {
        let lifetime = self.lifetime.filter(|&lifetime| lifetime > 0);
        let Some(session) = self.by_number.get(&number) else {
            return lifetime.map(|_| SessionEnd::NotRegistered);
        };
        if let Some(at) = session.expired_at {
            return Some(SessionEnd::ExpiredAt(at));
        }
        let lifetime = lifetime.filter(|lifetime| self.log_time - session.last_use >= *lifetime)?;
        Some(SessionEnd::Unused { since: session.last_use, until: self.log_time, lifetime })
    }

    /// The entry that registered or last used a session, and, if sessions expire, its log time. `None` if there is no
    /// such entry.
    pub(crate) fn last_use(&self, number: u64) -> Option<(Index, Option<u64>)> {
        let session = self.by_number.get(&number)?;
        Some((session.last_index, self.lifetime.filter(|&lifetime| lifetime > 0).map(|_| session.last_use)))
    }

    /// A request at `index` uses a session and carries this mark. Returns the session's mark.
    pub(crate) fn use_with_mark(&mut self, number: u64, mark: u64, index: Index) -> u64 {
        let session = self.by_number.entry(number).or_default();
        (session.last_use, session.last_index) = (self.log_time, index);
        session.mark = session.mark.max(mark);
        session.mark
    }

    /// A request at `index` was answered as in an expired session.
    pub(crate) fn expire(&mut self, number: u64, index: Index) {
        self.by_number.entry(number).or_default().expired_at.get_or_insert(index);
    }
}

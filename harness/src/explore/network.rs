//! Sets of messages, numbered: what may still arrive at a server.

use super::fixed::FixedMap;
use super::words::Interner;

/// The empty set.
pub(super) const EMPTY: u32 = 0;

/// All sets that occurred.
pub(super) struct Sets {
    /// Ascending lists.
    lists: Interner,
    /// A set with one more message.
    inserted: FixedMap<(u32, u32), u32>,
}

impl Sets {
    pub(super) fn new() -> Sets {
        let mut lists = Interner::default();
        lists.intern(&[]);
        Sets { lists, inserted: FixedMap::default() }
    }

    /// The messages of a set.
    pub(super) fn get(&self, set: u32) -> &[u32] {
        self.lists.get(set)
    }

    /// The set of these messages, which are ascending.
    pub(super) fn of(&mut self, messages: &[u32]) -> u32 {
        self.lists.intern(messages).0
    }

    /// The set with one more message.
    pub(super) fn insert(&mut self, set: u32, message: u32) -> u32 {
        if let Some(inserted) = self.inserted.get(&(set, message)) {
            return *inserted;
        }
        let mut list = self.lists.get(set).to_vec();
        if let Err(position) = list.binary_search(&message) {
            list.insert(position, message);
        }
        let inserted = self.lists.intern(&list).0;
        self.inserted.insert((set, message), inserted);
        inserted
    }
}

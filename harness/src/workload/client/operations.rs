//! What all clients share: unique numbers, sessions, and the operations that they call.

use super::super::draw::DrawExt;
use super::state::Client;
use crate::plan;
use crate::support::rng::RngStream;
use invariants::{Action, Call, Operation, RequestId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The most elements of one list: lists are read whole.
const MAX_LIST_LENGTH: u64 = 30;
/// The most lists of one run; then the oldest is replaced. The application never forgets a list, and each snapshot
/// contains all of them.
const MAX_LISTS: usize = 64;

/// What all clients share, mostly counters of unique numbers.
pub(super) struct SharedState {
    pub(super) last_session: u64,
    /// Of each session: the client and its last request number.
    pub(super) session_owners: BTreeMap<u64, (u64, u64)>,
    /// The client of each registration, in order.
    pub(super) registering_clients: Vec<u64>,
    pub(super) last_value: u64,
    /// The current lists: key and length.
    pub(super) lists: Vec<(u64, u64)>,
    /// Full lists, oldest first; they are kept until there are too many.
    pub(super) full_lists: VecDeque<u64>,
    /// The next unused key.
    pub(super) fresh_key: u64,
    /// Operations called.
    pub(super) call_count: usize,
    /// Operations answered.
    pub(super) response_count: u64,
    /// Operations that failed: they had no effect and never will.
    pub(super) failed_count: u64,
    /// If recorded: calls and responses, and the indices of failed operations.
    pub(super) history: Option<(Vec<Call>, BTreeSet<usize>)>,
}

impl SharedState {
    /// A number that no other value, element or deletion has.
    pub(super) fn next_value(&mut self) -> u64 {
        self.last_value += 1;
        self.last_value
    }

    /// Whether a client ever sent this request.
    pub(super) fn was_sent(&self, client: u64, id: RequestId) -> bool {
        let RequestId { session, sequence } = id;
        match session {
            0 => sequence.checked_sub(1).is_some_and(|index| {
                usize::try_from(index).is_ok_and(|index| self.registering_clients.get(index) == Some(&client))
            }),
            _ => self
                .session_owners
                .get(&session)
                .is_some_and(|(owner, last)| *owner == client && (1..=*last).contains(&sequence)),
        }
    }

    /// The next operation of a client.
    pub(super) fn draw_operation(
        &mut self,
        settings: &plan::ClientConfig,
        client: &Client,
        mut rng: RngStream,
    ) -> Operation {
        let registers = settings.registers();
        let key = rng.draw_below(settings.keys);
        let is_read = rng.draw_bool(settings.reads);
        if key < registers {
            let action = match rng.draw_below(10) {
                _ if is_read => Action::Get,
                5..8 if !settings.without_compare_and_set => {
                    Action::CompareAndSet { expect: client.last_seen_value(key), value: self.next_value() }
                }
                8.. if !settings.without_deletes => Action::Delete(self.next_value()),
                _ => Action::Put(self.next_value()),
            };
            return Operation { key, action };
        }
        let list = (key - registers) as usize;
        if is_read {
            return Operation { key: self.lists[list].0, action: Action::List };
        }
        if self.lists[list].1 == MAX_LIST_LENGTH {
            self.full_lists.push_back(self.lists[list].0);
            if self.full_lists.len() > MAX_LISTS
                && let Some(oldest) = self.full_lists.pop_front()
            {
                self.lists[list] = (oldest, 1);
                return Operation { key: oldest, action: Action::Replace(self.next_value()) };
            }
            self.lists[list] = (self.fresh_key, 0);
            self.fresh_key += 1;
        }
        self.lists[list].1 += 1;
        Operation { key: self.lists[list].0, action: Action::Append(self.next_value()) }
    }
}

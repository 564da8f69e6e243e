//! One key's history in small numbers: the input of the search.
//!
//! Contents become states 0, 1, 2, ... in order of appearance (0: the initial content). The states of a list are the
//! prefixes of its reads (0: the empty list); all other lists behave alike, because no read shows them, and are one
//! state, *off-trie*. Times become ranks. An operation has a slot from its invocation to its return, so that a set of
//! pending operations is a bit mask.

use super::interner::Interner;

use super::operation::{Content, Object};
use super::role::{KeyCalls, ListRole, Role, list_role, role};
use super::trie::Trie;
use crate::fact::Time;

/// No rank, no operation, no state.
pub(crate) const NONE: u32 = u32::MAX;

/// After a history with so many operations the interner's memory is released: it has some tens of bytes per content.
const LARGE_HISTORY: usize = 1 << 16;

/// What an operation requires of the state and does to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// Legal in this state only, no effect: a read, or a failed compare-and-set with the content that it found.
    Sees(u32),
    /// Legal in every other state, no effect: a failed compare-and-set without the content.
    SeesOther(u32),
    /// Legal in every state.
    Writes(u32),
    /// Legal in one state only. One of unknown outcome that did not match had no effect, which is the same as not
    /// being in the order.
    Exchanges { expect: u32, value: u32 },
    /// Appends the element with this number ([`NONE`]: one that no read shows).
    Appends(u32),
}

/// An operation that the search must place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IndexedOp {
    pub(crate) step: Step,
    /// Its index in the whole history.
    pub(crate) call: u32,
    /// Its rank among the returns. [`NONE`]: of unknown outcome, so it may be omitted.
    pub(crate) return_rank: u32,
    pub(crate) slot: u32,
    /// The operation that had the slot before.
    pub(crate) previous_occupant: u32,
    pub(crate) called: Time,
    /// [`Time::MAX`] where `return_rank` is [`NONE`].
    pub(crate) returned: Time,
}

impl IndexedOp {
    /// Rank and slot are assigned later.
    fn new(call: u32, called: Time, returned: Time, step: Step) -> IndexedOp {
        let return_rank = if returned == Time::MAX { NONE } else { 0 };
        IndexedOp { step, call, return_rank, slot: NONE, previous_occupant: NONE, called, returned }
    }
}

/// Counts of the operations that are not placed yet. Indexed by state; appenders by element.
#[derive(Clone, Default, Debug)]
pub(crate) struct Counts {
    /// Operations that produce it, whatever state they require.
    pub(crate) producers: Vec<u32>,
    /// Operations that append it.
    pub(crate) appenders: Vec<u32>,
    /// Operations that are legal only in it and must be placed.
    pub(crate) needs: Vec<u32>,
    /// Operations that are legal only in it and of unknown outcome.
    pub(crate) optional_needs: Vec<u32>,
    /// The sums of `producers` and of `needs`.
    pub(crate) all_producers: u32,
    pub(crate) all_needs: u32,
    /// Operations with [`Step::SeesOther`], for any state.
    pub(crate) needs_other: u32,
}

/// One key's history. Reused for each key, so that its memory is allocated once.
#[derive(Default, Debug)]
pub(crate) struct IndexedHistory {
    /// By invocation.
    pub(crate) ops: Vec<IndexedOp>,
    /// By return: the operation, and how many operations were invoked by then.
    pub(crate) returns: Vec<(u32, u32)>,
    pub(crate) slots: u32,
    /// The prefixes of a list's reads.
    pub(crate) trie: Trie,
    pub(crate) is_list: bool,
    pub(crate) counts: Counts,
    /// By state: the rank of the first return that needs it.
    first_need: Vec<u32>,
    /// By state: one more than the number of the last invoked operation that needs it; 0: none.
    pub(crate) newest_need: Vec<u32>,
    /// All needs as (state, rank), sorted, where several operations produce one state; otherwise empty.
    all_needs: Vec<(u32, u32)>,
    interner: Interner,
    free_slots: Vec<u32>,
    occupant: Vec<u32>,
    /// By state of a register or element of a list: whether a producer has been invoked yet.
    called: Vec<bool>,
    /// By state of a list: whether producers of all its elements have been invoked.
    fully_called: Vec<bool>,
}

/// A response that no order explains, found while loading.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ResponseContradiction;

impl IndexedHistory {
    /// Loads one key's history. Returns an error if a compare-and-set contradicts itself.
    pub(crate) fn load(&mut self, calls: KeyCalls<'_>) -> Result<(), ResponseContradiction> {
        self.ops.clear();
        self.is_list = calls.object() == Object::List;
        if self.is_list {
            self.number_list(calls);
        } else {
            self.interner.clear();
            self.number_register(calls)?;
        }
        self.count_ops();
        if calls.numbers.len() > LARGE_HISTORY {
            self.interner = Interner::default();
        }
        self.assign_ranks()
    }

    /// The state of all lists that no read shows.
    pub(crate) fn off_trie(&self) -> u32 {
        to_u32(self.trie.len())
    }

    fn number_register(&mut self, calls: KeyCalls<'_>) -> Result<(), ResponseContradiction> {
        self.interner.number(Content::INITIAL);
        for (number, call) in calls.iter() {
            let (returned, role) = role(call, calls.until);
            let interner = &mut self.interner;
            let step = match role {
                Role::Sees(content) => Step::Sees(interner.number(content)),
                Role::SeesOther(content) => Step::SeesOther(interner.number(content)),
                Role::Writes(content) => Step::Writes(interner.number(content)),
                Role::Exchanges { expect, value } => {
                    Step::Exchanges { expect: interner.number(expect), value: interner.number(value) }
                }
                Role::SelfContradictory(_) => return Err(ResponseContradiction),
                Role::Nothing => continue,
            };
            self.push(number, call.called, returned, step);
        }
        Ok(())
    }

    fn number_list(&mut self, calls: KeyCalls<'_>) {
        self.trie.clear();
        let mut before: &[u64] = &[];
        for (number, call) in calls.iter() {
            if let (returned, ListRole::Reads(elements)) = list_role(call, calls.until) {
                let same = before.iter().zip(elements).take_while(|(one, other)| one == other).count();
                let state = self.trie.insert_read(elements, same);
                before = elements;
                self.push(number, call.called, returned, Step::Sees(state));
            } else {
                // A placeholder, because operations are in order of invocation.
                self.push(number, call.called, Time::MAX, Step::Appends(NONE));
            }
        }
        let off_trie = self.off_trie();
        let mut len = 0;
        for (index, (number, call)) in calls.iter().enumerate() {
            let (returned, role) = list_role(call, calls.until);
            let step = match role {
                ListRole::Reads(_) => self.ops[index].step,
                ListRole::Appends(element) => Step::Appends(self.trie.element(element)),
                ListRole::Replaces(element) => {
                    Step::Writes(self.trie.child(0, self.trie.element(element)).unwrap_or(off_trie))
                }
                ListRole::Nothing => continue,
            };
            self.ops[len] = IndexedOp::new(number, call.called, returned, step);
            len += 1;
        }
        self.ops.truncate(len);
    }

    fn push(&mut self, call: u32, called: Time, returned: Time, step: Step) {
        self.ops.push(IndexedOp::new(call, called, returned, step));
    }

    fn count_ops(&mut self) {
        let (states, elements) = match self.is_list {
            true => (self.trie.len() + 1, self.trie.elements()),
            false => (self.interner.len(), 0),
        };
        let counts = &mut self.counts;
        for numbers in [&mut counts.producers, &mut counts.needs, &mut counts.optional_needs] {
            numbers.clear();
            numbers.resize(states, 0);
        }
        counts.appenders.clear();
        counts.appenders.resize(elements, 0);
        (counts.all_producers, counts.all_needs, counts.needs_other) = (0, 0, 0);
        for op in &self.ops {
            counts.add(op);
        }
        self.drop_unneeded_ops();
        self.bound_needed_ops();
    }

    /// Bounds operations of unknown outcome: the only producer of a state that is needed took effect before the first
    /// return that needs the state, so that return acts as its own, and it is not pending forever.
    fn bound_needed_ops(&mut self) {
        if self.ops.iter().all(|op| op.return_rank != NONE) {
            return;
        }
        let mut first_return = vec![Time::MAX; self.counts.needs.len()];
        for op in &self.ops {
            if let (Step::Sees(state) | Step::Exchanges { expect: state, .. }, true) =
                (op.step, op.return_rank != NONE)
            {
                let first = &mut first_return[state as usize];
                *first = (*first).min(op.returned);
            }
        }
        // By element: a read of a list shows all prefixes of the list.
        let mut first_shown = vec![Time::MAX; self.counts.appenders.len()];
        if self.is_list {
            for node in (1..self.trie.len()).rev() {
                let returned = first_return[node];
                let parent = &mut first_return[self.trie.parent(to_u32(node)) as usize];
                *parent = (*parent).min(returned);
                let shown = &mut first_shown[self.trie.last(to_u32(node)) as usize];
                *shown = (*shown).min(returned);
            }
        }
        let mut changed = true;
        while changed {
            changed = false;
            for op in self.ops.iter_mut().filter(|op| op.return_rank == NONE) {
                let counts = &self.counts;
                let needed = match op.step {
                    Step::Writes(state) if self.is_list => {
                        let element = self.trie.last(state);
                        let is_only = element != NONE
                            && counts.producers[state as usize] == 1
                            && counts.appenders[element as usize] == 0;
                        if is_only { first_return[state as usize] } else { Time::MAX }
                    }
                    Step::Writes(state) | Step::Exchanges { value: state, .. } => {
                        let is_only = state != 0 && counts.producers[state as usize] == 1;
                        if is_only { first_return[state as usize] } else { Time::MAX }
                    }
                    Step::Appends(element) if element != NONE => {
                        let root = self.trie.child(0, element);
                        let is_only = counts.appenders[element as usize] == 1
                            && root.is_none_or(|root| counts.producers[root as usize] == 0);
                        if is_only { first_shown[element as usize] } else { Time::MAX }
                    }
                    _ => Time::MAX,
                };
                // A content that is observed before its producer's invocation is a contradiction, found elsewhere.
                if needed == Time::MAX || needed < op.called {
                    continue;
                }
                self.counts.remove(op);
                (op.return_rank, op.returned) = (0, needed);
                self.counts.add(op);
                changed = true;
                if let Step::Exchanges { expect, .. } = op.step {
                    let first = &mut first_return[expect as usize];
                    *first = (*first).min(needed);
                }
            }
        }
    }

    /// Drops operations of unknown outcome whose product nothing needs. Sound: such an operation may be omitted from
    /// any order, because what follows it in the order is legal in every state, or it is last. Dropping one may make
    /// others unneeded.
    fn drop_unneeded_ops(&mut self) {
        let off_trie = self.is_list.then(|| self.off_trie());
        let (counts, ops) = (&mut self.counts, &mut self.ops);
        loop {
            let before = ops.len();
            ops.retain(|op| {
                let is_needed = match op.step {
                    _ if op.return_rank != NONE => true,
                    Step::Appends(element) => element != NONE,
                    // A list that it begins may be needed for what is appended to it.
                    Step::Writes(state) if let Some(off_trie) = off_trie => state != off_trie,
                    Step::Writes(value) | Step::Exchanges { value, .. } => {
                        counts.needs[value as usize]
                            + counts.optional_needs[value as usize]
                            + counts.needs_other
                            > 0
                    }
                    Step::Sees(_) | Step::SeesOther(_) => true,
                };
                if !is_needed {
                    counts.remove(op);
                }
                is_needed
            });
            if ops.len() == before {
                return;
            }
        }
    }

    /// Assigns ranks and slots. An error if a content is observed before any of its producers was invoked.
    fn assign_ranks(&mut self) -> Result<(), ResponseContradiction> {
        // A separate vector, because the operations are far apart in memory.
        let ops = (0..).zip(&self.ops).filter(|(_, op)| op.return_rank != NONE);
        let mut returns: Vec<(Time, u32)> = ops.map(|(number, op)| (op.returned, number)).collect();
        returns.sort_unstable();
        self.returns.clear();
        self.returns.extend(returns.into_iter().map(|(_, op)| (op, 0)));
        self.free_slots.clear();
        self.occupant.clear();
        self.called.clear();
        self.called.resize(self.counts.producers.len().max(self.counts.appenders.len()), false);
        self.fully_called.clear();
        self.fully_called.resize(if self.is_list { self.trie.len() } else { 0 }, false);
        self.first_need.clear();
        self.first_need.resize(self.counts.needs.len(), NONE);
        self.newest_need.clear();
        self.newest_need.resize(self.counts.needs.len(), 0);
        self.all_needs.clear();
        let mut next = 0;
        for rank in 0..self.returns.len() {
            let op = self.returns[rank].0;
            // One operation precedes another only if it returned strictly before the invocation.
            while self.ops.get(next).is_some_and(|called| called.called <= self.ops[op as usize].returned) {
                self.open_op(next);
                next += 1;
            }
            let IndexedOp { step, slot, .. } = self.ops[op as usize];
            self.ops[op as usize].return_rank = to_u32(rank);
            self.returns[rank].1 = to_u32(next);
            self.free_slots.push(slot);
            let (Step::Sees(state) | Step::Exchanges { expect: state, .. }) = step else { continue };
            let first = &mut self.first_need[state as usize];
            *first = (*first).min(to_u32(rank));
            let newest = &mut self.newest_need[state as usize];
            *newest = (*newest).max(op + 1);
            self.all_needs.push((state, to_u32(rank)));
            let is_called = match self.is_list {
                true => self.is_fully_called(state),
                false => state == 0 || self.called[state as usize],
            };
            if !is_called {
                return Err(ResponseContradiction);
            }
        }
        self.slots = to_u32(self.occupant.len());
        if self.is_list || self.counts.producers.iter().any(|&producers| producers > 1) {
            self.all_needs.sort_unstable();
        } else {
            self.all_needs.clear();
        }
        Ok(())
    }

    /// The rank of the first return at or after `rank` that needs `state`, or [`NONE`]. A state with one producer is
    /// needed only after it was produced, so for it this is the first need of all.
    #[inline]
    pub(crate) fn next_need(&self, state: u32, rank: u32) -> u32 {
        if self.all_needs.is_empty() {
            return self.first_need[state as usize];
        }
        match self.all_needs.get(self.all_needs.partition_point(|&need| need < (state, rank))) {
            Some(&(needed, rank)) if needed == state => rank,
            _ => NONE,
        }
    }

    /// Whether producers of all elements of a list have been invoked.
    fn is_fully_called(&mut self, state: u32) -> bool {
        let mut node = state;
        while node != 0 && !self.fully_called[node as usize] {
            if !self.called[self.trie.last(node) as usize] {
                return false;
            }
            node = self.trie.parent(node);
        }
        let mut node = state;
        while node != 0 && !self.fully_called[node as usize] {
            self.fully_called[node as usize] = true;
            node = self.trie.parent(node);
        }
        true
    }

    fn open_op(&mut self, op: usize) {
        let slot = self.free_slots.pop().unwrap_or_else(|| {
            self.occupant.push(NONE);
            to_u32(self.occupant.len() - 1)
        });
        let previous_occupant = std::mem::replace(&mut self.occupant[slot as usize], to_u32(op));
        self.ops[op] = IndexedOp { slot, previous_occupant, ..self.ops[op] };
        let produced = match self.ops[op].step {
            Step::Writes(state) if self.is_list => self.trie.last(state),
            Step::Writes(produced) | Step::Exchanges { value: produced, .. } | Step::Appends(produced) => {
                produced
            }
            Step::Sees(_) | Step::SeesOther(_) => NONE,
        };
        if produced != NONE {
            self.called[produced as usize] = true;
        }
    }
}

impl Counts {
    /// Counts an operation that is not placed.
    #[inline]
    pub(crate) fn add(&mut self, op: &IndexedOp) {
        self.change(op, |count| *count += 1);
    }

    /// Discounts an operation that is placed or dropped.
    #[inline]
    pub(crate) fn remove(&mut self, op: &IndexedOp) {
        self.change(op, |count| *count -= 1);
    }

    #[inline]
    fn change(&mut self, op: &IndexedOp, change: impl Fn(&mut u32)) {
        match op.step {
            Step::Sees(state) => {
                change(&mut self.needs[state as usize]);
                change(&mut self.all_needs);
            }
            Step::SeesOther(_) => change(&mut self.needs_other),
            Step::Writes(value) => {
                change(&mut self.producers[value as usize]);
                change(&mut self.all_producers);
            }
            Step::Exchanges { expect, value } => {
                change(&mut self.producers[value as usize]);
                if op.return_rank == NONE {
                    change(&mut self.optional_needs[expect as usize]);
                } else {
                    change(&mut self.needs[expect as usize]);
                    change(&mut self.all_needs);
                }
            }
            Step::Appends(NONE) => {}
            Step::Appends(element) => change(&mut self.appenders[element as usize]),
        }
    }
}

fn to_u32(number: usize) -> u32 {
    u32::try_from(number)
        .ok()
        .filter(|&number| number != NONE)
        .expect("a history has fewer than 2^32 - 1 of each")
}

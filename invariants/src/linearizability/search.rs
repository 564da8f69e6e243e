//! The exact search for an order of one key's operations (Wing and Gong 1993, with Lowe's memoization 2017).
//!
//! The search builds the order from its beginning. A configuration has three parts: the next return, that is, the
//! first whose operation is not placed (all operations that returned earlier are placed, and none that was invoked
//! later may be), the pending operations that are not placed, and the state. The search repeats:
//!
//! 1. Place every pending operation that is legal now and changes nothing. Sound: in any order that completes this
//!    prefix such an operation can be moved here; the state is right, and it only moves earlier.
//! 2. Pass the returns whose operations are placed.
//! 3. Try the mutations one after the other, the most urgent first.
//!
//! A branch is pruned before it is entered if it cannot succeed: the next returning operation needs a state that no
//! remaining operation produces; the current state is left although some operation still needs it and nothing
//! produces it again; a state is entered too early to last for all operations that need it; an operation that may be
//! omitted would produce a state that nothing needs. Of two pending operations with the same effect only the more
//! urgent one is tried. When all branches of a configuration have failed, it is memoized as dead. A configuration
//! does not repeat on one path, so nothing else needs memoization, and a search without backtracking memoizes
//! nothing.
//!
//! Operations of unknown outcome are *optional*: they are pending forever. Two more rules keep them from multiplying
//! the configurations:
//!
//! - An optional operation of a register is placed only right before a pending operation that it makes legal.
//!   Exchange argument: take an order and the last optional operation in it that breaks this rule, and consider its
//!   successor. If there is none, or it is legal in every state and writes, omit the optional operation. If the
//!   successor is an observer that is legal before the optional operation too, exchange the two. If it is an
//!   operation that the optional one makes legal but that is not pending yet at that point, move the optional one
//!   right before it, which is allowed because it has no return. Each change leaves fewer optional operations or the
//!   same ones later, so the process ends.
//! - A configuration is dead if a dead one differs from it only by having more optional operations: an order from the
//!   first would be an order from the second that omits the others.
//!
//! With at most c operations pending at once there are at most returns * 2^c * states configurations, so real
//! histories are searched quickly. The search stops after a number of steps; only a deadline depends on time.

use super::blocks::has_conflicting_blocks;
use super::budget::{Limit, RemainingBudget, TURNS_PER_CLOCK_CHECK};
use super::indexed_history::{Counts, IndexedHistory, IndexedOp, NONE, Step};
use super::memo::{Memo, SearchState};

/// Besides one step per operation, the steps that suffice for nearly every history.
const USUAL_STEPS: u64 = 2_000;

/// The outcome of a search.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SearchOutcome {
    /// There is an order.
    Order,
    /// There is no order.
    NoOrder,
    /// The budget was exhausted.
    OutOf(Limit),
    /// So many operations are pending at once, more than [`MAX_OPEN`].
    TooWide(u32),
}

/// The most operations pending at once: a memoized configuration has a bit for each.
pub(crate) const MAX_OPEN: u32 = 8192;

/// The memory of a search, allocated once for all keys.
#[derive(Default, Debug)]
pub(crate) struct Search {
    counts: Counts,
    /// By slot: the operation that has it.
    occupant: Vec<u32>,
    /// The order so far: operations, and [`NONE`] for each return passed.
    trail: Vec<u32>,
    frames: Vec<SearchFrame>,
}

/// A configuration whose branches are being tried.
#[derive(Clone, Copy, Debug)]
struct SearchFrame {
    trail: u32,
    /// The state, with [`MUST_USE_LAST`] in its top bit: a search pushes a frame for each operation, so a frame is small.
    state: u32,
    /// The branches with a smaller urgency have been tried.
    tried: u64,
}

/// Whether the next operation must be one that the optional operation before it makes legal. A history has fewer states
/// than this: they are numbered, and so are its operations with [`NONE`] as the largest number.
const MUST_USE_LAST: u32 = 1 << 31;

impl Search {
    /// Searches for an order and takes the steps off the budget.
    pub(crate) fn run(&mut self, history: &IndexedHistory, budget: &mut RemainingBudget) -> SearchOutcome {
        // A few steps are nearly always enough. If not, first try to refute the history by blocks.
        let usual_steps = USUAL_STEPS + history.ops.len() as u64;
        let mut first = budget.limited_to(usual_steps, u64::MAX);
        let most = first.steps();
        let outcome = self.search_with_width::<false>(history, &mut first);
        budget.spend(most - first.steps());
        if matches!(outcome, SearchOutcome::Order | SearchOutcome::NoOrder) {
            outcome
        } else if has_conflicting_blocks(history) {
            SearchOutcome::NoOrder
        } else if outcome == SearchOutcome::OutOf(Limit::Steps) && budget.steps() > 0 {
            self.search_with_width::<true>(history, budget)
        } else {
            outcome
        }
    }

    /// The memory of the path. The order itself is no larger than the history.
    #[inline]
    fn bytes(&self) -> u64 {
        (self.frames.len() * size_of::<SearchFrame>()) as u64
    }

    /// The order that was found, as indices of calls.
    pub(crate) fn order(&self, history: &IndexedHistory) -> Vec<u32> {
        let placed = self.trail.iter().filter(|&&op| op != NONE);
        placed.map(|&op| history.ops[op as usize].call).collect()
    }

    fn search_with_width<const LOOK_AHEAD: bool>(
        &mut self,
        history: &IndexedHistory,
        budget: &mut RemainingBudget,
    ) -> SearchOutcome {
        // One machine word of pending operations is usual; more occur in long outages.
        match history.slots {
            0..=64 => SearchBoard::<1, LOOK_AHEAD>::new(history, self).search(budget),
            65..=512 => SearchBoard::<8, LOOK_AHEAD>::new(history, self).search(budget),
            513..=MAX_OPEN => SearchBoard::<128, LOOK_AHEAD>::new(history, self).search(budget),
            open => SearchOutcome::TooWide(open),
        }
    }
}

/// The configuration of a running search.
struct SearchBoard<'a, const W: usize, const LOOK_AHEAD: bool> {
    history: &'a IndexedHistory,
    memory: &'a mut Search,
    memo: Memo<W>,
    /// The first return whose operation is not placed.
    next: u32,
    state: u32,
    /// Whether the next operation must be one that the optional operation before it makes legal.
    must_use_last: bool,
    /// The slots of pending operations that are not placed: observers, mutations that returned, and optional ones.
    observers: [u64; W],
    mutators: [u64; W],
    optional: [u64; W],
}

impl<'a, const W: usize, const LOOK_AHEAD: bool> SearchBoard<'a, W, LOOK_AHEAD> {
    fn new(history: &'a IndexedHistory, memory: &'a mut Search) -> Self {
        memory.counts.clone_from(&history.counts);
        memory.occupant.clear();
        memory.occupant.resize(history.slots as usize, NONE);
        memory.trail.clear();
        memory.frames.clear();
        let (next, state) = (0, 0);
        let mut board = SearchBoard {
            history,
            memory,
            memo: Memo::default(),
            next,
            state,
            must_use_last: false,
            observers: [0; W],
            mutators: [0; W],
            optional: [0; W],
        };
        board.open_called(0);
        board
    }

    fn search(&mut self, budget: &mut RemainingBudget) -> SearchOutcome {
        let mut steps = budget.steps();
        let outcome = self.walk(&mut steps, budget);
        budget.spend(budget.steps() - steps);
        outcome
    }

    fn walk(&mut self, steps: &mut u64, budget: &RemainingBudget) -> SearchOutcome {
        let bytes = budget.bytes();
        let mut turns = 0_u32;
        if self.advance() {
            return SearchOutcome::Order;
        }
        self.branch();
        while let Some(&frame) = self.memory.frames.last() {
            self.undo(frame.trail as usize);
            self.state = frame.state & !MUST_USE_LAST;
            self.must_use_last = frame.state & MUST_USE_LAST != 0;
            let Some((urgency, op)) = self.most_urgent(frame.tried) else {
                let path = self.memory.bytes();
                if !self.memo.insert(self.search_state(), bytes.saturating_sub(path)) {
                    return SearchOutcome::OutOf(Limit::Bytes);
                }
                self.memory.frames.pop();
                continue;
            };
            // A step that reads and memoizes more words costs more.
            match steps.checked_sub(W as u64) {
                Some(left) => *steps = left,
                None => return SearchOutcome::OutOf(Limit::Steps),
            }
            if self.memory.bytes() + self.memo.bytes() > bytes {
                return SearchOutcome::OutOf(Limit::Bytes);
            }
            turns += 1;
            if turns.is_multiple_of(TURNS_PER_CLOCK_CHECK) && budget.deadline_passed() {
                return SearchOutcome::OutOf(Limit::Time);
            }
            if let Some(frame) = self.memory.frames.last_mut() {
                frame.tried = urgency + 1;
            }
            let placed = &self.history.ops[op as usize];
            self.state = self.after(placed);
            self.place(op);
            let length = self.memory.trail.len();
            if self.advance() {
                return SearchOutcome::Order;
            }
            let is_optional = placed.return_rank == NONE && !self.history.is_list;
            self.must_use_last = is_optional && self.memory.trail.len() == length;
            if !self.is_stuck() && !self.is_dead() {
                self.branch();
            }
        }
        SearchOutcome::NoOrder
    }

    /// Places all legal observers and passes all returns that can be passed. Returns whether the last return was
    /// passed.
    #[inline]
    fn advance(&mut self) -> bool {
        loop {
            for word in 0..W {
                let mut bits = self.observers[word];
                while bits != 0 {
                    let op = self.memory.occupant[word * 64 + bits.trailing_zeros() as usize];
                    bits &= bits - 1;
                    let legal = match self.history.ops[op as usize].step {
                        Step::Sees(state) => state == self.state,
                        Step::SeesOther(state) => state != self.state,
                        Step::Writes(_) | Step::Exchanges { .. } | Step::Appends(_) => false,
                    };
                    if legal {
                        self.place(op);
                    }
                }
            }
            let before = self.next;
            while let Some(&(op, _)) = self.history.returns.get(self.next as usize) {
                if self.is_open(self.history.ops[op as usize].slot) {
                    break;
                }
                self.next += 1;
                self.memory.trail.push(NONE);
                self.open_called(self.next);
            }
            if self.next as usize == self.history.returns.len() {
                return true;
            }
            if self.next == before {
                return false;
            }
        }
    }

    /// Whether the next returning operation needs a state that can no longer occur.
    #[inline]
    fn is_stuck(&self) -> bool {
        let (next_op, _) = self.history.returns[self.next as usize];
        let (Step::Sees(state) | Step::Exchanges { expect: state, .. }) =
            self.history.ops[next_op as usize].step
        else {
            return false;
        };
        if state == self.state {
            return false;
        }
        let counts = &self.memory.counts;
        if !self.history.is_list {
            // Whatever precedes the next returning operation is pending now. The first attempt nearly always goes straight
            // to an order, so it does not look for that.
            return counts.producers[state as usize] == 0
                || (LOOK_AHEAD
                    && !self.any_open(|op| self.after(op) == state && op.return_rank != self.next));
        }
        let trie = &self.history.trie;
        let can_grow =
            trie.next_element(self.state, state).is_some_and(|next| counts.appenders[next as usize] > 0);
        !can_grow && counts.producers[trie.root(state) as usize] == 0
    }

    /// Whether the current state can be produced again after it is left.
    #[inline]
    fn may_return(&self) -> bool {
        let state = if self.history.is_list { self.history.trie.root(self.state) } else { self.state };
        self.memory.counts.producers[state as usize] > 0
    }

    /// Pushes a frame for the branches of this configuration.
    #[inline]
    fn branch(&mut self) {
        let trail = self.memory.trail.len() as u32;
        debug_assert!(self.state < MUST_USE_LAST, "too many states");
        let state = if self.must_use_last { self.state | MUST_USE_LAST } else { self.state };
        self.memory.frames.push(SearchFrame { trail, state, tried: 0 });
    }

    /// The most urgent branch of at least this urgency number that is not pruned: the one with the nearest return,
    /// its own or that of the first operation that needs its product. The first branch nearly always succeeds, so
    /// finding the next one on demand is cheaper than listing all.
    #[inline]
    fn most_urgent(&self, mut tried: u64) -> Option<(u64, u32)> {
        loop {
            let mut best = u64::MAX;
            for word in 0..W {
                let mut bits = self.mutators[word] | self.optional[word];
                while bits != 0 {
                    let number = self.memory.occupant[word * 64 + bits.trailing_zeros() as usize];
                    bits &= bits - 1;
                    let op = &self.history.ops[number as usize];
                    let urgency = u64::from(self.urgency(op)) << 32 | u64::from(number);
                    let is_allowed = match op.step {
                        Step::Exchanges { expect, .. } => expect == self.state,
                        _ => !self.must_use_last,
                    };
                    if is_allowed && urgency >= tried && urgency < best {
                        best = urgency;
                    }
                }
            }
            if best == u64::MAX {
                return None;
            }
            let number = best as u32;
            let op = &self.history.ops[number as usize];
            if self.is_worth_trying(op) && !self.has_earlier_equivalent(op, number) {
                return Some((best, number));
            }
            tried = best + 1;
        }
    }

    /// Whether another pending operation has the same effect and returns earlier. Exchange argument: in any order
    /// that has the two the other way round they can be exchanged.
    #[inline]
    fn has_earlier_equivalent(&self, op: &IndexedOp, number: u32) -> bool {
        let counts = &self.memory.counts;
        let equivalents = match op.step {
            Step::Appends(NONE) => 2,
            Step::Appends(product) => counts.appenders[product as usize],
            Step::Writes(product) | Step::Exchanges { value: product, .. } => {
                counts.producers[product as usize]
            }
            Step::Sees(_) | Step::SeesOther(_) => 0,
        };
        if equivalents < 2 {
            return false; // Always so with unique values.
        }
        (0..W).any(|word| {
            let mut bits = self.mutators[word] | self.optional[word];
            while bits != 0 {
                let other = self.memory.occupant[word * 64 + bits.trailing_zeros() as usize];
                bits &= bits - 1;
                let other_op = &self.history.ops[other as usize];
                if other_op.step == op.step && (other_op.return_rank, other) < (op.return_rank, number) {
                    return true;
                }
            }
            false
        })
    }

    /// Whether a pending mutation satisfies the predicate.
    #[inline]
    fn any_open(&self, predicate: impl Fn(&IndexedOp) -> bool) -> bool {
        (0..W).any(|word| {
            let mut bits = self.mutators[word] | self.optional[word];
            while bits != 0 {
                let number = self.memory.occupant[word * 64 + bits.trailing_zeros() as usize];
                bits &= bits - 1;
                if predicate(&self.history.ops[number as usize]) {
                    return true;
                }
            }
            false
        })
    }

    /// Whether a pending operation is illegal now and legal in `value`: only then is an optional operation placed.
    fn makes_legal(&self, value: u32) -> bool {
        let is_observed = (0..W).any(|word| {
            let mut bits = self.observers[word];
            while bits != 0 {
                let number = self.memory.occupant[word * 64 + bits.trailing_zeros() as usize];
                bits &= bits - 1;
                match self.history.ops[number as usize].step {
                    Step::Sees(state) if state == value => return true,
                    // It is still pending, so it is illegal now.
                    Step::SeesOther(_) => return true,
                    _ => {}
                }
            }
            false
        });
        is_observed
            || self.any_open(|op| matches!(op.step, Step::Exchanges { expect, .. } if expect == value))
    }

    /// Whether this configuration is memoized as dead.
    #[inline]
    fn is_dead(&self) -> bool {
        if !self.must_use_last {
            return self.memo.contains(&self.search_state());
        }
        // Dead without `must_use_last` implies dead with it, which only restricts the branches.
        let configuration = self.search_state();
        self.memo.contains(&configuration)
            || self.memo.contains(&SearchState { must_use_last: false, ..configuration })
    }

    #[inline]
    fn is_worth_trying(&self, op: &IndexedOp) -> bool {
        let (state, counts) = (self.state as usize, &self.memory.counts);
        match op.step {
            Step::Appends(element) => {
                if counts.needs[state] > 0 && !self.may_return() {
                    return false;
                }
                if self.after(op) != self.history.off_trie() {
                    return true;
                }
                // From off-trie only a replacement leads back, and its list does not contain an element appended
                // before it. So if a read that shows the element is not placed yet, another operation must append it.
                let all = &self.history.counts;
                let loses_needed_element = element != NONE
                    && all.appenders[element as usize] == 1
                    && self
                        .history
                        .trie
                        .child(0, element)
                        .is_none_or(|only| all.producers[only as usize] == 0);
                op.return_rank != NONE
                    && !loses_needed_element
                    && (counts.all_needs == 0 || counts.all_producers > 0)
            }
            Step::Writes(value) | Step::Exchanges { value, .. } => {
                let mut needs = counts.needs[state];
                if let Step::Exchanges { expect, .. } = op.step {
                    if expect != self.state {
                        return false;
                    }
                    needs -= u32::from(op.return_rank != NONE);
                }
                if needs > 0 && value != self.state && !self.may_return() {
                    return false;
                }
                if self.history.is_list {
                    return op.return_rank != NONE || value != self.history.off_trie();
                }
                let product = value as usize;
                let is_useful = op.return_rank != NONE
                    || (value != self.state
                        && counts.needs[product] + counts.optional_needs[product] + counts.needs_other > 0
                        && self.makes_legal(value));
                is_useful && !self.is_premature(op, value)
            }
            Step::Sees(_) | Step::SeesOther(_) => false,
        }
    }

    /// Whether `op`, the last one that can produce `value`, comes too early: an operation that needs `value` is
    /// invoked only after the next return, so the state must last until then, but the next returning operation is not
    /// legal in it.
    #[inline]
    fn is_premature(&self, op: &IndexedOp, value: u32) -> bool {
        let (next_op, called) = self.history.returns[self.next as usize];
        op.return_rank != self.next
            && self.memory.counts.producers[value as usize] == 1
            && self.history.newest_need[value as usize] > called
            && match self.history.ops[next_op as usize].step {
                Step::Sees(state) => state != value,
                Step::SeesOther(state) => state == value,
                Step::Writes(_) | Step::Exchanges { .. } | Step::Appends(_) => true,
            }
    }

    /// The nearest return that this operation can serve: its own, or that of an operation that needs its product.
    #[inline]
    fn urgency(&self, op: &IndexedOp) -> u32 {
        match op.step {
            Step::Writes(value) | Step::Exchanges { value, .. } => {
                op.return_rank.min(self.history.next_need(value, self.next))
            }
            _ => op.return_rank,
        }
    }

    #[inline]
    fn after(&self, op: &IndexedOp) -> u32 {
        match op.step {
            Step::Writes(value) | Step::Exchanges { value, .. } => value,
            Step::Appends(element) => {
                self.history.trie.child(self.state, element).unwrap_or_else(|| self.history.off_trie())
            }
            Step::Sees(_) | Step::SeesOther(_) => self.state,
        }
    }

    fn search_state(&self) -> SearchState<W> {
        let mut open = self.observers;
        for (word, mutators) in open.iter_mut().zip(self.mutators) {
            *word |= mutators;
        }
        let &SearchBoard { next, state, must_use_last, optional, .. } = self;
        SearchState { next, state, must_use_last, open, optional }
    }

    #[inline]
    fn is_open(&self, slot: u32) -> bool {
        let (word, bit) = (slot as usize / 64, slot % 64);
        // Optional operations have no return.
        (self.observers[word] | self.mutators[word]) >> bit & 1 == 1
    }

    /// Marks whether an operation waits to be placed.
    #[inline]
    fn set_unplaced(&mut self, op: &IndexedOp, is_unplaced: bool) {
        let (word, bit) = (op.slot as usize / 64, 1 << (op.slot % 64));
        let mask = match op.step {
            Step::Sees(_) | Step::SeesOther(_) => &mut self.observers[word],
            _ if op.return_rank == NONE => &mut self.optional[word],
            Step::Writes(_) | Step::Exchanges { .. } | Step::Appends(_) => &mut self.mutators[word],
        };
        if is_unplaced { *mask |= bit } else { *mask &= !bit }
    }

    /// Appends an operation to the order.
    #[inline]
    fn place(&mut self, op: u32) {
        self.memory.trail.push(op);
        let op = &self.history.ops[op as usize];
        self.memory.counts.remove(op);
        self.set_unplaced(op, false);
    }

    /// The operations invoked between the return before `rank` and the one at `rank`.
    #[inline]
    fn called_before(&self, rank: u32) -> std::ops::Range<u32> {
        let called = |rank: Option<u32>| {
            rank.and_then(|rank| self.history.returns.get(rank as usize)).map(|&(_, called)| called)
        };
        let first = called(rank.checked_sub(1)).unwrap_or(0);
        first..called(Some(rank)).unwrap_or(first)
    }

    #[inline]
    fn open_called(&mut self, rank: u32) {
        for number in self.called_before(rank) {
            let op = &self.history.ops[number as usize];
            self.memory.occupant[op.slot as usize] = number;
            self.set_unplaced(op, true);
        }
    }

    /// Undoes all steps after the first `length` ones of the trail, in reverse order.
    #[inline]
    fn undo(&mut self, length: usize) {
        while self.memory.trail.len() > length {
            let number = self.memory.trail.pop().expect("the trail is longer than `length`");
            if number == NONE {
                for number in self.called_before(self.next).rev() {
                    let op = &self.history.ops[number as usize];
                    self.memory.occupant[op.slot as usize] = op.previous_occupant;
                    self.set_unplaced(op, false);
                }
                self.next -= 1;
            } else {
                let op = &self.history.ops[number as usize];
                self.memory.counts.add(op);
                self.set_unplaced(op, true);
            }
        }
    }
}

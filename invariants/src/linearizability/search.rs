//! The exact search for an order of one key's operations.
//!
//! The search builds the order from its beginning. Where it stands is told by three things: the first return whose
//! operation has no place yet (everything that returned before has one, and nothing called after may have one), which
//! of the operations open there have none, and the state. It goes on like this:
//!
//! 1. Every open operation that is legal now and changes nothing takes its place now. In any order that completes this
//!    one it could be moved here: the state is right, and it only moves forward.
//! 2. Returns whose operations have a place are passed.
//! 3. What changes the state is tried, one after the other, the most urgent first.
//!
//! Before a branch is entered it is cut off where it surely ends: where the operation due next needs a state that
//! nothing left can produce; where the state is left though somebody still needs it and nothing can bring it back, or
//! is entered before it can be kept for all who need it; and where an operation that may be left out would produce a
//! state that nobody wants. Of two open operations that do the same only the more urgent one is tried. Where all
//! branches have ended, the configuration is remembered as dead. On one path no configuration comes twice, so nothing
//! else need be remembered, and a search that never turns back remembers nothing.
//!
//! Operations of unknown outcome are *optional*: they stay open for ever, so two more rules keep them from multiplying
//! the configurations.
//!
//! - An optional operation of a register is placed only right before an open operation that it makes legal. In any order
//!   look at the last optional operation that breaks this rule, and at what follows it. Where that is nothing or a blind
//!   write, the optional operation can be left out; where that is an observer that was legal before as well, the two can
//!   be exchanged; where that is an operation which it makes legal, it can be moved right before that one, for it is not
//!   due. Each change leaves fewer optional operations, or the same ones later, so they come to an end.
//! - A configuration in which fewer optional operations are left than in a dead one, and all else is alike, is dead: an
//!   order from it would be an order from the dead one that leaves the others out.
//!
//! With at most c operations open at once there are at most returns * 2^c * states configurations, so the search is
//! quick on what clients really do. It is still a search: it gives up after a number of steps, never of seconds.

use super::blocks::has_conflicting_blocks;
use super::budget::{Limit, RemainingBudget, TURNS_PER_CLOCK_CHECK};
use super::indexed_history::{Counts, IndexedHistory, IndexedOp, NONE, Step};
use super::memo::{Memo, SearchState};

/// With a step for each operation, the steps that suffice for nearly every history.
const USUAL_STEPS: u64 = 2_000;

/// What came of a search.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SearchOutcome {
    /// There is an order.
    Order,
    /// There is none.
    NoOrder,
    /// The effort did not suffice to tell.
    OutOf(Limit),
    /// So many operations are open at once, more than [`WIDEST`].
    TooWide(u32),
}

/// More operations open at once are not searched: each configuration that is remembered takes a bit for each of them.
pub(crate) const MAX_OPEN: u32 = 8192;

/// The search's memory, kept between searches so that it is asked for once.
#[derive(Default, Debug)]
pub(crate) struct Search {
    counts: Counts,
    /// Slot: the operation that has it.
    occupant: Vec<u32>,
    /// The order so far: operations, and [`NONE`] for each return passed.
    trail: Vec<u32>,
    frames: Vec<SearchFrame>,
}

/// A configuration whose branches are being tried.
#[derive(Clone, Copy, Debug)]
struct SearchFrame {
    trail: u32,
    state: u32,
    /// Whether what follows must be made legal by the optional operation before it.
    must_use_last: bool,
    /// The branches below this urgency have been tried.
    tried: u64,
}

impl Search {
    /// Looks for an order, with at most this effort, which it takes from it.
    pub(crate) fn run(&mut self, history: &IndexedHistory, effort: &mut RemainingBudget) -> SearchOutcome {
        // Nearly always a few steps tell. Where they do not, it is time for a look at the whole.
        let few = USUAL_STEPS + history.ops.len() as u64;
        let mut first = effort.limited_to(few, u64::MAX);
        let most = first.steps();
        let found = self.search_with_width(history, &mut first);
        effort.spend(most - first.steps());
        if matches!(found, SearchOutcome::Order | SearchOutcome::NoOrder) {
            found
        } else if has_conflicting_blocks(history) {
            SearchOutcome::NoOrder
        } else if found == SearchOutcome::OutOf(Limit::Steps) && effort.steps() > 0 {
            self.search_with_width(history, effort)
        } else {
            found
        }
    }

    /// What the path is remembered in. The order itself is no larger than the history.
    #[inline]
    fn bytes(&self) -> u64 {
        (self.frames.len() * size_of::<SearchFrame>()) as u64
    }

    /// The order that was found, in numbers of calls.
    pub(crate) fn order(&self, history: &IndexedHistory) -> Vec<u32> {
        let placed = self.trail.iter().filter(|&&op| op != NONE);
        placed.map(|&op| history.ops[op as usize].call).collect()
    }

    fn search_with_width(&mut self, history: &IndexedHistory, effort: &mut RemainingBudget) -> SearchOutcome {
        // One machine word of open operations is the rule; the others are for long outages.
        match history.slots {
            0..=64 => SearchBoard::<1>::new(history, self).search(effort),
            65..=512 => SearchBoard::<8>::new(history, self).search(effort),
            513..=MAX_OPEN => SearchBoard::<128>::new(history, self).search(effort),
            open => SearchOutcome::TooWide(open),
        }
    }
}

/// One search: where it stands.
struct SearchBoard<'a, const W: usize> {
    history: &'a IndexedHistory,
    memory: &'a mut Search,
    memo: Memo<W>,
    /// The first return whose operation has no place yet.
    next: u32,
    state: u32,
    /// Whether what comes next must be made legal by the optional operation before it.
    must_use_last: bool,
    /// The slots of open operations without a place: those that change nothing, those that are due some time, and the
    /// optional ones.
    observers: [u64; W],
    mutators: [u64; W],
    optional: [u64; W],
}

impl<'a, const W: usize> SearchBoard<'a, W> {
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

    fn search(&mut self, effort: &mut RemainingBudget) -> SearchOutcome {
        let mut steps = effort.steps();
        let found = self.walk(&mut steps, effort);
        effort.spend(effort.steps() - steps);
        found
    }

    fn walk(&mut self, steps: &mut u64, effort: &RemainingBudget) -> SearchOutcome {
        let bytes = effort.bytes();
        let mut turns = 0_u32;
        if self.advance() {
            return SearchOutcome::Order;
        }
        self.branch();
        while let Some(&frame) = self.memory.frames.last() {
            self.undo(frame.trail as usize);
            (self.state, self.must_use_last) = (frame.state, frame.must_use_last);
            let Some((urgency, op)) = self.most_urgent(frame.tried) else {
                let path = self.memory.bytes();
                if !self.memo.insert(self.search_state(), bytes.saturating_sub(path)) {
                    return SearchOutcome::OutOf(Limit::Bytes);
                }
                self.memory.frames.pop();
                continue;
            };
            // A step that looks at more words, and remembers more of them, costs more.
            match steps.checked_sub(W as u64) {
                Some(left) => *steps = left,
                None => return SearchOutcome::OutOf(Limit::Steps),
            }
            if self.memory.bytes() + self.memo.bytes() > bytes {
                return SearchOutcome::OutOf(Limit::Bytes);
            }
            turns += 1;
            if turns.is_multiple_of(TURNS_PER_CLOCK_CHECK) && effort.deadline_passed() {
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

    /// Places all observers that are legal now and passes all returns that can be passed. True: that was the last one.
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

    /// Whether the operation due next waits for a state that cannot come any more.
    #[inline]
    fn is_stuck(&self) -> bool {
        let (due, _) = self.history.returns[self.next as usize];
        let (Step::Sees(state) | Step::Exchanges { expect: state, .. }) = self.history.ops[due as usize].step
        else {
            return false;
        };
        if state == self.state {
            return false;
        }
        let counts = &self.memory.counts;
        if !self.history.is_list {
            // Whatever stands before the operation that is due next is open now.
            return counts.producers[state as usize] == 0
                || !self.any_open(|op| self.after(op) == state && op.return_rank != self.next);
        }
        let trie = &self.history.trie;
        let grows =
            trie.next_element(self.state, state).is_some_and(|next| counts.appenders[next as usize] > 0);
        !grows && counts.producers[trie.root(state) as usize] == 0
    }

    /// Whether the present state can come again once it is left.
    #[inline]
    fn may_return(&self) -> bool {
        let state = if self.history.is_list { self.history.trie.root(self.state) } else { self.state };
        self.memory.counts.producers[state as usize] > 0
    }

    /// Begins to try the branches from here.
    #[inline]
    fn branch(&mut self) {
        let trail = self.memory.trail.len() as u32;
        self.memory.frames.push(SearchFrame {
            trail,
            state: self.state,
            must_use_last: self.must_use_last,
            tried: 0,
        });
    }

    /// Of the branches from here with this urgency or less, the most urgent one that does not end at once: the one whose
    /// return, or whose product's first reader's return, is nearest. Nearly always the first one leads on, so it is
    /// cheaper to look for the next one when it is needed than to list them all.
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
                    let fits = match op.step {
                        Step::Exchanges { expect, .. } => expect == self.state,
                        _ => !self.must_use_last,
                    };
                    if fits && urgency >= tried && urgency < best {
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

    /// Whether another open operation does the same and is due earlier. Of two such operations that one may go first: in
    /// any order that has them the other way round they can be exchanged.
    #[inline]
    fn has_earlier_equivalent(&self, op: &IndexedOp, number: u32) -> bool {
        let counts = &self.memory.counts;
        let alike = match op.step {
            Step::Appends(NONE) => 2,
            Step::Appends(product) => counts.appenders[product as usize],
            Step::Writes(product) | Step::Exchanges { value: product, .. } => {
                counts.producers[product as usize]
            }
            Step::Sees(_) | Step::SeesOther(_) => 0,
        };
        if alike < 2 {
            return false; // As always where every value is written once.
        }
        (0..W).any(|word| {
            let mut bits = self.mutators[word] | self.optional[word];
            while bits != 0 {
                let other = self.memory.occupant[word * 64 + bits.trailing_zeros() as usize];
                bits &= bits - 1;
                let twin = &self.history.ops[other as usize];
                if twin.step == op.step && (twin.return_rank, other) < (op.return_rank, number) {
                    return true;
                }
            }
            false
        })
    }

    /// Whether any open operation that changes the state is like this.
    #[inline]
    fn any_open(&self, is_like_this: impl Fn(&IndexedOp) -> bool) -> bool {
        (0..W).any(|word| {
            let mut bits = self.mutators[word] | self.optional[word];
            while bits != 0 {
                let number = self.memory.occupant[word * 64 + bits.trailing_zeros() as usize];
                bits &= bits - 1;
                if is_like_this(&self.history.ops[number as usize]) {
                    return true;
                }
            }
            false
        })
    }

    /// Whether an open operation is legal in `value`, and not as it is: what an optional operation may be placed for.
    fn makes_legal(&self, value: u32) -> bool {
        let is_observed = (0..W).any(|word| {
            let mut bits = self.observers[word];
            while bits != 0 {
                let number = self.memory.occupant[word * 64 + bits.trailing_zeros() as usize];
                bits &= bits - 1;
                match self.history.ops[number as usize].step {
                    Step::Sees(state) if state == value => return true,
                    // It is open, so it is not legal as it is.
                    Step::SeesOther(_) => return true,
                    _ => {}
                }
            }
            false
        });
        is_observed
            || self.any_open(|op| matches!(op.step, Step::Exchanges { expect, .. } if expect == value))
    }

    /// Whether all branches from here are known to have ended.
    #[inline]
    fn is_dead(&self) -> bool {
        if !self.must_use_last {
            return self.memo.contains(&self.search_state());
        }
        // Where nothing leads on from the same place without the condition, nothing does with it.
        let bound = self.search_state();
        self.memo.contains(&bound) || self.memo.contains(&SearchState { must_use_last: false, ..bound })
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
                // From astray only who replaces the list leads back, and then not to an element appended there: a
                // read that shows it and has no place yet needs somebody else to append it.
                let all = &self.history.counts;
                let is_lost = element != NONE
                    && all.appenders[element as usize] == 1
                    && self
                        .history
                        .trie
                        .child(0, element)
                        .is_none_or(|only| all.producers[only as usize] == 0);
                op.return_rank != NONE && !is_lost && (counts.all_needs == 0 || counts.all_producers > 0)
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
                let is_wanted = op.return_rank != NONE
                    || (value != self.state
                        && counts.needs[product] + counts.optional_needs[product] + counts.needs_other > 0
                        && self.makes_legal(value));
                is_wanted && !self.is_premature(op, value)
            }
            Step::Sees(_) | Step::SeesOther(_) => false,
        }
    }

    /// Whether `op`, the last one that can produce `value`, comes too early. Somebody needs `value` who is called only
    /// after the return that is due next, so it must last until then; but then the operation that is due next has to
    /// be legal in it.
    #[inline]
    fn is_premature(&self, op: &IndexedOp, value: u32) -> bool {
        let (due, called) = self.history.returns[self.next as usize];
        op.return_rank != self.next
            && self.memory.counts.producers[value as usize] == 1
            && self.history.newest_need[value as usize] > called
            && match self.history.ops[due as usize].step {
                Step::Sees(state) => state != value,
                Step::SeesOther(state) => state == value,
                Step::Writes(_) | Step::Exchanges { .. } | Step::Appends(_) => true,
            }
    }

    /// The nearest return that this operation would help: its own, or that of somebody who needs its product.
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
        let &SearchBoard { next, state, must_use_last: bound, optional, .. } = self;
        SearchState { next, state, must_use_last: bound, open, optional }
    }

    #[inline]
    fn is_open(&self, slot: u32) -> bool {
        let (word, bit) = (slot as usize / 64, slot % 64);
        // The optional ones are never due.
        (self.observers[word] | self.mutators[word]) >> bit & 1 == 1
    }

    /// Whether an operation with this slot waits for its place from now on, or no longer.
    #[inline]
    fn set_unplaced(&mut self, op: &IndexedOp, waits: bool) {
        let (word, bit) = (op.slot as usize / 64, 1 << (op.slot % 64));
        let mask = match op.step {
            Step::Sees(_) | Step::SeesOther(_) => &mut self.observers[word],
            _ if op.return_rank == NONE => &mut self.optional[word],
            Step::Writes(_) | Step::Exchanges { .. } | Step::Appends(_) => &mut self.mutators[word],
        };
        if waits { *mask |= bit } else { *mask &= !bit }
    }

    /// This operation is the next one in the order.
    #[inline]
    fn place(&mut self, op: u32) {
        self.memory.trail.push(op);
        let op = &self.history.ops[op as usize];
        self.memory.counts.remove(op);
        self.set_unplaced(op, false);
    }

    /// The operations called between the return before `rank` and the one at `rank`.
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

    /// Takes back everything after the first `length` steps of the trail, the last one first.
    #[inline]
    fn undo(&mut self, length: usize) {
        while self.memory.trail.len() > length {
            let number = self.memory.trail.pop().expect("longer than that");
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

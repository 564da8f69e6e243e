//! The exact search for any model.
//!
//! The [search](super::search) without its knowledge of registers and lists. A configuration is the first return
//! whose operation is not placed, the pending operations that are not placed, and the state. Legal reads are placed
//! at once. Dead configurations are memoized; one with a set of operations of unknown outcome covers those with a
//! subset. A [`Model`] can add further pruning.

use super::budget::{Budget, Limit, RemainingBudget, TURNS_PER_CLOCK_CHECK};
use super::model::{Model, Placement};
use crate::fact::Time;
use std::collections::{BTreeMap, BTreeSet};

/// One operation of a history of any model.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ModelOperation<A, R> {
    /// When the client invoked it.
    pub called: Time,
    /// The request.
    pub action: A,
    /// When it returned, and the response. `None`: the outcome is unknown; it may have taken effect, or may do so
    /// later.
    pub returned: Option<(Time, R)>,
}

/// The outcome of a search.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ExploreOutcome {
    /// An order, as indices into the history. Operations that are not in it have an unknown outcome.
    Order(Vec<usize>),
    /// There is no order.
    NoOrder {
        /// The index of the operation at which the longest attempts failed: there is an order of all that returned
        /// before it.
        stuck: usize,
    },
    /// The budget was exhausted.
    Unknown,
}

/// Searches for an order of one object's operations that explains all responses and respects real time. The history
/// may be in any order; histories of several objects are searched one object at a time.
///
/// The model is a state and a step function. This one is a counter that returns its new value:
///
/// ```
/// use invariants::linearizability::{Budget, ExploreOutcome, Model, ModelOperation, explore};
///
/// struct Counter;
///
/// enum Action {
///     Add(i64),
///     Read,
/// }
///
/// impl Model for Counter {
///     type State = i64;
///     type Action = Action;
///     type Response = i64;
///
///     fn initial(&self) -> i64 {
///         0
///     }
///
///     fn step(&self, state: &i64, action: &Action, response: Option<&i64>) -> Option<i64> {
///         let after = match action {
///             Action::Add(number) => state + number,
///             Action::Read => *state,
///         };
///         // Without a response the outcome is unknown, and any response would be right.
///         response.is_none_or(|response| *response == after).then_some(after)
///     }
///
///     fn is_read(&self, action: &Action) -> bool {
///         matches!(action, Action::Read)
///     }
/// }
///
/// let operation = |called, action, response, returned| ModelOperation {
///     called,
///     action,
///     returned: Some((returned, response)),
/// };
/// let mut history = vec![
///     operation(0, Action::Add(5), 5, 20),
///     operation(10, Action::Add(2), 7, 30),
///     operation(15, Action::Read, 5, 40),
/// ];
/// assert_eq!(explore(&Counter, &history, Budget::default()), ExploreOutcome::Order(vec![0, 2, 1]));
/// history.push(operation(50, Action::Read, 5, 60));
/// assert_eq!(explore(&Counter, &history, Budget::default()), ExploreOutcome::NoOrder { stuck: 3 });
/// ```
pub fn explore<M: Model>(
    model: &M,
    history: &[ModelOperation<M::Action, M::Response>],
    budget: Budget,
) -> ExploreOutcome {
    explore_within(model, history, &mut RemainingBudget::new(budget, None)).unwrap_or(ExploreOutcome::Unknown)
}

/// [`explore`] with a budget that it spends. An error names the exhausted limit.
pub(crate) fn explore_within<M: Model>(
    model: &M,
    history: &[ModelOperation<M::Action, M::Response>],
    budget: &mut RemainingBudget,
) -> Result<ExploreOutcome, Limit> {
    let mut calls: Vec<usize> = (0..history.len()).collect();
    calls.sort_by_key(|&at| history[at].called);
    let mut returns: Vec<usize> = (0..history.len()).filter(|&at| history[at].returned.is_some()).collect();
    returns.sort_by_key(|&at| history[at].returned.as_ref().map(|&(returned, _)| returned));
    let mut explorer = Explorer {
        model,
        history,
        by_call: calls,
        by_return: returns,
        open: BTreeSet::new(),
        optional: BTreeSet::new(),
        trail: Vec::new(),
        state: model.initial(),
        next: 0,
        called_count: 0,
        farthest: 0,
    };
    explorer.open_called();
    explorer.run(budget)
}

/// One step of the current path, for backtracking.
enum TrailStep {
    Placed(usize),
    /// A return was passed; before that, so many operations had been invoked.
    Passed(usize),
}

/// A configuration whose branches are being tried.
struct ExploreFrame<S> {
    trail: usize,
    /// Its state. Large states are stored now and then only; the others are recomputed from the trail.
    state: Option<S>,
    /// Untried operations, the most urgent one last.
    branches: Vec<usize>,
}

/// A configuration without the operations of unknown outcome.
type ExploreState<S> = (usize, Vec<usize>, S);

/// The dead configurations, each with the sets of optional operations for which it is dead.
struct DeadStates<S> {
    known: BTreeMap<ExploreState<S>, Vec<Vec<usize>>>,
    bytes: u64,
}

struct Explorer<'a, M: Model> {
    model: &'a M,
    history: &'a [ModelOperation<M::Action, M::Response>],
    by_call: Vec<usize>,
    by_return: Vec<usize>,
    /// Invoked and not placed: those that returned, and the optional ones of unknown outcome, which may be omitted.
    open: BTreeSet<usize>,
    optional: BTreeSet<usize>,
    trail: Vec<TrailStep>,
    state: M::State,
    next: usize,
    called_count: usize,
    farthest: usize,
}

/// The cost of a turn, in steps of the register search: a base, plus one for so many pending operations and one for
/// so many bytes of the state, which are copied and compared.
const STEPS_PER_TURN: u64 = 8;
const OPEN_PER_STEP: usize = 4;
const BYTES_PER_STEP: usize = 512;

impl<M: Model> Explorer<'_, M> {
    fn run(&mut self, budget: &mut RemainingBudget) -> Result<ExploreOutcome, Limit> {
        let mut dead = DeadStates { known: BTreeMap::new(), bytes: 0 };
        let mut since_clock_check = 0;
        if self.advance() {
            return Ok(self.order());
        }
        let (mut frames, mut bytes) = (Vec::new(), 0);
        self.branch(&mut frames, &mut bytes);
        while let Some(frame) = frames.last_mut() {
            let Some(op) = frame.branches.pop() else {
                self.restore(&frames);
                self.record_dead(&mut dead);
                bytes -= frames.pop().map_or(0, |frame| self.frame_bytes(&frame));
                continue;
            };
            self.restore(&frames);
            let open = self.open.len() + self.optional.len();
            let heap_bytes = self.model.heap_bytes(&self.state);
            let cost = STEPS_PER_TURN + (open / OPEN_PER_STEP + heap_bytes / BYTES_PER_STEP) as u64;
            since_clock_check += cost;
            if budget.steps() < cost {
                return Err(Limit::Steps);
            }
            budget.spend(cost);
            if bytes + dead.bytes > budget.bytes() {
                return Err(Limit::Bytes);
            }
            if since_clock_check >= u64::from(TURNS_PER_CLOCK_CHECK) {
                since_clock_check = 0;
                if budget.deadline_passed() {
                    return Err(Limit::Time);
                }
            }
            let after = self.after(op).filter(|after| !self.optional.contains(&op) || *after != self.state);
            let Some(after) = after else { continue };
            self.state = after;
            self.place(op);
            if self.advance() {
                return Ok(self.order());
            }
            if !self.has_unreachable_answer() && !self.is_dead(&dead) {
                self.branch(&mut frames, &mut bytes);
            }
        }
        Ok(ExploreOutcome::NoOrder { stuck: self.by_return[self.farthest] })
    }

    fn order(&self) -> ExploreOutcome {
        let placed = self.trail.iter().filter_map(|step| match step {
            TrailStep::Placed(op) => Some(*op),
            TrailStep::Passed(_) => None,
        });
        ExploreOutcome::Order(placed.collect())
    }

    fn frame_bytes(&self, frame: &ExploreFrame<M::State>) -> u64 {
        let state = frame.state.as_ref().map_or(0, |state| self.model.heap_bytes(state));
        (state + size_of::<ExploreFrame<M::State>>() + frame.branches.capacity() * size_of::<usize>()) as u64
    }

    /// Backtracks to the last frame.
    fn restore(&mut self, frames: &[ExploreFrame<M::State>]) {
        let Some(last) = frames.last() else { return };
        if self.trail.len() == last.trail {
            return;
        }
        self.undo(last.trail);
        let stored =
            frames.iter().rposition(|frame| frame.state.is_some()).expect("the first frame stores its state");
        self.state = frames[stored].state.clone().expect("rposition found a stored state");
        for at in frames[stored].trail..last.trail {
            if let TrailStep::Placed(op) = self.trail[at]
                && !self.is_read(op)
            {
                self.state = self.after(op).expect("a placed operation is legal when replayed");
            }
        }
    }

    fn current_state(&self) -> ExploreState<M::State> {
        (self.next, self.open.iter().copied().collect(), self.state.clone())
    }

    fn record_dead(&self, dead: &mut DeadStates<M::State>) {
        let optional: Vec<usize> = self.optional.iter().copied().collect();
        let entries = (self.open.len() + optional.len()) * size_of::<usize>();
        dead.bytes += (entries + self.model.heap_bytes(&self.state) + size_of::<M::State>() + 128) as u64;
        let known = dead.known.entry(self.current_state()).or_default();
        // A set covers its subsets.
        known.retain(|fewer| !fewer.iter().all(|op| optional.binary_search(op).is_ok()));
        known.push(optional);
    }

    /// Whether this configuration is dead with at least the same optional operations.
    fn is_dead(&self, dead: &DeadStates<M::State>) -> bool {
        if dead.known.is_empty() {
            return false;
        }
        dead.known.get(&self.current_state()).is_some_and(|known| {
            known.iter().any(|optional| {
                self.optional.len() <= optional.len()
                    && self.optional.iter().all(|op| optional.binary_search(op).is_ok())
            })
        })
    }

    /// Whether a pending operation's response has become impossible.
    fn has_unreachable_answer(&self) -> bool {
        self.open.iter().any(|&op| {
            let ModelOperation { action, returned, .. } = &self.history[op];
            returned
                .as_ref()
                .is_some_and(|(_, response)| self.model.is_unreachable(&self.state, action, response))
        })
    }

    fn is_read(&self, op: usize) -> bool {
        self.model.is_read(&self.history[op].action)
    }

    /// The next state; `None`: the operation is illegal here.
    fn after(&self, op: usize) -> Option<M::State> {
        let ModelOperation { action, returned, .. } = &self.history[op];
        self.model.step(&self.state, action, returned.as_ref().map(|(_, response)| response))
    }

    fn place(&mut self, op: usize) {
        if !self.open.remove(&op) {
            self.optional.remove(&op);
        }
        self.trail.push(TrailStep::Placed(op));
    }

    fn mark_unplaced(&mut self, op: usize) {
        match self.history[op].returned {
            Some(_) => self.open.insert(op),
            None => self.optional.insert(op),
        };
    }

    /// Adds the operations that were invoked before the next return or at the same time.
    fn open_called(&mut self) {
        let until = self.by_return.get(self.next).and_then(|&op| self.history[op].returned.as_ref());
        let until = until.map_or(Time::MAX, |&(returned, _)| returned);
        while let Some(&op) = self.by_call.get(self.called_count)
            && self.history[op].called <= until
        {
            self.mark_unplaced(op);
            self.called_count += 1;
        }
    }

    /// The first legal mutation that is to be placed eagerly, and the state after it.
    fn next_eager(&self) -> Option<(usize, M::State)> {
        self.open.iter().chain(&self.optional).find_map(|&op| {
            let action = &self.history[op].action;
            if self.model.is_read(action) || self.model.placement(action) != Placement::Eager {
                return None;
            }
            let after =
                self.after(op).filter(|after| !self.optional.contains(&op) || *after != self.state)?;
            Some((op, after))
        })
    }

    /// Places all legal reads and eager operations, and passes all returns that can be passed. Returns whether the
    /// last return was passed.
    fn advance(&mut self) -> bool {
        loop {
            while let Some((op, after)) = self.next_eager() {
                self.state = after;
                self.place(op);
            }
            let legal = |&op: &usize| {
                let ModelOperation { action, returned, .. } = &self.history[op];
                let Some((_, response)) = returned else { return false };
                self.model.is_read(action) && self.model.read_matches(&self.state, action, response)
            };
            let reads: Vec<usize> = self.open.iter().copied().filter(legal).collect();
            reads.into_iter().for_each(|op| self.place(op));
            let before = self.next;
            while let Some(op) = self.by_return.get(self.next)
                && !self.open.contains(op)
            {
                self.trail.push(TrailStep::Passed(self.called_count));
                self.next += 1;
                self.open_called();
            }
            self.farthest = self.farthest.max(self.next.min(self.by_return.len().saturating_sub(1)));
            if self.next == self.by_return.len() {
                return true;
            }
            if self.next == before {
                return false;
            }
        }
    }

    /// Pushes a frame with the mutations that may come next. Reads wait until they are legal. Of interchangeable ones
    /// only the one that returns first is tried.
    fn branch(&self, frames: &mut Vec<ExploreFrame<M::State>>, bytes: &mut u64) {
        let returned_at =
            |op: usize| self.history[op].returned.as_ref().map_or(Time::MAX, |&(returned, _)| returned);
        let rank = |op: usize| self.model.rank(&self.history[op].action);
        // First the operations that precede the next returning one in the object's own order.
        let next = rank(self.by_return[self.next]);
        let urgency = |op: usize| match (rank(op), next) {
            (Some(rank), Some(next)) if rank < next => (0, rank, op),
            _ => (1, returned_at(op), op),
        };
        let mut ops: Vec<usize> = self.open.iter().chain(&self.optional).copied().collect();
        ops.retain(|&op| {
            !self.is_read(op)
                && match self.model.placement(&self.history[op].action) {
                    Placement::Eager => false,
                    Placement::AtReturn => op == self.by_return[self.next],
                    Placement::Any => true,
                }
        });
        ops.sort_by_key(|&op| urgency(op));
        let mut branches: Vec<usize> = Vec::new();
        let behavior = |op: usize| {
            let ModelOperation { action, returned, .. } = &self.history[op];
            (action, returned.as_ref().map(|(_, response)| response))
        };
        for op in ops {
            if !branches.iter().any(|&other| self.model.are_interchangeable(behavior(other), behavior(op))) {
                branches.push(op);
            }
        }
        branches.reverse();
        let heap_bytes = self.model.heap_bytes(&self.state);
        // Recomputing a state may take as long as copying its bytes.
        let is_stored = frames.len().is_multiple_of(1 + heap_bytes / BYTES_PER_STEP);
        let state = is_stored.then(|| self.state.clone());
        let frame = ExploreFrame { trail: self.trail.len(), state, branches };
        *bytes += self.frame_bytes(&frame);
        frames.push(frame);
    }

    fn undo(&mut self, length: usize) {
        for step in self.trail.split_off(length).into_iter().rev() {
            match step {
                TrailStep::Placed(op) => self.mark_unplaced(op),
                TrailStep::Passed(called) => {
                    for op in &self.by_call[called..self.called_count] {
                        if !self.open.remove(op) {
                            self.optional.remove(op);
                        }
                    }
                    self.called_count = called;
                    self.next -= 1;
                }
            }
        }
    }
}

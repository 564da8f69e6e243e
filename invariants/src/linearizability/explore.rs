//! The exact search for any model.
//!
//! It is the [search](super::search) without what that knows of registers and lists: where it stands is told by the first
//! return whose operation has no place yet, by the operations open there that have none, and by the state; reads that
//! are legal take their place at once; where all branches have ended, the place is remembered as dead, for as many
//! operations of unknown outcome as were left there, and for fewer. What else cuts it short, a [`Model`] may tell.

use super::budget::{Budget, Limit, RemainingBudget, TURNS_PER_CLOCK_CHECK};
use super::model::{Model, Placement};
use crate::fact::Time;
use std::collections::{BTreeMap, BTreeSet};

/// One operation of a history of any model.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ModelOperation<A, R> {
    /// When the client called.
    pub called: Time,
    /// What it asked.
    pub action: A,
    /// When it was told what; `None`: the outcome is unknown, and it may have happened or happen yet.
    pub returned: Option<(Time, R)>,
}

/// What came of a search.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ExploreOutcome {
    /// There is an order: places in the history. What is left out of it has an unknown outcome.
    Order(Vec<usize>),
    /// There is none.
    NoOrder {
        /// The place of an operation that nothing got beyond: everything that returned before it can be put in an order.
        stuck: usize,
    },
    /// The budget did not suffice to tell.
    Unknown,
}

/// Looks for an order of a history of one object that explains every answer of a model and respects real time. The
/// operations may stand in any order; histories of several objects are explored one object after the other.
///
/// A model is a state and a question. This one is a counter that tells what it comes to:
///
/// ```
/// use invariants::linearizability::{Asked, Budget, Explored, Model, explore};
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
///         // Without a response the outcome is unknown: then anything may have been the answer.
///         response.is_none_or(|told| *told == after).then_some(after)
///     }
///
///     fn is_read(&self, action: &Action) -> bool {
///         matches!(action, Action::Read)
///     }
/// }
///
/// let asked = |called, action, told, returned| Asked { called, action, returned: Some((returned, told)) };
/// let mut history = vec![
///     asked(0, Action::Add(5), 5, 20),
///     asked(10, Action::Add(2), 7, 30),
///     asked(15, Action::Read, 5, 40),
/// ];
/// assert_eq!(explore(&Counter, &history, Budget::default()), Explored::Order(vec![0, 2, 1]));
/// history.push(asked(50, Action::Read, 5, 60));
/// assert_eq!(explore(&Counter, &history, Budget::default()), Explored::NoOrder { stuck: 3 });
/// ```
pub fn explore<M: Model>(
    model: &M,
    history: &[ModelOperation<M::Action, M::Response>],
    budget: Budget,
) -> ExploreOutcome {
    explore_within(model, history, &mut RemainingBudget::new(budget, None)).unwrap_or(ExploreOutcome::Unknown)
}

/// The same with at most this effort, which it takes from it; or what did not suffice.
pub(crate) fn explore_within<M: Model>(
    model: &M,
    history: &[ModelOperation<M::Action, M::Response>],
    effort: &mut RemainingBudget,
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
    explorer.run(effort)
}

/// One thing done on the way, to be taken back.
enum TrailStep {
    Placed(usize),
    /// A return was passed, and then this many had been called before.
    Passed(usize),
}

/// A place from which branches are tried.
struct ExploreFrame<S> {
    trail: usize,
    /// The state there. Large ones are kept now and then only: the others follow from the trail.
    state: Option<S>,
    /// Untried operations, the most urgent one last.
    branches: Vec<usize>,
}

/// Where a search stands, but for the optional operations.
type ExploreState<S> = (usize, Vec<usize>, S);

/// The places from which nothing leads on, each with the optional operations that were left.
struct DeadStates<S> {
    known: BTreeMap<ExploreState<S>, Vec<Vec<usize>>>,
    bytes: u64,
}

struct Explorer<'a, M: Model> {
    model: &'a M,
    history: &'a [ModelOperation<M::Action, M::Response>],
    by_call: Vec<usize>,
    by_return: Vec<usize>,
    /// Called by now and without a place: those that returned, and the others, which may be left out.
    open: BTreeSet<usize>,
    optional: BTreeSet<usize>,
    trail: Vec<TrailStep>,
    state: M::State,
    next: usize,
    called_count: usize,
    farthest: usize,
}

/// A turn of this search takes as long as so many steps of that of a register, and as many more as there is to copy and to
/// compare: so many open operations, or bytes of a state, for each.
const STEPS_PER_TURN: u64 = 8;
const OPEN_PER_STEP: usize = 4;
const BYTES_PER_STEP: usize = 512;

impl<M: Model> Explorer<'_, M> {
    fn run(&mut self, effort: &mut RemainingBudget) -> Result<ExploreOutcome, Limit> {
        let mut dead = DeadStates { known: BTreeMap::new(), bytes: 0 };
        let mut since_look = 0;
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
            let weight = self.model.heap_bytes(&self.state);
            let cost = STEPS_PER_TURN + (open / OPEN_PER_STEP + weight / BYTES_PER_STEP) as u64;
            since_look += cost;
            if effort.steps() < cost {
                return Err(Limit::Steps);
            }
            effort.spend(cost);
            if bytes + dead.bytes > effort.bytes() {
                return Err(Limit::Bytes);
            }
            if since_look >= u64::from(TURNS_PER_CLOCK_CHECK) {
                since_look = 0;
                if effort.deadline_passed() {
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
        let placed = self.trail.iter().filter_map(|done| match done {
            TrailStep::Placed(op) => Some(*op),
            TrailStep::Passed(_) => None,
        });
        ExploreOutcome::Order(placed.collect())
    }

    fn frame_bytes(&self, frame: &ExploreFrame<M::State>) -> u64 {
        let state = frame.state.as_ref().map_or(0, |state| self.model.heap_bytes(state));
        (state + size_of::<ExploreFrame<M::State>>() + frame.branches.capacity() * size_of::<usize>()) as u64
    }

    /// Back to the last frame, from wherever the search stands.
    fn restore(&mut self, frames: &[ExploreFrame<M::State>]) {
        let Some(last) = frames.last() else { return };
        if self.trail.len() == last.trail {
            return;
        }
        self.undo(last.trail);
        let kept =
            frames.iter().rposition(|frame| frame.state.is_some()).expect("the first frame keeps its state");
        self.state = frames[kept].state.clone().expect("it was found");
        for at in frames[kept].trail..last.trail {
            if let TrailStep::Placed(op) = self.trail[at]
                && !self.is_read(op)
            {
                self.state = self.after(op).expect("it was placed here before");
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
        // What fewer optional operations tell is told by more.
        known.retain(|fewer| !fewer.iter().all(|op| optional.binary_search(op).is_ok()));
        known.push(optional);
    }

    /// Whether nothing led on from here when at least the same optional operations were left.
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

    /// Whether the answer of an open operation cannot be given any more.
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

    /// What the state becomes; `None`: not here.
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

    /// Everything that was called before the next return, or at the same time, is open.
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

    /// The first operation that changes the state and need not wait; and what it changes it to.
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

    /// Places all reads that are legal now and whatever need not wait, and passes all returns that can be passed. True: that
    /// was the last one.
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

    /// Begins to try the operations that may come next, but for reads, which wait until they are legal. Of two that do the
    /// same only the one that is due first is tried, and an optional one only if it changes the state.
    fn branch(&self, frames: &mut Vec<ExploreFrame<M::State>>, bytes: &mut u64) {
        let due = |op: usize| self.history[op].returned.as_ref().map_or(Time::MAX, |&(returned, _)| returned);
        let rank = |op: usize| self.model.rank(&self.history[op].action);
        // What stands before the operation that is due next in the object's own order goes first.
        let next = rank(self.by_return[self.next]);
        let urgency = |op: usize| match (rank(op), next) {
            (Some(rank), Some(next)) if rank < next => (0, rank, op),
            _ => (1, due(op), op),
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
        let told = |op: usize| {
            let ModelOperation { action, returned, .. } = &self.history[op];
            (action, returned.as_ref().map(|(_, response)| response))
        };
        for op in ops {
            if !branches.iter().any(|&other| self.model.are_interchangeable(told(other), told(op))) {
                branches.push(op);
            }
        }
        branches.reverse();
        let weight = self.model.heap_bytes(&self.state);
        // Those in between take as long to find again as a state has bytes.
        let is_kept = frames.len().is_multiple_of(1 + weight / BYTES_PER_STEP);
        let state = is_kept.then(|| self.state.clone());
        let frame = ExploreFrame { trail: self.trail.len(), state, branches };
        *bytes += self.frame_bytes(&frame);
        frames.push(frame);
    }

    fn undo(&mut self, length: usize) {
        for done in self.trail.split_off(length).into_iter().rev() {
            match done {
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

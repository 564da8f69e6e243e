//! The exact search for any model.
//!
//! It is the [search](super::search) without what that knows of registers and lists: where it stands is told by the first
//! return whose operation has no place yet, by the operations open there that have none, and by the state; reads that
//! are legal take their place at once; where all branches have ended, the place is remembered as dead.

use super::budget::{Budget, Effort, Limit, TURNS};
use super::model::Model;
use crate::fact::Time;
use std::collections::{BTreeMap, BTreeSet};

/// One operation of a history of any model.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked<A, R> {
    /// When the client called.
    pub called: Time,
    /// What it asked.
    pub action: A,
    /// When it was told what; `None`: the outcome is unknown, and it may have happened or happen yet.
    pub returned: Option<(Time, R)>,
}

/// What came of a search.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Explored {
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
pub fn explore<M: Model>(model: &M, history: &[Asked<M::Action, M::Response>], budget: Budget) -> Explored {
    explore_within(model, history, &mut Effort::new(budget, None)).unwrap_or(Explored::Unknown)
}

/// The same with at most this effort, which it takes from it; or what did not suffice.
pub(crate) fn explore_within<M: Model>(
    model: &M,
    history: &[Asked<M::Action, M::Response>],
    effort: &mut Effort,
) -> Result<Explored, Limit> {
    let mut calls: Vec<usize> = (0..history.len()).collect();
    calls.sort_by_key(|&at| history[at].called);
    let mut returns: Vec<usize> = (0..history.len()).filter(|&at| history[at].returned.is_some()).collect();
    returns.sort_by_key(|&at| history[at].returned.as_ref().map(|&(returned, _)| returned));
    let mut explorer = Explorer {
        model,
        history,
        calls,
        returns,
        states: vec![model.initial()],
        numbers: BTreeMap::from([(model.initial(), 0)]),
        open: BTreeSet::new(),
        trail: Vec::new(),
        state: 0,
        next: 0,
        called: 0,
        farthest: 0,
    };
    explorer.open();
    explorer.run(effort)
}

/// One thing done on the way, to be taken back.
enum Done {
    Placed(usize),
    /// A return was passed, and then this many had been called before.
    Passed(usize),
}

struct Frame {
    trail: usize,
    state: u32,
    /// Untried operations and what they lead to, the most urgent one last.
    branches: Vec<(usize, u32)>,
}

struct Explorer<'a, M: Model> {
    model: &'a M,
    history: &'a [Asked<M::Action, M::Response>],
    calls: Vec<usize>,
    returns: Vec<usize>,
    states: Vec<M::State>,
    numbers: BTreeMap<M::State, u32>,
    /// Called by now and without a place.
    open: BTreeSet<usize>,
    trail: Vec<Done>,
    state: u32,
    next: usize,
    called: usize,
    farthest: usize,
}

impl<M: Model> Explorer<'_, M> {
    fn run(&mut self, effort: &mut Effort) -> Result<Explored, Limit> {
        let mut dead: BTreeSet<(usize, u32, Vec<usize>)> = BTreeSet::new();
        let (mut turns, mut bytes) = (0_u32, 0);
        if self.settle() {
            return Ok(self.order());
        }
        let mut frames = vec![self.branch()];
        while let Some(frame) = frames.last_mut() {
            let (trail, state) = (frame.trail, frame.state);
            let branch = frame.branches.pop();
            self.undo(trail);
            self.state = state;
            let Some((op, after)) = branch else {
                let place = self.place();
                bytes += (place.2.len() * size_of::<usize>() + 64) as u64;
                dead.insert(place);
                frames.pop();
                continue;
            };
            let states = (self.states.len() * 2 * size_of::<M::State>()) as u64;
            if effort.steps() == 0 {
                return Err(Limit::Steps);
            }
            if bytes + states > effort.bytes() {
                return Err(Limit::Bytes);
            }
            turns += 1;
            if turns.is_multiple_of(TURNS) && effort.is_late() {
                return Err(Limit::Time);
            }
            effort.spend(1);
            self.state = after;
            self.open.remove(&op);
            self.trail.push(Done::Placed(op));
            if self.settle() {
                return Ok(self.order());
            }
            if !dead.contains(&self.place()) {
                frames.push(self.branch());
            }
        }
        Ok(Explored::NoOrder { stuck: self.returns[self.farthest] })
    }

    fn order(&self) -> Explored {
        let placed = self.trail.iter().filter_map(|done| match done {
            Done::Placed(op) => Some(*op),
            Done::Passed(_) => None,
        });
        Explored::Order(placed.collect())
    }

    fn place(&self) -> (usize, u32, Vec<usize>) {
        (self.next, self.state, self.open.iter().copied().collect())
    }

    /// What the state becomes; `None`: not here.
    fn after(&mut self, op: usize) -> Option<u32> {
        let Asked { action, returned, .. } = &self.history[op];
        let response = returned.as_ref().map(|(_, response)| response);
        let after = self.model.step(&self.states[self.state as usize], action, response)?;
        let next = self.states.len() as u32;
        Some(match self.numbers.get(&after) {
            Some(&number) => number,
            None => {
                self.states.push(after.clone());
                self.numbers.insert(after, next);
                next
            }
        })
    }

    /// Everything that was called before the next return, or at the same time, is open.
    fn open(&mut self) {
        let until = self.returns.get(self.next).and_then(|&op| self.history[op].returned.as_ref());
        let until = until.map_or(Time::MAX, |&(returned, _)| returned);
        while let Some(&op) = self.calls.get(self.called)
            && self.history[op].called <= until
        {
            self.open.insert(op);
            self.called += 1;
        }
    }

    /// Places all reads that are legal now, and passes all returns that can be passed. True: that was the last one.
    fn settle(&mut self) -> bool {
        loop {
            let reads: Vec<usize> = self
                .open
                .iter()
                .copied()
                .filter(|&op| {
                    self.history[op].returned.is_some() && self.model.is_read(&self.history[op].action)
                })
                .collect();
            for op in reads {
                if self.after(op) == Some(self.state) {
                    self.open.remove(&op);
                    self.trail.push(Done::Placed(op));
                }
            }
            let before = self.next;
            while let Some(op) = self.returns.get(self.next)
                && !self.open.contains(op)
            {
                self.trail.push(Done::Passed(self.called));
                self.next += 1;
                self.open();
            }
            self.farthest = self.farthest.max(self.next.min(self.returns.len().saturating_sub(1)));
            if self.next == self.returns.len() {
                return true;
            }
            if self.next == before {
                return false;
            }
        }
    }

    /// The operations that may come next; a read that is not legal now waits.
    fn branch(&mut self) -> Frame {
        let open: Vec<usize> = self.open.iter().copied().collect();
        let mut branches: Vec<(usize, u32)> = Vec::new();
        for op in open {
            if !self.model.is_read(&self.history[op].action)
                && let Some(after) = self.after(op)
            {
                branches.push((op, after));
            }
        }
        let due = |op: usize| self.history[op].returned.as_ref().map_or(Time::MAX, |&(returned, _)| returned);
        branches.sort_by_key(|&(op, _)| std::cmp::Reverse((due(op), op)));
        Frame { trail: self.trail.len(), state: self.state, branches }
    }

    fn undo(&mut self, length: usize) {
        for done in self.trail.split_off(length).into_iter().rev() {
            match done {
                Done::Placed(op) => {
                    self.open.insert(op);
                }
                Done::Passed(called) => {
                    for op in &self.calls[called..self.called] {
                        self.open.remove(op);
                    }
                    self.called = called;
                    self.next -= 1;
                }
            }
        }
    }
}

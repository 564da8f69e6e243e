//! Models of sets, counters and queues that use knowledge of the whole history to prune the search.
//!
//! Each is the [plain model](super::model) with these additions:
//!
//! - *Set*: an addition of unknown outcome whose element no read shows is dropped: without it every read shows the
//!   same. The only addition of an element that a read shows took effect before that read returned. An element that
//!   is never removed stays, so in a state that contains it a read that lacks it is unreachable.
//! - *Counter*: without negative additions the counter does not fall, so a read of less than the state is unreachable
//!   (and the mirror image). For any counter, a read lies between the bounds that follow from the additions that must
//!   precede it and those that may.
//! - *Queue* whose values are enqueued once each: each value's dequeue is known. An enqueue of unknown outcome whose
//!   value no dequeue returned is dropped, together with the dequeue of unknown outcome that might have taken it: the
//!   rest is the same without them. The enqueue of a returned value took effect before that dequeue returned. A
//!   dequeue of unknown outcome takes no value that another dequeue returned, and the values that none returned are
//!   interchangeable. No value is enqueued behind one that is dequeued only after it, or never.
//!
//! A dequeue may then be linearized as soon as it is legal: until then nothing else leaves the queue, and appending
//! to its end is unaffected. An enqueue whose value no dequeue returned may be linearized at its return, where it
//! blocks least; the dequeue of unknown outcome that took it can wait for it.

use super::explore::ModelOperation;
use super::model::{CounterModel, Model, Placement, QueueModel, SetModel};
use super::operation::{Action, Response};
use crate::fact::Time;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// An operation of the history, with the index of its call.
pub(super) type NumberedOperation = (u32, ModelOperation<Action, Response>);

/// No order explains the history, whatever the search would do.
pub(super) struct ObjectContradiction;

/// Marks an operation of unknown outcome as having taken effect before `until`: that bound acts as its return.
fn mark_happened(operation: &mut ModelOperation<Action, Response>, until: Time) {
    // An effect that is observed before the invocation is a contradiction, which the search finds.
    if operation.called <= until {
        operation.returned = Some((until, Response::Done));
    }
}

/// A set, with the elements that are ever removed.
pub(super) struct HistorySetModel {
    removed: BTreeSet<u64>,
}

impl HistorySetModel {
    pub(super) fn new(calls: &mut Vec<NumberedOperation>) -> HistorySetModel {
        let (mut removed, mut shown, mut added) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        for (_, ModelOperation { action, returned, .. }) in &*calls {
            match (action, returned) {
                (Action::SetAdd(element), _) => *added.entry(*element).or_insert(0) += 1,
                (Action::SetRemove(element), _) => drop(removed.insert(*element)),
                (_, Some((returned, Response::Set(elements)))) => {
                    for &element in elements {
                        let first = shown.entry(element).or_insert(*returned);
                        *first = (*first).min(*returned);
                    }
                }
                _ => {}
            }
        }
        calls.retain_mut(|(_, operation)| match (operation.action, &operation.returned) {
            (Action::SetAdd(element), None) => match shown.get(&element) {
                None => false,
                Some(&until) => {
                    if added[&element] == 1 {
                        mark_happened(operation, until);
                    }
                    true
                }
            },
            _ => true,
        });
        HistorySetModel { removed }
    }
}

impl Model for HistorySetModel {
    type State = Vec<u64>;
    type Action = Action;
    type Response = Response;

    fn initial(&self) -> Vec<u64> {
        SetModel.initial()
    }

    fn step(&self, state: &Vec<u64>, action: &Action, response: Option<&Response>) -> Option<Vec<u64>> {
        SetModel.step(state, action, response)
    }

    fn is_read(&self, action: &Action) -> bool {
        SetModel.is_read(action)
    }

    fn read_matches(&self, state: &Vec<u64>, action: &Action, response: &Response) -> bool {
        SetModel.read_matches(state, action, response)
    }

    fn is_unreachable(&self, state: &Vec<u64>, _: &Action, response: &Response) -> bool {
        let Response::Set(elements) = response else { return false };
        let mut shown = elements.iter().peekable();
        state.iter().any(|element| {
            while shown.next_if(|other| *other < element).is_some() {}
            shown.peek() != Some(&element) && !self.removed.contains(element)
        })
    }

    fn are_interchangeable(
        &self,
        one: (&Action, Option<&Response>),
        other: (&Action, Option<&Response>),
    ) -> bool {
        SetModel.are_interchangeable(one, other)
    }

    fn heap_bytes(&self, state: &Vec<u64>) -> usize {
        SetModel.heap_bytes(state)
    }
}

/// A counter, with the directions in which it may move.
pub(super) struct HistoryCounterModel {
    may_rise: bool,
    may_fall: bool,
}

impl HistoryCounterModel {
    pub(super) fn new(calls: &[NumberedOperation]) -> Result<HistoryCounterModel, ObjectContradiction> {
        let sums = CounterSums::new(calls);
        let added = || {
            calls.iter().filter_map(|(_, operation)| match operation.action {
                Action::CounterAdd(number) => Some(number),
                _ => None,
            })
        };
        // If it may wrap around, it may do both.
        let wraps = added().map(|number| i128::from(number).abs()).sum::<i128>() > i128::from(i64::MAX);
        if !wraps && calls.iter().any(|(_, operation)| is_unreachable_count(operation, &sums)) {
            return Err(ObjectContradiction);
        }
        Ok(HistoryCounterModel {
            may_rise: wraps || added().any(|number| number > 0),
            may_fall: wraps || added().any(|number| number < 0),
        })
    }
}

/// The sums of all additions up to each invocation and up to each return.
struct CounterSums {
    called: Vec<(Time, CounterSum)>,
    returned: Vec<(Time, CounterSum)>,
}

/// The sums of the positive and of the negative additions.
#[derive(Clone, Copy, Default)]
struct CounterSum {
    above: i128,
    below: i128,
}

impl CounterSums {
    fn new(calls: &[NumberedOperation]) -> CounterSums {
        let summed = |mut added: Vec<(Time, i64)>| {
            added.sort_unstable();
            let mut sum = CounterSum::default();
            let sums = added.into_iter().map(|(time, number)| {
                sum.above += i128::from(number.max(0));
                sum.below += i128::from(number.min(0));
                (time, sum)
            });
            sums.collect()
        };
        let (mut called, mut returned) = (Vec::new(), Vec::new());
        for (_, operation) in calls {
            if let Action::CounterAdd(number) = operation.action {
                called.push((operation.called, number));
                returned.extend(operation.returned.as_ref().map(|&(returned, _)| (returned, number)));
            }
        }
        CounterSums { called: summed(called), returned: summed(returned) }
    }
}

/// Whether no choice of the additions that may precede a read sums up to its response. Those that returned before its
/// invocation do precede it; those that were invoked after its return do not.
fn is_unreachable_count(operation: &ModelOperation<Action, Response>, sums: &CounterSums) -> bool {
    let Some((returned, Response::Count(count))) = &operation.returned else { return false };
    let until = |sums: &[(Time, CounterSum)], is_before: &dyn Fn(Time) -> bool| {
        let index = sums.partition_point(|&(time, _)| is_before(time));
        index.checked_sub(1).map_or(CounterSum::default(), |index| sums[index].1)
    };
    let certain = until(&sums.returned, &|time| time < operation.called);
    let possible = until(&sums.called, &|time| time <= *returned);
    let reachable = certain.above + possible.below..=possible.above + certain.below;
    !reachable.contains(&i128::from(*count))
}

impl Model for HistoryCounterModel {
    type State = i64;
    type Action = Action;
    type Response = Response;

    fn initial(&self) -> i64 {
        CounterModel.initial()
    }

    fn step(&self, state: &i64, action: &Action, response: Option<&Response>) -> Option<i64> {
        CounterModel.step(state, action, response)
    }

    fn is_read(&self, action: &Action) -> bool {
        CounterModel.is_read(action)
    }

    fn is_unreachable(&self, state: &i64, _: &Action, response: &Response) -> bool {
        matches!(response, Response::Count(count)
            if (!self.may_fall && state > count) || (!self.may_rise && state < count))
    }

    fn are_interchangeable(
        &self,
        one: (&Action, Option<&Response>),
        other: (&Action, Option<&Response>),
    ) -> bool {
        CounterModel.are_interchangeable(one, other)
    }
}

/// A queue whose values are enqueued once each.
pub(super) struct HistoryQueueModel {
    /// The dequeue of each value: its invocation and return.
    dequeue_times: BTreeMap<u64, (Time, Time)>,
    /// Whether a dequeue of unknown outcome may have taken a value that no dequeue returned.
    may_lose: bool,
}

impl HistoryQueueModel {
    /// `None`: some value is enqueued more than once.
    pub(super) fn new(
        calls: &mut Vec<NumberedOperation>,
    ) -> Option<Result<HistoryQueueModel, ObjectContradiction>> {
        let (mut put, mut taken, mut may_lose) = (BTreeMap::new(), BTreeMap::new(), false);
        let mut is_consistent = true;
        for (_, ModelOperation { called, action, returned }) in &*calls {
            match (action, returned) {
                (Action::Enqueue(value), _) if put.insert(*value, *called).is_some() => return None,
                (Action::Dequeue, Some((returned, Response::Dequeued(Some(value))))) => {
                    is_consistent &= taken.insert(*value, (*called, *returned)).is_none();
                }
                (Action::Dequeue, None) => may_lose = true,
                _ => {}
            }
        }
        is_consistent &=
            taken.iter().all(|(value, (_, until))| put.get(value).is_some_and(|called| called <= until));
        if !is_consistent {
            return Some(Err(ObjectContradiction));
        }
        calls.retain_mut(|(_, operation)| match (operation.action, &operation.returned) {
            (Action::Enqueue(value), None) => match taken.get(&value) {
                None => false,
                Some(&(_, until)) => {
                    mark_happened(operation, until);
                    true
                }
            },
            _ => true,
        });
        // Values that no dequeue returned are interchangeable.
        let lost = put.into_keys().find(|value| !taken.contains_key(value));
        for (_, operation) in calls.iter_mut() {
            if let (Action::Enqueue(value), Some(lost)) = (&mut operation.action, lost)
                && !taken.contains_key(value)
            {
                *value = lost;
            }
        }
        Some(Ok(HistoryQueueModel { dequeue_times: taken, may_lose }))
    }

    /// Whether this value may be enqueued behind those in the queue.
    fn may_follow(&self, state: &VecDeque<u64>, value: u64) -> bool {
        let Some(&(_, returned)) = self.dequeue_times.get(&value) else { return true };
        state.iter().all(|before| match self.dequeue_times.get(before) {
            Some(&(called, _)) => called <= returned,
            None => self.may_lose,
        })
    }
}

impl Model for HistoryQueueModel {
    type State = VecDeque<u64>;
    type Action = Action;
    type Response = Response;

    fn initial(&self) -> VecDeque<u64> {
        QueueModel.initial()
    }

    fn step(
        &self,
        state: &VecDeque<u64>,
        action: &Action,
        response: Option<&Response>,
    ) -> Option<VecDeque<u64>> {
        let is_viable = match (action, response) {
            (Action::Enqueue(value), _) => self.may_follow(state, *value),
            (Action::Dequeue, None) => {
                state.front().is_none_or(|value| !self.dequeue_times.contains_key(value))
            }
            (_, Some(Response::Dequeued(value))) => state.front() == value.as_ref(),
            _ => true,
        };
        if is_viable { QueueModel.step(state, action, response) } else { None }
    }

    fn are_interchangeable(
        &self,
        one: (&Action, Option<&Response>),
        other: (&Action, Option<&Response>),
    ) -> bool {
        QueueModel.are_interchangeable(one, other)
    }

    fn placement(&self, action: &Action) -> Placement {
        match action {
            Action::Dequeue => Placement::Eager,
            Action::Enqueue(value) if !self.dequeue_times.contains_key(value) => Placement::AtReturn,
            _ => Placement::Any,
        }
    }

    fn rank(&self, action: &Action) -> Option<u64> {
        match action {
            Action::Enqueue(value) => self.dequeue_times.get(value).map(|&(_, returned)| returned),
            _ => None,
        }
    }

    fn heap_bytes(&self, state: &VecDeque<u64>) -> usize {
        QueueModel.heap_bytes(state)
    }
}

//! Sets, counters and queues with what their whole history tells of them: models that lead a search to its end sooner.
//!
//! Each is the [plain model](super::model), and besides
//!
//! - of a *set*, an addition of unknown outcome whose element no read shows is left out: without it every read shows
//!   the same. One that alone adds what a read shows did happen, and before that read returned. What nobody ever
//!   removes stays, so a read that lacks it is lost once it is there;
//! - a *counter* to which nobody adds less than nothing does not fall, so a read of less than it has is lost. And of any
//!   counter a read shows no less and no more than what surely, and what possibly, was added before it;
//! - of a *queue* whose values are enqueued once each, it is known by whom each is dequeued. An enqueueing of unknown
//!   outcome whose value nobody got is left out, as is the dequeue of unknown outcome that would have got it: the rest
//!   is the same without them. One whose value somebody got did happen, before that one returned. A dequeue of
//!   unknown outcome takes no value that somebody else got, and those that nobody got are all alike. And no value goes
//!   to the end of the queue behind one that is dequeued only after it, or by nobody.
//!
//!   So a dequeue may as well happen as soon as it is legal: until then nothing else leaves the queue, and what comes
//!   to its end does not mind. And what nobody got may as well come when it is due, and is then in the way of less; the
//!   dequeue of unknown outcome that took it can wait for it.

use super::explore::ModelOperation;
use super::model::{CounterModel, Model, Placement, QueueModel, SetModel};
use super::operation::{Action, Response};
use crate::fact::Time;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// An operation of a history that is explored: its number, and what it asked.
pub(super) type NumberedOperation = (u32, ModelOperation<Action, Response>);

/// Whatever stands in the history contradicts itself.
pub(super) struct ObjectContradiction;

/// An operation of unknown outcome happened before `until`, which is as good as its own return.
fn mark_happened(asked: &mut ModelOperation<Action, Response>, until: Time) {
    // What was seen before anybody called for it is a contradiction, and found by the search.
    if asked.called <= until {
        asked.returned = Some((until, Response::Done));
    }
}

/// A set.
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
        calls.retain_mut(|(_, asked)| match (asked.action, &asked.returned) {
            (Action::SetAdd(element), None) => match shown.get(&element) {
                None => false,
                Some(&until) => {
                    if added[&element] == 1 {
                        mark_happened(asked, until);
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

/// A counter.
pub(super) struct HistoryCounterModel {
    may_rise: bool,
    may_fall: bool,
}

impl HistoryCounterModel {
    pub(super) fn new(calls: &[NumberedOperation]) -> Result<HistoryCounterModel, ObjectContradiction> {
        let sums = CounterSums::new(calls);
        let added = || {
            calls.iter().filter_map(|(_, asked)| match asked.action {
                Action::CounterAdd(number) => Some(number),
                _ => None,
            })
        };
        // Where it may wrap around, it may do both.
        let wraps = added().map(|number| i128::from(number).abs()).sum::<i128>() > i128::from(i64::MAX);
        if !wraps && calls.iter().any(|(_, asked)| is_unreachable_count(asked, &sums)) {
            return Err(ObjectContradiction);
        }
        Ok(HistoryCounterModel {
            may_rise: wraps || added().any(|number| number > 0),
            may_fall: wraps || added().any(|number| number < 0),
        })
    }
}

/// What was added up to some time, by when that was called and by when it had returned.
struct CounterSums {
    called: Vec<(Time, CounterSum)>,
    returned: Vec<(Time, CounterSum)>,
}

/// What is above nothing and what is below, by itself.
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
        for (_, asked) in calls {
            if let Action::CounterAdd(number) = asked.action {
                called.push((asked.called, number));
                returned.extend(asked.returned.as_ref().map(|&(returned, _)| (returned, number)));
            }
        }
        CounterSums { called: summed(called), returned: summed(returned) }
    }
}

/// Whether a read shows what no choice of the additions that may stand before it adds up to: those that returned before its
/// call surely do, and those that were called after its return surely do not.
fn is_unreachable_count(asked: &ModelOperation<Action, Response>, sums: &CounterSums) -> bool {
    let Some((returned, Response::Count(count))) = &asked.returned else { return false };
    let until = |sums: &[(Time, CounterSum)], is_before: &dyn Fn(Time) -> bool| {
        let place = sums.partition_point(|&(time, _)| is_before(time));
        place.checked_sub(1).map_or(CounterSum::default(), |place| sums[place].1)
    };
    let sure = until(&sums.returned, &|time| time < asked.called);
    let possible = until(&sums.called, &|time| time <= *returned);
    let reach = sure.above + possible.below..=possible.above + sure.below;
    !reach.contains(&i128::from(*count))
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
    /// When each value was dequeued: from call to return.
    dequeue_times: BTreeMap<u64, (Time, Time)>,
    /// Whether a dequeue may have taken what nobody got.
    may_lose: bool,
}

impl HistoryQueueModel {
    /// `None`: some value is enqueued more than once.
    pub(super) fn new(
        calls: &mut Vec<NumberedOperation>,
    ) -> Option<Result<HistoryQueueModel, ObjectContradiction>> {
        let (mut put, mut taken, mut loses) = (BTreeMap::new(), BTreeMap::new(), false);
        let mut is_good = true;
        for (_, ModelOperation { called, action, returned }) in &*calls {
            match (action, returned) {
                (Action::Enqueue(value), _) if put.insert(*value, *called).is_some() => return None,
                (Action::Dequeue, Some((returned, Response::Dequeued(Some(value))))) => {
                    is_good &= taken.insert(*value, (*called, *returned)).is_none();
                }
                (Action::Dequeue, None) => loses = true,
                _ => {}
            }
        }
        is_good &=
            taken.iter().all(|(value, (_, until))| put.get(value).is_some_and(|called| called <= until));
        if !is_good {
            return Some(Err(ObjectContradiction));
        }
        calls.retain_mut(|(_, asked)| match (asked.action, &asked.returned) {
            (Action::Enqueue(value), None) => match taken.get(&value) {
                None => false,
                Some(&(_, until)) => {
                    mark_happened(asked, until);
                    true
                }
            },
            _ => true,
        });
        // Of values that nobody got it does not matter which stands where.
        let lost = put.into_keys().find(|value| !taken.contains_key(value));
        for (_, asked) in calls.iter_mut() {
            if let (Action::Enqueue(value), Some(lost)) = (&mut asked.action, lost)
                && !taken.contains_key(value)
            {
                *value = lost;
            }
        }
        Some(Ok(HistoryQueueModel { dequeue_times: taken, may_lose: loses }))
    }

    /// Whether this value may stand behind those in the queue.
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
        let leads_on = match (action, response) {
            (Action::Enqueue(value), _) => self.may_follow(state, *value),
            (Action::Dequeue, None) => {
                state.front().is_none_or(|value| !self.dequeue_times.contains_key(value))
            }
            (_, Some(Response::Dequeued(value))) => state.front() == value.as_ref(),
            _ => true,
        };
        if leads_on { QueueModel.step(state, action, response) } else { None }
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

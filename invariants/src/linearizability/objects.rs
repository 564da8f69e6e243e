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

use super::explore::Asked;
use super::model::{Counter, Model, Queue, Set, When};
use super::operation::{Action, Response};
use crate::fact::Time;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// An operation of a history that is explored: its number, and what it asked.
pub(super) type Numbered = (u32, Asked<Action, Response>);

/// Whatever stands in the history contradicts itself.
pub(super) struct Contradiction;

/// An operation of unknown outcome happened before `until`, which is as good as its own return.
fn happened(asked: &mut Asked<Action, Response>, until: Time) {
    // What was seen before anybody called for it is a contradiction, and found by the search.
    if asked.called <= until {
        asked.returned = Some((until, Response::Done));
    }
}

/// A set.
pub(super) struct SetOf {
    removed: BTreeSet<u64>,
}

impl SetOf {
    pub(super) fn new(calls: &mut Vec<Numbered>) -> SetOf {
        let (mut removed, mut shown, mut added) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        for (_, Asked { action, returned, .. }) in &*calls {
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
                        happened(asked, until);
                    }
                    true
                }
            },
            _ => true,
        });
        SetOf { removed }
    }
}

impl Model for SetOf {
    type State = Vec<u64>;
    type Action = Action;
    type Response = Response;

    fn initial(&self) -> Vec<u64> {
        Set.initial()
    }

    fn step(&self, state: &Vec<u64>, action: &Action, response: Option<&Response>) -> Option<Vec<u64>> {
        Set.step(state, action, response)
    }

    fn is_read(&self, action: &Action) -> bool {
        Set.is_read(action)
    }

    fn shows(&self, state: &Vec<u64>, action: &Action, response: &Response) -> bool {
        Set.shows(state, action, response)
    }

    fn is_lost(&self, state: &Vec<u64>, _: &Action, response: &Response) -> bool {
        let Response::Set(elements) = response else { return false };
        let mut shown = elements.iter().peekable();
        state.iter().any(|element| {
            while shown.next_if(|other| *other < element).is_some() {}
            shown.peek() != Some(&element) && !self.removed.contains(element)
        })
    }

    fn are_alike(&self, one: (&Action, Option<&Response>), other: (&Action, Option<&Response>)) -> bool {
        Set.are_alike(one, other)
    }

    fn weight(&self, state: &Vec<u64>) -> usize {
        Set.weight(state)
    }
}

/// A counter.
pub(super) struct CounterOf {
    rises: bool,
    falls: bool,
}

impl CounterOf {
    pub(super) fn new(calls: &[Numbered]) -> Result<CounterOf, Contradiction> {
        let sums = Sums::new(calls);
        let added = || {
            calls.iter().filter_map(|(_, asked)| match asked.action {
                Action::CounterAdd(number) => Some(number),
                _ => None,
            })
        };
        // Where it may wrap around, it may do both.
        let wraps = added().map(|number| i128::from(number).abs()).sum::<i128>() > i128::from(i64::MAX);
        if !wraps && calls.iter().any(|(_, asked)| is_out_of_reach(asked, &sums)) {
            return Err(Contradiction);
        }
        Ok(CounterOf {
            rises: wraps || added().any(|number| number > 0),
            falls: wraps || added().any(|number| number < 0),
        })
    }
}

/// What was added up to some time, by when that was called and by when it had returned.
struct Sums {
    called: Vec<(Time, Sum)>,
    returned: Vec<(Time, Sum)>,
}

/// What is above nothing and what is below, by itself.
#[derive(Clone, Copy, Default)]
struct Sum {
    above: i128,
    below: i128,
}

impl Sums {
    fn new(calls: &[Numbered]) -> Sums {
        let summed = |mut added: Vec<(Time, i64)>| {
            added.sort_unstable();
            let mut sum = Sum::default();
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
        Sums { called: summed(called), returned: summed(returned) }
    }
}

/// Whether a read shows what no choice of the additions that may stand before it adds up to: those that returned before its
/// call surely do, and those that were called after its return surely do not.
fn is_out_of_reach(asked: &Asked<Action, Response>, sums: &Sums) -> bool {
    let Some((returned, Response::Count(count))) = &asked.returned else { return false };
    let until = |sums: &[(Time, Sum)], is_before: &dyn Fn(Time) -> bool| {
        let place = sums.partition_point(|&(time, _)| is_before(time));
        place.checked_sub(1).map_or(Sum::default(), |place| sums[place].1)
    };
    let sure = until(&sums.returned, &|time| time < asked.called);
    let possible = until(&sums.called, &|time| time <= *returned);
    let reach = sure.above + possible.below..=possible.above + sure.below;
    !reach.contains(&i128::from(*count))
}

impl Model for CounterOf {
    type State = i64;
    type Action = Action;
    type Response = Response;

    fn initial(&self) -> i64 {
        Counter.initial()
    }

    fn step(&self, state: &i64, action: &Action, response: Option<&Response>) -> Option<i64> {
        Counter.step(state, action, response)
    }

    fn is_read(&self, action: &Action) -> bool {
        Counter.is_read(action)
    }

    fn is_lost(&self, state: &i64, _: &Action, response: &Response) -> bool {
        matches!(response, Response::Count(count)
            if (!self.falls && state > count) || (!self.rises && state < count))
    }

    fn are_alike(&self, one: (&Action, Option<&Response>), other: (&Action, Option<&Response>)) -> bool {
        Counter.are_alike(one, other)
    }
}

/// A queue whose values are enqueued once each.
pub(super) struct QueueOf {
    /// When each value was dequeued: from call to return.
    taken: BTreeMap<u64, (Time, Time)>,
    /// Whether a dequeue may have taken what nobody got.
    loses: bool,
}

impl QueueOf {
    /// `None`: some value is enqueued more than once.
    pub(super) fn new(calls: &mut Vec<Numbered>) -> Option<Result<QueueOf, Contradiction>> {
        let (mut put, mut taken, mut loses) = (BTreeMap::new(), BTreeMap::new(), false);
        let mut is_good = true;
        for (_, Asked { called, action, returned }) in &*calls {
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
            return Some(Err(Contradiction));
        }
        calls.retain_mut(|(_, asked)| match (asked.action, &asked.returned) {
            (Action::Enqueue(value), None) => match taken.get(&value) {
                None => false,
                Some(&(_, until)) => {
                    happened(asked, until);
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
        Some(Ok(QueueOf { taken, loses }))
    }

    /// Whether this value may stand behind those in the queue.
    fn may_follow(&self, state: &VecDeque<u64>, value: u64) -> bool {
        let Some(&(_, returned)) = self.taken.get(&value) else { return true };
        state.iter().all(|before| match self.taken.get(before) {
            Some(&(called, _)) => called <= returned,
            None => self.loses,
        })
    }
}

impl Model for QueueOf {
    type State = VecDeque<u64>;
    type Action = Action;
    type Response = Response;

    fn initial(&self) -> VecDeque<u64> {
        Queue.initial()
    }

    fn step(
        &self,
        state: &VecDeque<u64>,
        action: &Action,
        response: Option<&Response>,
    ) -> Option<VecDeque<u64>> {
        let leads_on = match (action, response) {
            (Action::Enqueue(value), _) => self.may_follow(state, *value),
            (Action::Dequeue, None) => state.front().is_none_or(|value| !self.taken.contains_key(value)),
            (_, Some(Response::Dequeued(value))) => state.front() == value.as_ref(),
            _ => true,
        };
        if leads_on { Queue.step(state, action, response) } else { None }
    }

    fn are_alike(&self, one: (&Action, Option<&Response>), other: (&Action, Option<&Response>)) -> bool {
        Queue.are_alike(one, other)
    }

    fn when(&self, action: &Action) -> When {
        match action {
            Action::Dequeue => When::AtOnce,
            Action::Enqueue(value) if !self.taken.contains_key(value) => When::WhenDue,
            _ => When::Any,
        }
    }

    fn rank(&self, action: &Action) -> Option<u64> {
        match action {
            Action::Enqueue(value) => self.taken.get(value).map(|&(_, returned)| returned),
            _ => None,
        }
    }

    fn weight(&self, state: &VecDeque<u64>) -> usize {
        Queue.weight(state)
    }
}

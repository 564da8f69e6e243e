//! Bad histories made small.
//!
//! What is left must convict the original, so only that is taken away which a linearizable history can do without:
//!
//! - the end: every beginning of a linearizable history is linearizable, operations that are open there being of unknown
//!   outcome;
//! - an operation that changes nothing;
//! - a content of a register with all who wrote it and all who saw it. In any order each of its blocks begins with
//!   somebody who wrote it, so the content before may simply last longer, and whoever comes next finds what it needs. A
//!   compare-and-set that exchanged it counts as a plain write from then on, which may stand anywhere. Only "something
//!   else than this" may be wrong then, so as long as a compare-and-set that told nothing is left, contents stay;
//! - a single one of those who wrote a content of a register, if surely nobody stands between it and the next one who
//!   writes: whoever could be there returned before it was called, or was called after another one who writes had returned
//!   that was called after it had returned. Then the content before may last longer, too. (The last one who wrote what
//!   somebody saw stays all the same: that it is not the one which was seen is the explanation;)
//! - an element of a list that is only ever appended, in all reads as well: what else the list holds stays in its order;
//! - an addition to a list that no read left shows: whoever comes behind it before the next replacement is blind too;
//! - an element of a set, in all reads as well: the others do not notice it;
//! - a value of a queue with all who enqueued it and all who dequeued it: the others keep their order. A dequeue of
//!   unknown outcome that took it can be left out.

use super::budget::RemainingBudget;
use super::operation::{Action, Call, Content, Object, Response};
use super::order_search::{OrderSearch, object_of};
use super::role::{ListRole, Role, list_role, role};
use super::search::SearchOutcome;
use super::zone::{Certificate, ZoneChecker, ZoneVerdict};
use crate::fact::Time;
use std::collections::{BTreeMap, BTreeSet};

/// What is left of a bad history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ShrunkHistory {
    /// The call whose return made it bad.
    pub(crate) stuck: u32,
    /// The calls that contradict each other, and, if their zones tell it, why.
    pub(crate) calls: Vec<u32>,
    pub(crate) certificate: Option<Certificate>,
    /// What was known by this time suffices.
    pub(crate) until: Time,
}

/// Of what is left of an effort, one question takes at most this part.
const QUESTION_SHARE: u64 = 8;

/// So many operations are few enough to be looked through.
const SMALL_HISTORY: usize = 6;

/// As long as a step takes, so many operations are copied or compared.
const OPS_PER_STEP: u64 = 16;
/// To take pieces away is to copy the rest once, or to compare each piece with all the rest as well.
const COPY_PRICE: u64 = 0;
const COMPARE_PRICE: u64 = 1;

/// The checks with their memory.
#[derive(Default)]
pub(crate) struct Shrinker {
    zones: ZoneChecker,
    order_search: OrderSearch,
}

impl Shrinker {
    /// Whether these calls surely have no order; where the steps do not suffice to tell, they may have one.
    fn is_bad(&mut self, history: &[Call], mine: &[u32], until: Time, effort: &mut RemainingBudget) -> bool {
        match self.zones.judge(history, mine, until) {
            ZoneVerdict::Order => false,
            ZoneVerdict::Conflict(_) => true,
            ZoneVerdict::NotUnique => {
                // Also what it takes to read them.
                effort.spend(mine.len() as u64);
                if effort.is_exhausted() {
                    return false;
                }
                // One hard question leaves something for the next ones.
                let mut part = effort.limited_to(effort.steps() / QUESTION_SHARE, u64::MAX);
                let most = part.steps();
                let found = self.order_search.run(history, mine, until, &mut part);
                effort.spend(most - part.steps());
                found == SearchOutcome::NoOrder
            }
        }
    }

    /// Makes a bad history small: `mine` are a key's calls in `history`, by time. Where the effort is spent before that is
    /// done, what is left then is larger than need be, and as bad.
    pub(crate) fn shrink(
        &mut self,
        history: &[Call],
        mine: &[u32],
        effort: &mut RemainingBudget,
    ) -> ShrunkHistory {
        let (stuck, until) = self.shortest_bad_prefix(history, mine, effort);
        let mine: Vec<u32> =
            mine.iter().copied().filter(|&call| history[call as usize].called <= until).collect();
        let told = |certificate: Certificate| ShrunkHistory {
            stuck,
            calls: certificate.calls.clone(),
            certificate: Some(certificate),
            until,
        };
        if let ZoneVerdict::Conflict(certificate) = self.zones.judge(history, &mine, until) {
            return told(*certificate);
        }
        let object = object_of(history, &mine);
        let mut left = RemainingCalls::cut_at(history, mine, until);
        if object == Object::Register {
            // Without the contents that were written twice it may be a matter of zones.
            let unique = left.without_repeated();
            if let ZoneVerdict::Conflict(certificate) =
                self.zones.judge(&unique.calls, &unique.places(), Time::MAX)
            {
                let few = unique.restricted_to(&certificate.calls);
                if few.calls.len() <= SMALL_HISTORY
                    || !self.is_bad(&few.calls, &few.places(), Time::MAX, effort)
                {
                    return told(certificate.with_numbers(&unique.calls, &unique.numbers, history));
                }
                left = few;
            }
        }
        loop {
            let before = left.calls.len();
            // The smaller these are, the less it takes to search for an order.
            if matches!(object, Object::Set | Object::Queue) {
                self.remove(
                    &mut left,
                    effort,
                    COPY_PRICE,
                    RemainingCalls::values,
                    RemainingCalls::without_values,
                );
            }
            self.remove_calls(&mut left, effort, RemainingCalls::observers);
            match object {
                Object::Register => {
                    self.remove(
                        &mut left,
                        effort,
                        COPY_PRICE,
                        RemainingCalls::contents,
                        RemainingCalls::without_contents,
                    );
                    self.remove(
                        &mut left,
                        effort,
                        COMPARE_PRICE,
                        RemainingCalls::mutations,
                        RemainingCalls::without_unneeded,
                    );
                }
                Object::List => {
                    self.remove(
                        &mut left,
                        effort,
                        COPY_PRICE,
                        RemainingCalls::appended_elements,
                        RemainingCalls::without_elements,
                    );
                    self.remove_calls(&mut left, effort, RemainingCalls::unread);
                }
                Object::Set | Object::Queue | Object::Counter | Object::Mutex => {}
            }
            if left.calls.len() == before {
                break;
            }
        }
        if let ZoneVerdict::Conflict(certificate) = self.zones.judge(&left.calls, &left.places(), Time::MAX) {
            return told(certificate.with_numbers(&left.calls, &left.numbers, history));
        }
        ShrunkHistory { stuck, calls: left.numbers, certificate: None, until }
    }

    /// The shortest bad beginning, by halving. Where the steps do not suffice to tell whether a beginning is bad, it is
    /// not taken for bad, and the beginning found may be longer than need be, but is always bad.
    fn shortest_bad_prefix(
        &mut self,
        history: &[Call],
        mine: &[u32],
        effort: &mut RemainingBudget,
    ) -> (u32, Time) {
        let mut returns: Vec<(Time, u32)> = mine
            .iter()
            .filter_map(|&call| {
                history[call as usize].returned.as_ref().map(|&(returned, _)| (returned, call))
            })
            .collect();
        returns.sort_unstable();
        let (mut good, mut bad) = (0, returns.len() - 1);
        while good < bad {
            let middle = good.midpoint(bad);
            let is_bad = self.is_bad(history, mine, returns[middle].0, effort);
            if is_bad { bad = middle } else { good = middle + 1 }
        }
        let (until, stuck) = returns[bad];
        (stuck, until)
    }

    /// Takes away calls that `some` lists, first halves, then ever less, as long as the rest is bad. The others stay as they
    /// are, so nothing need be copied to see that.
    fn remove_calls(
        &mut self,
        left: &mut RemainingCalls,
        effort: &mut RemainingBudget,
        some: impl Fn(&RemainingCalls) -> Vec<u32>,
    ) {
        let what = some(left);
        let mut size = what.len().div_ceil(2);
        while size > 0 {
            for pieces in what.chunks(size) {
                if effort.is_exhausted() {
                    return;
                }
                effort.spend(1 + left.calls.len() as u64 / OPS_PER_STEP);
                let gone: BTreeSet<u32> = pieces.iter().copied().collect();
                let is_kept = |place: &u32| !gone.contains(&left.numbers[*place as usize]);
                let rest: Vec<u32> = left.places().into_iter().filter(is_kept).collect();
                if rest.len() < left.calls.len() && self.is_bad(&left.calls, &rest, Time::MAX, effort) {
                    *left = left.without_calls(pieces);
                }
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
    }

    /// Takes away pieces of what `some` lists, first halves, then ever less, as long as the rest is bad.
    fn remove<T>(
        &mut self,
        left: &mut RemainingCalls,
        effort: &mut RemainingBudget,
        price: u64,
        some: impl Fn(&RemainingCalls) -> Vec<T>,
        without: impl Fn(&RemainingCalls, &[T]) -> RemainingCalls,
    ) {
        let what = some(left);
        let mut size = what.len().div_ceil(2);
        while size > 0 {
            for pieces in what.chunks(size) {
                if effort.is_exhausted() {
                    return;
                }
                effort.spend((1 + price * pieces.len() as u64) * left.calls.len() as u64 / OPS_PER_STEP);
                let rest = without(left, pieces);
                if rest.calls.len() < left.calls.len()
                    && self.is_bad(&rest.calls, &rest.places(), Time::MAX, effort)
                {
                    *left = rest;
                }
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
    }
}

/// Calls of one key, cut at a time, by time, as they count after all that was taken away; and their numbers in the history.
#[derive(Clone)]
struct RemainingCalls {
    calls: Vec<Call>,
    numbers: Vec<u32>,
}

impl RemainingCalls {
    fn cut_at(history: &[Call], numbers: Vec<u32>, until: Time) -> RemainingCalls {
        let cut = |&number: &u32| {
            let mut call = history[number as usize].clone();
            call.returned.take_if(|(returned, _)| *returned > until);
            call
        };
        RemainingCalls { calls: numbers.iter().map(cut).collect(), numbers }
    }

    fn places(&self) -> Vec<u32> {
        (0..).take(self.calls.len()).collect()
    }

    /// What is left when each call is taken as it is, changed, or not at all.
    fn map_calls(&self, mut what: impl FnMut(usize, &Call) -> Option<Call>) -> RemainingCalls {
        let left = self.calls.iter().enumerate().filter_map(|(place, call)| {
            let call = what(place, call)?;
            Some((call, self.numbers[place]))
        });
        let (calls, numbers) = left.unzip();
        RemainingCalls { calls, numbers }
    }

    fn without_calls(&self, gone: &[u32]) -> RemainingCalls {
        let gone: BTreeSet<u32> = gone.iter().copied().collect();
        self.map_calls(|place, call| (!gone.contains(&self.numbers[place])).then(|| call.clone()))
    }

    /// The numbers of those that change nothing.
    fn observers(&self) -> Vec<u32> {
        let observes = |call: &Call| match Object::of(call.operation.action) {
            Object::List => matches!(list_role(call, Time::MAX).1, ListRole::Reads(_) | ListRole::Nothing),
            Object::Queue => matches!(call.returned, Some((_, Response::Dequeued(None)))),
            Object::Set | Object::Counter | Object::Mutex => call.operation.action.is_read(),
            Object::Register => matches!(
                role(call, Time::MAX).1,
                Role::Sees(_) | Role::SeesOther(_) | Role::SelfContradictory(_) | Role::Nothing
            ),
        };
        self.numbers_of(observes)
    }

    fn numbers_of(&self, is_meant: impl Fn(&Call) -> bool) -> Vec<u32> {
        let places = (0..self.calls.len()).filter(|&place| is_meant(&self.calls[place]));
        places.map(|place| self.numbers[place]).collect()
    }

    /// What was written to a register, unless somebody saw "something else".
    fn contents(&self) -> Vec<Content> {
        let is_blind = |call: &Call| matches!(role(call, Time::MAX).1, Role::SeesOther(_));
        if self.calls.iter().any(is_blind) {
            return Vec::new();
        }
        let contents: BTreeSet<Content> = self.calls.iter().filter_map(product).collect();
        contents.into_iter().collect()
    }

    /// Of a register whose contents were written once each: only these, by place, and what they need.
    fn restricted_to(&self, places: &[u32]) -> RemainingCalls {
        let kept: BTreeSet<Content> =
            places.iter().filter_map(|&place| product(&self.calls[place as usize])).collect();
        let mut gone = self.contents();
        gone.retain(|content| !kept.contains(content));
        let numbers: BTreeSet<u32> = places.iter().map(|&place| self.numbers[place as usize]).collect();
        let left = self.without_contents(&gone);
        let others: Vec<u32> =
            left.observers().into_iter().filter(|number| !numbers.contains(number)).collect();
        left.without_calls(&others)
    }

    /// The numbers of those who write a register.
    fn mutations(&self) -> Vec<u32> {
        self.numbers_of(|call| product(call).is_some())
    }

    /// Without those of these that surely nobody stands behind, each as it is once the ones before are gone.
    fn without_unneeded(&self, numbers: &[u32]) -> RemainingCalls {
        let mut left = self.clone();
        for number in numbers {
            let place = left.numbers.iter().position(|other| other == number);
            if let Some(place) = place.filter(|&place| left.is_unneeded(place)) {
                left.calls.remove(place);
                left.numbers.remove(place);
            }
        }
        left
    }

    fn is_unneeded(&self, place: usize) -> bool {
        let called_and_returned = |call: &Call| (call.called, role(call, Time::MAX).0);
        let (called, returned) = called_and_returned(&self.calls[place]);
        let Some(content) = product(&self.calls[place]) else { return false };
        let later = self.calls.iter().filter(|call| call.called > returned && product(call).is_some());
        let mut others = self.calls.iter().enumerate().filter(|&(other, _)| other != place);
        let is_last = content != Content::INITIAL && !others.any(|(_, call)| product(call) == Some(content));
        let next_return = later.map(|call| called_and_returned(call).1).min().unwrap_or(Time::MAX);
        self.calls.iter().enumerate().all(|(other, call)| {
            let needs = matches!(
                role(call, Time::MAX).1,
                Role::Sees(seen) | Role::Exchanges { expect: seen, .. } if seen == content
            );
            let may_stand_behind = match role(call, Time::MAX).1 {
                Role::Sees(seen) | Role::Exchanges { expect: seen, .. } => seen == content,
                Role::SeesOther(seen) => seen != content,
                Role::Writes(_) | Role::SelfContradictory(_) | Role::Nothing => false,
            };
            let other_times = called_and_returned(call);
            let surely_elsewhere = other_times.1 < called || next_return < other_times.0;
            other == place || !may_stand_behind || (surely_elsewhere && !(needs && is_last))
        })
    }

    /// Without the contents that were written more than once, and without who told nothing.
    fn without_repeated(&self) -> RemainingCalls {
        let told = self.map_calls(|_, call| {
            (!matches!(role(call, Time::MAX).1, Role::SeesOther(_))).then(|| call.clone())
        });
        let mut producers: BTreeMap<Content, u32> = BTreeMap::from([(Content::INITIAL, 1)]);
        for product in told.calls.iter().filter_map(product) {
            *producers.entry(product).or_default() += 1;
        }
        producers.retain(|_, &mut count| count > 1);
        told.without_contents(&producers.into_keys().collect::<Vec<_>>())
    }

    fn without_contents(&self, gone: &[Content]) -> RemainingCalls {
        let gone: BTreeSet<Content> = gone.iter().copied().collect();
        self.map_calls(|_, call| match role(call, Time::MAX).1 {
            Role::Sees(content) | Role::Writes(content) => (!gone.contains(&content)).then(|| call.clone()),
            Role::Exchanges { value, .. } if gone.contains(&value) => None,
            Role::Exchanges { expect, .. } if gone.contains(&expect) => {
                let mut call = call.clone();
                if let Action::CompareAndSet { value, .. } = call.operation.action {
                    call.operation.action = Action::Put(value);
                }
                Some(call)
            }
            _ => Some(call.clone()),
        })
    }

    /// The elements of a list that nobody would put in the place of all others.
    fn appended_elements(&self) -> Vec<u64> {
        let (mut appended, mut replaced) = (BTreeSet::new(), BTreeSet::new());
        for call in &self.calls {
            match list_role(call, Time::MAX).1 {
                ListRole::Appends(element) => drop(appended.insert(element)),
                ListRole::Replaces(element) => drop(replaced.insert(element)),
                ListRole::Reads(_) | ListRole::Nothing => {}
            }
        }
        appended.difference(&replaced).copied().collect()
    }

    fn without_elements(&self, gone: &[u64]) -> RemainingCalls {
        let gone: BTreeSet<u64> = gone.iter().copied().collect();
        self.map_calls(|_, call| match call.operation.action {
            Action::Append(element) if gone.contains(&element) => None,
            _ => {
                let mut call = call.clone();
                if let Some((_, Response::List(elements))) = &mut call.returned {
                    elements.retain(|element| !gone.contains(element));
                }
                Some(call)
            }
        })
    }

    /// The elements of a set, or the values of a queue.
    fn values(&self) -> Vec<u64> {
        let values: BTreeSet<u64> = self.calls.iter().filter_map(value).collect();
        values.into_iter().collect()
    }

    fn without_values(&self, gone: &[u64]) -> RemainingCalls {
        let gone: BTreeSet<u64> = gone.iter().copied().collect();
        self.map_calls(|_, call| {
            if value(call).is_some_and(|value| gone.contains(&value)) {
                return None;
            }
            let mut call = call.clone();
            if let Some((_, Response::Set(elements))) = &mut call.returned {
                elements.retain(|element| !gone.contains(element));
            }
            Some(call)
        })
    }

    /// The additions to a list that no read shows, and reads that were never answered.
    fn unread(&self) -> Vec<u32> {
        let mut shown: BTreeSet<u64> = BTreeSet::new();
        for call in &self.calls {
            if let (_, ListRole::Reads(elements)) = list_role(call, Time::MAX) {
                shown.extend(elements);
            }
        }
        self.numbers_of(|call| match list_role(call, Time::MAX).1 {
            ListRole::Appends(element) | ListRole::Replaces(element) => !shown.contains(&element),
            ListRole::Reads(_) => false,
            ListRole::Nothing => true,
        })
    }
}

/// The one element of a set, or value of a queue, that an operation is about.
fn value(call: &Call) -> Option<u64> {
    match (call.operation.action, &call.returned) {
        (Action::SetAdd(value) | Action::SetRemove(value) | Action::Enqueue(value), _) => Some(value),
        (Action::Dequeue, Some((_, Response::Dequeued(value)))) => *value,
        _ => None,
    }
}

/// What an operation on a register would write.
fn product(call: &Call) -> Option<Content> {
    match role(call, Time::MAX).1 {
        Role::Writes(content) | Role::Exchanges { value: content, .. } => Some(content),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::RequestId;
    use crate::linearizability::budget::Budget;
    use crate::linearizability::operation::Operation;

    /// A number below the bound.
    fn below(lot: &mut u64, bound: u64) -> u64 {
        *lot = lot.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(11);
        (*lot >> 33) % bound
    }

    /// Few operations, few values, any answers.
    fn anything(lot: &mut u64, is_list: bool) -> Vec<Call> {
        let mut history: Vec<Call> = (0..2 + below(lot, 6))
            .map(|sequence| {
                let called = below(lot, 20);
                let value = 1 + below(lot, 3);
                let content = |lot: &mut u64| match below(lot, 4) {
                    0 => Content::INITIAL,
                    value => Content::Present(value),
                };
                let (action, response) = match (is_list, below(lot, 8)) {
                    (true, 0..4) => (Action::Append(value), Response::Done),
                    (true, 4) => (Action::Replace(value), Response::Done),
                    (true, _) => {
                        let length = below(lot, 3);
                        (Action::List, Response::List((0..length).map(|_| 1 + below(lot, 3)).collect()))
                    }
                    (false, 0..2) => (Action::Get, Response::Holds(content(lot))),
                    (false, 2..4) => (Action::Put(value), Response::Done),
                    (false, 4) => (Action::Delete(0), Response::Done),
                    (false, lot_of) => {
                        let action = Action::CompareAndSet { expect: content(lot), value };
                        let told = below(lot, 2) == 0;
                        match lot_of {
                            5 => (action, Response::Mismatch(told.then(|| content(lot)))),
                            _ => (action, Response::Done),
                        }
                    }
                };
                let returned = called + below(lot, 12);
                Call {
                    id: RequestId { session: 1, sequence },
                    operation: Operation { key: 0, action },
                    called,
                    returned: (below(lot, 6) > 0).then_some((returned, response)),
                }
            })
            .collect();
        history.sort_by_key(|call| call.called);
        history
    }

    /// Each rule by itself: what is taken away from a linearizable history leaves a linearizable one.
    #[test]
    fn nothing_good_becomes_bad() {
        let mut lot = 1;
        let mut shrinker = Shrinker::default();
        let mut is_bad = |left: &RemainingCalls| {
            let budget = Budget { steps: u64::MAX, bytes: u64::MAX };
            let mut effort = RemainingBudget::new(budget, None);
            shrinker.is_bad(&left.calls, &left.places(), Time::MAX, &mut effort)
        };
        let (mut tried, mut kinds) = (0, [0; 6]);
        while tried < 4_000 {
            let is_list = below(&mut lot, 3) == 0;
            let history = anything(&mut lot, is_list);
            let left = RemainingCalls::cut_at(&history, (0..history.len() as u32).collect(), Time::MAX);
            if is_bad(&left) {
                continue;
            }
            tried += 1;
            fn some<T: Copy>(lot: &mut u64, what: Vec<T>) -> Vec<T> {
                what.into_iter().filter(|_| below(lot, 2) == 0).collect()
            }
            let rests = match is_list {
                true => vec![
                    (0, left.without_calls(&some(&mut lot, left.observers()))),
                    (1, left.without_elements(&some(&mut lot, left.appended_elements()))),
                    (2, left.without_calls(&some(&mut lot, left.unread()))),
                ],
                false => vec![
                    (0, left.without_calls(&some(&mut lot, left.observers()))),
                    (3, left.without_contents(&some(&mut lot, left.contents()))),
                    (4, left.without_unneeded(&some(&mut lot, left.mutations()))),
                    (5, left.without_repeated()),
                ],
            };
            for (kind, rest) in rests {
                kinds[kind] += usize::from(rest.calls.len() < left.calls.len());
                assert!(!is_bad(&rest), "{kind}: {:#?}\n{:#?}", left.calls, rest.calls);
            }
        }
        assert!(kinds.iter().all(|&kind| kind > 200), "{kinds:?}");
    }
}

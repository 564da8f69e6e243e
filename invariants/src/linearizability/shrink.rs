//! Shrinks a history that has no order.
//!
//! What is left must prove that the original has no order. So each reduction keeps linearizable histories
//! linearizable:
//!
//! - Cut the end. Every prefix of a linearizable history is linearizable, with the operations pending there of
//!   unknown outcome.
//! - Remove an operation that changes nothing.
//! - Remove a content of a register with all operations that wrote or observed it. In any order each of its blocks
//!   begins with a write of it, so the content before can last longer instead, and the next operation finds what it
//!   needs. A compare-and-set that expected the content becomes a plain write, legal everywhere. Only a failed
//!   compare-and-set that did not return the content could become illegal, so no content is removed while there is
//!   one.
//! - Remove one write of a register if no operation that it could make legal can stand between it and the next write:
//!   each such operation returned before the write was invoked, or was invoked after the return of another write that
//!   was itself invoked after this write returned. Then the content before can last longer. (The last remaining write
//!   of an observed content is kept for the explanation: it shows that this write is not the observed one.)
//! - Remove an element of a list that is only ever appended, also from all reads: the other elements keep their
//!   order.
//! - Remove an addition to a list that no remaining read shows: what follows it before the next replacement is legal
//!   in every state.
//! - Remove an element of a set, also from all reads: other elements are independent of it.
//! - Remove a value of a queue with all its enqueues and dequeues: the other values keep their order. A dequeue of
//!   unknown outcome that took it can be omitted.

use super::budget::RemainingBudget;
use super::operation::{Action, Call, Content, Object, Response};
use super::order_search::OrderSearch;
use super::role::{KeyCalls, ListRole, Role, list_role, role};
use super::search::SearchOutcome;
use super::zone::{Certificate, ZoneChecker, ZoneVerdict};
use crate::fact::Time;
use std::collections::{BTreeMap, BTreeSet};

/// A shrunk history that has no order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ShrunkHistory {
    /// The call whose return completes the violation.
    pub(crate) stuck: u32,
    /// The contradicting calls, and the reason if the zones give one.
    pub(crate) calls: Vec<usize>,
    pub(crate) certificate: Option<Certificate>,
    /// What was recorded up to this time suffices.
    pub(crate) until: Time,
}

/// One check takes at most this fraction of the remaining budget.
const QUESTION_SHARE: u64 = 8;

/// The number of operations that is small enough for a reader.
const SMALL_HISTORY: usize = 6;

/// The number of operations that are copied or compared in the time of one search step.
const OPS_PER_STEP: u64 = 16;
/// The price of a removal per removed piece: it copies the rest once, or also compares each piece with all of the
/// rest.
const COPY_PRICE: u64 = 0;
const COMPARE_PRICE: u64 = 1;

/// The checks, with their memory.
#[derive(Default)]
pub(crate) struct Shrinker {
    zones: ZoneChecker,
    order_search: OrderSearch,
}

impl Shrinker {
    /// Whether these calls are proven to have no order; false if the budget is exhausted first.
    fn is_bad(&mut self, calls: KeyCalls<'_>, budget: &mut RemainingBudget) -> bool {
        match self.zones.judge(calls) {
            ZoneVerdict::Order => false,
            ZoneVerdict::Conflict => true,
            ZoneVerdict::NotUnique => {
                // Loading the calls costs steps too.
                budget.spend(calls.numbers.len() as u64);
                if budget.is_exhausted() {
                    return false;
                }
                // A hard check must leave some budget for the next ones.
                let mut part = budget.limited_to(budget.steps() / QUESTION_SHARE, u64::MAX);
                let most = part.steps();
                let outcome = self.order_search.run(calls, &mut part);
                budget.spend(most - part.steps());
                outcome == SearchOutcome::NoOrder
            }
        }
    }

    /// Shrinks one key's calls, given as indices into `history` by invocation time, which have no order. If the
    /// budget runs out, the result is larger than necessary, but still has no order.
    pub(crate) fn shrink(
        &mut self,
        history: &[Call],
        key_calls: &[u32],
        budget: &mut RemainingBudget,
    ) -> ShrunkHistory {
        let (stuck, until) = self.shortest_bad_prefix(history, key_calls, budget);
        let key_calls: Vec<u32> =
            key_calls.iter().copied().filter(|&call| history[call as usize].called <= until).collect();
        let prefix = KeyCalls { history, numbers: &key_calls, until };
        let explained = |certificate: Certificate| ShrunkHistory {
            stuck,
            calls: certificate.calls.clone(),
            certificate: Some(certificate),
            until,
        };
        if let Some(certificate) = self.zones.certificate(prefix) {
            return explained(certificate);
        }
        let object = prefix.object();
        let mut left = RemainingCalls::cut_at(prefix);
        if object == Object::Register {
            // Without repeated contents the zones may apply.
            let unique = left.without_repeated();
            if let Some(certificate) = self.certificate(&unique) {
                let restricted = unique.restricted_to(&certificate.calls);
                if restricted.calls.len() <= SMALL_HISTORY
                    || !self.is_bad(restricted.among(&restricted.indices()), budget)
                {
                    return explained(certificate.renumbered(|call| unique.numbers[call] as usize));
                }
                left = restricted;
            }
        }
        loop {
            let before = left.calls.len();
            // Fewer values make the following searches cheaper.
            if matches!(object, Object::Set | Object::Queue) {
                self.remove(
                    &mut left,
                    budget,
                    COPY_PRICE,
                    RemainingCalls::values,
                    RemainingCalls::without_values,
                );
            }
            self.remove_calls(&mut left, budget, RemainingCalls::observers);
            match object {
                Object::Register => {
                    self.remove(
                        &mut left,
                        budget,
                        COPY_PRICE,
                        RemainingCalls::contents,
                        RemainingCalls::without_contents,
                    );
                    self.remove(
                        &mut left,
                        budget,
                        COMPARE_PRICE,
                        RemainingCalls::mutations,
                        RemainingCalls::without_unneeded,
                    );
                }
                Object::List => {
                    self.remove(
                        &mut left,
                        budget,
                        COPY_PRICE,
                        RemainingCalls::appended_elements,
                        RemainingCalls::without_elements,
                    );
                    self.remove_calls(&mut left, budget, RemainingCalls::unread);
                }
                Object::Set | Object::Queue | Object::Counter | Object::Mutex => {}
            }
            if left.calls.len() == before {
                break;
            }
        }
        match self.certificate(&left) {
            Some(certificate) => explained(certificate.renumbered(|call| left.numbers[call] as usize)),
            None => {
                let calls = left.numbers.into_iter().map(|number| number as usize).collect();
                ShrunkHistory { stuck, calls, certificate: None, until }
            }
        }
    }

    /// The proof of these calls by zones, if there is one.
    fn certificate(&mut self, left: &RemainingCalls) -> Option<Certificate> {
        self.zones.certificate(left.among(&left.indices()))
    }

    /// The shortest prefix without an order, by bisection. If the budget runs out, the prefix may be longer than
    /// necessary, but it is proven to have no order.
    fn shortest_bad_prefix(
        &mut self,
        history: &[Call],
        key_calls: &[u32],
        budget: &mut RemainingBudget,
    ) -> (u32, Time) {
        let mut returns: Vec<(Time, u32)> = key_calls
            .iter()
            .filter_map(|&call| {
                history[call as usize].returned.as_ref().map(|&(returned, _)| (returned, call))
            })
            .collect();
        returns.sort_unstable();
        let (mut good, mut bad) = (0, returns.len() - 1);
        while good < bad {
            let middle = good.midpoint(bad);
            let is_bad =
                self.is_bad(KeyCalls { history, numbers: key_calls, until: returns[middle].0 }, budget);
            if is_bad { bad = middle } else { good = middle + 1 }
        }
        let (until, stuck) = returns[bad];
        (stuck, until)
    }

    /// Removes calls that `candidates` lists, in chunks of halving size, as long as the rest has no order. The other
    /// calls do not change, so the checks need no copy.
    fn remove_calls(
        &mut self,
        left: &mut RemainingCalls,
        budget: &mut RemainingBudget,
        candidates: impl Fn(&RemainingCalls) -> Vec<u32>,
    ) {
        let candidates = candidates(left);
        let mut size = candidates.len().div_ceil(2);
        while size > 0 {
            for pieces in candidates.chunks(size) {
                if budget.is_exhausted() {
                    return;
                }
                budget.spend(1 + left.calls.len() as u64 / OPS_PER_STEP);
                let removed: BTreeSet<u32> = pieces.iter().copied().collect();
                let is_kept = |index: &u32| !removed.contains(&left.numbers[*index as usize]);
                let rest: Vec<u32> = left.indices().into_iter().filter(is_kept).collect();
                if rest.len() < left.calls.len() && self.is_bad(left.among(&rest), budget) {
                    *left = left.without_calls(pieces);
                }
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
    }

    /// Removes pieces that `candidates` lists, in chunks of halving size, as long as the rest has no order.
    fn remove<T>(
        &mut self,
        left: &mut RemainingCalls,
        budget: &mut RemainingBudget,
        price: u64,
        candidates: impl Fn(&RemainingCalls) -> Vec<T>,
        without: impl Fn(&RemainingCalls, &[T]) -> RemainingCalls,
    ) {
        let candidates = candidates(left);
        let mut size = candidates.len().div_ceil(2);
        while size > 0 {
            for pieces in candidates.chunks(size) {
                if budget.is_exhausted() {
                    return;
                }
                budget.spend((1 + price * pieces.len() as u64) * left.calls.len() as u64 / OPS_PER_STEP);
                let rest = without(left, pieces);
                if rest.calls.len() < left.calls.len() && self.is_bad(rest.among(&rest.indices()), budget) {
                    *left = rest;
                }
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
    }
}

/// The calls of one key that are left, cut at a time, by invocation time, as modified by the reductions; and their
/// indices in the history.
#[derive(Clone)]
struct RemainingCalls {
    calls: Vec<Call>,
    numbers: Vec<u32>,
}

impl RemainingCalls {
    fn cut_at(KeyCalls { history, numbers, until }: KeyCalls<'_>) -> RemainingCalls {
        let cut = |&number: &u32| {
            let mut call = history[number as usize].clone();
            call.returned.take_if(|(returned, _)| *returned > until);
            call
        };
        RemainingCalls { calls: numbers.iter().map(cut).collect(), numbers: numbers.to_vec() }
    }

    /// The calls at these indices.
    fn among<'a>(&'a self, indices: &'a [u32]) -> KeyCalls<'a> {
        KeyCalls::whole(&self.calls, indices)
    }

    fn indices(&self) -> Vec<u32> {
        (0..).take(self.calls.len()).collect()
    }

    /// The calls mapped by a function that keeps, modifies or removes each.
    fn map_calls(&self, mut change: impl FnMut(usize, &Call) -> Option<Call>) -> RemainingCalls {
        let left = self.calls.iter().enumerate().filter_map(|(index, call)| {
            let call = change(index, call)?;
            Some((call, self.numbers[index]))
        });
        let (calls, numbers) = left.unzip();
        RemainingCalls { calls, numbers }
    }

    fn without_calls(&self, removed: &[u32]) -> RemainingCalls {
        let removed: BTreeSet<u32> = removed.iter().copied().collect();
        self.map_calls(|index, call| (!removed.contains(&self.numbers[index])).then(|| call.clone()))
    }

    /// The numbers of the calls that change nothing.
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

    fn numbers_of(&self, predicate: impl Fn(&Call) -> bool) -> Vec<u32> {
        let indices = (0..self.calls.len()).filter(|&index| predicate(&self.calls[index]));
        indices.map(|index| self.numbers[index]).collect()
    }

    /// The contents written to a register; none if a failed compare-and-set did not return the content.
    fn contents(&self) -> Vec<Content> {
        let is_unknown_mismatch = |call: &Call| matches!(role(call, Time::MAX).1, Role::SeesOther(_));
        if self.calls.iter().any(is_unknown_mismatch) {
            return Vec::new();
        }
        let contents: BTreeSet<Content> = self.calls.iter().filter_map(product).collect();
        contents.into_iter().collect()
    }

    /// For a register with unique contents: only the calls at these indices, and what they need.
    fn restricted_to(&self, indices: &[usize]) -> RemainingCalls {
        let kept_contents: BTreeSet<Content> =
            indices.iter().filter_map(|&index| product(&self.calls[index])).collect();
        let mut removed = self.contents();
        removed.retain(|content| !kept_contents.contains(content));
        let numbers: BTreeSet<u32> = indices.iter().map(|&index| self.numbers[index]).collect();
        let left = self.without_contents(&removed);
        let others: Vec<u32> =
            left.observers().into_iter().filter(|number| !numbers.contains(number)).collect();
        left.without_calls(&others)
    }

    /// The numbers of the calls that write a register.
    fn mutations(&self) -> Vec<u32> {
        self.numbers_of(|call| product(call).is_some())
    }

    /// Removes those of these writes that no operation can follow, each judged after the earlier removals.
    fn without_unneeded(&self, numbers: &[u32]) -> RemainingCalls {
        let mut left = self.clone();
        for number in numbers {
            let index = left.numbers.iter().position(|other| other == number);
            if let Some(index) = index.filter(|&index| left.is_unneeded(index)) {
                left.calls.remove(index);
                left.numbers.remove(index);
            }
        }
        left
    }

    fn is_unneeded(&self, index: usize) -> bool {
        let called_and_returned = |call: &Call| (call.called, role(call, Time::MAX).0);
        let (called, returned) = called_and_returned(&self.calls[index]);
        let Some(content) = product(&self.calls[index]) else { return false };
        let later = self.calls.iter().filter(|call| call.called > returned && product(call).is_some());
        let mut others = self.calls.iter().enumerate().filter(|&(other, _)| other != index);
        let is_last = content != Content::INITIAL && !others.any(|(_, call)| product(call) == Some(content));
        let next_return = later.map(|call| called_and_returned(call).1).min().unwrap_or(Time::MAX);
        self.calls.iter().enumerate().all(|(other, call)| {
            let needs = matches!(
                role(call, Time::MAX).1,
                Role::Sees(observed) | Role::Exchanges { expect: observed, .. } if observed == content
            );
            let may_follow = match role(call, Time::MAX).1 {
                Role::Sees(observed) | Role::Exchanges { expect: observed, .. } => observed == content,
                Role::SeesOther(excluded) => excluded != content,
                Role::Writes(_) | Role::SelfContradictory(_) | Role::Nothing => false,
            };
            let other_times = called_and_returned(call);
            let is_elsewhere = other_times.1 < called || next_return < other_times.0;
            other == index || !may_follow || (is_elsewhere && !(needs && is_last))
        })
    }

    /// Removes the contents that were written more than once, and failed compare-and-sets that did not return the
    /// content.
    fn without_repeated(&self) -> RemainingCalls {
        let without_unknown_mismatches = self.map_calls(|_, call| {
            (!matches!(role(call, Time::MAX).1, Role::SeesOther(_))).then(|| call.clone())
        });
        let mut producers: BTreeMap<Content, u32> = BTreeMap::from([(Content::INITIAL, 1)]);
        for product in without_unknown_mismatches.calls.iter().filter_map(product) {
            *producers.entry(product).or_default() += 1;
        }
        producers.retain(|_, &mut count| count > 1);
        without_unknown_mismatches.without_contents(&producers.into_keys().collect::<Vec<_>>())
    }

    fn without_contents(&self, removed: &[Content]) -> RemainingCalls {
        let removed: BTreeSet<Content> = removed.iter().copied().collect();
        self.map_calls(|_, call| match role(call, Time::MAX).1 {
            Role::Sees(content) | Role::Writes(content) => {
                (!removed.contains(&content)).then(|| call.clone())
            }
            Role::Exchanges { value, .. } if removed.contains(&value) => None,
            Role::Exchanges { expect, .. } if removed.contains(&expect) => {
                let mut call = call.clone();
                if let Action::CompareAndSet { value, .. } = call.operation.action {
                    call.operation.action = Action::Put(value);
                }
                Some(call)
            }
            _ => Some(call.clone()),
        })
    }

    /// The elements of a list that no operation puts in the place of all others.
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

    fn without_elements(&self, removed: &[u64]) -> RemainingCalls {
        let removed: BTreeSet<u64> = removed.iter().copied().collect();
        self.map_calls(|_, call| match call.operation.action {
            Action::Append(element) if removed.contains(&element) => None,
            _ => {
                let mut call = call.clone();
                if let Some((_, Response::List(elements))) = &mut call.returned {
                    *elements =
                        elements.iter().copied().filter(|element| !removed.contains(element)).collect();
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

    fn without_values(&self, removed: &[u64]) -> RemainingCalls {
        let removed: BTreeSet<u64> = removed.iter().copied().collect();
        self.map_calls(|_, call| {
            if value(call).is_some_and(|value| removed.contains(&value)) {
                return None;
            }
            let mut call = call.clone();
            if let Some((_, Response::Set(elements))) = &mut call.returned {
                *elements = elements.iter().copied().filter(|element| !removed.contains(element)).collect();
            }
            Some(call)
        })
    }

    /// The additions to a list that no read shows, and reads without a response.
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

/// The element of a set or value of a queue that an operation concerns.
fn value(call: &Call) -> Option<u64> {
    match (call.operation.action, &call.returned) {
        (Action::SetAdd(value) | Action::SetRemove(value) | Action::Enqueue(value), _) => Some(value),
        (Action::Dequeue, Some((_, Response::Dequeued(value)))) => *value,
        _ => None,
    }
}

/// The content that an operation on a register writes.
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

    /// A random number below the bound.
    fn below(rng: &mut u64, bound: u64) -> u64 {
        *rng = rng.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(11);
        (*rng >> 33) % bound
    }

    /// A random history with few operations, few values and any responses.
    fn random_history(rng: &mut u64, is_list: bool) -> Vec<Call> {
        let mut history: Vec<Call> = (0..2 + below(rng, 6))
            .map(|sequence| {
                let called = below(rng, 20);
                let value = 1 + below(rng, 3);
                let content = |rng: &mut u64| match below(rng, 4) {
                    0 => Content::INITIAL,
                    value => Content::Present(value),
                };
                let (action, response) = match (is_list, below(rng, 8)) {
                    (true, 0..4) => (Action::Append(value), Response::Done),
                    (true, 4) => (Action::Replace(value), Response::Done),
                    (true, _) => {
                        let length = below(rng, 3);
                        (Action::List, Response::List((0..length).map(|_| 1 + below(rng, 3)).collect()))
                    }
                    (false, 0..2) => (Action::Get, Response::Holds(content(rng))),
                    (false, 2..4) => (Action::Put(value), Response::Done),
                    (false, 4) => (Action::Delete(0), Response::Done),
                    (false, kind) => {
                        let action = Action::CompareAndSet { expect: content(rng), value };
                        let is_content_known = below(rng, 2) == 0;
                        match kind {
                            5 => (action, Response::Mismatch(is_content_known.then(|| content(rng)))),
                            _ => (action, Response::Done),
                        }
                    }
                };
                let returned = called + below(rng, 12);
                Call {
                    id: RequestId { session: 1, sequence },
                    operation: Operation { key: 0, action },
                    called,
                    returned: (below(rng, 6) > 0).then_some((returned, response)),
                }
            })
            .collect();
        history.sort_by_key(|call| call.called);
        history
    }

    /// For each reduction: applied to a linearizable history it leaves a linearizable one.
    #[test]
    fn reductions_keep_linearizable_histories_linearizable() {
        let mut rng = 1;
        let mut shrinker = Shrinker::default();
        let mut is_bad = |left: &RemainingCalls| {
            let budget = Budget { steps: u64::MAX, bytes: u64::MAX };
            let mut budget = RemainingBudget::new(budget, None);
            shrinker.is_bad(left.among(&left.indices()), &mut budget)
        };
        let (mut tried, mut kinds) = (0, [0; 6]);
        while tried < 4_000 {
            let is_list = below(&mut rng, 3) == 0;
            let history = random_history(&mut rng, is_list);
            let numbers: Vec<u32> = (0..history.len() as u32).collect();
            let left = RemainingCalls::cut_at(KeyCalls::whole(&history, &numbers));
            if is_bad(&left) {
                continue;
            }
            tried += 1;
            fn some<T: Copy>(rng: &mut u64, items: Vec<T>) -> Vec<T> {
                items.into_iter().filter(|_| below(rng, 2) == 0).collect()
            }
            let rests = match is_list {
                true => vec![
                    (0, left.without_calls(&some(&mut rng, left.observers()))),
                    (1, left.without_elements(&some(&mut rng, left.appended_elements()))),
                    (2, left.without_calls(&some(&mut rng, left.unread()))),
                ],
                false => vec![
                    (0, left.without_calls(&some(&mut rng, left.observers()))),
                    (3, left.without_contents(&some(&mut rng, left.contents()))),
                    (4, left.without_unneeded(&some(&mut rng, left.mutations()))),
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

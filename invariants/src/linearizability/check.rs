//! The verdict on a whole history, key by key.

use super::budget::{Budget, Limit, RemainingBudget};
use super::contradiction::{Contradiction, OrderingEdge, OrderingReason};
use super::diagram::join_lines;
use super::explain::{Explanation, Method};
use super::model::is_response_to;
use super::names::{DisplayNamed, NUMBERS, Names, display_by_number};
use super::operation::{Call, Object};
use super::order_search::OrderSearch;
use super::role::KeyCalls;
use super::search::{MAX_OPEN, SearchOutcome};
use super::shrink::{Shrinker, ShrunkHistory};
use super::zone::{Survey, ZoneChecker, ZoneVerdict};
use crate::dense_map::DenseMap;
use crate::fact::{RequestId, Time};
use std::fmt;
use std::time::Duration;

/// The verdict on a history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Some order explains all responses and respects real time.
    Linearizable,
    /// No order does.
    Violation(Box<Explanation>),
    /// Not decided. No other key has a violation.
    Unknown {
        /// The smallest undecided key.
        key: u64,
        /// Why it is undecided.
        reason: UnknownReason,
    },
}

/// Why a key is undecided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UnknownReason {
    /// This budget of steps was exhausted.
    Steps(u64),
    /// This budget of bytes was exhausted.
    Bytes(u64),
    /// This deadline passed.
    Time(Duration),
    /// So many operations are pending at once on the key, more than any search supports, whatever its budget.
    TooManyPending(u32),
    /// A content was written more than once, which [`check_by_zones`] cannot decide.
    RepeatedWrites,
}

display_by_number!(Verdict);

impl DisplayNamed for Verdict {
    fn fmt_named(&self, names: &Names, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, reason) = match self {
            Verdict::Linearizable => return f.write_str("linearizable"),
            Verdict::Violation(explanation) => {
                return f.write_str(&join_lines(&explanation.describe(names, |_| None)));
            }
            Verdict::Unknown { key, reason } => (names.key(*key), reason),
        };
        f.write_str("unknown: ")?;
        match reason {
            UnknownReason::Steps(steps) => {
                write!(f, "{steps} steps did not suffice to judge {key} (--steps N allows more)")
            }
            UnknownReason::Bytes(bytes) => {
                write!(f, "{bytes} bytes did not suffice to judge {key} (--bytes N allows more)")
            }
            UnknownReason::Time(time) => {
                let seconds = time.as_secs_f64();
                write!(f, "{seconds} s did not suffice to judge {key} (--seconds N allows more)")
            }
            UnknownReason::TooManyPending(open) => write!(
                f,
                "{open} operations are open at once on {key}, more than the {MAX_OPEN} that can be searched; neither \
                 steps nor bytes would help"
            ),
            UnknownReason::RepeatedWrites => {
                write!(f, "a content of {key} was written more than once, which only a search can judge")
            }
        }
    }
}

/// The verdict on a history, and how each key was decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The verdict on the whole history.
    pub verdict: Verdict,
    /// The keys in ascending order. After a violation some keys may be missing.
    pub keys: Vec<KeyReport>,
}

/// How a key was decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyReport {
    /// The key.
    pub key: u64,
    /// The number of its operations.
    pub operations: usize,
    /// The check that decided it.
    pub method: Method,
}

/// The history is not well-formed, so there is no verdict.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MalformedHistory {
    /// The index of a call in the history.
    pub index: usize,
    /// That call.
    pub call: Box<Call>,
    /// What is wrong with it.
    pub defect: CallDefect,
}

/// What is wrong with a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallDefect {
    /// Its time is reserved for "never".
    CalledNever,
    /// The time of its return is reserved for "never".
    ReturnedNever,
    /// It returned before it was called.
    ReturnedBeforeCall,
    /// The response is of another kind of request.
    WrongResponse,
    /// Another call, with this index, has its identifier.
    Repeated(usize),
    /// Another call, with this index, uses its key as this object.
    OtherObject(usize, Object),
}

impl MalformedHistory {
    /// The index of the call that it conflicts with.
    pub(crate) const fn other(&self) -> Option<usize> {
        match self.defect {
            CallDefect::Repeated(other) | CallDefect::OtherObject(other, _) => Some(other),
            _ => None,
        }
    }
}

impl DisplayNamed for MalformedHistory {
    fn fmt_named(&self, names: &Names, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Call { id, operation, called, returned } = &*self.call;
        let request = operation.named(names);
        match (self.defect, returned) {
            (CallDefect::Repeated(_), _) => write!(f, "{id} stands in the history twice"),
            (CallDefect::OtherObject(_, was), _) => {
                write!(f, "{id} has a key be a {was} and a {}: {request}", Object::of(operation.action))
            }
            (CallDefect::ReturnedBeforeCall, Some((returned, _))) => {
                write!(f, "{id} returned at {returned}, before its call at {called}")
            }
            (CallDefect::WrongResponse, Some((_, response))) => {
                write!(f, "{id} asked \"{request}\" and was told \"{}\"", response.named(names))
            }
            (CallDefect::ReturnedNever, Some((returned, _))) => {
                write!(f, "{id} returned at {returned}, which is reserved for \"never\"")
            }
            (_, _) => write!(f, "{id} was called at {called}, which is reserved for \"never\""),
        }
    }
}

impl fmt::Display for MalformedHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {} of the history: ", self.index)?;
        self.fmt_named(&NUMBERS, f)
    }
}

impl std::error::Error for MalformedHistory {}

/// The budget of a key in the first round, and its growth per round. Rounds keep a hard key from hiding an easy
/// violation on a later one.
const FIRST_ROUND: Budget = Budget { steps: 2_000, bytes: 1 << 20 };
const ROUND_FACTOR: u64 = 16;

/// The remaining budget, and the original one for messages.
struct CheckBudget {
    remaining: RemainingBudget,
    budget: Budget,
    time: Option<Duration>,
}

impl CheckBudget {
    fn new(budget: Budget, time: Option<Duration>) -> CheckBudget {
        CheckBudget { remaining: RemainingBudget::new(budget, time), budget, time }
    }

    fn unknown_reason(&self, limit: Limit) -> UnknownReason {
        match limit {
            Limit::Steps => UnknownReason::Steps(self.budget.steps),
            Limit::Bytes => UnknownReason::Bytes(self.budget.bytes),
            Limit::Time => UnknownReason::Time(self.time.unwrap_or_default()),
        }
    }
}

/// Checks a history. The calls may be in any order.
///
/// # Errors
/// If the history is not well-formed: a request recorded twice, a return before the invocation, a response of the
/// wrong form, a key used as two kinds of object.
pub fn check(history: &[Call], budget: Budget) -> Result<Verdict, MalformedHistory> {
    Ok(report(history, budget)?.verdict)
}

/// Checks a history and says how each key was decided: by zones where they apply, otherwise by search.
///
/// # Errors
/// As [`check`].
pub fn report(history: &[Call], budget: Budget) -> Result<Report, MalformedHistory> {
    report_with_budget(history, CheckBudget::new(budget, None))
}

/// Like [`report`], but with a deadline: `time` from now. After it, undecided keys are unknown, and an explanation is
/// left unreduced. The verdict may depend on the machine: not for callers that need a reproducible verdict.
///
/// # Errors
/// As [`check`].
pub fn report_with_deadline(
    history: &[Call],
    budget: Budget,
    time: Duration,
) -> Result<Report, MalformedHistory> {
    report_with_budget(history, CheckBudget::new(budget, Some(time)))
}

fn report_with_budget(history: &[Call], mut budget: CheckBudget) -> Result<Report, MalformedHistory> {
    let mut survey = SurveyedHistory::new(history)?;
    let (mut reports, mut left) = (Vec::with_capacity(survey.keys.len()), Vec::new());
    for index in 0..survey.keys.len() {
        let outcome = survey.judge(index);
        let KeySummary { key, operations, .. } = survey.keys[index];
        let method = if outcome == ZoneVerdict::NotUnique { Method::Search } else { Method::Zones };
        reports.push(KeyReport { key, operations: operations as usize, method });
        match outcome {
            ZoneVerdict::Order => {}
            ZoneVerdict::NotUnique => left.push((key, survey.calls(index))),
            ZoneVerdict::Conflict => {
                let verdict = explain_violation(history, &survey.calls(index), &budget.remaining);
                return Ok(Report { verdict, keys: reports });
            }
        }
    }
    Ok(Report { verdict: search(history, left, &mut budget), keys: reports })
}

/// Checks a history by zones alone: near-linear, and exact on keys with unique contents. Other keys are unknown.
///
/// # Errors
/// As [`check`].
pub fn check_by_zones(history: &[Call]) -> Result<Verdict, MalformedHistory> {
    let mut survey = SurveyedHistory::new(history)?;
    let mut verdict = Verdict::Linearizable;
    for index in 0..survey.keys.len() {
        match survey.judge(index) {
            ZoneVerdict::Order => {}
            ZoneVerdict::NotUnique if verdict == Verdict::Linearizable => {
                verdict =
                    Verdict::Unknown { key: survey.keys[index].key, reason: UnknownReason::RepeatedWrites };
            }
            ZoneVerdict::NotUnique => {}
            ZoneVerdict::Conflict => {
                let no_budget = RemainingBudget::new(Budget { steps: 0, bytes: 0 }, None);
                return Ok(explain_violation(history, &survey.calls(index), &no_budget));
            }
        }
    }
    Ok(verdict)
}

/// A history after one pass, with the survey of each key.
struct SurveyedHistory<'a> {
    history: &'a [Call],
    /// In ascending order.
    keys: Vec<KeySummary>,
    survey: Survey,
    /// For keys that the survey cannot decide. The calls are partitioned by key on first use.
    zones: ZoneChecker,
    calls: Option<Vec<Vec<u32>>>,
}

impl<'a> SurveyedHistory<'a> {
    fn new(history: &'a [Call]) -> Result<SurveyedHistory<'a>, MalformedHistory> {
        let mut survey = Survey::default();
        let keys = scan_history(history, |key, _, call| survey.add(key, call))?;
        Ok(SurveyedHistory { history, keys, survey, zones: ZoneChecker::default(), calls: None })
    }

    fn judge(&mut self, index: usize) -> ZoneVerdict {
        if self.survey.has_order(self.keys[index].number as usize) {
            return ZoneVerdict::Order;
        }
        let key_calls = self.calls(index);
        self.zones.judge(KeyCalls::whole(self.history, &key_calls))
    }

    /// A key's calls, by invocation time.
    fn calls(&mut self, index: usize) -> Vec<u32> {
        let calls = self.calls.get_or_insert_with(|| calls_by_key(self.history));
        calls[self.keys[index].number as usize].clone()
    }
}

/// Checks a history by search alone.
///
/// # Errors
/// As [`check`].
pub fn check_by_search(history: &[Call], budget: Budget) -> Result<Verdict, MalformedHistory> {
    Ok(search(history, partition_by_key(history)?, &mut CheckBudget::new(budget, None)))
}

/// An order of each key's operations that explains all responses and respects real time: one key after the other, as
/// indices into `history`. Omitted are operations of unknown outcome that need not take effect, and reads without a
/// response. `None`: there is no order, or the budget was exhausted.
///
/// # Errors
/// As [`check`].
pub fn find_order(history: &[Call], budget: Budget) -> Result<Option<Vec<usize>>, MalformedHistory> {
    let (mut order_search, mut remaining) = (OrderSearch::default(), RemainingBudget::new(budget, None));
    let mut order = Vec::with_capacity(history.len());
    for (_, key_calls) in partition_by_key(history)? {
        if order_search.run(KeyCalls::whole(history, &key_calls), &mut remaining) != SearchOutcome::Order {
            return Ok(None);
        }
        order.extend(order_search.order().into_iter().map(|call| call as usize));
    }
    Ok(Some(order))
}

/// Searches all keys, in rounds with growing budgets.
fn search(history: &[Call], mut keys: Vec<(u64, Vec<u32>)>, budget: &mut CheckBudget) -> Verdict {
    let mut order_search = OrderSearch::default();
    let mut round = FIRST_ROUND;
    loop {
        // The last round skips no key, and each key has its share of the budget.
        let is_last =
            keys.len() == 1 || (round.steps >= budget.budget.steps && round.bytes >= budget.budget.bytes);
        // And why the first of them is undecided.
        let (mut undecided, mut reason) = (Vec::new(), None);
        let mut to_come = keys.len() as u64;
        for (key, key_calls) in keys {
            let share = budget.remaining.steps() / to_come;
            to_come -= 1;
            let mut remaining = if is_last {
                budget.remaining.limited_to(share, u64::MAX)
            } else {
                // Every order takes a step per operation, so those steps do not make a key hard.
                budget
                    .remaining
                    .limited_to(share.min(round.steps.saturating_add(key_calls.len() as u64)), round.bytes)
            };
            let steps = remaining.steps();
            let outcome = order_search.run(KeyCalls::whole(history, &key_calls), &mut remaining);
            budget.remaining.spend(steps - remaining.steps());
            match outcome {
                SearchOutcome::Order => {}
                SearchOutcome::NoOrder => return explain_violation(history, &key_calls, &budget.remaining),
                SearchOutcome::OutOf(limit) => {
                    reason.get_or_insert(budget.unknown_reason(limit));
                    undecided.push((key, key_calls));
                }
                SearchOutcome::TooWide(open) => {
                    reason.get_or_insert(UnknownReason::TooManyPending(open));
                    undecided.push((key, key_calls));
                }
            }
        }
        keys = undecided;
        let (Some(&(key, _)), Some(reason)) = (keys.first(), reason) else { return Verdict::Linearizable };
        if is_last {
            return Verdict::Unknown { key, reason };
        }
        round.steps = round.steps.saturating_mul(ROUND_FACTOR);
        round.bytes = round.bytes.saturating_mul(ROUND_FACTOR);
    }
}

/// Shrinks and explains a violation on one key.
fn explain_violation(history: &[Call], key_calls: &[u32], remaining: &RemainingBudget) -> Verdict {
    // Half the budget: an interactive user waits, and most reductions succeed early.
    let mut half_budget = remaining.limited_to(remaining.steps() / 2, u64::MAX);
    let shrunk = Shrinker::default().shrink(history, key_calls, &mut half_budget);
    let ShrunkHistory { stuck, mut calls, certificate, until } = shrunk;
    calls.sort_by_key(|&call| (history[call].called, call));
    let operations: Vec<Call> = calls
        .iter()
        .map(|&call| {
            let mut call = history[call].clone();
            call.returned.take_if(|(returned, _)| *returned > until);
            call
        })
        .collect();
    let (contradiction, edges) = match certificate {
        Some(certificate) => {
            let index_of = |call| calls.iter().position(|&other| other == call);
            let certificate =
                certificate.renumbered(|call| index_of(call).expect("a certificate lists all of its calls"));
            (certificate.contradiction, certificate.edges)
        }
        None => (Contradiction::NoOrder {}, real_time_edges(&operations)),
    };
    let stuck = history[stuck as usize].clone();
    let key = stuck.operation.key;
    Verdict::Violation(Box::new(Explanation { key, contradiction, stuck, operations, edges }))
}

/// The transitive reduction of real-time precedence. The operations are sorted by invocation.
fn real_time_edges(operations: &[Call]) -> Vec<OrderingEdge> {
    let mut returns: Vec<(Time, usize)> = (0..)
        .zip(operations)
        .filter_map(|(index, call)| call.returned.as_ref().map(|&(returned, _)| (returned, index)))
        .collect();
    returns.sort_unstable();
    let (mut edges, mut latest) = (Vec::new(), 0);
    let mut passed = 0;
    for (after, operation) in operations.iter().enumerate() {
        // `passed` operations returned before this invocation. The one of them that was invoked last already follows
        // all that returned before its own invocation.
        while let Some(&(returned, index)) = returns.get(passed)
            && returned < operation.called
        {
            latest = latest.max(operations[index].called);
            passed += 1;
        }
        let from = returns.partition_point(|&(returned, _)| returned < latest);
        let mut before: Vec<usize> = returns[from..passed].iter().map(|&(_, index)| index).collect();
        before.sort_unstable();
        edges.extend(before.into_iter().map(|before| {
            let returned = operations[before].returned.as_ref().map_or(0, |&(returned, _)| returned);
            let reason = OrderingReason::RealTime { returned, called: operation.called };
            OrderingEdge { before, after, reason }
        }));
    }
    edges
}

/// A key of a history.
#[derive(Clone, Copy, Debug)]
struct KeySummary {
    key: u64,
    /// Its number, in order of first appearance, and the index of its first call.
    number: u32,
    first: u32,
    object: Object,
    operations: u32,
}

/// Reads a history once, rejects it if it is not well-formed, and calls `each` with the index of each call and the
/// number of its key. Returns the keys in ascending order.
fn scan_history(
    history: &[Call],
    mut each: impl FnMut(usize, u32, &Call),
) -> Result<Vec<KeySummary>, MalformedHistory> {
    let mut numbers: DenseMap<u32> = DenseMap::new();
    let mut keys: Vec<KeySummary> = Vec::new();
    let mut newest: DenseMap<u64> = DenseMap::new();
    let mut rises = true;
    for (number, call) in (0..).zip(history) {
        check_well_formed(number, call)?;
        let object = Object::of(call.operation.action);
        let key = *numbers.get_or_insert_with(call.operation.key, || {
            let (key, of) = (call.operation.key, keys.len() as u32);
            keys.push(KeySummary { key, number: of, first: number, object, operations: 0 });
            of
        });
        let summary = &mut keys[key as usize];
        summary.operations += 1;
        if summary.object != object {
            let defect = CallDefect::OtherObject(summary.first as usize, summary.object);
            return Err(malformed(number as usize, call, defect));
        }
        // One more than the session's newest sequence; 0: none yet.
        let newest = newest.get_or_insert_with(call.id.session, || 0);
        rises &= *newest <= call.id.sequence && call.id.sequence != u64::MAX;
        *newest = call.id.sequence.saturating_add(1);
        each(key as usize, number, call);
    }
    if !rises {
        reject_duplicate_ids(history)?;
    }
    keys.sort_unstable_by_key(|summary| summary.key);
    Ok(keys)
}

/// Rejects a call that cannot be part of a history.
#[inline]
fn check_well_formed(number: u32, call: &Call) -> Result<(), MalformedHistory> {
    assert!(number != u32::MAX, "a history has fewer than 2^32 - 1 calls");
    let defect = match &call.returned {
        Some((returned, _)) if *returned < call.called => CallDefect::ReturnedBeforeCall,
        _ if call.called == Time::MAX => CallDefect::CalledNever,
        Some((Time::MAX, _)) => CallDefect::ReturnedNever,
        Some((_, response)) if !is_response_to(call.operation.action, response) => CallDefect::WrongResponse,
        _ => return Ok(()),
    };
    Err(malformed(number as usize, call, defect))
}

#[cold]
fn malformed(index: usize, call: &Call, defect: CallDefect) -> MalformedHistory {
    MalformedHistory { index, call: Box::new(call.clone()), defect }
}

/// Each key's calls, by invocation time; the keys in ascending order.
fn partition_by_key(history: &[Call]) -> Result<Vec<(u64, Vec<u32>)>, MalformedHistory> {
    let mut calls = CallsByKey::default();
    let keys = scan_history(history, |key, number, call| calls.add(key, number, call))?;
    let mut calls = calls.by_time(history);
    let key_calls = |summary: KeySummary| (summary.key, std::mem::take(&mut calls[summary.number as usize]));
    Ok(keys.into_iter().map(key_calls).collect())
}

/// Each key's calls, by invocation time, indexed by key number. [`scan_history`] has accepted the history.
fn calls_by_key(history: &[Call]) -> Vec<Vec<u32>> {
    let mut calls = CallsByKey::default();
    scan_history(history, |key, number, call| calls.add(key, number, call))
        .expect("scan_history has accepted the history");
    calls.by_time(history)
}

/// Calls by key.
#[derive(Default)]
struct CallsByKey {
    of_key: Vec<Vec<u32>>,
    newest: Time,
    is_unsorted: bool,
}

impl CallsByKey {
    #[inline]
    fn add(&mut self, key: usize, number: u32, call: &Call) {
        if key == self.of_key.len() {
            self.of_key.push(Vec::new());
        }
        self.of_key[key].push(number);
        self.is_unsorted |= call.called < self.newest;
        self.newest = call.called;
    }

    fn by_time(mut self, history: &[Call]) -> Vec<Vec<u32>> {
        if self.is_unsorted {
            for calls in &mut self.of_key {
                calls.sort_by_key(|&call| history[call as usize].called);
            }
        }
        self.of_key
    }
}

/// A request has one call and at most one response. Not needed where each session's sequence numbers ascend.
fn reject_duplicate_ids(history: &[Call]) -> Result<(), MalformedHistory> {
    let mut ids: Vec<(RequestId, usize)> =
        history.iter().enumerate().map(|(at, call)| (call.id, at)).collect();
    ids.sort_unstable();
    match ids.array_windows().find(|[(left, _), (right, _)]| left == right) {
        None => Ok(()),
        Some(&[(_, other), (_, index)]) => {
            Err(malformed(index, &history[index], CallDefect::Repeated(other)))
        }
    }
}

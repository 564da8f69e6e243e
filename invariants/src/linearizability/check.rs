//! The verdict on a whole history: key by key.

use super::budget::{Budget, Limit, RemainingBudget};
use super::dense_map::DenseMap;
use super::diagram::letter;
use super::explain::{Explanation, Method, OrderingEdge};
use super::model::is_response_to;
use super::operation::{Call, Object};
use super::order_search::OrderSearch;
use super::search::{MAX_OPEN, SearchOutcome};
use super::shrink::{Shrinker, ShrunkHistory};
use super::zone::{OTHER_PLACEHOLDER, Survey, ZoneChecker, ZoneVerdict};
use crate::fact::{RequestId, Time};
use serde::Serialize;
use std::fmt;
use std::time::Duration;

/// What clients saw, judged.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// There is an order that explains every answer and respects real time.
    Linearizable,
    /// There is none.
    Violation(Box<Explanation>),
    /// It could not be told. No other key has a violation.
    Unknown {
        /// The smallest of the keys in question.
        key: u64,
        /// Why not.
        why: UnknownReason,
    },
}

/// Why it could not be told whether a key is linearizable.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownReason {
    /// So many steps did not suffice.
    Steps(u64),
    /// So many bytes did not suffice.
    Bytes(u64),
    /// So much time did not suffice.
    Time(Duration),
    /// So many operations are open at once on the key, and no search is that wide, whatever its budget.
    Open(u32),
    /// A content was written more than once, and it was asked of the zones alone.
    Repeated,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Linearizable => f.write_str("linearizable"),
            Verdict::Violation(explanation) => explanation.fmt(f),
            Verdict::Unknown { key, why: UnknownReason::Steps(steps) } => {
                write!(f, "unknown: {steps} steps did not suffice to judge k{key} (--steps N allows more)")
            }
            Verdict::Unknown { key, why: UnknownReason::Bytes(bytes) } => {
                write!(f, "unknown: {bytes} bytes did not suffice to judge k{key} (--bytes N allows more)")
            }
            Verdict::Unknown { key, why: UnknownReason::Time(time) } => {
                let seconds = time.as_secs_f64();
                write!(f, "unknown: {seconds} s did not suffice to judge k{key} (--seconds N allows more)")
            }
            Verdict::Unknown { key, why: UnknownReason::Open(open) } => {
                write!(
                    f,
                    "unknown: {open} operations are open at once on k{key}, more than the {MAX_OPEN} that "
                )?;
                f.write_str("can be searched; neither steps nor bytes would help")
            }
            Verdict::Unknown { key, why: UnknownReason::Repeated } => {
                write!(
                    f,
                    "unknown: a content of k{key} was written more than once, which only a search can judge"
                )
            }
        }
    }
}

/// What was found out about a history, and how.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Report {
    /// The verdict on all of it.
    pub verdict: Verdict,
    /// Each key, in rising order. After a violation not all of them need have been judged.
    pub keys: Vec<KeyReport>,
}

/// How a key was judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct KeyReport {
    /// The key.
    pub key: u64,
    /// How many operations it has.
    pub operations: usize,
    /// What told.
    pub method: Method,
}

/// Something is wrong with the recording itself, so there is nothing to judge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MalformedHistory {
    /// The call, counted from 0.
    pub call: usize,
    /// What is wrong with it.
    pub sentence: String,
    /// The other call that it clashes with.
    pub other: Option<usize>,
}

impl fmt::Display for MalformedHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {} of the history: {}", self.call, self.sentence)
    }
}

impl std::error::Error for MalformedHistory {}

/// The most that a key may take in the first round, and the factor of each further one: a hard key must not hide an easy
/// bad one behind it.
const FIRST_ROUND: Budget = Budget { steps: 2_000, bytes: 1 << 20 };
const ROUND_FACTOR: u64 = 16;

/// What a check may still cost, and what it was allowed.
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

/// Judges a history. The calls may stand in any order.
///
/// # Errors
/// If the history cannot have happened to anybody: a request recorded twice, an answer before its call or to another
/// question, a key that is two objects at once.
pub fn check(history: &[Call], budget: Budget) -> Result<Verdict, MalformedHistory> {
    Ok(report(history, budget)?.verdict)
}

/// Judges a history, and tells how each key was judged: by the zones where they understand it, or else by a search.
///
/// # Errors
/// As [`check`].
pub fn report(history: &[Call], budget: Budget) -> Result<Report, MalformedHistory> {
    report_with_budget(history, CheckBudget::new(budget, None))
}

/// The same with a deadline: so much time from now on. When it is over, what has not been judged by then is unknown, and an
/// explanation that was begun is left as large as it is. The verdict may depend on the machine, so this is for those who
/// wait for it, and nothing that must come to the same verdict again asks for it.
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

fn report_with_budget(history: &[Call], mut allowed: CheckBudget) -> Result<Report, MalformedHistory> {
    let mut surveyed = SurveyedHistory::new(history)?;
    let (mut judged, mut left) = (Vec::with_capacity(surveyed.keys.len()), Vec::new());
    for place in 0..surveyed.keys.len() {
        let found = surveyed.judge(place);
        let KeySummary { key, operations, .. } = surveyed.keys[place];
        let method = if found == ZoneVerdict::NotUnique { Method::Search } else { Method::Zones };
        judged.push(KeyReport { key, operations: operations as usize, method });
        match found {
            ZoneVerdict::Order => {}
            ZoneVerdict::NotUnique => left.push((key, surveyed.calls(place))),
            ZoneVerdict::Conflict(_) => {
                let verdict = explain_violation(history, &surveyed.calls(place), &allowed.remaining);
                return Ok(Report { verdict, keys: judged });
            }
        }
    }
    Ok(Report { verdict: search(history, left, &mut allowed), keys: judged })
}

/// Judges a history by zones alone: near-linear, and exact where each content of a key was written once. Elsewhere the
/// verdict is unknown.
///
/// # Errors
/// As [`check`].
pub fn check_by_zones(history: &[Call]) -> Result<Verdict, MalformedHistory> {
    let mut surveyed = SurveyedHistory::new(history)?;
    let mut verdict = Verdict::Linearizable;
    for place in 0..surveyed.keys.len() {
        match surveyed.judge(place) {
            ZoneVerdict::Order => {}
            ZoneVerdict::NotUnique if verdict == Verdict::Linearizable => {
                verdict = Verdict::Unknown { key: surveyed.keys[place].key, why: UnknownReason::Repeated };
            }
            ZoneVerdict::NotUnique => {}
            ZoneVerdict::Conflict(_) => {
                let nothing = RemainingBudget::new(Budget { steps: 0, bytes: 0 }, None);
                return Ok(explain_violation(history, &surveyed.calls(place), &nothing));
            }
        }
    }
    Ok(verdict)
}

/// A history that was read once, and what its zones say of each key.
struct SurveyedHistory<'a> {
    history: &'a [Call],
    /// In rising order.
    keys: Vec<KeySummary>,
    survey: Survey,
    /// For a closer look. The calls of all keys are only sorted out if it comes to that.
    zones: ZoneChecker,
    calls: Option<Vec<Vec<u32>>>,
}

impl<'a> SurveyedHistory<'a> {
    fn new(history: &'a [Call]) -> Result<SurveyedHistory<'a>, MalformedHistory> {
        let mut survey = Survey::default();
        let keys = scan_history(history, |key, _, call| survey.add(key, call))?;
        Ok(SurveyedHistory { history, keys, survey, zones: ZoneChecker::default(), calls: None })
    }

    fn judge(&mut self, place: usize) -> ZoneVerdict {
        if self.survey.has_order(self.keys[place].number as usize) {
            return ZoneVerdict::Order;
        }
        let mine = self.calls(place);
        self.zones.judge(self.history, &mine, Time::MAX)
    }

    /// A key's calls, by time.
    fn calls(&mut self, place: usize) -> Vec<u32> {
        let calls = self.calls.get_or_insert_with(|| calls_by_key(self.history));
        calls[self.keys[place].number as usize].clone()
    }
}

/// Judges a history by search alone.
///
/// # Errors
/// As [`check`].
pub fn check_by_search(history: &[Call], budget: Budget) -> Result<Verdict, MalformedHistory> {
    Ok(search(history, partition_by_key(history)?, &mut CheckBudget::new(budget, None)))
}

/// An order of each key's operations that explains every answer and respects real time: one key after the other, as
/// places in `history`. What is left out of it has an unknown outcome, or is a read that was never answered. `None`
/// where there is no order, or the budget did not suffice.
///
/// # Errors
/// As [`check`].
pub fn find_order(history: &[Call], budget: Budget) -> Result<Option<Vec<usize>>, MalformedHistory> {
    let (mut exact, mut effort) = (OrderSearch::default(), RemainingBudget::new(budget, None));
    let mut order = Vec::with_capacity(history.len());
    for (_, mine) in partition_by_key(history)? {
        if exact.run(history, &mine, Time::MAX, &mut effort) != SearchOutcome::Order {
            return Ok(None);
        }
        order.extend(exact.order().into_iter().map(|call| call as usize));
    }
    Ok(Some(order))
}

/// Searches each key, in rounds of rising effort.
fn search(history: &[Call], mut keys: Vec<(u64, Vec<u32>)>, allowed: &mut CheckBudget) -> Verdict {
    let mut exact = OrderSearch::default();
    let mut most = FIRST_ROUND;
    loop {
        // The last round leaves out no key, and each key of it has its share.
        let is_last =
            keys.len() == 1 || (most.steps >= allowed.budget.steps && most.bytes >= allowed.budget.bytes);
        // And why the first of them is hard.
        let (mut hard, mut why) = (Vec::new(), None);
        let mut to_come = keys.len() as u64;
        for (key, mine) in keys {
            let share = allowed.remaining.steps() / to_come;
            to_come -= 1;
            let mut effort = if is_last {
                allowed.remaining.limited_to(share, u64::MAX)
            } else {
                // A step for each operation, which an order has to have anyway, makes no key a hard one.
                allowed
                    .remaining
                    .limited_to(share.min(most.steps.saturating_add(mine.len() as u64)), most.bytes)
            };
            let steps = effort.steps();
            let found = exact.run(history, &mine, Time::MAX, &mut effort);
            allowed.remaining.spend(steps - effort.steps());
            match found {
                SearchOutcome::Order => {}
                SearchOutcome::NoOrder => return explain_violation(history, &mine, &allowed.remaining),
                SearchOutcome::OutOf(limit) => {
                    why.get_or_insert(allowed.unknown_reason(limit));
                    hard.push((key, mine));
                }
                SearchOutcome::TooWide(open) => {
                    why.get_or_insert(UnknownReason::Open(open));
                    hard.push((key, mine));
                }
            }
        }
        keys = hard;
        let (Some(&(key, _)), Some(why)) = (keys.first(), why) else { return Verdict::Linearizable };
        if is_last {
            return Verdict::Unknown { key, why };
        }
        most.steps = most.steps.saturating_mul(ROUND_FACTOR);
        most.bytes = most.bytes.saturating_mul(ROUND_FACTOR);
    }
}

/// Explains why a key's calls have no order.
fn explain_violation(history: &[Call], mine: &[u32], effort: &RemainingBudget) -> Verdict {
    // A person waits for it, and most of what can be taken away is taken away soon.
    let mut half = effort.limited_to(effort.steps() / 2, u64::MAX);
    let shrunk = Shrinker::default().shrink(history, mine, &mut half);
    let ShrunkHistory { stuck, mut calls, certificate, until } = shrunk;
    calls.sort_by_key(|&call| (history[call as usize].called, call));
    let operations: Vec<Call> = calls
        .iter()
        .map(|&call| {
            let mut call = history[call as usize].clone();
            call.returned.take_if(|(returned, _)| *returned > until);
            call
        })
        .collect();
    let stuck = history[stuck as usize].clone();
    let (method, sentence, edges) = match certificate {
        Some(certificate) => {
            let place = |call: u32| calls.iter().position(|&other| other == call);
            let edges = certificate.edges.into_iter().filter_map(|edge| {
                let (before, after) = (place(edge.before)?, place(edge.after)?);
                let why = edge.why.replace(OTHER_PLACEHOLDER, &letter(after).to_string());
                Some(OrderingEdge { before, after, why })
            });
            (Method::Zones, certificate.sentence, edges.collect())
        }
        None => {
            let sentence = format!(
                "every order of these {} operations was tried, and none explains all answers",
                operations.len()
            );
            (Method::Search, sentence, real_time_edges(&operations))
        }
    };
    let key = stuck.operation.key;
    Verdict::Violation(Box::new(Explanation { key, method, sentence, stuck, operations, edges }))
}

/// Who returned before who was called, without what follows from the rest. The operations stand by call.
fn real_time_edges(operations: &[Call]) -> Vec<OrderingEdge> {
    let mut returns: Vec<(Time, usize)> = (0..)
        .zip(operations)
        .filter_map(|(place, call)| call.returned.as_ref().map(|&(returned, _)| (returned, place)))
        .collect();
    returns.sort_unstable();
    let (mut edges, mut latest) = (Vec::new(), 0);
    let mut passed = 0;
    for (after, operation) in operations.iter().enumerate() {
        // Those that returned before this call; the one of them that was called last stands behind all that had returned
        // before that.
        while let Some(&(returned, place)) = returns.get(passed)
            && returned < operation.called
        {
            latest = latest.max(operations[place].called);
            passed += 1;
        }
        let from = returns.partition_point(|&(returned, _)| returned < latest);
        let mut before: Vec<usize> = returns[from..passed].iter().map(|&(_, place)| place).collect();
        before.sort_unstable();
        edges.extend(before.into_iter().map(|before| {
            let returned = operations[before].returned.as_ref().map_or(0, |&(returned, _)| returned);
            let why = format!("returned at {returned}, before the call at {}", operation.called);
            OrderingEdge { before, after, why }
        }));
    }
    edges
}

/// A key of a history.
#[derive(Clone, Copy, Debug)]
struct KeySummary {
    key: u64,
    /// Its number, by first appearance, and the call that that was.
    number: u32,
    first: u32,
    object: Object,
    operations: u32,
}

/// Reads a history once, refuses what nobody can have recorded, and hands out each call with the number of its key.
/// Returns the keys in rising order.
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
        let known = &mut keys[key as usize];
        known.operations += 1;
        if known.object != object {
            let (id, operation, was) = (call.id, call.operation, known.object);
            let sentence = format!("{id} has a key be a {was} and a {object}: {operation}");
            return Err(MalformedHistory {
                call: number as usize,
                sentence,
                other: Some(known.first as usize),
            });
        }
        // Sequences count from 0, so one more than the newest is free for "none yet".
        let newest = newest.get_or_insert_with(call.id.session, || 0);
        rises &= *newest <= call.id.sequence && call.id.sequence != u64::MAX;
        *newest = call.id.sequence.saturating_add(1);
        each(key as usize, number, call);
    }
    if !rises {
        reject_duplicate_ids(history)?;
    }
    keys.sort_unstable_by_key(|known| known.key);
    Ok(keys)
}

/// Refuses an operation that cannot have happened to anybody.
#[inline]
fn check_well_formed(number: u32, call: &Call) -> Result<(), MalformedHistory> {
    assert!(number != u32::MAX, "fewer than four thousand million calls");
    let is_fine = match &call.returned {
        Some((returned, response)) => {
            call.called <= *returned
                && *returned != Time::MAX
                && is_response_to(call.operation.action, response)
        }
        None => call.called != Time::MAX,
    };
    if is_fine { Ok(()) } else { Err(malformed_call(number as usize, call)) }
}

#[cold]
fn malformed_call(number: usize, Call { id, operation, called, returned }: &Call) -> MalformedHistory {
    let sentence = match returned {
        Some((returned, _)) if returned < called => {
            format!("{id} returned at {returned}, before its call at {called}")
        }
        _ if *called == Time::MAX => format!("{id} was called at the end of time, which is never"),
        Some((Time::MAX, _)) => format!("{id} returned at the end of time, which is never"),
        Some((_, response)) => format!("{id} asked \"{operation}\" and was told \"{response}\""),
        None => unreachable!("there is nothing wrong with it"),
    };
    MalformedHistory { call: number, sentence, other: None }
}

/// Each key's calls, by time; the keys in rising order.
fn partition_by_key(history: &[Call]) -> Result<Vec<(u64, Vec<u32>)>, MalformedHistory> {
    let mut calls = CallsByKey::default();
    let keys = scan_history(history, |key, number, call| calls.add(key, number, call))?;
    let mut calls = calls.by_time(history);
    let mine = |known: KeySummary| (known.key, std::mem::take(&mut calls[known.number as usize]));
    Ok(keys.into_iter().map(mine).collect())
}

/// Each key's calls, by time; the keys by number. The history is one that [`read`] let pass.
fn calls_by_key(history: &[Call]) -> Vec<Vec<u32>> {
    let mut calls = CallsByKey::default();
    scan_history(history, |key, number, call| calls.add(key, number, call)).expect("it was read before");
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

/// A request has one call and at most one answer. Where each session counts its requests there is no need to look.
fn reject_duplicate_ids(history: &[Call]) -> Result<(), MalformedHistory> {
    let mut names: Vec<(RequestId, usize)> =
        history.iter().enumerate().map(|(at, call)| (call.id, at)).collect();
    names.sort_unstable();
    match names.array_windows().find(|[(left, _), (right, _)]| left == right) {
        None => Ok(()),
        Some(&[(_, other), (id, call)]) => Err(MalformedHistory {
            call,
            sentence: format!("{id} stands in the history twice"),
            other: Some(other),
        }),
    }
}

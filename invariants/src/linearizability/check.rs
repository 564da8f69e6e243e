//! The verdict on a whole history: key by key.

use super::explain::{Explanation, Forced, Method};
use super::model::{answers, is_of_list};
use super::numbered::Numbered;
use super::operation::Call;
use super::ranked::Ranked;
use super::search::{Found, Search};
use super::shrink::{Shrinker, Shrunk};
use super::zone::{Zoned, Zones};
use crate::fact::{RequestId, Time};
use serde::Serialize;
use std::fmt;

/// How much a search may cost, for each key. Never seconds: a verdict must not depend on the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// Steps of the search. A step is well under a microsecond; with more than 64 operations open at once on the key
    /// it counts several times.
    pub steps: u64,
    /// Bytes that the search may remember, besides the history in small numbers: some hundred bytes per operation.
    pub bytes: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Budget { steps: 4_000_000, bytes: 1 << 30 }
    }
}

/// What clients saw, judged.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// There is an order that explains every answer and respects real time.
    Linearizable,
    /// There is none.
    Violation(Box<Explanation>),
    /// The budget did not suffice to tell. No other key has a violation.
    Unknown {
        /// The smallest of the keys in question.
        key: u64,
        /// The budget that did not suffice.
        steps: u64,
        /// In steps or in bytes.
        bytes: u64,
    },
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Linearizable => f.write_str("linearizable"),
            Verdict::Violation(explanation) => explanation.fmt(f),
            Verdict::Unknown { key, steps, bytes } => {
                write!(f, "unknown: {steps} steps and {bytes} bytes did not suffice for k{key}")
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
    pub keys: Vec<Judged>,
}

/// How a key was judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Judged {
    /// The key.
    pub key: u64,
    /// How many operations it has.
    pub operations: usize,
    /// What told.
    pub method: Method,
}

/// Something is wrong with the recording itself, so there is nothing to judge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Malformed {
    /// The call, counted from 0.
    pub call: usize,
    /// What is wrong with it.
    pub sentence: String,
    /// The other call that it clashes with.
    pub other: Option<usize>,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {} of the history: {}", self.call, self.sentence)
    }
}

impl std::error::Error for Malformed {}

/// The first effort per key, and the factor of each further one: a hard key must not hide an easy bad one behind it.
const FIRST: Budget = Budget { steps: 2_000, bytes: 1 << 20 };
const MORE: u64 = 16;

/// Judges a history. The calls may stand in any order.
///
/// # Errors
/// If the history cannot have happened to anybody: a request recorded twice, an answer before its call or to another
/// question, a key that is a register and a list.
pub fn check(history: &[Call], budget: Budget) -> Result<Verdict, Malformed> {
    Ok(report(history, budget)?.verdict)
}

/// Judges a history, and tells how each key was judged: by the zones where they understand it, or else by a search.
///
/// # Errors
/// As [`check`].
pub fn report(history: &[Call], budget: Budget) -> Result<Report, Malformed> {
    let keys = partition(history)?;
    let mut zones = Zones::default();
    let (mut judged, mut left) = (Vec::with_capacity(keys.len()), Vec::new());
    for (key, mine) in keys {
        let found = zones.judge(history, &mine, Time::MAX);
        let method = if found == Zoned::NotUnique { Method::Search } else { Method::Zones };
        judged.push(Judged { key, operations: mine.len(), method });
        match found {
            Zoned::Order => {}
            Zoned::NotUnique => left.push((key, mine)),
            Zoned::Clash(_) => {
                return Ok(Report { verdict: violation(history, &mine, budget), keys: judged });
            }
        }
    }
    Ok(Report { verdict: search(history, left, budget), keys: judged })
}

/// Judges a history by zones alone: near-linear, and exact where each content of a key was written once. Elsewhere the
/// verdict is unknown.
///
/// # Errors
/// As [`check`].
pub fn check_by_zones(history: &[Call]) -> Result<Verdict, Malformed> {
    let mut zones = Zones::default();
    let mut verdict = Verdict::Linearizable;
    for (key, mine) in partition(history)? {
        match zones.judge(history, &mine, Time::MAX) {
            Zoned::Order => {}
            Zoned::NotUnique if verdict == Verdict::Linearizable => {
                verdict = Verdict::Unknown { key, steps: 0, bytes: 0 };
            }
            Zoned::NotUnique => {}
            Zoned::Clash(_) => return Ok(violation(history, &mine, Budget { steps: 0, bytes: 0 })),
        }
    }
    Ok(verdict)
}

/// Judges a history by search alone.
///
/// # Errors
/// As [`check`].
pub fn check_by_search(history: &[Call], budget: Budget) -> Result<Verdict, Malformed> {
    Ok(search(history, partition(history)?, budget))
}

/// An order of each key's operations that explains every answer and respects real time: one key after the other, as
/// places in `history`. What is left out of it has an unknown outcome, or is a read that was never answered. `None`
/// where there is no order, or the budget did not suffice.
///
/// # Errors
/// As [`check`].
pub fn order(history: &[Call], budget: Budget) -> Result<Option<Vec<usize>>, Malformed> {
    let (mut numbered, mut search) = (Numbered::default(), Search::default());
    let mut order = Vec::with_capacity(history.len());
    for (_, mine) in partition(history)? {
        let found = match numbered.load(history, &mine, Time::MAX) {
            Ok(()) => search.run(&numbered, budget.steps, budget.bytes),
            Err(_) => Found::NoOrder,
        };
        if found != Found::Order {
            return Ok(None);
        }
        order.extend(search.order(&numbered).into_iter().map(|call| call as usize));
    }
    Ok(Some(order))
}

/// Searches each key, with rising effort.
fn search(history: &[Call], mut keys: Vec<(u64, Vec<u32>)>, budget: Budget) -> Verdict {
    let (mut numbered, mut search) = (Numbered::default(), Search::default());
    let mut effort = Budget { steps: FIRST.steps.min(budget.steps), bytes: FIRST.bytes.min(budget.bytes) };
    loop {
        let mut hard = Vec::new();
        for (key, mine) in keys {
            let found = match numbered.load(history, &mine, Time::MAX) {
                Ok(()) => search.run(&numbered, effort.steps, effort.bytes),
                Err(_) => Found::NoOrder,
            };
            match found {
                Found::Order => {}
                Found::NoOrder => return violation(history, &mine, budget),
                Found::OutOfBudget => hard.push((key, mine)),
            }
        }
        keys = hard;
        let Some(&(key, _)) = keys.first() else { return Verdict::Linearizable };
        if effort == budget {
            return Verdict::Unknown { key, steps: budget.steps, bytes: budget.bytes };
        }
        effort.steps = effort.steps.saturating_mul(MORE).min(budget.steps);
        effort.bytes = effort.bytes.saturating_mul(MORE).min(budget.bytes);
    }
}

/// Explains why a key's calls have no order.
fn violation(history: &[Call], mine: &[u32], budget: Budget) -> Verdict {
    let shrunk = Shrinker::default().shrink(history, mine, (budget.steps, budget.bytes));
    let Shrunk { stuck, mut calls, certificate, until } = shrunk;
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
                Some(Forced { before: place(edge.before)?, after: place(edge.after)?, why: edge.why })
            });
            (Method::Zones, certificate.sentence, edges.collect())
        }
        None => {
            let sentence = format!("no order explains the answers of these {} operations", operations.len());
            (Method::Search, sentence, in_time(&operations))
        }
    };
    let key = stuck.operation.key;
    Verdict::Violation(Box::new(Explanation { key, method, sentence, stuck, operations, edges }))
}

/// Who returned before who was called, without what follows from the rest.
fn in_time(operations: &[Call]) -> Vec<Forced> {
    let precedes = |before: usize, after: usize| {
        let returned = operations[before].returned.as_ref().map(|&(returned, _)| returned);
        returned.filter(|&returned| returned < operations[after].called)
    };
    let mut edges = Vec::new();
    for after in 0..operations.len() {
        for before in 0..operations.len() {
            let Some(returned) = precedes(before, after) else { continue };
            let mut others = 0..operations.len();
            if !others.any(|other| precedes(before, other).is_some() && precedes(other, after).is_some()) {
                let why = format!("returned at {returned}, before the call at {}", operations[after].called);
                edges.push(Forced { before, after, why });
            }
        }
    }
    edges
}

/// Each key's calls, by time; the keys in rising order.
fn partition(history: &[Call]) -> Result<Vec<(u64, Vec<u32>)>, Malformed> {
    let mut keys: Ranked<(bool, Vec<u32>)> = Ranked::new();
    let mut last = 0;
    let mut is_sorted = true;
    for (number, call) in history.iter().enumerate() {
        let malformed = |sentence| Err(Malformed { call: number, sentence, other: None });
        let operation = call.operation;
        if let Some((returned, response)) = &call.returned {
            if *returned < call.called {
                return malformed(format!(
                    "{} returned at {returned}, before its call at {}",
                    call.id, call.called
                ));
            }
            if *returned == Time::MAX {
                return malformed(format!("{} returned at the end of time, which is never", call.id));
            }
            if !answers(operation.action, response) {
                return malformed(format!("{} asked \"{operation}\" and was told \"{response}\"", call.id));
            }
        }
        if call.called == Time::MAX {
            return malformed(format!("{} was called at the end of time, which is never", call.id));
        }
        is_sorted &= last <= call.called;
        last = call.called;
        let is_list = is_of_list(operation.action);
        let (was_list, calls) = keys.get_or_insert_with(operation.key, || (is_list, Vec::new()));
        if *was_list != is_list {
            let sentence = format!("{} has a key be a register and a list: {operation}", call.id);
            return Err(Malformed {
                call: number,
                sentence,
                other: calls.first().map(|&call| call as usize),
            });
        }
        calls.push(u32::try_from(number).expect("fewer than four thousand million calls"));
    }
    refuse_repeated_names(history)?;
    let mut keys: Vec<_> = keys.into_iter().map(|(key, (_, calls))| (key, calls)).collect();
    if !is_sorted {
        for (_, calls) in &mut keys {
            calls.sort_by_key(|&call| history[call as usize].called);
        }
    }
    Ok(keys)
}

/// A request has one call and at most one answer.
fn refuse_repeated_names(history: &[Call]) -> Result<(), Malformed> {
    let mut newest: Ranked<u64> = Ranked::new();
    let rising = history.iter().all(|call| {
        let mut is_first = false;
        let newest = newest.get_or_insert_with(call.id.session, || {
            is_first = true;
            call.id.sequence
        });
        let rises = is_first || *newest < call.id.sequence;
        *newest = call.id.sequence;
        rises
    });
    if rising {
        return Ok(()); // As with all clients that count their requests.
    }
    let mut names: Vec<(RequestId, usize)> =
        history.iter().enumerate().map(|(at, call)| (call.id, at)).collect();
    names.sort_unstable();
    match names.array_windows().find(|[(left, _), (right, _)]| left == right) {
        None => Ok(()),
        Some(&[(_, other), (id, call)]) => {
            Err(Malformed { call, sentence: format!("{id} stands in the history twice"), other: Some(other) })
        }
    }
}

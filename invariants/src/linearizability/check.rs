//! The verdict on a whole history: key by key.

use super::explain::{Explanation, explain};
use super::model::{answers, is_of_list};
use super::numbered::Numbered;
use super::operation::Call;
use super::ranked::Ranked;
use super::search::{Found, Search};
use super::zone::{Zoned, Zones};
use crate::fact::{RequestId, Time};
use serde::Serialize;
use std::fmt;

/// How much a check may cost. Never seconds: a verdict must not depend on the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// Steps of the search per key. A step is well under a microsecond and remembers some tens of bytes; with more
    /// than 64 operations open at once on the key it counts several times.
    pub steps: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Budget { steps: 4_000_000 }
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
        /// The steps that did not suffice.
        steps: u64,
    },
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Linearizable => f.write_str("linearizable"),
            Verdict::Violation(explanation) => explanation.fmt(f),
            Verdict::Unknown { key, steps } => write!(f, "unknown: {steps} steps did not suffice for k{key}"),
        }
    }
}

/// Something is wrong with the recording itself, so there is nothing to judge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Malformed {
    /// The call, counted from 0.
    pub call: usize,
    /// What is wrong with it.
    pub sentence: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {} of the history: {}", self.call, self.sentence)
    }
}

impl std::error::Error for Malformed {}

/// The first effort per key, and the factor of each further one: a hard key must not hide an easy bad one behind it.
const FIRST_STEPS: u64 = 2_000;
const MORE: u64 = 16;

/// Judges a history. The calls may stand in any order.
///
/// # Errors
/// If the history cannot have happened to anybody: a request recorded twice, an answer before its call or to another
/// question, a key that is a register and a list.
pub fn check(history: &[Call], budget: Budget) -> Result<Verdict, Malformed> {
    let (mut zones, mut numbered, mut search) = (Zones::default(), Numbered::default(), Search::default());
    let mut keys = partition(history)?;
    let mut steps = FIRST_STEPS.min(budget.steps);
    loop {
        let mut hard = Vec::new();
        for (key, mine) in keys {
            let found = match zones.judge(history, &mine, Time::MAX) {
                Zoned::Order => Found::Order,
                Zoned::Clash(_) => Found::NoOrder,
                Zoned::NotUnique => match numbered.load(history, &mine, Time::MAX) {
                    Ok(()) => search.run(&numbered, steps),
                    Err(_) => Found::NoOrder,
                },
            };
            match found {
                Found::Order => {}
                Found::NoOrder => {
                    return Ok(Verdict::Violation(Box::new(explain(history, &mine, budget.steps))));
                }
                Found::OutOfSteps => hard.push((key, mine)),
            }
        }
        keys = hard;
        let Some(&(key, _)) = keys.first() else { return Ok(Verdict::Linearizable) };
        if steps == budget.steps {
            return Ok(Verdict::Unknown { key, steps });
        }
        steps = steps.saturating_mul(MORE).min(budget.steps);
    }
}

/// Each key's calls, by time; the keys in rising order.
fn partition(history: &[Call]) -> Result<Vec<(u64, Vec<u32>)>, Malformed> {
    let mut keys: Ranked<(bool, Vec<u32>)> = Ranked::new();
    let mut last = 0;
    let mut is_sorted = true;
    for (number, call) in history.iter().enumerate() {
        let malformed = |sentence| Err(Malformed { call: number, sentence });
        let operation = call.operation;
        if let Some((returned, response)) = &call.returned {
            if *returned < call.called {
                return malformed(format!(
                    "{} returned at {returned}, before its call at {}",
                    call.id, call.called
                ));
            }
            if !answers(operation.action, response) {
                return malformed(format!("{} asked \"{operation}\" and was told \"{response}\"", call.id));
            }
        }
        is_sorted &= last <= call.called;
        last = call.called;
        let is_list = is_of_list(operation.action);
        let (was_list, calls) = keys.get_or_insert_with(operation.key, || (is_list, Vec::new()));
        if *was_list != is_list {
            return malformed(format!("{} has a key be a register and a list: {operation}", call.id));
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
        Some(&[_, (id, call)]) => {
            Err(Malformed { call, sentence: format!("{id} stands in the history twice") })
        }
    }
}

//! Why a key's history is not linearizable, in so many words.

use super::numbered::Numbered;
use super::operation::{Action, Call, Content, Response};
use super::search::{Found, Search};
use crate::fact::Time;
use serde::Serialize;
use std::fmt;

/// The shortest beginning of a key's history that no order explains.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Explanation {
    /// The key.
    pub key: u64,
    /// The operation whose return made it so: everything that had returned before can be put in an order.
    pub stuck: Call,
    /// Other operations of the key that have to do with it, by time of call: those that wrote or saw the same content,
    /// those that ran at the same time, and the last one that had returned before it was called.
    pub concerned: Vec<Call>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Explanation { key, stuck, concerned } = self;
        writeln!(f, "k{key} is not linearizable: {stuck} fits nowhere.")?;
        write!(
            f,
            "Without that answer, everything that had returned on k{key} by then can be put in an order."
        )?;
        if !concerned.is_empty() {
            write!(f, "\nIt has to do with:")?;
        }
        for call in concerned {
            write!(f, "\n  {call}")?;
        }
        Ok(())
    }
}

/// Finds the shortest bad beginning of a bad history: `mine` are the key's calls in `history`, by time.
///
/// Every beginning of a linearizable history is linearizable, operations that are open at its end being of unknown
/// outcome; so halving finds the place. Where the steps do not suffice to tell whether a beginning is bad, it is not
/// taken for bad, and the beginning found may be longer than need be, but is always bad.
pub(crate) fn explain(history: &[Call], mine: &[u32], steps: u64) -> Explanation {
    let mut returns: Vec<(Time, u32)> = mine
        .iter()
        .filter_map(|&call| history[call as usize].returned.as_ref().map(|&(returned, _)| (returned, call)))
        .collect();
    returns.sort_unstable();
    let (mut numbered, mut search) = (Numbered::default(), Search::default());
    let mut is_bad = |until: Time| match numbered.load(history, mine, until) {
        Ok(()) => search.run(&numbered, steps) == Found::NoOrder,
        Err(_) => true,
    };
    let (mut good, mut bad) = (0, returns.len() - 1);
    while good < bad {
        let middle = good.midpoint(bad);
        if is_bad(returns[middle].0) { bad = middle } else { good = middle + 1 }
    }
    let (until, stuck) = returns[bad];
    let stuck = &history[stuck as usize];
    let before =
        returns[..bad].iter().rev().find(|&&(returned, _)| returned < stuck.called).map(|&(_, call)| call);
    let concerned = mine
        .iter()
        .filter(|&&number| {
            let call = &history[number as usize];
            let overlaps = call.returned.as_ref().is_none_or(|&(returned, _)| returned >= stuck.called);
            call != stuck
                && call.called <= until
                && (overlaps || Some(number) == before || is_about(call, stuck))
        })
        .map(|&number| history[number as usize].clone())
        .collect();
    Explanation { key: stuck.operation.key, stuck: stuck.clone(), concerned }
}

/// Whether the two name the same content.
fn is_about(call: &Call, other: &Call) -> bool {
    contents(call)
        .into_iter()
        .flatten()
        .any(|content| contents(other).into_iter().flatten().any(|c| c == content))
}

/// What the register held before and after, as far as the operation tells. Of a list: its last element.
fn contents(call: &Call) -> [Option<Content>; 2] {
    match (call.operation.action, call.returned.as_ref().map(|(_, response)| response)) {
        (_, Some(Response::Holds(content) | Response::Mismatch(Some(content)))) => [Some(*content), None],
        (Action::CompareAndSet { expect, .. }, Some(Response::Mismatch(None))) => [Some(expect), None],
        (Action::CompareAndSet { expect, value }, _) => [Some(expect), Some(Content::Present(value))],
        (Action::Put(value) | Action::Append(value) | Action::Replace(value), _) => {
            [None, Some(Content::Present(value))]
        }
        (Action::Delete(deletion), _) => [None, Some(Content::Absent(deletion))],
        (_, Some(Response::List(elements))) => {
            [None, elements.last().map(|&element| Content::Present(element))]
        }
        _ => [None, None],
    }
}

//! Bad histories made small.
//!
//! What is left must convict the original, so only that is taken away which a linearizable history can do without:
//!
//! - the end: every beginning of a linearizable history is linearizable, operations that are open there being of unknown
//!   outcome;
//! - an operation that changes nothing;
//! - a content of a register with all who wrote it and all who need it, and with what those made of it in turn. In any
//!   order each of its blocks begins with somebody who wrote it and ends before somebody who is blind to it, so the
//!   content before may simply last longer. Only "something else than this" may be wrong then, so as long as a
//!   compare-and-set that told nothing is left, contents stay;
//! - an addition to a list that no read left shows: whoever comes behind it before the next replacement is blind too.

use super::model::is_of_list;
use super::numbered::Numbered;
use super::operation::{Call, Content};
use super::role::{ListRole, Role, list_role, role};
use super::search::{Found, Search};
use super::zone::{Certificate, Zoned, Zones};
use crate::fact::Time;
use std::collections::{BTreeMap, BTreeSet};

/// What is left of a bad history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Shrunk {
    /// The call whose return made it bad.
    pub(crate) stuck: u32,
    /// The calls that contradict each other, and, if their zones tell it, why.
    pub(crate) calls: Vec<u32>,
    pub(crate) certificate: Option<Certificate>,
    /// What was known by this time suffices.
    pub(crate) until: Time,
}

/// The checks with their memory.
#[derive(Default)]
pub(crate) struct Shrinker {
    zones: Zones,
    numbered: Numbered,
    search: Search,
}

impl Shrinker {
    /// Whether these calls surely have no order; where the steps do not suffice to tell, they may have one.
    fn is_bad(&mut self, history: &[Call], mine: &[u32], until: Time, limits: (u64, u64)) -> bool {
        match self.zones.judge(history, mine, until) {
            Zoned::Order => false,
            Zoned::Clash(_) => true,
            Zoned::NotUnique => match self.numbered.load(history, mine, until) {
                Ok(()) => self.search.run(&self.numbered, limits.0, limits.1) == Found::NoOrder,
                Err(_) => true,
            },
        }
    }

    /// Makes a bad history small: `mine` are a key's calls in `history`, by time.
    pub(crate) fn shrink(&mut self, history: &[Call], mine: &[u32], limits: (u64, u64)) -> Shrunk {
        let (stuck, until) = self.shortest_beginning(history, mine, limits);
        let mine: Vec<u32> =
            mine.iter().copied().filter(|&call| history[call as usize].called <= until).collect();
        let told = |certificate: Certificate| Shrunk {
            stuck,
            calls: certificate.calls.clone(),
            certificate: Some(certificate),
            until,
        };
        if let Zoned::Clash(certificate) = self.zones.judge(history, &mine, until) {
            return told(*certificate);
        }
        let is_list = is_of_list(history[mine[0] as usize].operation.action);
        if !is_list {
            // Without the contents that were written twice it may be a matter of zones.
            let unique = without_repeated(history, &mine, until);
            if let Zoned::Clash(certificate) = self.zones.judge(history, &unique, until) {
                return told(*certificate);
            }
        }
        let mut left = mine;
        loop {
            let before = left.len();
            self.remove_observers(history, &mut left, until, limits);
            if is_list {
                let unseen = unseen(history, &left, until);
                self.remove(history, &mut left, until, limits, &unseen, without_calls);
            } else {
                self.remove_contents(history, &mut left, until, limits);
            }
            if left.len() == before {
                break;
            }
        }
        if let Zoned::Clash(certificate) = self.zones.judge(history, &left, until) {
            return told(*certificate);
        }
        Shrunk { stuck, calls: left, certificate: None, until }
    }

    /// The shortest bad beginning, by halving. Where the steps do not suffice to tell whether a beginning is bad, it is
    /// not taken for bad, and the beginning found may be longer than need be, but is always bad.
    fn shortest_beginning(&mut self, history: &[Call], mine: &[u32], limits: (u64, u64)) -> (u32, Time) {
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
            let is_bad = self.is_bad(history, mine, returns[middle].0, limits);
            if is_bad { bad = middle } else { good = middle + 1 }
        }
        let (until, stuck) = returns[bad];
        (stuck, until)
    }

    /// Takes away what changes nothing, by ever smaller pieces.
    fn remove_observers(&mut self, history: &[Call], left: &mut Vec<u32>, until: Time, limits: (u64, u64)) {
        let observes = |call: &Call| match is_of_list(call.operation.action) {
            true => matches!(list_role(call, until).1, ListRole::Reads(_) | ListRole::Nothing),
            false => matches!(
                role(call, until).1,
                Role::Sees(_) | Role::SeesOther(_) | Role::Absurd(_) | Role::Nothing
            ),
        };
        let observers: Vec<u32> =
            left.iter().copied().filter(|&call| observes(&history[call as usize])).collect();
        self.remove(history, left, until, limits, &observers, without_calls);
    }

    fn remove_contents(&mut self, history: &[Call], left: &mut Vec<u32>, until: Time, limits: (u64, u64)) {
        let is_blind = |&call: &u32| matches!(role(&history[call as usize], until).1, Role::SeesOther(_));
        if left.iter().any(is_blind) {
            return;
        }
        let contents: BTreeSet<Content> =
            left.iter().filter_map(|&call| product(&history[call as usize], until)).collect();
        let contents: Vec<Content> = contents.into_iter().collect();
        self.remove(history, left, until, limits, &contents, |gone, left| {
            without(history, left, until, gone.iter().copied().collect())
        });
    }

    /// Takes away pieces of `what`, first halves, then ever less, as long as the rest is bad.
    fn remove<T>(
        &mut self,
        history: &[Call],
        left: &mut Vec<u32>,
        until: Time,
        limits: (u64, u64),
        what: &[T],
        without: impl Fn(&[T], &[u32]) -> Vec<u32>,
    ) {
        let mut size = what.len().div_ceil(2);
        while size > 0 {
            for pieces in what.chunks(size) {
                let rest = without(pieces, left);
                if rest.len() < left.len() && self.is_bad(history, &rest, until, limits) {
                    *left = rest;
                }
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
    }
}

fn without_calls(gone: &[u32], calls: &[u32]) -> Vec<u32> {
    let gone: BTreeSet<u32> = gone.iter().copied().collect();
    calls.iter().copied().filter(|call| !gone.contains(call)).collect()
}

/// What an operation on a register would write.
fn product(call: &Call, until: Time) -> Option<Content> {
    match role(call, until).1 {
        Role::Writes(content) | Role::Exchanges { value: content, .. } => Some(content),
        _ => None,
    }
}

/// The calls that have nothing to do with certain contents of a register, nor with what was made of them.
fn without(history: &[Call], calls: &[u32], until: Time, mut gone: BTreeSet<Content>) -> Vec<u32> {
    let names_gone = |call: u32, gone: &BTreeSet<Content>| match role(&history[call as usize], until).1 {
        Role::Sees(content) | Role::Writes(content) => gone.contains(&content),
        Role::Exchanges { expect, value } => gone.contains(&expect) || gone.contains(&value),
        Role::SeesOther(_) | Role::Absurd(_) | Role::Nothing => false,
    };
    loop {
        let known = gone.len();
        for &call in calls {
            if names_gone(call, &gone) {
                gone.extend(product(&history[call as usize], until));
            }
        }
        if gone.len() == known {
            break;
        }
    }
    calls.iter().copied().filter(|&call| !names_gone(call, &gone)).collect()
}

/// The calls that have nothing to do with contents that were written more than once; all if some told nothing.
fn without_repeated(history: &[Call], calls: &[u32], until: Time) -> Vec<u32> {
    let mut producers: BTreeMap<Content, u32> = BTreeMap::from([(Content::INITIAL, 1)]);
    let mut left = Vec::new();
    for &call in calls {
        if matches!(role(&history[call as usize], until).1, Role::SeesOther(_)) {
            continue;
        }
        left.push(call);
        if let Some(product) = product(&history[call as usize], until) {
            *producers.entry(product).or_default() += 1;
        }
    }
    let repeated =
        producers.into_iter().filter(|&(_, count)| count > 1).map(|(content, _)| content).collect();
    without(history, &left, until, repeated)
}

/// The additions to a list that no read shows, and reads that were never answered.
fn unseen(history: &[Call], left: &[u32], until: Time) -> Vec<u32> {
    let mut shown: BTreeSet<u64> = BTreeSet::new();
    for &call in left {
        if let (_, ListRole::Reads(elements)) = list_role(&history[call as usize], until) {
            shown.extend(elements);
        }
    }
    let is_unseen = |call: u32| match list_role(&history[call as usize], until).1 {
        ListRole::Appends(element) | ListRole::Replaces(element) => !shown.contains(&element),
        ListRole::Reads(_) => false,
        ListRole::Nothing => true,
    };
    left.iter().copied().filter(|&call| is_unseen(call)).collect()
}

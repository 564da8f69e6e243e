//! What clients write into their history.

mod common;

use common::{Clerk, rough, told};
use harness::plan::{Chance, Duration};
use invariants::{Action, Call, Content};
use std::collections::{BTreeMap, BTreeSet};

fn histories() -> impl Iterator<Item = (u64, Vec<Call>)> {
    (0..20).map(|seed| {
        let mut plan = rough(seed);
        plan.network.loss = Chance(50_000);
        (seed, told::<Clerk>(&plan).history)
    })
}

#[test]
fn sessions_and_numbers_are_dense_and_unique() {
    for (seed, history) in histories() {
        let mut sessions: BTreeMap<u64, u64> = BTreeMap::new();
        for call in &history {
            let sequence = sessions.entry(call.id.session).or_default();
            *sequence += 1;
            assert_eq!(call.id.sequence, *sequence, "seed {seed}");
        }
        let numbers: Vec<u64> = sessions.keys().copied().collect();
        let dense: Vec<u64> = (1..=numbers.len() as u64).collect();
        assert_eq!(numbers, dense, "seed {seed}");
    }
}

#[test]
fn whatever_is_written_is_written_once() {
    for (seed, history) in histories() {
        let written = |call: &Call| match call.operation.action {
            Action::Put(number)
            | Action::Delete(number)
            | Action::Append(number)
            | Action::Replace(number)
            | Action::CompareAndSet { value: number, .. } => Some(number),
            Action::Get | Action::List => None,
        };
        let numbers: Vec<u64> = history.iter().filter_map(written).collect();
        let once: BTreeSet<u64> = numbers.iter().copied().collect();
        assert_eq!(once.len(), numbers.len(), "seed {seed}");
        assert_eq!(once.last().copied(), Some(numbers.len() as u64), "seed {seed}: the numbers are dense");
    }
}

#[test]
fn an_unknown_outcome_retires_its_session() {
    let mut retired = 0;
    for (seed, history) in histories() {
        let plan = rough(seed);
        let patience = plan.clients.patience.0 * plan.clients.attempts;
        for (place, lost) in history.iter().enumerate().filter(|(_, call)| call.returned.is_none()) {
            let later = &history[place..];
            let same =
                |call: &&Call| call.id.session == lost.id.session && call.called > lost.called + patience;
            assert_eq!(later.iter().find(same), None, "seed {seed}: {lost:?}");
            retired += 1;
        }
    }
    assert!(retired > 20, "only {retired} operations were given up");
}

#[test]
fn lists_stay_short_and_keys_keep_their_kind() {
    let mut plan = rough(1);
    plan.storm = Duration::millis(60_000);
    let history = told::<Clerk>(&plan).history;
    let mut appended: BTreeMap<u64, u64> = BTreeMap::new();
    let (mut registers, mut lists) = (BTreeSet::new(), BTreeSet::new());
    for call in &history {
        let key = call.operation.key;
        match call.operation.action {
            Action::Append(_) => {
                *appended.entry(key).or_default() += 1;
                lists.insert(key);
            }
            Action::List => _ = lists.insert(key),
            _ => _ = registers.insert(key),
        }
    }
    assert!(appended.values().all(|count| *count <= 30), "{appended:?}");
    assert!(appended.len() > 6, "after thirty elements another list is begun: {appended:?}");
    assert!(registers.is_disjoint(&lists));
}

#[test]
fn a_compare_and_set_often_matches() {
    let mut plan = rough(1);
    plan.faults.clear();
    plan.storm = Duration::millis(60_000);
    let history = told::<Clerk>(&plan).history;
    let attempts = history.iter().filter(|call| {
        matches!(call.operation.action, Action::CompareAndSet { expect, .. } if expect != Content::INITIAL)
    });
    let matched = |call: &&Call| {
        call.returned.as_ref().is_some_and(|(_, response)| *response == invariants::Response::Done)
    };
    let (all, matched) = (attempts.clone().count(), attempts.filter(matched).count());
    assert!(all > 50 && matched * 10 > all && matched < all, "{matched} of {all} matched");
}

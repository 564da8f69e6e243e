//! Each clever thing beside a stupid one that cannot be wrong.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use raft_core::log::{Entry, Log, Payload};
use raft_core::quorum::{Ballot, majority, reached_by_majority};
use raft_core::saves::{Promise, Saves};
use raft_core::{Entries, Index, Instant, LogId, Message, NodeId, SaveId, Term};
use std::collections::BTreeSet;

fn chance(cases: u32) -> ProptestConfig {
    // A fixed seed: a test that passed passes again.
    ProptestConfig {
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(2),
        ..ProptestConfig::with_cases(cases)
    }
}

proptest! {
    #![proptest_config(chance(2_000))]

    /// The quick way sorts; the slow way asks of each value how many have reached it.
    #[test]
    fn what_a_majority_has_reached_is_what_counting_says(mut reached in vec(0..12_u64, 1..8)) {
        let by_counting = reached
            .iter()
            .copied()
            .filter(|value| reached.iter().filter(|other| *other >= value).count() * 2 > reached.len())
            .max()
            .expect("a majority has reached the smallest value");
        prop_assert_eq!(reached_by_majority(&mut reached), by_counting);
    }

    /// A majority is the smallest number of which no two fit into the group side by side.
    #[test]
    fn two_majorities_always_share_a_voter(voters in 1..65_usize) {
        prop_assert!(2 * majority(voters) > voters);
        prop_assert!(2 * (majority(voters) - 1) <= voters);
    }

    #[test]
    fn a_ballot_is_a_set(places in vec(0..64_usize, 0..100)) {
        let (mut ballot, mut set) = (Ballot::default(), BTreeSet::new());
        for place in places {
            ballot.add(place);
            set.insert(place);
            prop_assert_eq!(ballot.count(), set.len());
        }
    }
}

/// What one can do to a log. Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Edit {
    Append { newer: u64 },
    AppendRest { count: usize, skip: usize, newer: u64 },
    Truncate(u64),
    Slice(u64, u64),
    LastAtMost(u64, u64),
}

fn edits() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => (0..3_u64).prop_map(|newer| Edit::Append { newer }),
        2 => (1..6_usize, 0..6_usize, 0..3_u64)
            .prop_map(|(count, skip, newer)| Edit::AppendRest { count, skip, newer }),
        2 => any::<u64>().prop_map(Edit::Truncate),
        6 => (any::<u64>(), any::<u64>()).prop_map(|(from, to)| Edit::Slice(from, to)),
        4 => (0..40_u64, 0..20_u64).prop_map(|(index, term)| Edit::LastAtMost(index, term)),
    ]
}

fn entry(term: u64, name: &mut u64) -> Entry {
    *name += 1;
    Entry { term: Term(term), payload: Payload::Command(name.to_string().into()) }
}

/// The whole log beside a plain list, after each edit.
fn compare(log: &mut Log, list: &[Entry]) {
    let last = list.len() as u64;
    assert_eq!(
        log.last(),
        LogId { index: Index(last), term: list.last().map_or(Term(0), |entry| entry.term) }
    );
    for index in 0..=last + 2 {
        let term = match index {
            0 => Some(Term(0)),
            _ => list.get(index as usize - 1).map(|entry| entry.term),
        };
        assert_eq!(log.term_at(Index(index)), term);
        for other in 0..4 {
            let id = LogId { index: Index(index), term: Term(other) };
            assert_eq!(log.contains(id), term == Some(Term(other)));
        }
    }
    assert_eq!(*log, Log::new(list.to_vec()));
}

proptest! {
    #![proptest_config(chance(500))]

    #[test]
    fn a_log_is_a_list(edits in vec(edits(), 0..40)) {
        let (mut log, mut list, mut name) = (Log::new(Vec::new()), Vec::<Entry>::new(), 0);
        for edit in edits {
            let last = list.len() as u64;
            let term = list.last().map_or(0, |entry| entry.term.0);
            match edit {
                Edit::Append { newer } => {
                    let entry = entry(term.max(1) + newer / 2, &mut name);
                    list.push(entry.clone());
                    log.append(entry);
                }
                Edit::AppendRest { count, skip, newer } => {
                    let all: Entries = (0..count).map(|_| entry(term.max(1) + newer, &mut name)).collect();
                    let skip = skip % (count + 1);
                    list.extend(all[skip..].iter().cloned());
                    log.append_rest(&all, skip);
                }
                Edit::Truncate(index) => {
                    let index = index % (last + 1);
                    list.truncate(index as usize);
                    log.truncate(Index(index));
                }
                Edit::Slice(from, to) => {
                    // `first` may be one beyond `last`, which is how callers ask for nothing.
                    let to = to % (last + 1);
                    let from = from % (to + 1) + 1;
                    let slice = log.entries(Index(from), Index(to));
                    prop_assert_eq!(&*slice, &list[from as usize - 1..to as usize]);
                }
                Edit::LastAtMost(index, term) => {
                    let by_looking = (1..=last.min(index)).rev().find(|&i| list[i as usize - 1].term <= Term(term));
                    let expected = by_looking.map_or(LogId::default(), |i| {
                        LogId { index: Index(i), term: list[i as usize - 1].term }
                    });
                    prop_assert_eq!(log.last_at_most(Index(index), Term(term)), expected);
                }
            }
            compare(&mut log, &list);
        }
    }
}

/// What can happen to the saves of a server.
#[derive(Clone, Debug)]
enum Happening {
    /// A step that replaces the log after some index by so many entries, in so much later a term, and makes promises.
    Step { cut: Option<u64>, append: u64, newer: u64, promises: usize, write: bool },
    /// A completion of the oldest so many writes in flight.
    Complete(u64),
}

fn happenings() -> impl Strategy<Value = Happening> {
    let step = (proptest::option::of(any::<u64>()), 0..3_u64, 0..6_u64, 0..3_usize, any::<bool>());
    prop_oneof![
        3 => step.prop_map(|(cut, append, newer, promises, write)| Happening::Step {
            cut,
            append,
            newer: newer / 5,
            promises,
            write
        }),
        2 => any::<u64>().prop_map(Happening::Complete),
    ]
}

/// The stupid twin: it remembers everything that happened and works each answer out from the beginning.
#[derive(Default)]
struct Memory {
    /// The log as unique names, and for each the write that brought it.
    log: Vec<u64>,
    /// The log at the time of each write; write 0 is the empty one.
    writes: Vec<Vec<u64>>,
    issued: Vec<Instant>,
    durable: Option<u64>,
    /// Promise number, term, and the newest write when it was made.
    promises: Vec<(u64, u64, u64)>,
    gone: usize,
}

impl Memory {
    /// The longest prefix of the present log that every place of was in a durable write, and never left the log since.
    fn durable_index(&self) -> Index {
        let Some(durable) = self.durable else { return Index(0) };
        let equal = |write: &Vec<u64>| write.iter().zip(&self.log).take_while(|(a, b)| a == b).count() as u64;
        Index(self.writes[..=durable as usize].iter().map(equal).max().unwrap_or(0))
    }

    /// One more acknowledgement is held. One before it that waits for the same write says less, and is forgotten.
    fn promise(&mut self, (number, term, needs): (u64, u64, u64)) {
        let waiting = &self.promises[self.gone..];
        if waiting.last().is_some_and(|&(_, made, before)| (made, before) == (term, needs)) {
            self.promises.pop();
        }
        self.promises.push((number, term, needs));
    }

    /// What leaves now, in order: everything whose write is durable, and of the present term.
    fn released(&mut self, term: u64) -> Vec<u64> {
        let ready: Vec<_> = self.promises[self.gone..]
            .iter()
            .copied()
            .take_while(|&(_, _, needs)| Some(needs) <= self.durable)
            .collect();
        self.gone += ready.len();
        ready.into_iter().filter(|&(_, made, _)| made == term).map(|(number, ..)| number).collect()
    }
}

fn promise(number: u64) -> Promise {
    let message = Message::AppendEntriesResponse { term: Term(0), matched: Index(number), round: 0 };
    Promise::Send(NodeId(1), message)
}

fn drain(saves: &mut Saves, term: u64) -> Vec<u64> {
    std::iter::from_fn(|| saves.release(Term(term)))
        .map(|released| match released {
            Promise::Send(_, Message::AppendEntriesResponse { matched, .. }) => matched.0,
            other => panic!("nobody promised {other:?}"),
        })
        .collect()
}

proptest! {
    #![proptest_config(chance(2_000))]

    #[test]
    fn saves_agree_with_a_memory_of_everything(happenings in vec(happenings(), 0..60)) {
        let mut saves = Saves::recovered(Index(0), Instant(0));
        let mut memory = Memory { writes: vec![Vec::new()], issued: vec![Instant(0)], ..Memory::default() };
        let (mut term, mut name, mut number) = (1, 0, 0);
        for (time, happening) in happenings.into_iter().enumerate() {
            let now = Instant(time as u64 + 1);
            match happening {
                Happening::Step { cut, append, newer, promises, write } => {
                    term += newer;
                    for _ in 0..promises {
                        number += 1;
                        saves.hold(Term(term), promise(number));
                    }
                    if let Some(cut) = cut {
                        let cut = cut % (memory.log.len() as u64 + 1);
                        memory.log.truncate(cut as usize);
                        saves.cut(Index(cut));
                    }
                    for _ in 0..append {
                        name += 1;
                        memory.log.push(name);
                    }
                    // A step that changes the log always writes; one that does not may.
                    if write || append > 0 || cut.is_some() {
                        let id = saves.issue(Index(memory.log.len() as u64), now);
                        prop_assert_eq!(id, SaveId(memory.writes.len() as u64));
                        memory.writes.push(memory.log.clone());
                        memory.issued.push(now);
                    }
                    saves.settle();
                    let newest = memory.writes.len() as u64 - 1;
                    for made in number + 1 - promises as u64..=number {
                        memory.promise((made, term, newest));
                    }
                }
                Happening::Complete(count) => {
                    let first = memory.durable.map_or(0, |durable| durable + 1);
                    let left = memory.writes.len() as u64 - first;
                    if left > 0 {
                        let newest = first + count % left;
                        saves.complete(SaveId(newest));
                        memory.durable = Some(newest);
                    }
                }
            }
            prop_assert_eq!(drain(&mut saves, term), memory.released(term));
            prop_assert_eq!(saves.durable_index(), memory.durable_index());
            let oldest = memory.durable.map_or(0, |durable| durable as usize + 1);
            prop_assert_eq!(saves.oldest(), memory.issued.get(oldest).copied());
        }
    }
}

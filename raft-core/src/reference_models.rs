//! Optimised code compared with simple reference models.

use crate::ids::{DirectoryId, Index, LogId, NodeId, ReplicaKey, SaveId, Term, Timestamp};
use crate::log::{Entries, Entry, Log, Payload};
use crate::membership::{ConfChange, ConfChangeError, ConfChangeOp, Configuration, MAX_MEMBERS};
use crate::message::{Message, MessageContext};
use crate::quorum::{majority, majority_value};
use crate::saves::{Promise, Saves};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

fn proptest_config(cases: u32) -> ProptestConfig {
    // A fixed seed: a passing test stays passing.
    ProptestConfig {
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(2),
        ..ProptestConfig::with_cases(cases)
    }
}

proptest! {
    #![proptest_config(proptest_config(2_000))]

    /// The code sorts; the model counts for each value how many have reached it.
    #[test]
    fn majority_value_equals_counting(mut reached in vec(0..12_u64, 1..8)) {
        let by_counting = reached
            .iter()
            .copied()
            .filter(|value| reached.iter().filter(|other| *other >= value).count() * 2 > reached.len())
            .max()
            .expect("a majority has reached the smallest value");
        prop_assert_eq!(majority_value(&mut reached), by_counting);
    }

    /// A majority is the smallest number such that two disjoint majorities cannot exist.
    #[test]
    fn two_majorities_share_a_voter(voters in 1..65_usize) {
        prop_assert!(2 * majority(voters) > voters);
        prop_assert!(2 * (majority(voters) - 1) <= voters);
    }
}

fn some_of(nodes: std::ops::RangeInclusive<u64>) -> impl Strategy<Value = Vec<NodeId>> {
    proptest::sample::subsequence(nodes.clone().map(NodeId).collect::<Vec<_>>(), 0..=nodes.count())
}

/// Any configuration of up to seven nodes, joint or not, and invalid ones, such as one without voters.
fn groups() -> impl Strategy<Value = Configuration> {
    let halves =
        (some_of(1..=7), prop_oneof![Just(Vec::new()), some_of(1..=7)], some_of(1..=7), some_of(1..=7));
    (halves, any::<bool>()).prop_map(|((voters, old_voters, learners, next), auto_leave)| {
        let joint = !old_voters.is_empty();
        let votes = |node: &NodeId| voters.contains(node) || old_voters.contains(node);
        let learners = learners.into_iter().filter(|node| !votes(node)).collect();
        let next = next.into_iter().filter(|node| old_voters.contains(node) && !voters.contains(node));
        let learners_next = next.collect();
        Configuration {
            voters,
            old_voters,
            learners,
            learners_next,
            auto_leave: joint && auto_leave,
            directory_ids: Vec::new(),
        }
    })
}

fn steps() -> impl Strategy<Value = Vec<ConfChangeOp>> {
    let node = (1..=7_u64).prop_map(NodeId);
    vec(
        prop_oneof![
            3 => node.clone().prop_map(ConfChangeOp::AddVoter),
            2 => node.clone().prop_map(ConfChangeOp::AddLearner),
            3 => node.prop_map(ConfChangeOp::Remove),
        ],
        0..8,
    )
}

/// All subsets of the seven nodes.
fn sets() -> impl Iterator<Item = BTreeSet<NodeId>> {
    (0..1_u32 << 7).map(|bits| (1..=7).filter(|bit| bits >> (bit - 1) & 1 == 1).map(NodeId).collect())
}

fn is_majority(set: &BTreeSet<NodeId>, half: &[NodeId]) -> bool {
    half.is_empty() || 2 * half.iter().filter(|node| set.contains(node)).count() > half.len()
}

fn decides(set: &BTreeSet<NodeId>, group: &Configuration) -> bool {
    is_majority(set, &group.voters) && is_majority(set, &group.old_voters)
}

/// The last operation on each node that the operations name.
fn last_ops(steps: &[ConfChangeOp]) -> BTreeMap<NodeId, ConfChangeOp> {
    let named = |step: &ConfChangeOp| match *step {
        ConfChangeOp::AddVoter(node) | ConfChangeOp::AddLearner(node) | ConfChangeOp::Remove(node) => {
            Some((node, *step))
        }
        ConfChangeOp::SetDirectoryId(..) => None,
    };
    steps.iter().filter_map(named).collect()
}

/// The model: decides for each node by itself what it becomes.
fn model_apply_ops(group: &Configuration, steps: &[ConfChangeOp]) -> Configuration {
    let words = last_ops(steps);
    let select = |was: &[NodeId], becomes: &dyn Fn(NodeId) -> bool| -> Vec<NodeId> {
        (1..=7)
            .map(NodeId)
            .filter(|node| if words.contains_key(node) { becomes(*node) } else { was.contains(node) })
            .collect()
    };
    let learns = |node: NodeId| matches!(words[&node], ConfChangeOp::AddLearner(_));
    let votes_yet = |node: NodeId| group.old_voters.contains(&node);
    Configuration {
        voters: select(&group.voters, &|node| matches!(words[&node], ConfChangeOp::AddVoter(_))),
        learners: select(&group.learners, &|node| learns(node) && !votes_yet(node)),
        learners_next: select(&group.learners_next, &|node| learns(node) && votes_yet(node)),
        ..group.clone()
    }
}

fn model_simple(group: &Configuration, steps: &[ConfChangeOp]) -> Result<Configuration, ConfChangeError> {
    if group.is_joint() {
        return Err(ConfChangeError::AlreadyJoint);
    }
    let changed = model_apply_ops(group, steps);
    let differ = |node: &&NodeId| group.voters.contains(node) != changed.voters.contains(node);
    let all_nodes: Vec<NodeId> = (1..=7).map(NodeId).collect();
    match all_nodes.iter().filter(differ).count() {
        _ if changed.voters.is_empty() => Err(ConfChangeError::NoVoters),
        0 | 1 => Ok(changed),
        _ => Err(ConfChangeError::MoreThanOneVoter),
    }
}

fn model_enter_joint(
    group: &Configuration,
    steps: &[ConfChangeOp],
    auto_leave: bool,
) -> Result<Configuration, ConfChangeError> {
    if group.is_joint() {
        return Err(ConfChangeError::AlreadyJoint);
    }
    let both = Configuration { old_voters: group.voters.clone(), auto_leave, ..group.clone() };
    let changed = model_apply_ops(&both, steps);
    if group.voters.is_empty() || changed.voters.is_empty() {
        Err(ConfChangeError::NoVoters)
    } else {
        Ok(changed)
    }
}

fn model_leave_joint(group: &Configuration) -> Result<Configuration, ConfChangeError> {
    if !group.is_joint() {
        return Err(ConfChangeError::NotJoint);
    }
    let mut learners: Vec<NodeId> = group.learners.iter().chain(&group.learners_next).copied().collect();
    learners.sort_unstable();
    Ok(Configuration { voters: group.voters.clone(), learners, ..Configuration::default() })
}

proptest! {
    #![proptest_config(proptest_config(500))]

    /// The quorums are exactly the sets with a majority of each half.
    #[test]
    fn quorum_is_a_majority_of_each_half(group in groups()) {
        for set in sets() {
            prop_assert_eq!(group.is_quorum(|node| set.contains(&node)), decides(&set, &group), "{:?}", set);
        }
    }

    /// The code takes the median of each half; the model takes the best quorum by the lowest value in it.
    #[test]
    fn quorum_value_equals_best_quorum(group in groups(), values in vec(0..9_u64, 8)) {
        let value = |node: NodeId| values[node.0 as usize];
        let voters = |set: &BTreeSet<NodeId>| set.iter().all(|&node| group.is_voter(node));
        let best = sets()
            .filter(|set| !set.is_empty() && voters(set) && decides(set, &group))
            .filter_map(|set| set.into_iter().map(value).min())
            .max();
        prop_assert_eq!(group.quorum_value(value), best);
    }

    #[test]
    fn members_and_voters_equal_the_lists(group in groups()) {
        let all_nodes: BTreeSet<NodeId> =
            [&group.voters, &group.old_voters, &group.learners].into_iter().flatten().copied().collect();
        prop_assert_eq!(group.members(), all_nodes.into_iter().collect::<Vec<_>>());
        for node in (1..=7).map(NodeId) {
            prop_assert_eq!(group.is_voter(node), group.voters.contains(&node) || group.old_voters.contains(&node));
        }
    }

    #[test]
    fn change_equals_its_last_operations(group in groups(), steps in steps(), auto_leave: bool) {
        prop_assert_eq!(group.simple(&steps), model_simple(&group, &steps));
        prop_assert_eq!(group.enter_joint(&steps, auto_leave), model_enter_joint(&group, &steps, auto_leave));
        prop_assert_eq!(group.leave_joint(), model_leave_joint(&group));
        let at_once = match model_simple(&group, &steps) {
            Err(ConfChangeError::MoreThanOneVoter) => model_enter_joint(&group, &steps, true),
            simple => simple,
        };
        prop_assert_eq!(group.after(&ConfChange::Auto(steps.clone())), at_once);
        prop_assert_eq!(group.after(&ConfChange::ExplicitJoint(steps.clone())), model_enter_joint(&group, &steps, false));
        prop_assert_eq!(group.after(&ConfChange::LeaveJoint), model_leave_joint(&group));
    }

    /// Two consecutive configurations have no disjoint quorums.
    #[test]
    fn consecutive_configurations_share_a_quorum_member(group in groups(), steps in steps(), explicit: bool) {
        prop_assume!(!group.voters.is_empty());
        let change = match explicit {
            _ if group.is_joint() => ConfChange::LeaveJoint,
            true => ConfChange::ExplicitJoint(steps),
            false => ConfChange::Auto(steps),
        };
        if let Ok(after) = group.after(&change) {
            let lists = [&after.voters, &after.old_voters, &after.learners, &after.learners_next];
            prop_assert!(lists.into_iter().all(|list| list.is_sorted_by(|a, b| a < b)), "{}", after);
            for set in sets().filter(|set| decides(set, &group)) {
                let others: BTreeSet<NodeId> = (1..=7).map(NodeId).filter(|node| !set.contains(node)).collect();
                prop_assert!(!decides(&others, &after), "{:?} for {} and {:?} for {}", set, group, others, after);
            }
        }
    }
}

#[test]
fn configuration_holds_64_members() {
    let full = Configuration::of((1..=MAX_MEMBERS as u64).map(NodeId));
    let one_more = NodeId(MAX_MEMBERS as u64 + 1);
    for step in [ConfChangeOp::AddLearner(one_more), ConfChangeOp::AddVoter(one_more)] {
        assert_eq!(full.after(&ConfChange::Auto(vec![step])), Err(ConfChangeError::TooManyMembers));
    }
    // While joint, both halves count towards the limit.
    let swap = vec![ConfChangeOp::AddVoter(one_more), ConfChangeOp::Remove(NodeId(1))];
    assert_eq!(full.after(&ConfChange::Auto(swap)), Err(ConfChangeError::TooManyMembers));
    assert_eq!(full.quorum_value(|node| node.0), Some(MAX_MEMBERS as u64 / 2));
    assert!(full.after(&ConfChange::Auto(vec![ConfChangeOp::AddLearner(NodeId(1))])).is_ok());
}

/// An operation on a log. Numbers are taken modulo what exists.
#[derive(Clone, Debug)]
enum Edit {
    Append { newer: u64 },
    AppendRest { count: usize, skip: usize, newer: u64 },
    Truncate(u64),
    Slice(u64, u64),
    LastAtMost(u64, u64),
    Compact(u64),
    RestartAfter { beyond: u64, newer: u64 },
    Batch { first: u64, most: usize, most_bytes: u64 },
}

fn edits() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => (0..3_u64).prop_map(|newer| Edit::Append { newer }),
        2 => (1..6_usize, 0..6_usize, 0..3_u64)
            .prop_map(|(count, skip, newer)| Edit::AppendRest { count, skip, newer }),
        2 => any::<u64>().prop_map(Edit::Truncate),
        6 => (any::<u64>(), any::<u64>()).prop_map(|(from, to)| Edit::Slice(from, to)),
        4 => (0..40_u64, 0..20_u64).prop_map(|(index, term)| Edit::LastAtMost(index, term)),
        2 => any::<u64>().prop_map(Edit::Compact),
        1 => (0..5_u64, 0..2_u64).prop_map(|(beyond, newer)| Edit::RestartAfter { beyond, newer }),
        3 => (any::<u64>(), 0..6_usize, 0..9_u64)
            .prop_map(|(first, most, most_bytes)| Edit::Batch { first, most, most_bytes }),
    ]
}

fn entry(term: u64, name: &mut u64) -> Entry {
    *name += 1;
    let payload = if name.is_multiple_of(3) {
        Payload::Configuration(Arc::new(Configuration::of((1..=*name).map(NodeId))))
    } else {
        Payload::Command(name.to_string().into())
    };
    Entry { term: Term(term), payload }
}

fn initial_voters() -> Configuration {
    Configuration::of([NodeId(1), NodeId(2), NodeId(3)])
}

/// The model: a list of all entries ever, of which the first `compacted` are not in the log.
struct ListModel {
    entries: Vec<Entry>,
    compacted: u64,
    /// The configuration before the first entry.
    before: Configuration,
}

impl ListModel {
    fn last(&self) -> u64 {
        self.entries.len() as u64
    }

    /// The term at an index, as far as the log can know it.
    fn term(&self, index: u64) -> Option<Term> {
        match index {
            _ if index < self.compacted => None,
            0 => Some(Term(0)),
            _ => self.entries.get(index as usize - 1).map(|entry| entry.term),
        }
    }

    /// The configuration after `index` and the position of its entry, at least the compacted index.
    fn group(&self, index: u64) -> (Index, &Configuration) {
        let changes = self.entries[..index as usize].iter().enumerate().rev();
        let newest = changes.filter_map(|(position, entry)| match &entry.payload {
            Payload::Configuration(configuration) => Some((position as u64 + 1, &**configuration)),
            _ => None,
        });
        let (at, group) = newest.into_iter().next().unwrap_or((0, &self.before));
        (Index(at.max(self.compacted)), group)
    }

    /// Compares the whole log with the model after an edit.
    fn compare(&self, log: &Log) {
        let (last, compacted) = (self.last(), self.compacted);
        let id = |index: u64| LogId { index: Index(index), term: self.term(index).expect("known") };
        assert_eq!((log.compacted(), log.last()), (id(compacted), id(last)));
        for index in 0..=last + 2 {
            let term = self.term(index);
            assert_eq!(log.term_at(Index(index)), term);
            for other in 0..4 {
                let id = LogId { index: Index(index), term: Term(other) };
                assert_eq!(log.contains(id), term == Some(Term(other)));
            }
        }
        let at_compacted = Arc::new(self.group(compacted).1.clone());
        let rest = self.entries[compacted as usize..].to_vec();
        assert_eq!(*log, Log::compacted_at(id(compacted), at_compacted, rest));
        let mut groups: Vec<(Index, &Configuration)> =
            (compacted..=last).map(|index| self.group(index)).collect();
        groups.dedup_by_key(|(at, _)| *at);
        let known: Vec<(Index, &Configuration)> =
            log.configurations().iter().map(|(at, group)| (*at, &**group)).collect();
        assert_eq!(known, groups);
        assert_eq!((log.configuration_index(), &**log.configuration()), self.group(last));
        for commit in compacted..=last {
            assert_eq!(&**log.configuration_at(Index(commit)), self.group(commit).1);
            // A configuration is appended only after the one before it is committed: all but the newest are committed.
            let (at, newest) = self.group(last);
            let committed = if at.0 > commit.max(compacted) { self.group(at.0 - 1).1 } else { newest };
            assert_eq!(&**log.committed_configuration(Index(commit)), committed);
        }
    }
}

proptest! {
    #![proptest_config(proptest_config(1_000))]

    #[test]
    fn log_equals_a_list(edits in vec(edits(), 0..40)) {
        let (mut log, mut name) = (Log::new(initial_voters(), Vec::new()), 0);
        let mut list = ListModel { entries: Vec::new(), compacted: 0, before: initial_voters() };
        for edit in edits {
            let (last, compacted) = (list.last(), list.compacted);
            let term = list.term(last).expect("known").0;
            match edit {
                Edit::Append { newer } => {
                    let entry = entry(term.max(1) + newer / 2, &mut name);
                    list.entries.push(entry.clone());
                    log.append(entry);
                }
                Edit::AppendRest { count, skip, newer } => {
                    let all: Entries = (0..count).map(|_| entry(term.max(1) + newer, &mut name)).collect();
                    let skip = skip % (count + 1);
                    list.entries.extend(all[skip..].iter().cloned());
                    log.append_rest(all.clone(), skip);
                }
                Edit::Truncate(index) => {
                    let index = compacted + index % (last - compacted + 1);
                    list.entries.truncate(index as usize);
                    log.truncate(Index(index));
                }
                Edit::Slice(from, to) => {
                    // `first` may be one beyond `last`, which callers use for an empty range.
                    let to = compacted + to % (last - compacted + 1);
                    let from = compacted + from % (to - compacted + 1) + 1;
                    let expected = &list.entries[from as usize - 1..to as usize];
                    prop_assert_eq!(&*log.entries(Index(from), Index(to)), expected);
                    prop_assert_eq!(&*log.share(Index(from), Index(to)), expected);
                    prop_assert_eq!(&*log.entries(Index(from), Index(to)), expected);
                }
                Edit::LastAtMost(index, term) => {
                    let first = compacted.max(1);
                    let known = (first..=last.min(index)).rev();
                    let by_looking = known.map(|i| LogId { index: Index(i), term: list.term(i).expect("known") });
                    let expected = by_looking.into_iter().find(|id| id.term <= Term(term)).unwrap_or_default();
                    prop_assert_eq!(log.last_at_or_below_term(Index(index), Term(term)), expected);
                }
                Edit::Compact(index) => {
                    // An index beyond the end, or already compacted, changes nothing.
                    let index = index % (last + 2);
                    list.compacted = if index <= last { compacted.max(index) } else { compacted };
                    log.compact(Index(index));
                }
                Edit::RestartAfter { beyond, newer } => {
                    let compacted = LogId { index: Index(last + beyond), term: Term(term.max(1) + newer) };
                    if compacted.index > Index(0) {
                        let compacted_entry = Entry { term: compacted.term, payload: Payload::Noop };
                        name += 1;
                        list.before = Configuration::of((1..=name).map(NodeId));
                        list.entries = std::iter::repeat_n(compacted_entry, compacted.index.0 as usize).collect();
                        list.compacted = compacted.index.0;
                        log.reset_to_snapshot(compacted, Arc::new(list.before.clone()));
                    }
                }
                Edit::Batch { first, most, most_bytes } => {
                    let first = first % (last + 2);
                    let size = |index: u64| list.entries[index as usize - 1].size();
                    let sum = |end: u64| (first..=end).map(size).sum::<u64>();
                    // The entry that would exceed the limit is excluded, except the first one that has any bytes.
                    let fits = |end: &u64| sum(*end) <= most_bytes || sum(*end - 1) == 0;
                    let count = if first > compacted { (first..=last).take(most).take_while(fits).count() } else { 0 };
                    let end = first.saturating_sub(1) + count as u64;
                    let bytes = if count > 0 { sum(end) } else { 0 };
                    prop_assert_eq!(log.batch(Index(first), most, most_bytes), (Index(end), bytes));
                }
            }
            list.compare(&log);
        }
    }
}

/// An event for the saves of a server.
#[derive(Clone, Debug)]
enum SaveEvent {
    /// A step that truncates the log, appends entries in a later term, and makes promises.
    Step { cut: Option<u64>, append: u64, newer: u64, promises: usize, write: bool },
    /// Completes the oldest writes in flight.
    Complete(u64),
}

fn save_events() -> impl Strategy<Value = SaveEvent> {
    let step = (proptest::option::of(any::<u64>()), 0..3_u64, 0..6_u64, 0..3_usize, any::<bool>());
    prop_oneof![
        3 => step.prop_map(|(cut, append, newer, promises, write)| SaveEvent::Step {
            cut,
            append,
            newer: newer / 5,
            promises,
            write
        }),
        2 => any::<u64>().prop_map(SaveEvent::Complete),
    ]
}

/// The model: remembers everything and computes each result from the beginning.
#[derive(Default)]
struct SavesModel {
    /// The log as unique names.
    log: Vec<u64>,
    /// The log at the time of each write; write 0 is the empty one.
    writes: Vec<Vec<u64>>,
    issued: Vec<Timestamp>,
    durable: Option<u64>,
    /// Promise number, term, and the newest write when it was made.
    promises: Vec<(u64, u64, u64)>,
    released: usize,
}

impl SavesModel {
    /// The longest prefix of the current log that equals the prefix of a durable write.
    fn durable_index(&self) -> Index {
        let Some(durable) = self.durable else { return Index(0) };
        let equal = |write: &Vec<u64>| write.iter().zip(&self.log).take_while(|(a, b)| a == b).count() as u64;
        Index(self.writes[..=durable as usize].iter().map(equal).max().unwrap_or(0))
    }

    /// Adds an acknowledgement. It replaces an earlier one that waits for the same write.
    fn promise(&mut self, (number, term, needs): (u64, u64, u64)) {
        let waiting = &self.promises[self.released..];
        if waiting.last().is_some_and(|&(_, made, before)| (made, before) == (term, needs)) {
            self.promises.pop();
        }
        self.promises.push((number, term, needs));
    }

    /// What is sent now, in order: every promise of the current term whose write is durable.
    fn released(&mut self, term: u64) -> Vec<u64> {
        let ready: Vec<_> = self.promises[self.released..]
            .iter()
            .copied()
            .take_while(|&(_, _, needs)| Some(needs) <= self.durable)
            .collect();
        self.released += ready.len();
        ready.into_iter().filter(|&(_, made, _)| made == term).map(|(number, ..)| number).collect()
    }
}

fn promise(number: u64) -> Promise {
    let message = Message::AppendEntriesResponse {
        term: Term(0),
        match_index: Index(number),
        context: MessageContext::default(),
    };
    Promise::Send(ReplicaKey { id: NodeId(1), directory_id: DirectoryId(0) }, message)
}

fn drain(saves: &mut Saves, term: u64) -> Vec<u64> {
    std::iter::from_fn(|| saves.release(Term(term), || false))
        .map(|(_, released)| match released {
            Promise::Send(_, Message::AppendEntriesResponse { match_index, .. }) => match_index.0,
            other => panic!("the test made no promise like {other:?}"),
        })
        .collect()
}

proptest! {
    #![proptest_config(proptest_config(2_000))]

    #[test]
    fn saves_equal_a_full_history(save_events in vec(save_events(), 0..60)) {
        let mut saves = Saves::recovered(Index(0), Timestamp(0));
        let mut model = SavesModel { writes: vec![Vec::new()], issued: vec![Timestamp(0)], ..SavesModel::default() };
        let (mut term, mut name, mut number) = (1, 0, 0);
        for (time, event) in save_events.into_iter().enumerate() {
            let now = Timestamp(time as u64 + 1);
            match event {
                SaveEvent::Step { cut, append, newer, promises, write } => {
                    term += newer;
                    for _ in 0..promises {
                        number += 1;
                        saves.defer(Term(term), promise(number));
                    }
                    if let Some(cut) = cut {
                        let cut = cut % (model.log.len() as u64 + 1);
                        model.log.truncate(cut as usize);
                        saves.truncate(Index(cut));
                    }
                    for _ in 0..append {
                        name += 1;
                        model.log.push(name);
                    }
                    // A step that changes the log always writes; another one may.
                    if write || append > 0 || cut.is_some() {
                        let id = saves.issue(Index(model.log.len() as u64), now);
                        prop_assert_eq!(id, SaveId(model.writes.len() as u64));
                        model.writes.push(model.log.clone());
                        model.issued.push(now);
                    }
                    saves.settle();
                    let newest = model.writes.len() as u64 - 1;
                    for made in number + 1 - promises as u64..=number {
                        model.promise((made, term, newest));
                    }
                }
                SaveEvent::Complete(count) => {
                    let first = model.durable.map_or(0, |durable| durable + 1);
                    let model_leave_joint = model.writes.len() as u64 - first;
                    if model_leave_joint > 0 {
                        let newest = first + count % model_leave_joint;
                        saves.complete(SaveId(newest));
                        model.durable = Some(newest);
                    }
                }
            }
            prop_assert_eq!(drain(&mut saves, term), model.released(term));
            prop_assert_eq!(saves.durable_index(), model.durable_index());
            let oldest = model.durable.map_or(0, |durable| durable as usize + 1);
            prop_assert_eq!(saves.oldest_in_flight(), model.issued.get(oldest).copied());
        }
    }
}

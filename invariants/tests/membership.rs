//! Which configurations may be in force, beside a twin that plays every course of events by itself.

use invariants::ConfChangeOp::{self, Learner, Remove, Voter};
use invariants::ConfChangeResponse::{self, Done, Refused, Unknown};
use invariants::{ConfChange, Configuration, Member, PossibleConfigurations};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn group(voters: &[u64], joint: &[u64], learners: &[u64]) -> Configuration {
    let (voters, joint, learners) = (voters.to_vec(), joint.to_vec(), learners.to_vec());
    Configuration { voters, joint, learners, digest: None }
}

fn founding() -> PossibleConfigurations {
    PossibleConfigurations::with_initial_voters([1, 2, 3])
}

fn member(node: u64, disk_generation: u64) -> Member {
    Member { node, disk_generation }
}

#[test]
fn before_its_answer_a_change_may_be_in_force_or_not_or_half() {
    let mut possible = founding();
    possible.record_request(1, ConfChange::Steps(vec![Voter(4), Remove(3)]), |_| 0);
    let half = group(&[1, 2, 4], &[1, 2, 3], &[]);
    for configuration in [group(&[1, 2, 3], &[], &[]), half.clone(), group(&[1, 2, 4], &[], &[])] {
        assert!(possible.contains(&configuration), "{configuration}");
    }
    // A majority of each: two of {1, 2, 3} and two of {1, 2, 4}.
    let counts = |nodes: &[u64]| possible.all_have_quorum(|member| nodes.contains(&member.node));
    assert!(counts(&[1, 2]) && counts(&[2, 3, 4]) && !counts(&[1, 3]) && !counts(&[3, 4]));
    possible.record_response(1, Unknown);
    assert!(possible.contains(&half));
    possible.record_response(1, Done);
    assert_eq!(possible.configurations(), [group(&[1, 2, 4], &[], &[])]);
}

#[test]
fn a_refused_change_leaves_nothing_behind() {
    let mut possible = founding();
    possible.record_request(1, ConfChange::Steps(vec![Remove(3)]), |_| 0);
    possible.record_response(1, Refused);
    assert_eq!(possible, founding());
}

#[test]
fn a_joint_phase_that_was_asked_for_lasts_until_its_end_is_asked_for() {
    let mut possible = founding();
    possible.record_request(1, ConfChange::Joint(vec![Learner(3)]), |_| 0);
    possible.record_response(1, Done);
    assert_eq!(possible.configurations(), [group(&[1, 2], &[1, 2, 3], &[])]);
    possible.record_request(2, ConfChange::Leave, |_| 0);
    possible.record_response(2, Done);
    assert_eq!(possible.configurations(), [group(&[1, 2], &[], &[3])]);
}

#[test]
fn a_later_success_decides_what_was_unknown_before_and_a_late_answer_says_nothing_new() {
    let mut possible = founding();
    possible.record_request(1, ConfChange::Steps(vec![Voter(4)]), |_| 0);
    possible.record_request(2, ConfChange::Steps(vec![Remove(4)]), |_| 0);
    possible.record_response(2, Done);
    assert_eq!(possible.configurations(), [group(&[1, 2, 3], &[], &[])]);
    possible.record_response(1, Done);
    assert_eq!(possible.configurations(), [group(&[1, 2, 3], &[], &[])]);
}

#[test]
fn an_emptied_server_is_a_member_again_once_it_may_have_been_added_again() {
    let mut possible = founding();
    assert!(possible.all_contain(member(3, 0)) && !possible.any_contains(member(3, 1)));
    possible.record_request(1, ConfChange::Steps(vec![Remove(3)]), |_| 1);
    possible.record_response(1, Done);
    assert!(!possible.any_contains(member(3, 0)) && !possible.any_contains(member(3, 1)));
    possible.record_request(2, ConfChange::Steps(vec![Learner(3)]), |_| 1);
    assert!(possible.any_contains(member(3, 1)) && !possible.all_contain(member(3, 1)));
    possible.record_response(2, Done);
    assert!(possible.all_contain(member(3, 1)));
}

#[test]
fn a_thousand_unanswered_changes_cost_no_memory_and_still_leave_something_to_ask() {
    let mut possible = PossibleConfigurations::with_initial_voters(1..=15);
    for request in 0..1_000 {
        let node = request % 15 + 1;
        let op = if request % 2 == 0 { Remove(node) } else { Voter(node) };
        possible.record_request(request, ConfChange::Steps(vec![op]), |_| 0);
    }
    assert!(possible.configurations().len() < 300);
    // Whoever of them votes: all of them are a quorum of it.
    assert!(possible.all_have_quorum(|_| true));
    assert!(!possible.all_have_quorum(|member| member.node != 1));
}

/// The twin: a configuration as three sets and a flag, and every course of events by itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Plain {
    voters: BTreeSet<u64>,
    old: BTreeSet<u64>,
    learners: BTreeSet<u64>,
    later: BTreeSet<u64>,
}

impl Plain {
    fn join(&self, ops: &[ConfChangeOp]) -> Option<Plain> {
        let mut next = Plain { old: self.voters.clone(), ..self.clone() };
        for op in ops {
            let (Voter(node) | Learner(node) | Remove(node)) = op;
            next.voters.remove(node);
            next.learners.remove(node);
            next.later.remove(node);
            match op {
                Voter(_) => _ = next.voters.insert(*node),
                Learner(_) if next.old.contains(node) => _ = next.later.insert(*node),
                Learner(_) => _ = next.learners.insert(*node),
                Remove(_) => {}
            }
        }
        (self.old.is_empty() && !next.voters.is_empty()).then_some(next)
    }

    fn leave(&self) -> Plain {
        let learners = self.learners.union(&self.later).copied().collect();
        Plain { voters: self.voters.clone(), old: BTreeSet::new(), learners, later: BTreeSet::new() }
    }

    /// What a change can come to, the complete one last.
    fn after(&self, change: &ConfChange) -> Vec<Plain> {
        match change {
            ConfChange::Steps(ops) => {
                self.join(ops).map_or(vec![], |joint| vec![joint.clone(), joint.leave()])
            }
            ConfChange::Joint(ops) => self.join(ops).into_iter().collect(),
            ConfChange::Leave if self.old.is_empty() => vec![],
            ConfChange::Leave => vec![self.leave()],
        }
    }

    fn stated(&self) -> Configuration {
        let list = |set: &BTreeSet<u64>| set.iter().copied().collect();
        Configuration {
            voters: list(&self.voters),
            joint: list(&self.old),
            learners: list(&self.learners),
            digest: None,
        }
    }
}

/// All that a history can have led to: with each change that has no answer, or an unknown one, in every state.
fn courses(history: &[(ConfChange, Option<ConfChangeResponse>)]) -> BTreeSet<Plain> {
    let none = BTreeSet::new;
    let mut all = BTreeSet::from([Plain {
        voters: BTreeSet::from([1, 2, 3]),
        old: none(),
        learners: none(),
        later: none(),
    }]);
    for (change, answer) in history {
        let complete: BTreeSet<Plain> =
            all.iter().filter_map(|plain| plain.after(change).last().cloned()).collect();
        match answer {
            Some(Refused) => {}
            Some(Done) if complete.is_empty() => {}
            Some(Done) => all = complete,
            Some(Unknown) | None => {
                let more: Vec<Plain> = all.iter().flat_map(|plain| plain.after(change)).collect();
                all.extend(more);
            }
        }
    }
    all
}

fn change() -> impl Strategy<Value = ConfChange> {
    let op = (0..3u8, 1..5u64).prop_map(|(kind, node)| match kind {
        0 => Voter(node),
        1 => Learner(node),
        _ => Remove(node),
    });
    let ops = prop::collection::vec(op, 1..3);
    prop_oneof![
        3 => ops.clone().prop_map(ConfChange::Steps),
        1 => ops.prop_map(ConfChange::Joint),
        1 => Just(ConfChange::Leave),
    ]
}

proptest! {
    #[test]
    fn what_is_possible_is_what_some_course_of_events_leads_to(
        changes in prop::collection::vec((change(), 0..4u8), 0..5),
        at_once in any::<bool>(),
    ) {
        let answer = |kind| match kind { 0 => Some(Done), 1 => Some(Refused), 2 => Some(Unknown), _ => None };
        let mut possible = founding();
        for (request, (change, kind)) in (0..).zip(&changes) {
            possible.record_request(request, change.clone(), |_| 0);
            if let Some(answer) = answer(*kind).filter(|_| at_once) {
                possible.record_response(request, answer);
            }
        }
        // Answers that all come at the end, in the order of the commands, say the same.
        for (request, (_, kind)) in (0..).zip(&changes) {
            if let Some(answer) = answer(*kind).filter(|_| !at_once) {
                possible.record_response(request, answer);
            }
        }
        let history: Vec<_> = changes.into_iter().map(|(change, kind)| (change, answer(kind))).collect();
        let sorted = |mut list: Vec<Configuration>| {
            list.sort_by_key(|it| (it.voters.clone(), it.joint.clone(), it.learners.clone()));
            list.dedup();
            list
        };
        let courses = courses(&history).iter().map(Plain::stated).collect();
        prop_assert_eq!(sorted(possible.configurations()), sorted(courses));
    }
}

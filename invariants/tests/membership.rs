//! The possible configurations, compared with a reference model that plays every course of events separately.

use invariants::ConfChangeOp::{self, Learner, Remove, Voter};
use invariants::ConfChangeResponse::{self, Done, Rejected, Unknown};
use invariants::ConfigurationSteps::{Joint, SharedHalf};
use invariants::{ConfChange, Configuration, Member, PossibleConfigurations};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn config(voters: &[u64], joint: &[u64], learners: &[u64]) -> Configuration {
    let (voters, joint, learners) = (voters.to_vec(), joint.to_vec(), learners.to_vec());
    Configuration { voters, joint, learners, ..Configuration::default() }
}

fn initial() -> PossibleConfigurations {
    PossibleConfigurations::with_initial_voters([1, 2, 3])
}

fn member(node: u64, disk_generation: u64) -> Member {
    Member { node, disk_generation }
}

#[test]
fn a_pending_change_may_be_absent_joint_or_complete() {
    let mut possible = initial();
    possible.record_request(1, ConfChange::Steps(vec![Voter(4), Remove(3)]), |_| 0);
    let joint = config(&[1, 2, 4], &[1, 2, 3], &[]);
    for configuration in [config(&[1, 2, 3], &[], &[]), joint.clone(), config(&[1, 2, 4], &[], &[])] {
        assert!(possible.contains(&configuration), "{configuration}");
    }
    // A majority of each: two of {1, 2, 3} and two of {1, 2, 4}.
    let has_quorum = |nodes: &[u64]| possible.all_have_quorum(|member| nodes.contains(&member.node));
    assert!(has_quorum(&[1, 2]) && has_quorum(&[2, 3, 4]) && !has_quorum(&[1, 3]) && !has_quorum(&[3, 4]));
    possible.record_response(1, Unknown);
    assert!(possible.contains(&joint));
    possible.record_response(1, Done);
    assert_eq!(possible.configurations(), [config(&[1, 2, 4], &[], &[])]);
}

#[test]
fn a_rejected_change_has_no_effect() {
    let mut possible = initial();
    possible.record_request(1, ConfChange::Steps(vec![Remove(3)]), |_| 0);
    possible.record_response(1, Rejected);
    assert_eq!(possible, initial());
}

#[test]
fn an_explicit_joint_phase_lasts_until_its_end_is_requested() {
    let mut possible = initial();
    possible.record_request(1, ConfChange::Joint(vec![Learner(3)]), |_| 0);
    possible.record_response(1, Done);
    assert_eq!(possible.configurations(), [config(&[1, 2], &[1, 2, 3], &[])]);
    possible.record_request(2, ConfChange::Leave, |_| 0);
    possible.record_response(2, Done);
    assert_eq!(possible.configurations(), [config(&[1, 2], &[], &[3])]);
}

#[test]
fn a_later_success_settles_earlier_unknown_changes() {
    let mut possible = initial();
    possible.record_request(1, ConfChange::Steps(vec![Voter(4)]), |_| 0);
    possible.record_request(2, ConfChange::Steps(vec![Remove(4)]), |_| 0);
    possible.record_response(2, Done);
    assert_eq!(possible.configurations(), [config(&[1, 2, 3], &[], &[])]);
    possible.record_response(1, Done);
    assert_eq!(possible.configurations(), [config(&[1, 2, 3], &[], &[])]);
}

#[test]
fn a_wiped_server_is_a_member_once_it_may_have_been_added_again() {
    let mut possible = initial();
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
fn a_change_may_begin_in_a_joint_phase_if_neighbours_share_a_half() {
    let half_done = |steps| {
        let mut possible = initial().with_steps(steps);
        possible.record_request(1, ConfChange::Joint(vec![Voter(4), Remove(3)]), |_| 0);
        possible.record_response(1, Done);
        possible.record_request(2, ConfChange::Steps(vec![Remove(4)]), |_| 0);
        possible
    };
    // From {1, 2, 4} with {1, 2, 3} to {1, 2} with {1, 2, 4}.
    let next = config(&[1, 2], &[1, 2, 4], &[]);
    assert!(!half_done(Joint).contains(&next));
    let mut shared = half_done(SharedHalf);
    assert!(shared.contains(&next) && shared.contains(&config(&[1, 2, 4], &[1, 2, 3], &[])));
    shared.record_response(2, Done);
    assert_eq!(shared.configurations(), [config(&[1, 2], &[], &[])]);
}

#[test]
fn a_thousand_pending_changes_take_bounded_memory() {
    let mut possible = PossibleConfigurations::with_initial_voters(1..=15);
    for request in 0..1_000 {
        let node = request % 15 + 1;
        let op = if request % 2 == 0 { Remove(node) } else { Voter(node) };
        possible.record_request(request, ConfChange::Steps(vec![op]), |_| 0);
    }
    assert!(possible.configurations().len() < 300);
    // All servers together are a quorum of every possible configuration.
    assert!(possible.all_have_quorum(|_| true));
    assert!(!possible.all_have_quorum(|member| member.node != 1));
}

/// The reference model of a configuration: four sets.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct ModelConfig {
    voters: BTreeSet<u64>,
    old: BTreeSet<u64>,
    learners: BTreeSet<u64>,
    learners_next: BTreeSet<u64>,
}

impl ModelConfig {
    fn join(&self, ops: &[ConfChangeOp]) -> Option<ModelConfig> {
        let mut next = ModelConfig { old: self.voters.clone(), ..self.clone() };
        for op in ops {
            let (Voter(node) | Learner(node) | Remove(node)) = op;
            next.voters.remove(node);
            next.learners.remove(node);
            next.learners_next.remove(node);
            match op {
                Voter(_) => _ = next.voters.insert(*node),
                Learner(_) if next.old.contains(node) => _ = next.learners_next.insert(*node),
                Learner(_) => _ = next.learners.insert(*node),
                Remove(_) => {}
            }
        }
        (self.old.is_empty() && !next.voters.is_empty()).then_some(next)
    }

    fn leave(&self) -> ModelConfig {
        let learners = self.learners.union(&self.learners_next).copied().collect();
        ModelConfig {
            voters: self.voters.clone(),
            old: BTreeSet::new(),
            learners,
            learners_next: BTreeSet::new(),
        }
    }

    /// The possible results of a change, the complete one last.
    fn after(&self, change: &ConfChange) -> Vec<ModelConfig> {
        match change {
            ConfChange::Steps(ops) => {
                self.join(ops).map_or(vec![], |joint| vec![joint.clone(), joint.leave()])
            }
            ConfChange::Joint(ops) => self.join(ops).into_iter().collect(),
            ConfChange::Leave if self.old.is_empty() => vec![],
            ConfChange::Leave => vec![self.leave()],
        }
    }

    fn to_configuration(&self) -> Configuration {
        let list = |set: &BTreeSet<u64>| set.iter().copied().collect();
        Configuration {
            voters: list(&self.voters),
            joint: list(&self.old),
            learners: list(&self.learners),
            ..Configuration::default()
        }
    }
}

/// All possible results of a history: each change without a known outcome in every stage.
fn model_results(history: &[(ConfChange, Option<ConfChangeResponse>)]) -> BTreeSet<ModelConfig> {
    let none = BTreeSet::new;
    let mut all = BTreeSet::from([ModelConfig {
        voters: BTreeSet::from([1, 2, 3]),
        old: none(),
        learners: none(),
        learners_next: none(),
    }]);
    for (change, answer) in history {
        let complete: BTreeSet<ModelConfig> =
            all.iter().filter_map(|config| config.after(change).last().cloned()).collect();
        match answer {
            Some(Rejected) => {}
            Some(Done) if complete.is_empty() => {}
            Some(Done) => all = complete,
            Some(Unknown) | None => {
                let more: Vec<ModelConfig> = all.iter().flat_map(|config| config.after(change)).collect();
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
    fn possible_configurations_are_those_of_the_model(
        changes in prop::collection::vec((change(), 0..4u8), 0..5),
        at_once in any::<bool>(),
    ) {
        let answer = |kind| match kind { 0 => Some(Done), 1 => Some(Rejected), 2 => Some(Unknown), _ => None };
        let mut possible = initial();
        for (request, (change, kind)) in (0..).zip(&changes) {
            possible.record_request(request, change.clone(), |_| 0);
            if let Some(answer) = answer(*kind).filter(|_| at_once) {
                possible.record_response(request, answer);
            }
        }
        // Responses that all arrive at the end, in request order, give the same result.
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
        let model_results = model_results(&history).iter().map(ModelConfig::to_configuration).collect();
        prop_assert_eq!(sorted(possible.configurations()), sorted(model_results));
    }
}

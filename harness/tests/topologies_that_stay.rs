//! Topologies that do not heal: liveness is required of their expected core, and of nothing else.

#![expect(clippy::disallowed_methods, reason = "a test reads what its servers print")]

mod common;

use common::plan_without_faults;
use harness::outcome::{LIVENESS, Recording};
use harness::outcome::{LOAD_CARRIED, Options, Outcome, TraceEvent, Verdict};
use harness::plan::{PermanentFault, PermanentFaultKind, Plan, SimDuration, Target};
use harness::systems::BUILT_IN;

/// A plan in which only these links work after the faults, of which there are none.
fn plan(kind: PermanentFaultKind, nodes: u64, seed: u64) -> Plan {
    let mut plan = plan_without_faults(nodes, SimDuration::millis(700));
    plan.seed = seed;
    plan.raft.check_quorum = true;
    plan.permanent_fault = Some(PermanentFault { node: Target::Node(1 + seed % nodes), kind, drift: 0 });
    (plan.bounds.leader, plan.bounds.write) = (25, 20);
    (plan.clients.count, plan.clients.load) = (2, 30);
    assert_eq!(plan.check(), Ok(()));
    plan
}

fn run(plan: &Plan) -> Outcome {
    BUILT_IN.run(plan, &Options::default()).outcome
}

fn has_carried_load(outcome: &Outcome) -> bool {
    outcome.milestones.iter().any(|(name, count)| *name == LOAD_CARRIED && *count > 0)
}

const WITH_CORE: [(PermanentFaultKind, u64); 8] = [
    (PermanentFaultKind::Chain, 3),
    (PermanentFaultKind::Bridge, 4),
    (PermanentFaultKind::Bridge, 5),
    (PermanentFaultKind::Bridge, 7),
    (PermanentFaultKind::Ring, 4),
    (PermanentFaultKind::Ring, 5),
    (PermanentFaultKind::LoneLink, 5),
    (PermanentFaultKind::LoneLink, 6),
];

const WITHOUT_CORE: [(PermanentFaultKind, u64); 3] =
    [(PermanentFaultKind::Chain, 5), (PermanentFaultKind::Ring, 7), (PermanentFaultKind::Chain, 4)];

#[test]
fn the_core_of_each_topology_serves_clients_and_carries_a_load() {
    for (kind, nodes) in WITH_CORE {
        for seed in 0..15 {
            let mut plan = plan(kind, nodes, seed);
            plan.raft.pre_vote = seed % 2 == 0;
            let outcome = run(&plan);
            assert!(
                matches!(outcome.verdict, Verdict::Passed),
                "{kind:?}, {nodes}, {seed}: {:?}",
                outcome.verdict
            );
            assert!(has_carried_load(&outcome), "{kind:?}, {nodes}, {seed}");
        }
    }
}

#[test]
fn nothing_is_required_without_a_core() {
    for (kind, nodes) in WITHOUT_CORE {
        for seed in 0..5 {
            let outcome = run(&plan(kind, nodes, seed));
            assert!(matches!(outcome.verdict, Verdict::Passed), "{kind:?}, {nodes}: {:?}", outcome.verdict);
            assert!(!has_carried_load(&outcome), "{kind:?}, {nodes}");
        }
    }
}

#[test]
fn the_leader_crashes_once_and_another_one_is_elected_over_the_same_links() {
    let options = Options { record: Recording::PAGE, ..Options::default() };
    let record = BUILT_IN.run(&plan(PermanentFaultKind::Ring, 5, 3), &options);
    let count = |is: fn(&TraceEvent) -> bool| record.trace.iter().filter(|line| is(&line.event)).count();
    assert_eq!(count(|event| matches!(event, TraceEvent::LeaderCrash)), 1);
    assert_eq!(count(|event| matches!(event, TraceEvent::PermanentFault { .. })), 1);
}

/// Voters that listen to a candidate while they hear their leader: a server that does not reach that leader deposes it again
/// and again, with ever higher terms. With all links there is no such server, and with pre-vote it finds no majority.
#[test]
fn leaders_that_servers_beyond_their_reach_depose_violate_liveness() {
    let caught = |change: fn(&mut Plan)| {
        let is_caught = |seed: &u64| {
            let mut plan = plan(PermanentFaultKind::Chain, 3, *seed);
            plan.bug = Some("vote-rule-inside-lease".to_owned());
            plan.raft.pre_vote = false;
            change(&mut plan);
            match run(&plan).verdict {
                Verdict::Failed(failure) => {
                    assert_eq!(failure.property, LIVENESS, "{}", failure.cause);
                    true
                }
                _ => false,
            }
        };
        (0..40).filter(is_caught).count()
    };
    assert!(caught(|_| {}) >= 5, "{}", caught(|_| {}));
    assert_eq!(caught(|plan| plan.bug = None), 0);
    assert_eq!(caught(|plan| plan.permanent_fault = None), 0);
    assert_eq!(caught(|plan| plan.raft.pre_vote = true), 0);
}

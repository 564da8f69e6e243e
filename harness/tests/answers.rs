//! What the built-in system responds to clients.

#![expect(clippy::disallowed_methods, reason = "a test reads what its servers and clients print")]

mod common;

use common::{fault, plan_without_faults, run_traced};
use harness::outcome::{PROPOSAL_FORWARDED, RunRecord, TraceEvent};
use harness::plan::faults::{BitRot, Damage, DiskError, Pause, Transfer, WallJump};
use harness::plan::{Plan, Probability, SimDuration, Target};
use harness::systems::raft_core::RaftServer;

/// Three servers, and clients that write.
fn plan_with_writes() -> Plan {
    let mut plan = plan_without_faults(3, SimDuration::millis(6_000));
    plan.clients.count = 4;
    plan.clients.reads = Probability(0);
    plan
}

/// The number of responses to clients with exactly this text.
fn count_responses(record: &RunRecord, response: &str) -> usize {
    let is_it =
        |event: &TraceEvent| matches!(event, TraceEvent::Reply { response: text, .. } if text == response);
    record.trace.iter().filter(|line| is_it(&line.event)).count()
}

/// A run with sessions of half a minute, in which the wall clock of `node` jumps an hour ahead.
fn run_with_wall_clock_ahead(node: Target) -> RunRecord {
    let mut plan = plan_with_writes();
    plan.raft.forward = true;
    plan.clients.random_target = Probability(900_000);
    plan.clients.session = SimDuration::millis(30_000);
    plan.faults = vec![fault(SimDuration::millis(2_000), WallJump { node, by: 3_600_000 })];
    run_traced::<RaftServer>(&plan)
}

#[test]
fn sessions_expire_by_the_clock_of_the_leader_and_not_of_a_follower() {
    let record = run_with_wall_clock_ahead(Target::Follower);
    let forwarded = record.outcome.milestones.iter().find(|reached| reached.0 == PROPOSAL_FORWARDED);
    assert!(forwarded.is_some_and(|forwarded| forwarded.1 > 50), "{forwarded:?}");
    assert_eq!(count_responses(&record, "session expired"), 0);
    assert!(
        count_responses(&run_with_wall_clock_ahead(Target::Leader), "session expired") > 0,
        "sessions must expire by the leader's clock"
    );
}

#[test]
fn a_client_learns_that_the_disk_of_a_server_has_failed() {
    let mut plan = plan_with_writes();
    let lasts = SimDuration::millis(1_000);
    plan.faults = vec![fault(
        SimDuration::millis(2_000),
        DiskError { node: Target::Leader, drops: false, once: false, lasts },
    )];
    let record = run_traced::<RaftServer>(&plan);
    assert!(count_responses(&record, "disk failed") > 0);
    assert_eq!(count_responses(&record, "busy"), 0);
}

#[test]
fn a_client_learns_that_leadership_is_being_transferred() {
    let mut plan = plan_with_writes();
    let (target, lasts) = (Target::Follower, SimDuration::millis(500));
    plan.faults = vec![
        fault(SimDuration::millis(2_000), Pause { node: target, lasts }),
        fault(SimDuration::millis(2_010), Transfer { to: target }),
    ];
    let record = run_traced::<RaftServer>(&plan);
    assert!(count_responses(&record, "transferring leadership") > 0);
    assert_eq!(count_responses(&record, "busy"), 0);
}

#[test]
fn a_server_fail_stops_whichever_of_its_files_is_corrupted() {
    let mut counts = [0; 2];
    for seed in 0..24 {
        let mut plan = plan_with_writes();
        plan.seed = seed;
        let node = Target::Node(2);
        plan.faults =
            vec![fault(SimDuration::millis(3_000), BitRot { node, how: Damage::Bit, within_quorum: false })];
        let record = run_traced::<RaftServer>(&plan);
        assert_eq!(record.outcome.verdict, harness::outcome::Verdict::Passed, "seed {seed}");
        let has_stopped = |words| {
            let is_it =
                |event: &TraceEvent| matches!(event, TraceEvent::FailStop(why) if why.starts_with(words));
            record.trace.iter().any(|line| line.node == 2 && is_it(&line.event))
        };
        counts[0] += usize::from(has_stopped("the identity is damaged"));
        counts[1] += usize::from(has_stopped("the log is damaged"));
    }
    assert!(counts[0] > 4 && counts[1] > 4 && counts[0] + counts[1] == 24, "identity and log: {counts:?}");
}

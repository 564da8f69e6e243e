//! What the built-in system tells its clients.

mod common;

use common::{calm, fault, told};
use harness::outcome::{PROPOSAL_FORWARDED, RunRecord};
use harness::plan::{FaultKind, Plan, Probability, SimDuration, Target};
use harness::systems::raft_core::RaftServer;

/// Three servers, and clients who write.
fn busy() -> Plan {
    let mut plan = calm(3, SimDuration::millis(6_000));
    plan.clients.count = 4;
    plan.clients.reads = Probability(0);
    plan
}

/// How often a client was told just this.
fn answers(record: &RunRecord, answer: &str) -> usize {
    let told = |text: &str| text.contains(" -> c") && text.ends_with(&format!(" {answer}"));
    record.trace.iter().filter(|line| told(&line.text)).count()
}

/// What becomes of sessions that end after half a minute when this one's wall clock is an hour ahead.
fn an_hour_ahead(node: Target) -> RunRecord {
    let mut plan = busy();
    plan.raft.forward = true;
    plan.clients.random_target = Probability(900_000);
    plan.clients.session = SimDuration::millis(30_000);
    plan.faults = vec![fault(SimDuration::millis(2_000), FaultKind::WallJump { node, by: 3_600_000 })];
    told::<RaftServer>(&plan)
}

#[test]
fn log_time_is_told_by_the_leaders_clock_and_a_followers_ends_no_session() {
    let record = an_hour_ahead(Target::Follower);
    let forwarded = record.outcome.milestones.iter().find(|reached| reached.0 == PROPOSAL_FORWARDED);
    assert!(forwarded.is_some_and(|forwarded| forwarded.1 > 50), "{forwarded:?}");
    assert_eq!(answers(&record, "its session has ended"), 0);
    assert!(answers(&an_hour_ahead(Target::Leader), "its session has ended") > 0, "the leader's is believed");
}

#[test]
fn a_client_is_told_that_the_disk_of_a_server_has_failed() {
    let mut plan = busy();
    let lasts = SimDuration::millis(1_000);
    plan.faults =
        vec![fault(SimDuration::millis(2_000), FaultKind::DiskError { node: Target::Leader, lasts })];
    let record = told::<RaftServer>(&plan);
    assert!(answers(&record, "its disk has failed") > 0);
    assert_eq!(answers(&record, "not now"), 0);
}

#[test]
fn a_client_is_told_that_the_lead_is_being_passed_on() {
    let mut plan = busy();
    let (whom, lasts) = (Target::Follower, SimDuration::millis(500));
    plan.faults = vec![
        fault(SimDuration::millis(2_000), FaultKind::Pause { node: whom, lasts }),
        fault(SimDuration::millis(2_010), FaultKind::Transfer { to: whom }),
    ];
    let record = told::<RaftServer>(&plan);
    assert!(answers(&record, "it hands over") > 0);
    assert_eq!(answers(&record, "not now"), 0);
}

#[test]
fn a_server_takes_no_part_whichever_of_its_files_rots() {
    let mut seen = [0; 2];
    for seed in 0..24 {
        let mut plan = busy();
        plan.seed = seed;
        let node = Target::Node(2);
        plan.faults = vec![fault(SimDuration::millis(3_000), FaultKind::BitRot { node })];
        let record = told::<RaftServer>(&plan);
        assert_eq!(record.outcome.verdict, harness::outcome::Verdict::Passed, "seed {seed}");
        let says = |words| record.trace.iter().any(|line| line.node == 2 && line.text.starts_with(words));
        seen[0] += usize::from(says("takes no part: the identity is damaged"));
        seen[1] += usize::from(says("takes no part: the log is damaged"));
    }
    assert!(seen[0] > 4 && seen[1] > 4 && seen[0] + seen[1] == 24, "identity and log: {seen:?}");
}

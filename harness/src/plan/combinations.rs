//! What may not be combined: each row of the table in the chapter on faults is refused, and its near miss is not.

#![expect(clippy::disallowed_methods, reason = "a test reads the documentation")]

use super::faults::{ClockJump, ClockRate, Crash};
use super::{Fault, FaultKind, PermanentFault, PermanentFaultKind, Plan, Probability, SimDuration, Target};
use super::{Trigger, generate};

/// A change of a plan.
type Edit = fn(&mut Plan);

/// Per row: how the table names it, what is refused, and what is nearly the same.
const ROWS: [(&str, Edit, Edit); 7] = [
    (
        "leases with clocks that jump",
        |plan| lease(plan, vec![jump()]),
        |plan| {
            lease(plan, vec![jump()]);
            plan.raft.lease_drift = None;
        },
    ),
    (
        "leases with clocks beyond their bound",
        |plan| lease(plan, vec![rate(100_001)]),
        |plan| lease(plan, vec![rate(-100_000)]),
    ),
    (
        "leases without check-quorum",
        |plan| {
            lease(plan, vec![]);
            plan.raft.check_quorum = false;
        },
        |plan| lease(plan, vec![]),
    ),
    (
        "a permanent fault without check-quorum",
        |plan| {
            permanent(plan, PermanentFaultKind::BrokenDisk);
            plan.raft.check_quorum = false;
        },
        |plan| permanent(plan, PermanentFaultKind::BrokenDisk),
    ),
    (
        "a permanent inbound partition without pre-vote",
        |plan| {
            permanent(plan, PermanentFaultKind::InboundPartition);
            plan.raft.pre_vote = false;
        },
        |plan| permanent(plan, PermanentFaultKind::InboundPartition),
    ),
    (
        "damage without a limit with a permanent fault",
        |plan| {
            permanent(plan, PermanentFaultKind::BrokenDisk);
            plan.unlimited_damage = true;
        },
        |plan| plan.unlimited_damage = true,
    ),
    (
        "the node of a trigger without a trigger",
        |plan| plan.faults = vec![at_trigger(None)],
        |plan| plan.faults = vec![at_trigger(Some(Trigger::Elected))],
    ),
];

fn lease(plan: &mut Plan, kinds: Vec<FaultKind>) {
    plan.raft.check_quorum = true;
    plan.raft.lease_drift = Some(Probability(100_000));
    let fault = |kind| Fault { at: SimDuration::millis(1), on: None, kind };
    plan.faults = kinds.into_iter().map(fault).collect();
}

fn jump() -> FaultKind {
    ClockJump { node: Target::Leader, by: SimDuration::millis(5) }.into()
}

fn rate(drift: i64) -> FaultKind {
    ClockRate { node: Target::Leader, drift, lasts: SimDuration::millis(5) }.into()
}

fn permanent(plan: &mut Plan, kind: PermanentFaultKind) {
    (plan.raft.check_quorum, plan.raft.pre_vote) = (true, true);
    plan.permanent_fault = Some(PermanentFault { node: Target::Leader, kind, drift: 0 });
}

fn at_trigger(on: Option<Trigger>) -> Fault {
    let kind = Crash { node: Target::TriggerNode, lasts: SimDuration::millis(5) }.into();
    Fault { at: SimDuration::millis(1), on, kind }
}

#[test]
fn each_row_of_the_table_is_refused_and_its_near_miss_is_not() {
    let mut plain = generate(0);
    (plain.faults, plain.permanent_fault, plain.raft.lease_drift) = (vec![], None, None);
    assert_eq!(plain.check(), Ok(()));
    for (name, refused, near_miss) in ROWS {
        let edited = |edit: Edit| {
            let mut plan = plain.clone();
            edit(&mut plan);
            plan.check()
        };
        assert!(edited(refused).is_err(), "{name} is not refused");
        assert_eq!(edited(near_miss), Ok(()), "{name}: the near miss");
    }
}

#[test]
fn the_chapter_has_the_table() {
    let (_, rows) = include_str!("../../docs/faults.md").split_once("## What may not be combined").unwrap();
    let rows = rows.lines().take_while(|line| !line.starts_with("## "));
    let rows = rows.filter(|line| line.starts_with("| ")).skip(1);
    let names: Vec<&str> = rows.map(|line| line.split('|').nth(1).unwrap().trim()).collect();
    assert_eq!(names, ROWS.map(|(name, ..)| name));
}

//! Each count and size that a plan may have, at the largest value that its check lets through, in less than a GiB.

mod common;

use common::{calm, fault};
use harness::case::{self, Case, Expectation};
use harness::outcome::Options;
use harness::plan::{self, CompactionConfig, FaultKind, MAX_NODES, Plan, Probability, SimDuration, Target};
use harness::run::run;
use std::process::Command;

/// The peak of this process's memory in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A plan that is short and in which clients are busy.
fn short(nodes: u64) -> Plan {
    let mut plan = calm(nodes, SimDuration::millis(1_000));
    plan.clients.count = 3;
    plan.network.delay = SimDuration::millis(1);
    plan.disk.sync = SimDuration::micros(100);
    plan
}

/// A plan with one field changed.
type Extreme = (&'static str, fn(&mut Plan, u64));

/// The counts and sizes of a plan, each with how it is set.
const FIELDS: &[Extreme] = &[
    ("nodes", |plan, value| plan.nodes = value),
    ("raft.batch", |plan, value| plan.raft.batch = value),
    ("raft.window", |plan, value| plan.raft.window = value),
    ("raft.max_in_flight_syncs", |plan, value| plan.raft.max_in_flight_syncs = value),
    ("raft.initial_voters", |plan, value| plan.raft.initial_voters = value),
    ("raft.batch_bytes", |plan, value| plan.raft.batch_bytes = value),
    ("raft.window_bytes", |plan, value| plan.raft.window_bytes = value),
    ("raft.uncommitted_bytes", |plan, value| plan.raft.uncommitted_bytes = value),
    ("raft.chunk", |plan, value| plan.raft.chunk = value),
    ("raft.requests", |plan, value| plan.raft.requests = value),
    ("raft.promotion_lag", |plan, value| plan.raft.promotion_lag = value),
    ("compaction.entries", |plan, entries| {
        plan.compaction = Some(CompactionConfig { entries, bytes: 0, every: SimDuration(0), trailing: 0 });
    }),
    ("compaction.bytes", |plan, bytes| {
        plan.compaction = Some(CompactionConfig { entries: 0, bytes, every: SimDuration(0), trailing: 0 });
    }),
    ("compaction.trailing", |plan, trailing| {
        plan.compaction = Some(CompactionConfig { entries: 1, bytes: 0, every: SimDuration(0), trailing });
    }),
    ("clients.count", |plan, value| {
        plan.clients.count = value;
        plan.nodes = MAX_NODES;
    }),
    ("clients.in_flight", |plan, value| {
        plan.clients.in_flight = value;
        plan.clients.think_time = SimDuration::micros(20);
    }),
    ("clients.attempts", |plan, value| plan.clients.attempts = value),
    ("clients.keys", |plan, value| {
        plan.clients.keys = value;
        plan.clients.count = 100;
        plan.clients.think_time = SimDuration::millis(5);
        plan.nodes = MAX_NODES;
        plan.compaction =
            Some(CompactionConfig { entries: 500, bytes: 0, every: SimDuration(0), trailing: 0 });
    }),
    ("clients.calls", |plan, value| plan.clients.calls = Some(vec![vec![value; 1_000]; 3])),
    ("bounds.leader", |plan, value| plan.bounds.leader = value),
    ("bounds.write", |plan, value| plan.bounds.write = value),
    ("bounds.convergence", |plan, value| plan.bounds.convergence = value),
    ("bounds.events", |plan, value| plan.bounds.events = value),
    ("fault", |plan, value| {
        let at = |number: u64| SimDuration(plan.fault_phase.0 * number / value.max(1));
        let weather = |number: u64| match number % 3 {
            0 => FaultKind::Transfer { to: Target::Follower },
            1 => FaultKind::Partition { side: vec![Target::Leader; 50], lasts: SimDuration::millis(200) },
            _ => FaultKind::DegradedNetwork {
                loss: Probability(10),
                duplication: Probability(10),
                reordering: Probability(10),
                delay: SimDuration::millis(10),
                lasts: SimDuration::millis(300),
            },
        };
        // Beyond the bound there is nothing to be set up.
        plan.faults = (0..value.min(20_000)).map(|number| fault(at(number), weather(number))).collect();
    }),
    ("fault.nodes", |plan, value| {
        let nodes = vec![Target::Node(1); value.min(1 << 20) as usize];
        plan.faults = vec![fault(
            SimDuration::millis(1),
            FaultKind::PowerLoss { nodes, lasts: SimDuration::millis(9) },
        )];
    }),
    ("fault.factor", |plan, factor| {
        let (node, lasts) = (Target::Node(1), SimDuration::millis(9));
        plan.faults = vec![fault(SimDuration::millis(1), FaultKind::SlowDisk { node, factor, lasts })];
    }),
];

fn plan_with(field: Extreme, value: u64) -> Plan {
    let mut plan = short(3);
    (field.1)(&mut plan, value);
    plan
}

/// The largest value that the check lets through.
fn largest(field: Extreme) -> u64 {
    let passes = |value: u64| plan_with(field, value).check().is_ok();
    let (mut least, mut most) = ([1, 2, 3, 4].into_iter().find(|value| passes(*value)).unwrap(), u64::MAX);
    assert!(!passes(most), "{} has no bound", field.0);
    while most - least > 1 {
        let middle = least + (most - least) / 2;
        if passes(middle) { least = middle } else { most = middle }
    }
    least
}

/// Runs in a process of its own, so that peaks are its own.
fn alone(test: &str) {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--include-ignored"])
        .env("ALONE", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{said}{}", String::from_utf8_lossy(&child.stderr));
    let peak = said.lines().find_map(|line| line.strip_prefix("peak ")).expect("it said its peak");
    assert!(peak.parse::<u64>().unwrap() < 1 << 20, "{said}");
}

fn is_alone() -> bool {
    std::env::var_os("ALONE").is_some()
}

#[test]
fn each_field_at_its_bound_is_run_within_a_gibibyte() {
    if !is_alone() {
        return alone("each_field_at_its_bound_is_run_within_a_gibibyte");
    }
    for field in FIELDS {
        let value = largest(*field);
        let plan = plan_with(*field, value);
        let before = peak();
        let outcome = run(&plan, &Options::default()).outcome;
        println!("{} = {value}: {} events, {before} KiB before, {}", field.0, outcome.counts.events, peak());
        assert!(outcome.counts.events > 50, "{}: nothing happened", field.0);
    }
    println!("peak {}", peak());
}

/// A plan in which clients call as much as a run may keep.
fn as_much_as_can_be_kept(nodes: u64, compaction: Option<CompactionConfig>, reads: Probability) -> Plan {
    let mut plan = short(nodes);
    plan.compaction = compaction;
    plan.clients.reads = reads;
    plan.clients.count = 20;
    plan.clients.in_flight = 50;
    plan.clients.think_time = SimDuration::millis(1);
    plan.raft.heartbeat = SimDuration::millis(90);
    (plan.raft.batch, plan.raft.window) = (1_000, 4);
    plan.bounds.events = plan::MAX_EVENTS;
    let passes = |storm: u64| Plan { fault_phase: SimDuration::millis(storm), ..plan.clone() }.check().is_ok();
    let (mut least, mut most) = (1, 1 << 30);
    while most - least > 1 {
        let middle = (least + most) / 2;
        if passes(middle) { least = middle } else { most = middle }
    }
    Plan { fault_phase: SimDuration::millis(least), ..plan }
}

#[test]
#[ignore = "a minute or more, and a GiB"]
fn what_clients_call_is_kept_within_a_gibibyte() {
    let test = "what_clients_call_is_kept_within_a_gibibyte";
    let seldom =
        |trailing| Some(CompactionConfig { entries: 1_000_000, bytes: 0, every: SimDuration(0), trailing });
    let often = Some(CompactionConfig { entries: 2_000, bytes: 0, every: SimDuration(0), trailing: 0 });
    let plans = [
        (1, None, Probability(0)),
        (5, None, Probability(0)),
        (15, None, Probability(0)),
        (3, seldom(0), Probability(0)),
        (3, often.clone(), Probability(0)),
        (1, often, Probability::CERTAIN),
    ];
    if let Some(place) = std::env::var("ALONE").ok().and_then(|place| place.parse::<usize>().ok()) {
        let (nodes, compaction, reads) = plans[place - 1].clone();
        let plan = as_much_as_can_be_kept(nodes, compaction, reads);
        let counts = run(&plan, &Options::default()).outcome.counts;
        println!("{nodes} servers, {}: {counts:?}", plan.fault_phase);
        return println!("peak {}", peak());
    }
    for place in 1..=plans.len() {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture", "--include-ignored"])
            .env("ALONE", place.to_string())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success(), "{said}{}", String::from_utf8_lossy(&child.stderr));
        println!("{said}");
        let peak = said.lines().find_map(|line| line.strip_prefix("peak ")).expect("it said its peak");
        assert!(peak.parse::<u64>().unwrap() < 1 << 20, "{said}");
    }
}

#[test]
fn the_largest_file_is_read_within_a_gibibyte_and_no_larger_one() {
    if !is_alone() {
        return alone("the_largest_file_is_read_within_a_gibibyte_and_no_larger_one");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.toml");
    let mut plan = short(3);
    plan.clients.calls = Some(vec![vec![1; 300_000]; 3]);
    let mut case = Case {
        description: String::new(),
        expect: Expectation::Passed,
        commit: None,
        milestones: vec![],
        shrunk: None,
        plan,
    };
    let most = plan::file::MAX_FILE_BYTES as usize;
    case.description = "x".repeat(most - case.to_text().len());
    case.write(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), plan::file::MAX_FILE_BYTES);
    assert_eq!(case::read_case_or_plan(&path), Ok(case.clone()));
    case.description.push('x');
    case.write(&path).unwrap();
    let said = case::read_case_or_plan(&path).unwrap_err().to_string();
    assert!(said.ends_with("has 4194305 bytes: a plan or a case has at most 4194304"), "{said}");
    println!("peak {}", peak());
}

#[test]
fn a_million_clients_are_refused_with_the_bound() {
    let mut plan = short(3);
    plan.clients.count = 1_000_000;
    let said = plan.check().unwrap_err().to_string();
    assert_eq!(said, "`clients.count` is 1000000: it must be between 1 and 10000");
}

//! Each count and size of a plan at its largest valid value runs within one GiB.

#![expect(clippy::disallowed_methods, reason = "a test reads what the program prints")]

mod common;

use common::{fault, plan_without_faults};
use harness::findings::case::{self, Case, Expectation};
use harness::outcome::Options;
use harness::plan::faults::{DegradedNetwork, Partition, PowerLoss, SlowDisk, Transfer};
use harness::plan::{self, CompactionConfig, FaultKind, MAX_NODES, Plan, Probability, SimDuration, Target};
use harness::systems::BUILT_IN;
use harness::systems::run::run;
use std::process::Command;

/// The peak memory of this process in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A short plan with busy clients.
fn short(nodes: u64) -> Plan {
    let mut plan = plan_without_faults(nodes, SimDuration::millis(1_000));
    plan.clients.count = 3;
    plan.network.delay = SimDuration::millis(1);
    plan.disk.sync = SimDuration::micros(100);
    plan
}

/// A field by name, and how to set it.
type Field = (&'static str, fn(&mut Plan, u64));

/// The counts and sizes of a plan.
const FIELDS: &[Field] = &[
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
        let kind = |number: u64| match number % 3 {
            0 => FaultKind::Transfer(Transfer { to: Target::Follower }),
            1 => FaultKind::Partition(Partition {
                side: vec![Target::Leader; 50],
                lasts: SimDuration::millis(200),
            }),
            _ => FaultKind::DegradedNetwork(DegradedNetwork {
                loss: Probability(10),
                duplication: Probability(10),
                reordering: Probability(10),
                delay: SimDuration::millis(10),
                lasts: SimDuration::millis(300),
            }),
        };
        // Values far beyond the bound need not be built in full.
        plan.faults = (0..value.min(20_000)).map(|number| fault(at(number), kind(number))).collect();
    }),
    ("fault.nodes", |plan, value| {
        let nodes = vec![Target::Node(1); value.min(1 << 20) as usize];
        plan.faults = vec![fault(SimDuration::millis(1), PowerLoss { nodes, lasts: SimDuration::millis(9) })];
    }),
    ("fault.factor", |plan, factor| {
        let (node, lasts) = (Target::Node(1), SimDuration::millis(9));
        plan.faults = vec![fault(SimDuration::millis(1), SlowDisk { node, factor, lasts })];
    }),
];

fn plan_with(field: Field, value: u64) -> Plan {
    let mut plan = short(3);
    (field.1)(&mut plan, value);
    plan
}

/// The largest value that passes the check of a plan.
fn largest(field: Field) -> u64 {
    let passes = |value: u64| plan_with(field, value).check().is_ok();
    let (mut least, mut most) = ([1, 2, 3, 4].into_iter().find(|value| passes(*value)).unwrap(), u64::MAX);
    assert!(!passes(most), "{} has no bound", field.0);
    while most - least > 1 {
        let middle = least + (most - least) / 2;
        if passes(middle) { least = middle } else { most = middle }
    }
    least
}

/// Runs a test in its own process, which has its own peak memory.
fn run_in_own_process(test: &str) {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--include-ignored"])
        .env("ALONE", "1")
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{stdout}{}", String::from_utf8_lossy(&child.stderr));
    let peak_kib =
        stdout.lines().find_map(|line| line.strip_prefix("peak ")).expect("the child must print its peak");
    assert!(peak_kib.parse::<u64>().unwrap() < 1 << 20, "{stdout}");
}

fn is_own_process() -> bool {
    std::env::var_os("ALONE").is_some()
}

#[test]
fn each_field_at_its_bound_runs_within_a_gibibyte() {
    if !is_own_process() {
        return run_in_own_process("each_field_at_its_bound_runs_within_a_gibibyte");
    }
    for field in FIELDS {
        let value = largest(*field);
        let plan = plan_with(*field, value);
        let before = peak_kib();
        let outcome = run(&plan, &Options::default()).outcome;
        println!(
            "{} = {value}: {} events, {before} KiB before, {}",
            field.0,
            outcome.counts.events,
            peak_kib()
        );
        assert!(outcome.counts.events > 50, "{}: nothing happened", field.0);
    }
    println!("peak {}", peak_kib());
}

/// A plan in which clients make as many calls as a run may keep.
fn plan_with_most_calls(nodes: u64, compaction: Option<CompactionConfig>, reads: Probability) -> Plan {
    let mut plan = short(nodes);
    plan.compaction = compaction;
    plan.clients.reads = reads;
    plan.clients.count = 20;
    plan.clients.in_flight = 50;
    plan.clients.think_time = SimDuration::millis(1);
    plan.raft.heartbeat = SimDuration::millis(90);
    (plan.raft.batch, plan.raft.window) = (1_000, 4);
    plan.bounds.events = plan::MAX_EVENTS;
    let passes = |fault_phase: u64| {
        Plan { fault_phase: SimDuration::millis(fault_phase), ..plan.clone() }.check().is_ok()
    };
    let (mut least, mut most) = (1, 1 << 30);
    while most - least > 1 {
        let middle = (least + most) / 2;
        if passes(middle) { least = middle } else { most = middle }
    }
    Plan { fault_phase: SimDuration::millis(least), ..plan }
}

#[test]
#[ignore = "a minute or more, and a GiB"]
fn the_most_calls_of_clients_fit_in_a_gibibyte() {
    let test = "the_most_calls_of_clients_fit_in_a_gibibyte";
    let rarely =
        |trailing| Some(CompactionConfig { entries: 1_000_000, bytes: 0, every: SimDuration(0), trailing });
    let often = Some(CompactionConfig { entries: 2_000, bytes: 0, every: SimDuration(0), trailing: 0 });
    let plans = [
        (1, None, Probability(0)),
        (5, None, Probability(0)),
        (15, None, Probability(0)),
        (3, rarely(0), Probability(0)),
        (3, often.clone(), Probability(0)),
        (1, often, Probability::CERTAIN),
    ];
    if let Some(index) = std::env::var("ALONE").ok().and_then(|index| index.parse::<usize>().ok()) {
        let (nodes, compaction, reads) = plans[index - 1].clone();
        let plan = plan_with_most_calls(nodes, compaction, reads);
        let counts = run(&plan, &Options::default()).outcome.counts;
        println!("{nodes} servers, {}: {counts:?}", plan.fault_phase);
        return println!("peak {}", peak_kib());
    }
    for index in 1..=plans.len() {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture", "--include-ignored"])
            .env("ALONE", index.to_string())
            .output()
            .unwrap();
        let stdout = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success(), "{stdout}{}", String::from_utf8_lossy(&child.stderr));
        println!("{stdout}");
        let peak_kib = stdout
            .lines()
            .find_map(|line| line.strip_prefix("peak "))
            .expect("the child must print its peak");
        assert!(peak_kib.parse::<u64>().unwrap() < 1 << 20, "{stdout}");
    }
}

#[test]
fn the_largest_file_is_read_within_a_gibibyte_and_no_larger_one() {
    if !is_own_process() {
        return run_in_own_process("the_largest_file_is_read_within_a_gibibyte_and_no_larger_one");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.toml");
    let mut plan = short(3);
    plan.clients.calls = Some(vec![vec![1; 300_000]; 3]);
    let mut case = Case::without_run(String::new(), Expectation::Passed, plan);
    let max_bytes = plan::file::MAX_FILE_BYTES as usize;
    case.description = "x".repeat(max_bytes - case.to_text().len());
    case.write(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), plan::file::MAX_FILE_BYTES);
    assert_eq!(case::read_case_or_plan(&path, &BUILT_IN), Ok(case.clone()));
    case.description.push('x');
    case.write(&path).unwrap();
    let error = case::read_case_or_plan(&path, &BUILT_IN).unwrap_err().to_string();
    assert!(
        error.ends_with("is too large: it has 4194305 bytes, and a plan or case may have 4194304"),
        "{error}"
    );
    println!("peak {}", peak_kib());
}

#[test]
fn a_million_clients_are_rejected_with_the_bound() {
    let mut plan = short(3);
    plan.clients.count = 1_000_000;
    let error = plan.check().unwrap_err().to_string();
    assert_eq!(error, "`clients.count` is 1000000: it must be between 1 and 10000");
}

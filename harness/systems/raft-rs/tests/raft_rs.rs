//! The stored cases, and a short sweep beside them.

#![expect(clippy::disallowed_methods, reason = "a test reads what the library prints")]

use harness::outcome::{LogLine, Options, Recording, TraceEvent, Verdict};
use harness::systems::SystemInfo;
use harness::testing;
use harness_raft_rs::RaftRs;

#[test]
fn all_cases_end_as_expected() {
    testing::replay::<RaftRs>("cases");
}

/// Each failure of a seed is one that a case explains.
#[test]
fn default_seeds_show_known_defects_only() {
    testing::sweep_with_known::<RaftRs>(200, "cases");
}

/// What raft-rs logs stands in the trace, with its server.
#[test]
fn the_trace_has_what_the_library_logs() {
    let system = SystemInfo::of::<RaftRs>();
    let options = Options { record: Recording::PAGE, ..Options::default() };
    let record = system.run(&system.plan(1, None), &options);
    let is_election = |log: &LogLine| log.node > 0 && log.text.contains("became leader at term");
    assert!(record.trace.iter().any(|line| matches!(&line.event, TraceEvent::Log(log) if is_election(log))));
}

/// Two runs of a plan are the same: no chance of raft-rs itself takes part.
#[test]
fn runs_are_deterministic() {
    let system = SystemInfo::of::<RaftRs>();
    for seed in 0..20 {
        let plan = system.plan(seed, None);
        let digest = || system.run(&plan, &Options::default()).outcome.digest;
        assert_eq!(digest(), digest(), "seed {seed}");
    }
}

/// A host that breaks its promises is caught.
#[test]
fn each_lie_of_the_host_is_caught_within_200_seeds() {
    let system = SystemInfo::of::<RaftRs>();
    for bug in system.bugs() {
        let fails = |bug: Option<&str>, seed| {
            let verdict = system.run(&system.plan(seed, bug), &Options::default()).outcome.verdict;
            matches!(verdict, Verdict::Failed(_))
        };
        let caught = (0..200).find(|seed| fails(Some(bug.name), *seed) && !fails(None, *seed));
        let is_lie = harness::parts::HostLie::named(bug.name).is_some();
        assert!(!is_lie || caught.is_some(), "{} is not caught", bug.name);
    }
}

/// Its cases lie in the repository, and a sweep may be started anywhere.
#[test]
fn a_sweep_without_the_cases_says_that_it_knows_no_defect() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("elsewhere");
    std::fs::create_dir_all(&folder).unwrap();
    let sweep = |known: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_harness-raft-rs"));
        command.current_dir(&folder).args(["sweep", "--seeds", "0..20", "--no-shrink", "--json"]).args(known);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "none of these seeds fails");
        String::from_utf8(output.stderr).unwrap().contains("so that no failure counts as a known defect")
    };
    assert!(sweep(&[]));
    assert!(!sweep(&["--known", "."]));
}

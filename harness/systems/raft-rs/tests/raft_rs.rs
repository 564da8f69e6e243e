//! The stored cases, and a short sweep beside them.

use harness::findings::case::Case;
use harness::outcome::signature::FailureSignature;
use harness::outcome::{Options, Verdict};
use harness::systems::{System, SystemInfo};
use harness::testing;
use harness_raft_rs::RaftRs;
use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn all_cases_end_as_expected() {
    testing::replay::<RaftRs>("cases");
}

/// Each failure of a seed is one that a case explains.
#[test]
fn default_seeds_show_known_defects_only() {
    let system = SystemInfo::of::<RaftRs>();
    let signature = |plan: &_| match system.run(plan, &Options::default()).outcome.verdict {
        Verdict::Failed(failure) => Some(FailureSignature::of(&failure)),
        Verdict::Passed | Verdict::Unknown(_) => None,
    };
    let cases = testing::cases(Path::new("cases"));
    let cases = cases.iter().map(|(_, path)| Case::read(path, &system).expect("a case that can be read"));
    let known: BTreeSet<FailureSignature> = cases.filter_map(|case| signature(&case.plan)).collect();
    let first = testing::number("MADSIM_TEST_SEED").unwrap_or(0);
    let count = testing::number("MADSIM_TEST_NUM").unwrap_or(200);
    let mut passed = 0;
    for seed in first..first + count {
        match signature(&system.plan(seed, None)) {
            None => passed += 1,
            Some(found) => assert!(known.contains(&found), "seed {seed} of {}: {found:?}", RaftRs::NAME),
        }
    }
    assert!(passed > count / 2, "{passed} of {count} seeds pass");
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

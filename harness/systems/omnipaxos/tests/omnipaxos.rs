//! A short sweep, the stored cases, and what the adapter promises itself.

use harness::outcome::{Options, Verdict};
use harness::systems::SystemInfo;
use harness_omnipaxos::{OmniPaxos, OmniPaxosSnapshots};

#[test]
fn three_hundred_seeds_pass() {
    harness::testing::sweep::<OmniPaxos>(300);
}

#[test]
fn all_cases_end_as_expected() {
    harness::testing::replay::<OmniPaxos>("cases");
}

#[test]
fn all_cases_with_snapshots_end_as_expected() {
    harness::testing::replay::<OmniPaxosSnapshots>("cases-snapshots");
}

/// The library draws no random number, reads no clock and iterates over no map with a random order: this test would
/// notice the first, and another process the rest.
#[test]
fn two_runs_of_a_plan_have_the_same_digest() {
    let system = SystemInfo::of::<OmniPaxos>();
    for seed in 0..20 {
        let plan = system.plan(seed, None);
        let digest = || system.run(&plan, &Options::default()).outcome.digest;
        assert_eq!(digest(), digest(), "seed {seed}");
    }
}

/// Each lie of the host is caught, at the lowest seed at which that was seen.
#[test]
fn lies_of_the_host_are_caught() {
    let system = SystemInfo::of::<OmniPaxos>();
    for (lie, seed, property) in LIES {
        let verdict = system.run(&system.plan(seed, Some(lie)), &Options::default()).outcome.verdict;
        let Verdict::Failed(failure) = verdict else { panic!("{lie} is not caught at seed {seed}") };
        assert_eq!(failure.property, property, "{lie}");
    }
}

/// A lie, the lowest seed at which it is caught, and the property.
const LIES: [(&str, u64, &str); 3] = [
    ("answers-before-sync", 803, "state-machine-safety"),
    ("forgets-vote", 23, "state-machine-safety"),
    ("persist-failure-ignored", 3, "liveness"),
];

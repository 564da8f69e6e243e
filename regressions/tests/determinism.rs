//! The same plan is the same run: on a fresh and on a used thread, in another process, fast and strict, checked and
//! not, in a debug and in a release build.

use harness::outcome::{Options, Outcome};
use harness::plan::generate;
use invariants::Digest;

const SEEDS: std::ops::Range<u64> = 0..12;

fn outcome(seed: u64, options: &Options) -> Outcome {
    harness::run::run(&generate(seed), options).outcome
}

fn digest(seed: u64) -> Digest {
    outcome(seed, &Options::default()).digest
}

#[test]
fn a_used_thread_is_as_good_as_a_fresh_one() {
    let used: Vec<Digest> = SEEDS.map(digest).collect();
    let fresh: Vec<Digest> =
        SEEDS.map(|seed| std::thread::spawn(move || digest(seed)).join().unwrap()).collect();
    assert_eq!(used, fresh);
}

#[test]
fn strict_is_the_same_run() {
    let strict = Options { strict: true, ..Options::default() };
    for seed in SEEDS {
        assert_eq!(outcome(seed, &strict), outcome(seed, &Options::default()), "seed {seed}");
    }
}

#[test]
fn checking_changes_nothing() {
    let unchecked = Options { unchecked: true, ..Options::default() };
    for seed in SEEDS {
        assert_eq!(outcome(seed, &unchecked).digest, digest(seed), "seed {seed}");
    }
}

/// This snapshot is read by debug and by release builds, today and next year. It changes when the generator, the world
/// or the core changes what happens, and only then.
#[test]
fn another_process_another_build_the_same_run() {
    let digests: Vec<String> = SEEDS.map(|seed| format!("{seed:2}  {:?}", digest(seed))).collect();
    insta::assert_snapshot!(digests.join("\n"));
}

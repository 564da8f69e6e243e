//! The same plan gives the same run: on a fresh and a used thread, in another process, checked and
//! unchecked, in debug and release builds. The tests of the harness compare its engines.

#![expect(clippy::disallowed_methods, reason = "a test runs plans in several threads")]

use harness::outcome::{Options, Outcome};
use harness::plan::generate;
use invariants::Digest;

const SEEDS: std::ops::Range<u64> = 0..12;

fn outcome(seed: u64, options: &Options) -> Outcome {
    harness::systems::run::run(&generate(seed), options).outcome
}

fn digest(seed: u64) -> Digest {
    outcome(seed, &Options::default()).digest
}

#[test]
fn a_used_and_a_fresh_thread_give_the_same_digests() {
    let used: Vec<Digest> = SEEDS.map(digest).collect();
    let fresh: Vec<Digest> =
        SEEDS.map(|seed| std::thread::spawn(move || digest(seed)).join().unwrap()).collect();
    assert_eq!(used, fresh);
}

#[test]
fn checking_does_not_change_the_digest() {
    let unchecked = Options::unchecked();
    for seed in SEEDS {
        assert_eq!(outcome(seed, &unchecked).digest, digest(seed), "seed {seed}");
    }
}

/// The snapshot is shared by debug and release builds. It may change only when the generator, the world or
/// the core changes behaviour.
#[test]
fn another_process_another_build_the_same_run() {
    let digests: Vec<String> = SEEDS.map(|seed| format!("{seed:2}  {:?}", digest(seed))).collect();
    insta::assert_snapshot!(digests.join("\n"));
}

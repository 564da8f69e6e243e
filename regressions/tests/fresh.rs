//! Seeds that nobody has run yet: each commit looks somewhere else. `MADSIM_TEST_SEED` and `MADSIM_TEST_NUM` say
//! where and how many.

use harness::outcome::{Options, Verdict};
use harness::plan::generate;

#[test]
fn fresh_seeds_are_kept() {
    let first = regressions::first_fresh_seed();
    let number = regressions::how_many_fresh_seeds(200);
    println!("seeds {first}..{}", first + number);
    for seed in first..first + number {
        let verdict = harness::run::run(&generate(seed), &Options::default()).outcome.verdict;
        if let Verdict::Failed(failure) = verdict {
            panic!(
                "{}: {}\ncargo run --release -- run --seed {seed} --trace",
                failure.property, failure.sentence
            );
        }
    }
}

//! Seeds that nobody has run yet: each commit looks somewhere else. `MADSIM_TEST_SEED` and `MADSIM_TEST_NUM` say
//! where and how many.

use harness::outcome::{Options, Verdict};
use harness::plan::generate;

#[test]
fn fresh_seeds_are_kept() {
    let first = regressions::first_fresh_seed();
    let number = regressions::how_many_fresh_seeds(200);
    let last = first.saturating_add(number);
    println!("seeds {first}..{last}");
    for seed in first..last {
        let verdict = harness::run::run(&generate(seed), &Options::default()).outcome.verdict;
        if let Verdict::Failed(failure) = verdict {
            panic!(
                "{}: {}\ncargo run --release -- run --seed {seed} --trace",
                failure.property, failure.sentence
            );
        }
    }
}

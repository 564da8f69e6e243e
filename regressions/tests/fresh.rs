//! Fresh seeds: each commit runs others. `MADSIM_TEST_SEED` and `MADSIM_TEST_NUM` set the first and the
//! number.

use harness::outcome::{Options, Verdict};
use harness::plan::generate;

#[test]
fn fresh_seeds_pass() {
    let first = regressions::first_fresh_seed();
    let number = regressions::how_many_fresh_seeds(200);
    let last = first.saturating_add(number);
    println!("seeds {first}..{last}");
    for seed in first..last {
        let verdict = harness::systems::run::run(&generate(seed), &Options::default()).outcome.verdict;
        if let Verdict::Failed(failure) = verdict {
            panic!(
                "{}: {}\ncargo run --release -- run --seed {seed} --trace",
                failure.property, failure.cause
            );
        }
    }
}

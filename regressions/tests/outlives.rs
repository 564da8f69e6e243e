//! Stored cases outlive refactoring: the network draws one number more, for nothing, at every sixteenth message of each
//! link, and what comes after on that link is another fate. Every case still catches its bug, as it is stored or with a
//! seed near it.

use harness::case::Case;
use harness::outcome::{Options, RunRecord};
use harness::plan::Plan;
use harness::refresh;

/// How many cases must outlive it.
const CASES: usize = 20;

#[test]
fn every_stored_case_outlives_one_more_draw_in_the_network() {
    let changed = |plan: &Plan, options: &Options| -> RunRecord {
        harness::run::run(plan, &Options { extra_link_draw: true, ..options.clone() })
    };
    let jobs = std::thread::available_parallelism().unwrap();
    let (mut as_stored, mut refreshed, mut moved) = (0, 0, 0);
    for (name, path) in regressions::cases() {
        let case = Case::read(&path).unwrap();
        if case.plan.bug.is_none() {
            continue;
        }
        let options = Options::default();
        let digest = harness::run::run(&case.plan, &options).outcome.digest;
        moved += usize::from(changed(&case.plan, &options).outcome.digest != digest);
        if refresh::meets_expectation(&case, &case.plan, &changed) {
            as_stored += 1;
            continue;
        }
        let near =
            refresh::find_refreshed_case(&case, &changed, jobs).unwrap_or_else(|| panic!("{name} is stale"));
        assert!(
            refresh::meets_expectation(&near, &near.plan, &changed),
            "{name} was refreshed to something else"
        );
        println!("{name}: with the seed {}", near.plan.seed);
        refreshed += 1;
    }
    println!("{as_stored} as stored, {refreshed} refreshed, {moved} runs were other ones");
    assert!(as_stored + refreshed >= CASES, "only {} cases have a bug", as_stored + refreshed);
    assert!(moved * 2 > CASES, "the change changes only {moved} runs");
}

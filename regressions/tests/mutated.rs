//! Mutations of generated plans and of stored cases pass too: hand-written plans are outside the range of the
//! generator, and plans near a former failure are likely to fail.
//!
//! `MADSIM_TEST_SEED` is the number of the first mutated plan and `MADSIM_TEST_NUM` their count, so that a long range
//! can be split. Failing plans are written to the target folder, and the message has the commands that run
//! them.

#![expect(clippy::disallowed_methods, reason = "a test prints the first line of a failure")]

use harness::findings::case::Case;
use harness::outcome::signature::FailureSignature;
use harness::outcome::{Failure, FailureCause, Options, Verdict};
use harness::plan::{Plan, file, generate, mutate, mutated_plan};
use harness::sweep::HARNESS_PANIC;
use harness::systems::BUILT_IN;
use harness::systems::run::run;
use std::collections::BTreeMap;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

#[test]
fn a_sample_of_mutated_plans_passes() {
    assert_mutated_plans_pass(300);
}

#[test]
#[ignore = "takes twenty minutes: `cargo test --release -p regressions --test mutated -- --ignored`"]
fn many_mutated_plans_pass() {
    assert_mutated_plans_pass(200_000);
}

/// Runs `usual` mutated plans, or the range set in the environment. Runs all of them even after a failure, so
/// that one cause does not hide another.
fn assert_mutated_plans_pass(usual: u64) {
    let first = regressions::first_fresh_seed();
    let last = first.saturating_add(regressions::how_many_fresh_seeds(usual));
    println!("mutated plans {first}..{last}");
    fs::create_dir_all(folder()).expect("the target folder must be writable");
    let cases = cases();
    let next = AtomicU64::new(first);
    let failures = Mutex::new(BTreeMap::new());
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= last {
                return;
            }
            let plan = plan(number, &cases);
            if let Some(failure) = failure(&plan) {
                // Written at once, so that an aborted run loses nothing.
                file::write(&path(number), &plan).expect("the target folder must be writable");
                println!("{number}: {}: {}", failure.property, first_line(&failure));
                failures.lock().unwrap().insert(number, failure);
            }
            let ran = number - first + 1;
            if ran.is_multiple_of(20_000) {
                println!("{ran} plans were started");
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(
        failures.is_empty(),
        "{} of {} mutated plans fail\n{}",
        failures.len(),
        last - first,
        report(&failures)
    );
}

/// The plans of all stored cases, without their bugs.
fn cases() -> Vec<Plan> {
    let read = |path: &Path| Case::read(path, &BUILT_IN).unwrap_or_else(|error| panic!("{error}"));
    regressions::cases().iter().map(|(_, path)| Plan { bug: None, ..read(path).plan }).collect()
}

/// The mutated plan with this number: of a generated plan, and every fourth of a stored case.
fn plan(number: u64, cases: &[Plan]) -> Plan {
    if !number.is_multiple_of(4) {
        return mutated_plan(number);
    }
    let case = &cases[(number / 4) as usize % cases.len()];
    mutate(case, &generate(number), number)
}

/// The failure of a plan.
fn failure(plan: &Plan) -> Option<Failure> {
    let verdict = catch_unwind(|| run(plan, &Options::default()).outcome.verdict);
    match verdict {
        Ok(Verdict::Failed(failure)) => Some(*failure),
        Ok(_) => None,
        Err(_) => Some(Failure::new(HARNESS_PANIC, FailureCause::HarnessPanic("a mutated plan".into()))),
    }
}

/// The folder for failing plans.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutated")
}

fn path(number: u64) -> PathBuf {
    folder().join(format!("{number}.toml"))
}

fn first_line(failure: &Failure) -> String {
    failure.cause.to_string().lines().next().unwrap_or_default().to_owned()
}

/// The failures grouped by signature; a few of each group with the commands that run them.
fn report(failures: &BTreeMap<u64, Failure>) -> String {
    let mut groups: BTreeMap<FailureSignature, Vec<u64>> = BTreeMap::new();
    for (&number, failure) in failures {
        groups.entry(FailureSignature::of(failure)).or_default().push(number);
    }
    let mut text = String::new();
    for (signature, numbers) in groups {
        text += &format!("{} times {signature}\n", numbers.len());
        for number in numbers.into_iter().take(20) {
            text += &format!("  {}\n", first_line(&failures[&number]));
            text += &format!("  cargo run --release -- run --plan {} --trace\n", path(number).display());
        }
    }
    text
}

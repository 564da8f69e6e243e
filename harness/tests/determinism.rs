//! Determinism: the same plan gives the same digest, however it is run.

#![expect(clippy::disallowed_methods, reason = "a test reads what the program prints")]

mod common;

use common::{SimpleServer, plan_with_faults};
use harness::outcome::{Engine, Options, Outcome, Recording, RunRecord, Verdict};
use harness::plan::generate;
use harness::systems::run::{run as run_built_in, run_with};
use std::process::Command;

fn run(seed: u64, options: &Options) -> RunRecord {
    let options = Options { disabled: Options::unchecked().disabled, ..options.clone() };
    run_with::<SimpleServer>(&plan_with_faults(seed), &options)
}

fn outcome(seed: u64) -> Outcome {
    run(seed, &Options::default()).outcome
}

#[test]
fn the_plan_triggers_all_its_faults() {
    let outcome = outcome(1);
    assert_eq!(outcome.verdict, Verdict::Passed, "the server must respond after the fault phase");
    let missing: Vec<_> = outcome.faults.iter().filter(|(_, count)| *count == 0).collect();
    assert!(missing.is_empty(), "{missing:?} were never injected");
    assert!(outcome.counts.events > 1_000 && outcome.counts.operations > 50, "{:?}", outcome.counts);
    assert!(outcome.counts.unknown_operations > 0, "{:?}", outcome.counts);
}

#[test]
#[cfg_attr(not(engine_madsim), ignore = "compares with madsim, which needs --cfg madsim")]
fn all_engines_give_the_same_outcome() {
    let record = Recording { digests: true, ..Recording::default() };
    for seed in 0..40 {
        let [plain, fast, strict] =
            Engine::ALL.map(|(_, engine)| run(seed, &Options { engine, record, ..Options::default() }));
        assert_eq!((&fast.outcome, &fast.digests), (&plain.outcome, &plain.digests), "seed {seed}");
        assert_eq!((&strict.outcome, &strict.digests), (&plain.outcome, &plain.digests), "seed {seed}");
    }
}

#[test]
fn a_fresh_and_a_used_thread_give_the_same_outcome() {
    for seed in 0..10 {
        let fresh = std::thread::spawn(move || outcome(seed)).join().unwrap();
        assert_eq!(fresh, outcome(seed), "seed {seed}");
    }
}

#[test]
fn recording_more_does_not_change_the_outcome() {
    let record = Recording { digests: true, ..Recording::PAGE };
    let keep = Options { record, ..Options::default() };
    let record = run(3, &keep);
    assert_eq!(record.outcome, outcome(3));
    assert!(!record.trace.is_empty() && !record.facts.is_empty() && !record.history.is_empty());
    assert_eq!(record.digests.len() as u64, record.outcome.counts.events);
}

#[test]
fn the_built_in_system_is_deterministic_on_all_engines() {
    for seed in 0..20 {
        let plan = generate(seed);
        let usual = run_built_in(&plan, &Options::default()).outcome;
        for (name, engine) in Engine::ALL.into_iter().filter(|(_, engine)| engine.is_available()) {
            let outcome = run_built_in(&plan, &Options { engine, ..Options::default() }).outcome;
            assert_eq!(outcome, usual, "seed {seed} on the engine {name}");
        }
        let unchecked = run_built_in(&plan, &Options::unchecked()).outcome;
        assert_eq!(
            (unchecked.digest, unchecked.counts),
            (usual.digest, usual.counts),
            "seed {seed} unchecked"
        );
    }
}

#[test]
fn different_seeds_give_different_digests() {
    assert_ne!(outcome(1).digest, outcome(2).digest);
}

#[test]
fn two_processes_give_the_same_digests() {
    let digests = || -> String {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "prints_digests", "--nocapture", "--ignored"])
            .output()
            .unwrap();
        let text = String::from_utf8(child.stdout).unwrap();
        text.lines().filter(|line| line.starts_with("digest")).collect::<Vec<_>>().join("\n")
    };
    let first = digests();
    assert_eq!(first.lines().count(), 10);
    assert_eq!(first, digests());
    let here: Vec<String> = (0..10).map(line).collect();
    assert_eq!(first, here.join("\n"));
}

fn line(seed: u64) -> String {
    format!("digest of {seed}: {:?}", outcome(seed).digest)
}

#[test]
#[ignore = "run by another test, in a process of its own"]
fn prints_digests() {
    println!();
    (0..10).for_each(|seed| println!("{}", line(seed)));
}

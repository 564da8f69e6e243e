//! Seeds without the settings that show known defects, the stored cases, the lies of the host, and determinism.

#![cfg(madsim)]
#![expect(clippy::disallowed_methods, reason = "a test reads what the library prints")]

use harness::outcome::{LogLine, Options, Outcome, Recording, TraceEvent, Verdict};
use harness::plan::Plan;
use harness::systems::SystemInfo;
use harness_openraft::Openraft;

fn system() -> SystemInfo {
    SystemInfo::of::<Openraft>()
}

fn run(plan: &Plan) -> Outcome {
    system().run(plan, &Options::default()).outcome
}

/// The plan of a seed in which a restarted leader must be elected again.
fn plan_without_restore(seed: u64) -> Plan {
    let mut plan = system().plan(seed, None);
    plan.system.insert("leader_restore".to_owned(), 0);
    plan
}

#[test]
fn seeds_pass_where_leaders_are_elected_again() {
    let mut snapshots = 0;
    for seed in 0..25 {
        let outcome = run(&plan_without_restore(seed));
        assert_eq!(outcome.verdict, Verdict::Passed, "seed {seed}");
        let installed = outcome.milestones.iter().find(|(name, _)| *name == "snapshot-installed");
        snapshots += installed.map_or(0, |(_, count)| *count);
    }
    assert!(snapshots > 5, "{snapshots}");
}

/// What openraft logs through `tracing` stands in the trace, with its server.
#[test]
fn the_trace_has_what_the_library_logs() {
    let options = Options { record: Recording::PAGE, ..Options::default() };
    let record = system().run(&plan_without_restore(1), &options);
    let of_library = |log: &LogLine| log.node > 0 && log.target.starts_with("openraft");
    assert!(record.trace.iter().any(|line| matches!(&line.event, TraceEvent::Log(log) if of_library(log))));
}

#[test]
fn cases_end_as_expected() {
    harness::testing::replay::<Openraft>("cases");
}

#[test]
fn a_host_that_lies_is_caught() {
    for bug in system().bugs() {
        let caught = (0..200).find_map(|seed| {
            let plan = Plan { bug: Some(bug.name.to_owned()), ..plan_without_restore(seed) };
            match run(&plan).verdict {
                Verdict::Failed(failure) => Some(failure.property),
                Verdict::Passed | Verdict::Unknown(_) => None,
            }
        });
        assert_eq!(caught.as_deref(), Some(bug.first), "{}", bug.name);
    }
}

#[test]
fn a_fresh_and_a_used_thread_give_the_same_outcome() {
    for seed in 0..6 {
        let plan = system().plan(seed, None);
        let here = run(&plan);
        assert_eq!(run(&plan), here, "seed {seed} on a used thread");
        let fresh = std::thread::scope(|scope| scope.spawn(|| run(&plan)).join().unwrap());
        assert_eq!(fresh, here, "seed {seed} on a fresh thread");
    }
}

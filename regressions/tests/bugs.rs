//! Every bug in the catalogue is caught by its expected first property within the first 2,000 seeds, and has
//! a stored case.

#![expect(clippy::disallowed_methods, reason = "a test reads what the program prints")]

use harness::findings::case::{Case, Expectation};
use harness::outcome::{Options, Verdict};
use harness::plan::generate;
use harness::systems::BUILT_IN;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The seeds within which a bug must be caught.
const MAX_SEEDS: u64 = 2_000;

/// The bugs that survive these seeds, each with what it takes to catch it. They are known gaps: a bug that is
/// caught after all must be removed from this list.
const SURVIVING: [(&str, &str); 9] = [
    (
        "vote-rule-inside-lease",
        "`confirmed-reads` needs a candidate that is up to date without leader contact for an election timeout, so there \
        must be no writes meanwhile; its other effect, repeatedly deposed leaders, violates `liveness` or \
        `no-disruption` in about one seed of fifty",
    ),
    (
        "no-snapshot-when-all-purged",
        "a follower must need a snapshot when the whole log of its leader is compacted, and no entry may follow: the next \
        one brings the snapshot; in one seed of four thousand the healed phase ends like that",
    ),
    (
        "stale-conflict-rewinds",
        "the entries are sent once more, which costs bandwidth only: a bound on the rounds that repair of a log takes",
    ),
    (
        "leads-group-without-itself",
        "the removed leader goes on serving, and stays up: a property that a leader is a voter once its removal is \
        committed, or an operator who switches removed servers off",
    ),
    (
        "higher-term-resets-timer",
        "a server that cannot win must time out more often than those that can, for as long as the healed phase lasts: \
        election spreads that differ per server",
    ),
    (
        "lease-promise-lost-on-restart",
        "a voter must restart right after it has answered a heartbeat, and help to elect a leader that commits within the \
        rest of the lease, while a client reads at the old one: crashes at the moment of an answer",
    ),
    (
        "timeout-now-unchecked",
        "a message that tells a voter to campaign must be late by a change that demotes it: messages held back until after \
        a change of the group",
    ),
    (
        "autoleave-during-transfer",
        "a joint configuration must be committed during a transfer that fails, and no later leader may follow: a change that \
        is judged by its end, for operators in a quiet group",
    ),
    (
        "torn-tail-resurrected",
        "power must fail twice, in the short time before the first sync after a start, with records that line up: flickering \
        power",
    ),
];

fn survives(bug: &harness::server::BugInfo) -> bool {
    SURVIVING.iter().any(|(name, _)| *name == bug.name)
}

/// The first seed at which the bug's first property catches it.
fn seeds_needed(bug: &harness::server::BugInfo) -> Option<u64> {
    (0..MAX_SEEDS).find(|&seed| {
        let mut plan = generate(seed);
        plan.bug = Some(bug.name.to_string());
        let verdict = BUILT_IN.run(&plan, &Options::default()).outcome.verdict;
        matches!(verdict, Verdict::Failed(failure) if failure.property == bug.first)
    })
}

/// The same for all bugs, in order. Some need two thousand runs, so idle workers take the next bug.
fn seeds_needed_by_all(bugs: &[&harness::server::BugInfo]) -> Vec<Option<u64>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let indexes = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
        let indexes = indexes.take_while(|&index| index < bugs.len());
        indexes.map(|index| (index, seeds_needed(bugs[index]))).collect::<Vec<_>>()
    };
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut needed = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect::<Vec<_>>()
    });
    needed.sort_unstable();
    needed.into_iter().map(|(_, seeds)| seeds).collect()
}

#[test]
fn each_is_caught_by_its_first_property() {
    let (mut table, mut wrong) = (String::new(), Vec::new());
    let bugs = BUILT_IN.bugs();
    let needed = seeds_needed_by_all(&bugs);
    for (bug, seeds) in bugs.into_iter().zip(needed) {
        println!(
            "{:3}  {:36} {:26} seeds {}",
            bug.id,
            bug.name,
            bug.first,
            seeds.map_or("-".into(), |seed| (seed + 1).to_string())
        );
        if survives(bug) {
            if seeds.is_some() {
                wrong.push(format!("{} no longer survives: it was caught by {}", bug.name, bug.first));
            }
            table += &format!("{:3}  {:36} {} (survives)\n", bug.id, bug.name, bug.first);
            continue;
        }
        if seeds.is_none() {
            wrong.push(format!("{} was not caught by {} within {MAX_SEEDS} seeds", bug.name, bug.first));
        }
        table += &format!("{:3}  {:36} {}\n", bug.id, bug.name, bug.first);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    insta::assert_snapshot!(table);
}

#[test]
fn each_has_a_stored_case() {
    let cases: Vec<Case> =
        regressions::cases().iter().map(|(_, path)| Case::read(path, &BUILT_IN).unwrap()).collect();
    for bug in BUILT_IN.bugs().iter().filter(|bug| !survives(bug)) {
        let stored = cases.iter().any(|case| {
            case.plan.bug.as_deref() == Some(bug.name)
                && case.expect == Expectation::Caught(bug.first.to_string())
        });
        assert!(stored, "{} has no case in {}", bug.name, harness::findings::case::CASES_DIR);
    }
}

//! Scopes of the built-in system that are explored completely, each with the exact number of its states.
#![cfg(feature = "explore")]

use harness::explore::search::Settings;
use harness::explore::{Budget, Ended, ExplorationCase, Explored, Limits, Scope, explore, replay};
use harness::systems::raft_core::explored::CoreModel;
use raft_core::Bug;

fn explored(scope: Scope, bug: Option<Bug>, liveness: bool) -> Explored {
    let model = CoreModel::new(scope, bug).expect("the scope must be valid");
    let renamings = model.renamings();
    let settings = Settings {
        limits: scope.limits,
        drop_dead: scope.drop_dead,
        liveness,
        budget: Budget { states: 2_000_000, bytes: 1 << 30 },
    };
    explore(model, renamings, &settings, &mut |_| true)
}

/// What is reachable. A change of it is seen here, also if no property is violated.
#[test]
#[expect(clippy::disallowed_methods, reason = "insta reads the name of the function")]
fn small_scopes_are_complete_and_have_these_states() {
    let three = Scope::default();
    let two = Scope { servers: 2, voters: 2, ..three };
    let limits = Limits { timers: 15, ..Limits::default() };
    let scopes = [
        Scope { servers: 1, voters: 1, limits: Limits { proposals: 1, crashes: 1, ..limits }, ..three },
        two,
        Scope { limits: Limits { proposals: 1, crashes: 1, ..limits }, ..two },
        Scope { asynchronous: false, ..three },
        three,
        Scope { asynchronous: false, limits: Limits { proposals: 1, ..limits }, ..three },
        Scope { asynchronous: false, limits: Limits { timers: 2, crashes: 1, ..limits }, ..three },
    ];
    let line = |scope: Scope| {
        let Explored { ended, states, edges, depth, server_states, rounds, recovered, .. } =
            explored(scope, None, true);
        assert_eq!(ended, Ended::Complete, "{scope}");
        format!(
            "{states:>7} states {edges:>8} edges depth {depth:>2} {server_states:>4} server states {rounds} rounds {recovered:>6} recover: {scope}\n"
        )
    };
    insta::assert_snapshot!(scopes.map(line).concat());
}

/// Limits of which all that is not named is 0.
fn limits(change: impl Fn(&mut Limits)) -> Limits {
    let mut limits = Limits { timers: 15, ..Limits::default() };
    change(&mut limits);
    limits
}

/// Bugs and scopes that show them.
fn bugs_and_scopes() -> Vec<(&'static str, Scope)> {
    let two_terms = Scope::default();
    let one_term = Scope { terms: 1, ..two_terms };
    let instant = Scope { asynchronous: false, ..two_terms };
    let proposal = limits(|it| it.proposals = 1);
    let crash = limits(|it| (it.crashes, it.timers) = (1, 1));
    let change = Scope { terms: 1, limits: limits(|it| it.changes = 1), ..instant };
    let four = Scope { servers: 4, voters: 3, ..change };
    let read = Scope { limits: limits(|it| (it.reads, it.proposals, it.timers) = (1, 1, 2)), ..instant };
    vec![
        ("vote-reply-before-sync", two_terms),
        ("self-vote-after-rv", two_terms),
        ("vote-cleared-same-term", two_terms),
        ("stale-vote-response-counted", two_terms),
        ("follower-ack-before-sync", two_terms),
        ("commit-on-inmemory-index", two_terms),
        ("apply-before-local-durable", two_terms),
        ("vote-without-log-check", two_terms),
        ("commit-prior-term-by-count", two_terms),
        ("term-adopted-not-durable", two_terms),
        ("term-stamped-late", two_terms),
        ("no-truncate-on-conflict", two_terms),
        ("commit-index-regress", Scope { limits: proposal, ..two_terms }),
        ("truncate-on-matching-ae", Scope { limits: proposal, ..two_terms }),
        ("match-from-sent-index", Scope { limits: proposal, ..one_term }),
        ("log-recency-index-only", Scope { terms: 3, limits: proposal, ..instant }),
        ("resume-leadership-same-term", Scope { limits: crash, ..two_terms }),
        ("truncate-then-append-window", Scope { limits: limits(|it| it.crashes = 1), ..one_term }),
        ("singleton-leads-unsaved", Scope { servers: 1, voters: 1, ..two_terms }),
        (
            "vote-cleared-by-pre-vote",
            Scope { pre_vote: true, limits: limits(|it| it.timers = 3), ..two_terms },
        ),
        (
            "same-term-index-reuse",
            Scope { limits: limits(|it| (it.disks, it.proposals) = (1, 2)), ..one_term },
        ),
        ("leader-local-read", read),
        ("readindex-before-own-term-commit", read),
        (
            "nonvoter-campaigns",
            Scope { terms: 2, limits: limits(|it| (it.changes, it.timers) = (1, 2)), ..change },
        ),
        ("learner-counted-in-quorum", change),
        ("overlapping-config-changes", Scope { limits: limits(|it| it.changes = 2), ..change }),
        ("config-change-before-own-term-commit", change),
        ("joint-left-before-commit", four),
        (
            "snapshot-config-lost-or-stale",
            Scope { limits: limits(|it| (it.changes, it.snapshots) = (1, 1)), ..change },
        ),
    ]
}

/// Bugs after which a cluster cannot recover, and the smallest scopes that show them.
fn bugs_of_liveness_and_scopes() -> Vec<(&'static str, Scope)> {
    let two = Scope { servers: 2, voters: 2, ..Scope::default() };
    let instant = Scope { asynchronous: false, ..two };
    vec![
        ("conflict-catch-up-livelock", instant),
        ("removed-or-retired-node-mishandled", Scope { limits: limits(|it| it.changes = 1), ..instant }),
        // A leader learns the later term, so it must first stop leading: by its quorum check, or by a crash.
        ("prevote-term-deadlock", Scope { pre_vote: true, check_quorum: true, ..instant }),
        ("prevote-term-deadlock", Scope { pre_vote: true, limits: limits(|it| it.crashes = 1), ..two }),
    ]
}

/// Explores with a bug. Its trace breaks the property as a case, too, which is stored and read again.
fn line_of_bug(name: &str, scope: Scope, liveness: bool) -> String {
    let bug = Bug::named(name).expect("a bug of the catalogue");
    let Explored { ended, states, .. } = explored(scope, Some(bug), liveness);
    let Ended::Violation(found) = ended else { panic!("{name} must be found: {ended:?}") };
    let (steps, property) = (found.trace.len(), &found.property);
    assert!(steps <= 20, "{name}: {steps} steps");
    let case = ExplorationCase::of(scope, Some(name), &found).to_toml().expect("a case must be written");
    let case = ExplorationCase::from_toml(&case).expect("a case must be read");
    let model = CoreModel::new(case.scope, Some(bug)).expect("the scope must be valid");
    let again = replay(model, &case.scope.limits, &case.trace).expect("each step must be taken");
    assert_eq!(again.map(|found| found.property), Some(case.property), "{name}");
    format!("{name:<36} {property:<22} {steps:>2} steps {states:>6} states: {scope}\n")
}

#[test]
#[expect(clippy::disallowed_methods, reason = "insta reads the name of the function")]
fn bugs_are_found_with_short_traces() {
    let lines = bugs_and_scopes().into_iter().map(|(name, scope)| line_of_bug(name, scope, false));
    insta::assert_snapshot!(lines.collect::<String>());
}

/// A cluster that can no longer get to work is found. Without the bug it always can, and without the check of liveness
/// the bug breaks no property.
#[test]
#[expect(clippy::disallowed_methods, reason = "insta reads the name of the function")]
fn clusters_that_cannot_recover_are_found() {
    let mut lines = String::new();
    for (name, scope) in bugs_of_liveness_and_scopes() {
        lines += &line_of_bug(name, scope, true);
        assert_eq!(explored(scope, None, true).ended, Ended::Complete, "{scope}");
        assert_eq!(explored(scope, Bug::named(name), false).ended, Ended::Complete, "{name}: {scope}");
    }
    insta::assert_snapshot!(lines);
}

/// The stored traces break their properties, and without their bug none does.
#[test]
fn stored_explorations_are_replayed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/explorations");
    let mut replayed = 0;
    for file in std::fs::read_dir(folder).expect("the folder must exist") {
        let path = file.expect("the folder must be readable").path();
        let text = std::fs::read_to_string(&path).expect("a case must be readable");
        let case = ExplorationCase::from_toml(&text).expect("a case must be valid");
        let run = |bug| {
            let model = CoreModel::new(case.scope, bug).expect("the scope must be valid");
            replay(model, &case.scope.limits, &case.trace)
        };
        let bug = case.bug.as_deref().map(|name| Bug::named(name).expect("a bug of the catalogue"));
        let found = run(bug).unwrap_or_else(|reason| panic!("{}: {reason}", path.display()));
        assert_eq!(found.map(|found| found.property).as_ref(), Some(&case.property), "{}", path.display());
        // Without the bug a step cannot be taken there, or the trace is harmless.
        assert!(matches!(run(None), Err(_) | Ok(None)), "{}", path.display());
        replayed += 1;
    }
    assert!(replayed >= 5, "{replayed} cases");
}

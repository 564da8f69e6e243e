//! Scopes of noraft, explored completely, each with the exact number of its states.

use harness::explore::search::Settings;
use harness::explore::{Budget, Ended, Explored, Limits, Renaming, explore};
use harness_explored::Noraft;

fn limits(change: impl Fn(&mut Limits)) -> Limits {
    let mut limits = Limits { timers: 15, ..Limits::default() };
    change(&mut limits);
    limits
}

fn explored(model: Noraft) -> Explored {
    let budget = Budget { states: 1_000_000, bytes: 1 << 30 };
    let settings = Settings { limits: model.limits, drop_dead: true, liveness: false, budget };
    let one = vec![Renaming::identity(model.servers)];
    explore(model, one, &settings, &mut |_| true)
}

/// A cluster of two: there all votes can be stated.
fn two(limits: Limits) -> Noraft {
    Noraft { servers: 2, terms: 2, limits, forgets_votes: false, states_all_votes: true }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "insta reads the name of the function")]
fn small_scopes_of_noraft_are_complete_and_have_these_states() {
    let crash = limits(|it| (it.timers, it.crashes) = (2, 1));
    let scopes = [
        two(limits(|_| ())),
        two(limits(|it| (it.proposals, it.crashes) = (1, 1))),
        Noraft { servers: 3, terms: 1, states_all_votes: false, ..two(crash) },
    ];
    let line = |model: Noraft| {
        let Noraft { servers, terms, limits, .. } = model;
        let Limits { timers, proposals, crashes, .. } = limits;
        let scope = format!(
            "{servers} servers, {terms} terms, {timers} timers, {proposals} proposals, {crashes} crashes"
        );
        let Explored { ended, states, edges, depth, server_states, rounds, .. } = explored(model);
        assert_eq!(ended, Ended::Complete, "{scope}");
        format!(
            "{states:>6} states {edges:>7} edges depth {depth:>2} {server_states:>4} server states {rounds} rounds: {scope}\n"
        )
    };
    insta::assert_snapshot!(scopes.map(line).concat());
}

/// A host that forgets votes in a crash, against the contract of the library.
#[test]
fn a_host_that_forgets_votes_is_found() {
    let near = two(limits(|it| (it.timers, it.crashes) = (2, 1)));
    let Ended::Violation(found) = explored(Noraft { forgets_votes: true, ..near.clone() }).ended else {
        panic!("a vote is forgotten")
    };
    assert_eq!(found.property, "recovered-promises", "{:#?}", found.trace);
    assert_eq!(explored(near).ended, Ended::Complete);
}

/// A server that has campaigned, and then heard from the leader of the term, votes for that leader.
#[test]
fn a_vote_for_the_leader_of_the_term_is_a_second_vote() {
    let three = Noraft { servers: 3, terms: 1, ..two(limits(|it| it.timers = 2)) };
    let Ended::Violation(found) = explored(three.clone()).ended else { panic!("a server votes twice") };
    assert_eq!(found.property, "one-vote-per-term", "{:#?}", found.trace);
    assert_eq!(found.trace.len(), 7, "{:#?}", found.trace);
    // It elects no leader.
    assert_eq!(explored(Noraft { states_all_votes: false, ..three }).ended, Ended::Complete);
}

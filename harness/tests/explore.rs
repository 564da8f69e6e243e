//! Scopes of the built-in system that are explored completely, each with the exact number of its states.
#![cfg(feature = "explore")]

use harness::explore::search::Settings;
use harness::explore::{Budget, Ended, Explored, Limits, Scope, explore};
use harness::systems::raft_core::explored::CoreModel;
use raft_core::Bug;

fn explored(scope: Scope, bug: Option<Bug>) -> Explored {
    let model = CoreModel::new(scope, bug).expect("the scope must be valid");
    let renamings = model.renamings();
    let settings = Settings {
        limits: scope.limits,
        drop_dead: scope.drop_dead,
        liveness: false,
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
        let Explored { ended, states, edges, depth, server_states, rounds, .. } = explored(scope, None);
        assert_eq!(ended, Ended::Complete, "{scope}");
        format!(
            "{states:>7} states {edges:>8} edges depth {depth:>2} {server_states:>4} server states {rounds} rounds: {scope}\n"
        )
    };
    insta::assert_snapshot!(scopes.map(line).concat());
}

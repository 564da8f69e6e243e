//! The explorer compared with itself: reduced searches see what full ones see.

use super::search::{Search, Settings};
use super::tables::Tables;
use super::{Budget, Ended, Limits, Scope, explore};
use crate::systems::raft_core::explored::CoreModel;
use std::collections::BTreeSet;

fn settings(scope: &Scope) -> Settings {
    let budget = Budget { states: 1 << 23, bytes: 1 << 30 };
    Settings { limits: scope.limits, drop_dead: scope.drop_dead, liveness: false, budget }
}

/// The words of all server states within a scope, renamed ones included, and the number of states of the cluster.
fn server_states(scope: Scope) -> (BTreeSet<Vec<u32>>, usize) {
    let model = CoreModel::new(scope, None).expect("the scope must be valid");
    let renamings = CoreModel::new(Scope { symmetry: true, ..scope }, None).unwrap().renamings();
    let of_search = model.renamings();
    let settings = settings(&scope);
    let mut search = Search::new(Tables::new(model, of_search), &settings);
    assert_eq!(search.run(&mut |_| true), Ended::Complete);
    (search.reached_server_states(&renamings), search.visited.len())
}

#[test]
fn reduced_and_full_searches_reach_the_same_server_states() {
    let two = Scope { servers: 2, voters: 2, ..Scope::default() };
    let crashes = Limits { timers: 2, crashes: 1, proposals: 1, ..Limits::default() };
    let with_crash = Scope { limits: crashes, ..two };
    let instant = Scope { asynchronous: false, terms: 1, ..Scope::default() };
    for scope in [two, with_crash, instant] {
        let full = server_states(Scope { symmetry: false, drop_dead: false, ..scope });
        let dropped = server_states(Scope { symmetry: false, ..scope });
        let renamed = server_states(Scope { drop_dead: false, ..scope });
        let reduced = server_states(scope);
        let sizes = [&full, &dropped, &renamed, &reduced].map(|(_, states)| *states);
        assert!(dropped.0 == full.0 && renamed.0 == full.0 && reduced.0 == full.0, "{scope}: {sizes:?}");
        let factorial: usize = (1..=scope.servers).product();
        assert!(sizes[2] * factorial >= sizes[0] && sizes[2] < sizes[0], "{scope}: {sizes:?}");
        assert!(sizes[3] * factorial >= sizes[1] && sizes[3] < sizes[1], "{scope}: {sizes:?}");
        assert!(sizes[1] < sizes[0], "{scope}: {sizes:?}");
    }
}

#[test]
fn a_budget_ends_a_search_as_not_complete() {
    let scope = Scope::default();
    let model = CoreModel::new(scope, None).unwrap();
    let renamings = model.renamings();
    let budget = Budget { states: 5_000, bytes: 1 << 30 };
    let explored = explore(model, renamings, &Settings { budget, ..settings(&scope) }, &mut |_| true);
    assert!(matches!(explored.ended, Ended::Incomplete { .. }), "{:?}", explored.ended);
}

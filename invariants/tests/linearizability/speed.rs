//! A guard against becoming slow: not in milliseconds, which are the machine's, but next to something that any machine
//! does about as well.

use crate::simulator::{Setup, simulate};
use crate::stream::followed;
use invariants::linearizability::{Budget, Verdict, check_by_search, check_by_zones};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// The quickest of some rounds, which is what other work on the machine disturbs least.
#[allow(clippy::disallowed_methods)]
fn quickest(mut what: impl FnMut()) -> Duration {
    let rounds = (0..7).map(|_| {
        let start = Instant::now();
        what();
        start.elapsed()
    });
    rounds.min().expect("some rounds")
}

/// What was measured when this was written, as multiples of sorting all calls into a tree. More than three times as
/// much is a reason to look.
const ZONES: f64 = 0.7;
const SEARCH: f64 = 5.0;
const STREAM: f64 = 6.5;

#[test]
fn no_check_has_become_much_slower() {
    let simulated = simulate(Setup { operations: 50_000, clients: 50, keys: 50, ..Setup::default() });
    let history = &simulated.history;
    let tree = quickest(|| {
        let tree: BTreeMap<_, _> =
            history.iter().map(|call| ((call.operation.key, call.id), call.called)).collect();
        black_box(tree);
    });
    let zones = quickest(|| assert_eq!(check_by_zones(history), Ok(Verdict::Linearizable)));
    let search =
        quickest(|| assert_eq!(check_by_search(history, Budget::default()), Ok(Verdict::Linearizable)));
    let stream = quickest(|| assert!(followed(&simulated, true).is_ok()));
    let times = |check: Duration| check.as_secs_f64() / tree.as_secs_f64();
    let told = format!("zones {:.2}, search {:.2}, stream {:.2}", times(zones), times(search), times(stream));
    println!("{told}");
    assert!(
        times(zones) < 3.0 * ZONES && times(search) < 3.0 * SEARCH && times(stream) < 3.0 * STREAM,
        "{told}"
    );
}

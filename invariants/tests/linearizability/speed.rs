//! A guard against becoming slow: not in milliseconds, which are the machine's, but next to something that any machine
//! does about as well.

use crate::agree::witnessed;
use crate::simulator::{Setup, simulate};
use crate::stream::followed;
use invariants::linearizability::{Budget, Verdict, check_by_search, check_by_zones};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// How long it takes this time.
#[allow(clippy::disallowed_methods)]
fn timed(what: impl FnOnce()) -> Duration {
    let start = Instant::now();
    what();
    start.elapsed()
}

/// Everything takes its turn, and the quickest round counts: other work on the machine disturbs that least. So many
/// rounds, should the machine be busy.
const ROUNDS: usize = 60;

/// What was measured when this was written, as multiples of sorting all calls into a tree. More than three times as
/// much is a reason to look.
const ZONES: f64 = 0.7;
const SEARCH: f64 = 5.0;
const STREAM: f64 = 6.5;
const WITNESS: f64 = 0.6;

#[test]
fn no_check_has_become_much_slower() {
    let simulated = simulate(Setup { operations: 50_000, clients: 50, keys: 50, ..Setup::default() });
    let history = &simulated.history;
    let checks: [&dyn Fn(); 5] = [
        &|| {
            let calls = history.iter().map(|call| ((call.operation.key, call.id), call.called));
            black_box(calls.collect::<BTreeMap<_, _>>());
        },
        &|| assert_eq!(check_by_zones(history), Ok(Verdict::Linearizable)),
        &|| assert_eq!(check_by_search(history, Budget::default()), Ok(Verdict::Linearizable)),
        &|| assert!(followed(&simulated, true).is_ok()),
        &|| assert!(witnessed(&simulated)),
    ];
    let mut quickest = [Duration::MAX; 5];
    let mut times = [f64::MAX; 4];
    for _ in 0..ROUNDS {
        for (quickest, check) in quickest.iter_mut().zip(checks) {
            *quickest = timed(check).min(*quickest);
        }
        let [tree, checks @ ..] = quickest;
        times = checks.map(|check| check.as_secs_f64() / tree.as_secs_f64());
        let most = [ZONES, SEARCH, STREAM, WITNESS].map(|measured| 3.0 * measured);
        if times.iter().zip(most).all(|(&time, most)| time < most) {
            return;
        }
    }
    let [zones, search, stream, witness] = times;
    panic!(
        "zones {zones:.2}, search {search:.2}, stream {stream:.2}, witness {witness:.2} times as long as a tree"
    );
}

//! Guards against slow checks. Times are compared with a task that scales with the machine, not in
//! milliseconds.

#![expect(clippy::disallowed_types, reason = "a test measures how long a check takes")]

use crate::simulated_comparison::passes_witness;
use crate::simulator::{Setup, simulate};
use crate::stream::stream_events;
use invariants::linearizability::{Budget, Verdict, check_by_search, check_by_zones};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// The duration of one call.
fn timed(what: impl FnOnce()) -> Duration {
    let start = Instant::now();
    what();
    start.elapsed()
}

/// At most this many rounds, more under load. All tasks take turns and the fastest run of each counts: it is
/// disturbed least by other load.
const ROUNDS: usize = 60;

/// Times measured when this was written, as multiples of sorting all calls into a tree. The test fails above
/// three times as much.
const ZONES: f64 = 0.7;
const SEARCH: f64 = 5.0;
const STREAM: f64 = 6.5;
const WITNESS: f64 = 0.6;

#[test]
fn no_check_takes_three_times_its_measured_time() {
    let simulated = simulate(Setup { operations: 50_000, clients: 50, keys: 50, ..Setup::default() });
    let history = &simulated.history;
    let checks: [&dyn Fn(); 5] = [
        &|| {
            let calls = history.iter().map(|call| ((call.operation.key, call.id), call.called));
            black_box(calls.collect::<BTreeMap<_, _>>());
        },
        &|| assert_eq!(check_by_zones(history), Ok(Verdict::Linearizable)),
        &|| assert_eq!(check_by_search(history, Budget::default()), Ok(Verdict::Linearizable)),
        &|| assert!(stream_events(&simulated, true).is_ok()),
        &|| assert!(passes_witness(&simulated)),
    ];
    let mut fastest = [Duration::MAX; 5];
    let mut times = [f64::MAX; 4];
    for _ in 0..ROUNDS {
        for (fastest, check) in fastest.iter_mut().zip(checks) {
            *fastest = timed(check).min(*fastest);
        }
        let [tree, checks @ ..] = fastest;
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

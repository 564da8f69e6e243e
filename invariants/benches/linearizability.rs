//! Time and memory of the linearizability checks: `cargo bench -p invariants`.
//!
//! Figures are nanoseconds per operation on one thread, the minimum of several interleaved rounds, which is least
//! disturbed by other load. Compare figures of one run only. Beside each check is its baseline, the simplest other
//! way to the same verdict, and how many times as long it takes. *Growth* compares one history of 1,000,000
//! operations with a hundred of 10,000, one after the other: both read as much memory, so the ratio shows how the
//! check scales. (The column before has one small history in the cache.)
//!
//! An argument selects one table (`cargo bench -p invariants -- speed`): `speed`, `given`, `shrink`, `memory`; the
//! name of a check after it (`speed zones`) selects that line.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a bench reads the clock and a process status"
)]

#[path = "../tests/linearizability/random_histories.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod random_histories;
#[path = "../tests/linearizability/simulator.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod simulator;

use invariants::formats::{FailedCas, ReadOptions, read_history_with};
use invariants::linearizability::{
    Action, Budget, Call, Content, ExploreOutcome, Model, ModelOperation, Position, RegisterModel, Response,
    Stream, StreamVerdict, Verdict, Witness, check, check_by_search, check_by_zones, explore,
};
use simulator::{Event, FAULTS, Fault, Setup, Simulated, simulate};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

const ROUNDS: usize = 7;
const CHECKS: [&str; 4] = ["zones", "witness", "search", "stream"];
/// The cost of delivering the events to the witness or the stream.
const DELIVERY: &str = "delivery";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if let [table, check, keys] = &arguments[..]
        && table == "memory-of"
    {
        return memory_of(check, keys.parse().expect("the third argument is a number of keys"));
    }
    let wanted = |table: &str| arguments.is_empty() || arguments.iter().any(|word| word == table);
    if wanted("speed") {
        let checks: Vec<&str> = [&CHECKS[..], &[DELIVERY]]
            .concat()
            .into_iter()
            .filter(|check| arguments.len() < 2 || arguments.iter().any(|word| word == check))
            .collect();
        speed(&checks);
    }
    if wanted("given") {
        given();
    }
    if wanted("shrink") {
        shrink();
    }
    if wanted("memory") {
        memory();
    }
}

fn setup(operations: usize, keys: u64) -> Setup {
    Setup { operations, clients: 50, keys, unknown: 10, ..Setup::default() }
}

fn time_of(what: impl FnOnce()) -> Duration {
    let start = Instant::now();
    what();
    start.elapsed()
}

fn min_time(rounds: usize, mut what: impl FnMut()) -> Duration {
    (0..rounds).map(|_| time_of(&mut what)).min().expect("there is at least one round")
}

/// Runs a check; an online check gets its events and responses from memory.
fn judge(check: &str, simulated: &Simulated) -> usize {
    let history = &simulated.history;
    let assert_linearizable = |verdict| assert_eq!(verdict, Ok(Verdict::Linearizable));
    match check {
        "zones" => assert_linearizable(check_by_zones(black_box(history))),
        "search" => assert_linearizable(check_by_search(black_box(history), Budget::default())),
        "witness" => return run_witness(simulated),
        "stream" => return run_stream(simulated),
        DELIVERY => deliver(simulated, &mut NoCheck),
        other => panic!("there is no check {other:?}"),
    }
    0
}

/// An online check.
trait OnlineCheck {
    fn called(&mut self, call: &Call);
    fn applied(&mut self, _: &Call, _: u64) {}
    fn answered(&mut self, call: &Call, position: Position);
    fn abandoned(&mut self, call: &Call);
    fn retired(&mut self, call: &Call);
}

fn deliver(simulated: &Simulated, listener: &mut impl OnlineCheck) {
    let of = |call: usize| &simulated.history[call];
    for &event in &simulated.events {
        match event {
            Event::Called(call) => listener.called(of(call)),
            Event::Applied(call, index) => listener.applied(of(call), index),
            Event::Answered(call, position) => listener.answered(of(call), position),
            Event::Abandoned(call) => listener.abandoned(of(call)),
            Event::Retired(call) => listener.retired(of(call)),
        }
    }
}

fn answer(call: &Call) -> &(u64, Response) {
    call.returned.as_ref().expect("the operation has returned")
}

impl OnlineCheck for Witness {
    fn called(&mut self, call: &Call) {
        self.record_call(call.id, call.operation, call.called);
    }

    fn applied(&mut self, call: &Call, index: u64) {
        self.record_apply(index, call.id, true).unwrap_or_else(|failure| panic!("{failure}"));
    }

    fn answered(&mut self, call: &Call, position: Position) {
        let (now, response) = answer(call);
        self.record_response(call.id, position, response, *now).unwrap_or_else(|failure| panic!("{failure}"));
    }

    fn abandoned(&mut self, call: &Call) {
        self.record_abandoned(call.id);
    }

    fn retired(&mut self, call: &Call) {
        self.retire(call.id);
    }
}

impl OnlineCheck for Stream {
    fn called(&mut self, call: &Call) {
        self.record_call(call.id, call.operation);
    }

    fn answered(&mut self, call: &Call, _: Position) {
        self.record_response(call.id, &answer(call).1).unwrap_or_else(|broken| panic!("{broken}"));
    }

    fn abandoned(&mut self, call: &Call) {
        self.record_abandoned(call.id);
    }

    fn retired(&mut self, call: &Call) {
        self.retire(call.operation);
    }
}

/// Reads the events and does nothing.
struct NoCheck;

impl OnlineCheck for NoCheck {
    fn called(&mut self, call: &Call) {
        black_box((call.id, call.operation, call.called));
    }

    fn applied(&mut self, call: &Call, index: u64) {
        black_box((call.id, index));
    }

    fn answered(&mut self, call: &Call, position: Position) {
        black_box((call.id, position, answer(call)));
    }

    fn abandoned(&mut self, call: &Call) {
        black_box(call.id);
    }

    fn retired(&mut self, call: &Call) {
        black_box((call.id, call.operation));
    }
}

fn run_witness(simulated: &Simulated) -> usize {
    let mut witness = Witness::new();
    deliver(simulated, &mut witness);
    witness.live_entries()
}

fn run_stream(simulated: &Simulated) -> usize {
    let mut stream = Stream::new();
    deliver(simulated, &mut stream);
    assert_eq!(stream.verdict(), StreamVerdict::Linearizable);
    stream.max_live_per_key()
}

/// The name of the baseline.
const fn baseline_name(check: &str) -> &str {
    match check.as_bytes() {
        b"zones" => "search",
        b"witness" => "sort and replay",
        b"search" => "all orders, no rules",
        b"delivery" => "",
        _ => "zones, at the end",
    }
}

fn baseline(check: &str, simulated: &Simulated) {
    match check {
        "zones" => _ = judge("search", simulated),
        "witness" => sort_and_replay(simulated),
        "search" => explore_keys(&simulated.history),
        DELIVERY => {}
        _ => _ = judge("zones", simulated),
    }
}

/// Sorts all operations by their claimed position and replays them into a tree, offline.
fn sort_and_replay(simulated: &Simulated) {
    let mut order: Vec<((u64, bool), u64, usize)> = Vec::new();
    for &event in &simulated.events {
        match event {
            Event::Applied(call, index) => order.push(((index, false), simulated.history[call].called, call)),
            Event::Answered(call, Position::Applied(index)) => {
                order.push(((index, true), simulated.history[call].called, call));
            }
            _ => {}
        }
    }
    order.sort_unstable();
    let (mut registers, mut latest): (BTreeMap<u64, Content>, u64) = (BTreeMap::new(), 0);
    for (_, called, call) in order {
        let Call { operation, returned, .. } = &simulated.history[call];
        assert!(returned.as_ref().is_none_or(|&(returned, _)| returned >= latest), "out of order");
        let response = returned.as_ref().map(|(_, response)| response);
        let register = registers.entry(operation.key).or_insert(Content::INITIAL);
        *register =
            RegisterModel.step(register, &operation.action, response).expect("the model allows the response");
        latest = latest.max(called);
    }
}

/// Searches each key with the model alone.
fn explore_keys(history: &[Call]) {
    let mut keys: BTreeMap<u64, Vec<ModelOperation<Action, Response>>> = BTreeMap::new();
    for Call { operation, called, returned, .. } in history {
        let model_operation =
            ModelOperation { called: *called, action: operation.action, returned: returned.clone() };
        keys.entry(operation.key).or_default().push(model_operation);
    }
    let budget = Budget { steps: 2_000_000, ..Budget::default() };
    for operations in keys.values() {
        // With fifty clients on a key the budget may not suffice.
        let outcome = explore(&RegisterModel, operations, budget);
        assert!(!matches!(outcome, ExploreOutcome::NoOrder { .. }), "{outcome:?}");
    }
}

/// The measurements of a check.
#[derive(Clone, Copy)]
enum Measured {
    Warm,
    Small,
    Large,
}

fn speed(checks: &[&str]) {
    println!(
        "nanoseconds per operation, 50 clients, 1 % unknown (at most: zones 150, witness 60, search 400; growth 1.5)"
    );
    println!(
        "{:<8} {:>10} {:>12} {:>12} {:>7}   {:<20} {:>8} {:>6}",
        "", "10,000", "100 x 10,000", "1,000,000", "growth", "baseline (at 10,000)", "", "ratio"
    );
    for one in [false, true] {
        println!("{}", if one { "one key" } else { "1,000 operations per key" });
        let keys = |operations: u64| if one { 1 } else { operations / 1000 };
        let small: Vec<Simulated> =
            (1..=100).map(|seed| simulate(Setup { seed, ..setup(10_000, keys(10_000)) })).collect();
        let large = [simulate(setup(1_000_000, keys(1_000_000)))];
        let mut figures = vec![[f64::MAX; 3]; checks.len()];
        for _ in 0..ROUNDS {
            for (check, figures) in checks.iter().zip(&mut figures) {
                for measured in [Measured::Warm, Measured::Small, Measured::Large] {
                    let of = match measured {
                        Measured::Small => &small[..],
                        Measured::Large => &large[..],
                        Measured::Warm => &small[..1],
                    };
                    let time = match measured {
                        Measured::Warm => min_time(10, || _ = judge(check, &of[0])),
                        _ => time_of(|| of.iter().for_each(|simulated| _ = judge(check, simulated))),
                    };
                    let operations: usize = of.iter().map(|simulated| simulated.history.len()).sum();
                    let figure = &mut figures[measured as usize];
                    *figure = figure.min(time.as_nanos() as f64 / operations as f64);
                }
            }
        }
        for (check, [warm, each, large]) in checks.iter().zip(figures) {
            // After all figures: it may be slow, and leaves another heap behind.
            let time = min_time(2, || baseline(check, &small[0]));
            let baseline = time.as_nanos() as f64 / small[0].history.len() as f64;
            print!("{check:<8} {warm:>10.0} {each:>12.0} {large:>12.0} {:>7.2}", large / each);
            match baseline_name(check) {
                "" => println!("   (of witness and stream)"),
                name => println!("   {name:<20} {baseline:>8.0} {:>6.1}", baseline / warm),
            }
        }
    }
    println!();
}

fn given() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/histories/etcd-jepsen");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("SKIPPED: there is no {}\n", folder.display());
        return;
    };
    let histories: Vec<Vec<Call>> = entries
        .map(|entry| {
            let text = std::fs::read_to_string(entry.expect("the folder is readable").path())
                .expect("each entry is a readable file");
            // The expected verdicts assume it, and it makes the logs harder.
            let reading = ReadOptions { failed_cas: FailedCas::Mismatch, ..ReadOptions::default() };
            read_history_with(&text, &reading).expect("each log is a history").1.calls
        })
        .collect();
    let mut bad = 0;
    let all = min_time(21, || {
        bad = histories
            .iter()
            .filter(|history| check(history, Budget::default()) != Ok(Verdict::Linearizable))
            .count();
    });
    let good: Vec<&Vec<Call>> = histories
        .iter()
        .filter(|history| check(history, Budget::default()) == Ok(Verdict::Linearizable))
        .collect();
    let time_good = min_time(21, || {
        for history in &good {
            black_box(check(history, Budget::default())).expect("the history is well-formed");
        }
    });
    println!(
        "{} logs of etcd, {bad} with violations: {all:.2?} with all explanations ({time_good:.2?} the others); at most 8 ms",
        histories.len()
    );
    println!();
}

fn shrink() {
    println!("violations in 10,000 operations: to how many operations, and how fast (at most 6, 50 ms)");
    for (seed, fault) in (1..).zip(FAULTS) {
        let lists = matches!(fault, Fault::LostAppend | Fault::DoubledAppend | Fault::ReorderedAppend);
        for domain in [0, 5000] {
            let setup = Setup {
                seed,
                operations: 10_000,
                keys: 10,
                lists: if lists { 10 } else { 0 },
                domain,
                fault,
                ..Setup::default()
            };
            let simulated = simulate(setup);
            let mut left = 0;
            let time = min_time(5, || {
                let verdict =
                    check(&simulated.history, Budget::default()).expect("the history is well-formed");
                left = match verdict {
                    Verdict::Violation(explanation) => explanation.operations.len(),
                    _ => 0,
                };
            });
            let values = if domain == 0 { "each value once" } else { "values repeat" };
            println!("  {:<22} {values:<16} {left:>4} left {time:>10.2?}", format!("{fault:?}"));
        }
    }
    println!();
}

/// Runs each check in its own process.
fn memory() {
    println!("peak memory in MB, 1,000,000 operations with their history (at most 200)");
    for keys in ["1000", "1"] {
        for check in CHECKS {
            let program = std::env::current_exe().expect("the path of this program is known");
            let output = std::process::Command::new(program)
                .args(["memory-of", check, keys])
                .output()
                .expect("this program can be started");
            print!("{}", String::from_utf8_lossy(&output.stdout));
        }
    }
    println!();
}

fn memory_of(check: &str, keys: u64) {
    let simulated = {
        let mut simulated = simulate(setup(1_000_000, keys));
        if matches!(check, "zones" | "search") {
            simulated.events = Vec::new();
        }
        simulated.events.shrink_to_fit();
        simulated.history.shrink_to_fit();
        simulated
    };
    let status = |field: &str| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap_or_default().to_string();
        line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok()).unwrap_or(0) / 1024
    };
    // Resets the peak, so that it is the check's. No figure except on Linux.
    drop(std::fs::write("/proc/self/clear_refs", "5"));
    let input = status("VmRSS");
    judge(check, &simulated);
    println!("  {check:<8} {keys:>5} keys {:>6} (of which input {input})", status("VmHWM"));
}

//! How fast histories are judged, and in how much memory: `cargo bench -p invariants`.
//!
//! Figures are nanoseconds per operation on one thread, the quickest of several rounds, in which everything takes its
//! turn: other work on the machine disturbs that least. Machines differ all the same, so read the figures next to each
//! other. Beside each check stands a twin: the simplest other way to the same verdict, and how many times as long it
//! takes. *Growth* compares one history of 1,000,000 operations with a hundred of 10,000, one after the other: then both
//! have to fetch as much from memory, and what is left is how a check grows. (Figures of a single small history that
//! lies in the cache are in the column before.)
//!
//! A name as an argument takes one table only (`cargo bench -p invariants -- speed`): `speed`, `given`, `shrink`,
//! `memory`; the name of a check as well (`speed zones`) takes only its lines.

#![allow(
    clippy::disallowed_methods,
    missing_docs,
    reason = "a benchmark asks the clock, and is read from the top"
)]

#[path = "../tests/linearizability/chance.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod chance;
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
/// What it takes to tell the witness or the stream what happens, whoever listens.
const TELLING: &str = "telling";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if let [table, check, keys] = &arguments[..]
        && table == "memory-of"
    {
        return memory_of(check, keys.parse().expect("a number of keys"));
    }
    let wanted = |table: &str| arguments.is_empty() || arguments.iter().any(|word| word == table);
    if wanted("speed") {
        let checks: Vec<&str> = [&CHECKS[..], &[TELLING]]
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

fn timed(what: impl FnOnce()) -> Duration {
    let start = Instant::now();
    what();
    start.elapsed()
}

fn quickest(rounds: usize, mut what: impl FnMut()) -> Duration {
    (0..rounds).map(|_| timed(&mut what)).min().expect("some rounds")
}

/// What is judged while it goes on, with times and answers at hand.
fn judge(check: &str, simulated: &Simulated) -> usize {
    let history = &simulated.history;
    let good = |verdict| assert_eq!(verdict, Ok(Verdict::Linearizable));
    match check {
        "zones" => good(check_by_zones(black_box(history))),
        "search" => good(check_by_search(black_box(history), Budget::default())),
        "witness" => return witnessed(simulated),
        "stream" => return streamed(simulated),
        TELLING => tell(simulated, &mut Deaf),
        other => panic!("there is no check {other:?}"),
    }
    0
}

/// Who is told what happens while it goes on.
trait Told {
    fn called(&mut self, call: &Call);
    fn applied(&mut self, _: &Call, _: u64) {}
    fn answered(&mut self, call: &Call, position: Position);
    fn gave_up(&mut self, call: &Call);
    fn retired(&mut self, call: &Call);
}

fn tell(simulated: &Simulated, listener: &mut impl Told) {
    let of = |call: usize| &simulated.history[call];
    for &event in &simulated.events {
        match event {
            Event::Called(call) => listener.called(of(call)),
            Event::Applied(call, index) => listener.applied(of(call), index),
            Event::Answered(call, position) => listener.answered(of(call), position),
            Event::GaveUp(call) => listener.gave_up(of(call)),
            Event::Retired(call) => listener.retired(of(call)),
        }
    }
}

fn answer(call: &Call) -> &(u64, Response) {
    call.returned.as_ref().expect("answered")
}

impl Told for Witness {
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

    fn gave_up(&mut self, call: &Call) {
        self.record_abandoned(call.id);
    }

    fn retired(&mut self, call: &Call) {
        self.retire(call.id);
    }
}

impl Told for Stream {
    fn called(&mut self, call: &Call) {
        self.record_call(call.id, call.operation);
    }

    fn answered(&mut self, call: &Call, _: Position) {
        self.record_response(call.id, &answer(call).1).unwrap_or_else(|broken| panic!("{broken}"));
    }

    fn gave_up(&mut self, call: &Call) {
        self.record_abandoned(call.id);
    }

    fn retired(&mut self, call: &Call) {
        self.retire(call.operation);
    }
}

/// Reads what it is told, and thinks nothing.
struct Deaf;

impl Told for Deaf {
    fn called(&mut self, call: &Call) {
        black_box((call.id, call.operation, call.called));
    }

    fn applied(&mut self, call: &Call, index: u64) {
        black_box((call.id, index));
    }

    fn answered(&mut self, call: &Call, position: Position) {
        black_box((call.id, position, answer(call)));
    }

    fn gave_up(&mut self, call: &Call) {
        black_box(call.id);
    }

    fn retired(&mut self, call: &Call) {
        black_box((call.id, call.operation));
    }
}

fn witnessed(simulated: &Simulated) -> usize {
    let mut witness = Witness::new();
    tell(simulated, &mut witness);
    witness.live_entries()
}

fn streamed(simulated: &Simulated) -> usize {
    let mut stream = Stream::new();
    tell(simulated, &mut stream);
    assert_eq!(stream.verdict(), StreamVerdict::Linearizable);
    stream.max_live_per_key()
}

/// The simplest other way to the same verdict.
const fn name_of_twin(check: &str) -> &str {
    match check.as_bytes() {
        b"zones" => "search",
        b"witness" => "sort and replay",
        b"search" => "all orders, no rules",
        b"telling" => "",
        _ => "zones, at the end",
    }
}

fn twin(check: &str, simulated: &Simulated) {
    match check {
        "zones" => _ = judge("search", simulated),
        "witness" => sorted_and_replayed(simulated),
        "search" => explored(&simulated.history),
        TELLING => {}
        _ => _ = judge("zones", simulated),
    }
}

/// Everything by its claimed place, replayed into a tree, once all is over.
fn sorted_and_replayed(simulated: &Simulated) {
    let mut places: Vec<((u64, bool), u64, usize)> = Vec::new();
    for &event in &simulated.events {
        match event {
            Event::Applied(call, index) => {
                places.push(((index, false), simulated.history[call].called, call))
            }
            Event::Answered(call, Position::Applied(index)) => {
                places.push(((index, true), simulated.history[call].called, call));
            }
            _ => {}
        }
    }
    places.sort_unstable();
    let (mut registers, mut latest): (BTreeMap<u64, Content>, u64) = (BTreeMap::new(), 0);
    for (_, called, call) in places {
        let Call { operation, returned, .. } = &simulated.history[call];
        assert!(returned.as_ref().is_none_or(|&(returned, _)| returned >= latest), "out of order");
        let response = returned.as_ref().map(|(_, response)| response);
        let register = registers.entry(operation.key).or_insert(Content::INITIAL);
        *register = RegisterModel.step(register, &operation.action, response).expect("explained");
        latest = latest.max(called);
    }
}

/// Each key by the search that knows nothing but the model.
fn explored(history: &[Call]) {
    let mut keys: BTreeMap<u64, Vec<ModelOperation<Action, Response>>> = BTreeMap::new();
    for Call { operation, called, returned, .. } in history {
        let asked = ModelOperation { called: *called, action: operation.action, returned: returned.clone() };
        keys.entry(operation.key).or_default().push(asked);
    }
    let budget = Budget { steps: 2_000_000, ..Budget::default() };
    for asked in keys.values() {
        // With fifty clients on a key it does not always find an order in time.
        let explored = explore(&RegisterModel, asked, budget);
        assert!(!matches!(explored, ExploreOutcome::NoOrder { .. }), "{explored:?}");
    }
}

/// What is measured of a check.
#[derive(Clone, Copy)]
enum Measured {
    Warm,
    Small,
    Large,
    Twin,
}

fn speed(checks: &[&str]) {
    println!(
        "nanoseconds per operation, 50 clients, 1 % unknown (at most: zones 150, witness 60, search 400; growth 1.5)"
    );
    println!(
        "{:<8} {:>10} {:>12} {:>12} {:>7}   {:<20} {:>8} {:>6}",
        "", "10,000", "100 x 10,000", "1,000,000", "growth", "twin (at 10,000)", "", "ratio"
    );
    for one in [false, true] {
        println!("{}", if one { "one key" } else { "1,000 operations per key" });
        let keys = |operations: u64| if one { 1 } else { operations / 1000 };
        let small: Vec<Simulated> =
            (1..=100).map(|seed| simulate(Setup { seed, ..setup(10_000, keys(10_000)) })).collect();
        let large = [simulate(setup(1_000_000, keys(1_000_000)))];
        let mut figures = vec![[f64::MAX; 4]; checks.len()];
        for round in 0..ROUNDS {
            for (check, figures) in checks.iter().zip(&mut figures) {
                for measured in [Measured::Warm, Measured::Small, Measured::Large, Measured::Twin] {
                    let of = match measured {
                        Measured::Small => &small[..],
                        Measured::Large => &large[..],
                        Measured::Warm | Measured::Twin => &small[..1],
                    };
                    let time = match measured {
                        Measured::Warm => quickest(10, || _ = judge(check, &of[0])),
                        Measured::Twin if round > 1 => continue, // It may take long.
                        Measured::Twin => timed(|| twin(check, &of[0])),
                        _ => timed(|| of.iter().for_each(|simulated| _ = judge(check, simulated))),
                    };
                    let operations: usize = of.iter().map(|simulated| simulated.history.len()).sum();
                    let figure = &mut figures[measured as usize];
                    *figure = figure.min(time.as_nanos() as f64 / operations as f64);
                }
            }
        }
        for (check, [warm, small, large, twin]) in checks.iter().zip(figures) {
            print!("{check:<8} {warm:>10.0} {small:>12.0} {large:>12.0} {:>7.2}", large / small);
            match name_of_twin(check) {
                "" => println!("   (of witness and stream)"),
                name => println!("   {name:<20} {twin:>8.0} {:>6.1}", twin / warm),
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
            let text = std::fs::read_to_string(entry.expect("an entry").path()).expect("a file");
            // The known verdicts rest on it, and it makes the logs harder.
            let reading = ReadOptions { failed_cas: FailedCas::Mismatch, ..ReadOptions::default() };
            read_history_with(&text, &reading).expect("readable").1.calls
        })
        .collect();
    let mut bad = 0;
    let all = quickest(21, || {
        bad = histories
            .iter()
            .filter(|history| check(history, Budget::default()) != Ok(Verdict::Linearizable))
            .count();
    });
    let good: Vec<&Vec<Call>> = histories
        .iter()
        .filter(|history| check(history, Budget::default()) == Ok(Verdict::Linearizable))
        .collect();
    let time_good = quickest(21, || {
        for history in &good {
            black_box(check(history, Budget::default())).expect("well formed");
        }
    });
    println!(
        "{} logs of etcd, {bad} bad: {all:.2?} with all explanations ({time_good:.2?} the good ones); at most 8 ms",
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
            let time = quickest(5, || {
                let verdict = check(&simulated.history, Budget::default()).expect("well formed");
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

/// Each check in a process of its own.
fn memory() {
    println!("peak memory in MB, 1,000,000 operations with their history (at most 200)");
    for keys in ["1000", "1"] {
        for check in CHECKS {
            let program = std::env::current_exe().expect("this program");
            let output =
                std::process::Command::new(program).args(["memory-of", check, keys]).output().expect("runs");
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
    // From here on the peak is that of the check. Elsewhere than on Linux there is no figure.
    drop(std::fs::write("/proc/self/clear_refs", "5"));
    let input = status("VmRSS");
    judge(check, &simulated);
    println!("  {check:<8} {keys:>5} keys {:>6} (of which input {input})", status("VmHWM"));
}

//! How fast histories are judged, and in how much memory: `cargo bench -p invariants`.
//!
//! Figures are nanoseconds per operation, medians of several rounds, on one thread. Machines differ and are shared, so
//! read them next to each other: every table is taken in one process. A name as an argument takes one table only
//! (`cargo bench -p invariants -- speed`): `speed`, `given`, `shrink`, `memory`.

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

use invariants::formats::read_history;
use invariants::linearizability::{
    Budget, Call, Position, Stream, Streamed, Verdict, Witness, check, check_by_search, check_by_zones,
};
use simulator::{Event, FAULTS, Fault, Setup, Simulated, simulate};
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

const CHECKS: [&str; 4] = ["zones", "witness", "search", "stream"];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if let [table, check, keys] = &arguments[..]
        && table == "memory-of"
    {
        return memory_of(check, keys.parse().expect("a number of keys"));
    }
    let wanted = |table: &str| arguments.is_empty() || arguments.iter().any(|word| word == table);
    if wanted("speed") {
        speed();
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

fn median(mut rounds: Vec<Duration>) -> Duration {
    rounds.sort_unstable();
    rounds[rounds.len() / 2]
}

fn timed(rounds: usize, mut what: impl FnMut()) -> Duration {
    median(
        (0..rounds)
            .map(|_| {
                let start = Instant::now();
                what();
                start.elapsed()
            })
            .collect(),
    )
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
        other => panic!("there is no check {other:?}"),
    }
    0
}

fn witnessed(simulated: &Simulated) -> usize {
    let mut witness = Witness::new();
    for &event in &simulated.events {
        let of = |call: usize| &simulated.history[call];
        match event {
            Event::Called(call) => witness.called(of(call).id, of(call).operation, of(call).called),
            Event::Applied(call, index) => {
                witness.applied(index, of(call).id, true).unwrap_or_else(|failure| panic!("{failure}"));
            }
            Event::Answered(call, position) => answer(&mut witness, of(call), position),
            Event::GaveUp(call) => witness.gave_up(of(call).id),
            Event::Retired(call) => witness.retired(of(call).id),
        }
    }
    witness.live()
}

fn answer(witness: &mut Witness, call: &Call, position: Position) {
    let (now, response) = call.returned.as_ref().expect("answered");
    witness.answered(call.id, position, response, *now).unwrap_or_else(|failure| panic!("{failure}"));
}

fn streamed(simulated: &Simulated) -> usize {
    let mut stream = Stream::new();
    for &event in &simulated.events {
        let of = |call: usize| &simulated.history[call];
        match event {
            Event::Called(call) => stream.called(of(call).id, of(call).operation),
            Event::Applied(..) => {}
            Event::Answered(call, _) => {
                let (_, response) = of(call).returned.as_ref().expect("answered");
                stream.answered(of(call).id, response).unwrap_or_else(|broken| panic!("{broken}"));
            }
            Event::GaveUp(call) => stream.gave_up(of(call).id),
            Event::Retired(call) => stream.retired(of(call).operation),
        }
    }
    assert_eq!(stream.verdict(), Streamed::Linearizable);
    stream.most_of_a_key()
}

fn speed() {
    println!(
        "nanoseconds per operation, 50 clients, 1 % unknown (at most: zones 150, witness 60, search 400)"
    );
    println!(
        "{:>10} {:>6} {:>9} {:>9} {:>9} {:>9} {:>14}",
        "operations", "keys", "zones", "witness", "search", "stream", "live in stream"
    );
    let mut figures: Vec<(usize, bool, Vec<f64>)> = Vec::new();
    for operations in [10_000, 100_000, 1_000_000] {
        for keys in [operations as u64 / 1000, 1] {
            let simulated = simulate(setup(operations, keys));
            let rounds = 3_000_000 / operations + 4;
            let mut live = 0;
            let row: Vec<f64> = CHECKS
                .iter()
                .map(|check| {
                    let time = timed(rounds.min(60), || live = judge(check, &simulated));
                    time.as_nanos() as f64 / operations as f64
                })
                .collect();
            print!("{operations:>10} {keys:>6}");
            row.iter().for_each(|figure| print!(" {figure:>9.1}"));
            println!(" {live:>14}");
            figures.push((operations, keys == 1, row));
        }
    }
    println!("growth from 10,000 to 1,000,000 operations (at most 1.5)");
    for one in [false, true] {
        let of =
            |operations| &figures.iter().find(|row| row.0 == operations && row.1 == one).expect("measured").2;
        print!("{:>17}", if one { "one key" } else { "1000 per key" });
        of(1_000_000).iter().zip(of(10_000)).for_each(|(large, small)| print!(" {:>9.2}", large / small));
        println!();
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
            read_history(&text).expect("readable").1.calls
        })
        .collect();
    let mut bad = 0;
    let all = timed(21, || {
        bad = histories
            .iter()
            .filter(|history| check(history, Budget::default()) != Ok(Verdict::Linearizable))
            .count();
    });
    let good: Vec<&Vec<Call>> = histories
        .iter()
        .filter(|history| check(history, Budget::default()) == Ok(Verdict::Linearizable))
        .collect();
    let time_good = timed(21, || {
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
            let time = timed(5, || {
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

//! How many proposals and letters a second: three and five servers in memory, and with the feature `raft-rs` the same loop
//! around raft-rs in the same run.
//!
//! ```text
//! cargo bench -p raft-core --bench proposals --features raft-rs
//! ```
//!
//! The choices of the loop stand in `group`. Here are those of the clock: a sample is a fresh group that has been led for
//! a while, and a fixed number of commands; the systems take turns, sample by sample, so that whatever else the machine
//! does hits all of them; and the best sample counts, for noise only ever adds. raft-rs has an option to batch or not:
//! `ratio` is to the faster of the two at that point. A table of our own, since no harness for benches prints ratios.
//!
//! The time is told by a program without a counting allocator: what each allocates is in the bench `allocations`.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "a bench is what looks at the clock")]
#![allow(clippy::disallowed_macros, reason = "and prints what it saw")]

mod group;
#[cfg(feature = "raft-rs")]
#[path = "group/raft_rs.rs"]
mod raft_rs;

use comfy_table::{CellAlignment, Table, presets};
use group::{Group, Server, commands, core::Core};
use std::time::{Duration, Instant};

const SIZES: [usize; 2] = [3, 5];
const BYTES: [usize; 3] = [16, 256, 4096];
const WINDOWS: [usize; 4] = [1, 16, 64, 256];

/// Commands in a sample.
const COMMANDS: usize = 1_024;
const SAMPLES: usize = 80;

/// Bytes that are taken and given back before anything is measured: an allocator that has seen so much keeps what it is
/// given back, as that of any server does that has run for a while. Else every sample would pay the system anew for the
/// same pages, and the table would tell how fast those come.
const WARM: usize = 24 << 20;

/// Takes a sample of one system, for that many servers, bytes in a command and proposals in flight, and which one it is.
type Sample = fn(&mut Best, usize, usize, usize, usize);

/// The best of some samples.
#[derive(Clone, Copy)]
struct Best {
    time: Duration,
    letters: usize,
}

impl Best {
    const NONE: Best = Best { time: Duration::MAX, letters: 0 };

    fn sample<S: Server>(&mut self, size: usize, bytes: usize, window: usize, number: usize) {
        // Where things lie in memory is luck, good or bad by a fifth, and it would be the same for all samples.
        let _shifts = std::hint::black_box(Vec::<u8>::with_capacity(16 + 80 * number));
        let mut group = Group::<S>::new(size);
        group.run(commands(COMMANDS / 8, bytes), window);
        let commands = commands(COMMANDS, bytes);
        let before = group.delivered;
        let start = Instant::now();
        group.run(commands, window);
        let time = start.elapsed();
        if time < self.time {
            *self = Best { time, letters: group.delivered - before };
        }
        group.settle();
        group.check();
    }

    fn proposals_a_second(&self) -> f64 {
        COMMANDS as f64 / self.time.as_secs_f64()
    }

    fn letters_a_second(&self) -> f64 {
        self.letters as f64 / self.time.as_secs_f64()
    }
}

fn main() {
    let systems: &[(&str, Sample)] = &[
        ("raft-core", Best::sample::<Core>),
        #[cfg(feature = "raft-rs")]
        ("raft-rs", Best::sample::<raft_rs::RaftRs<false>>),
        #[cfg(feature = "raft-rs")]
        ("raft-rs batching", Best::sample::<raft_rs::RaftRs<true>>),
    ];
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    let mut header = vec!["servers".to_string(), "bytes".to_string(), "in flight".to_string()];
    for (name, _) in systems {
        header.extend([format!("{name}: thousand proposals/s"), "thousand letters/s".to_string()]);
    }
    header.push("ratio".to_string());
    table.set_header(header);
    let mut ratios = Vec::new();
    drop(std::hint::black_box(Vec::<u8>::with_capacity(WARM)));
    for (size, bytes, window) in points().filter(|point| wanted(*point)) {
        let mut best = vec![Best::NONE; systems.len()];
        for number in 0..SAMPLES {
            for (best, (_, sample)) in best.iter_mut().zip(systems) {
                sample(best, size, bytes, window, number);
            }
        }
        let mut row = vec![size.to_string(), bytes.to_string(), window.to_string()];
        for best in &best {
            row.push(format!("{:.0}", best.proposals_a_second() / 1e3));
            row.push(format!("{:.0}", best.letters_a_second() / 1e3));
        }
        let other = best[1..]
            .iter()
            .map(Best::proposals_a_second)
            .fold(None, |faster: Option<f64>, rate| Some(faster.map_or(rate, |faster| faster.max(rate))));
        row.push(other.map_or(String::new(), |other| {
            ratios.push(best[0].proposals_a_second() / other);
            format!("{:.2}", best[0].proposals_a_second() / other)
        }));
        table.add_row(row);
    }
    table.column_iter_mut().for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    println!("{table}");
    if let Some(least) = ratios.iter().copied().reduce(f64::min) {
        println!("least ratio {least:.2}, over {} points", ratios.len());
    }
}

/// Whether the arguments ask for this point: `-- 3 16 1` is three servers, 16 bytes, one in flight; without a number all are.
fn wanted((size, bytes, window): (usize, usize, usize)) -> bool {
    let asked = std::env::args().skip(1).filter_map(|word| word.parse().ok());
    asked.zip([size, bytes, window]).all(|(asked, is): (usize, usize)| asked == is)
}

fn points() -> impl Iterator<Item = (usize, usize, usize)> {
    SIZES.into_iter().flat_map(|size| {
        BYTES.into_iter().flat_map(move |bytes| WINDOWS.into_iter().map(move |window| (size, bytes, window)))
    })
}

//! Proposals and messages per second of three and five servers in memory; with the feature `raft-rs`, also of
//! raft-rs in the same run and the same loop.
//!
//! ```text
//! cargo bench -p raft-core --bench proposals --features raft-rs
//! ```
//!
//! The loop is described in `cluster`. A sample is a new cluster that has had a leader for a while, and a fixed
//! number of commands. The systems take turns, sample by sample, so that other load on the machine affects
//! all of them. The best sample counts, because noise only adds time. raft-rs can batch or not: `ratio`
//! compares with the faster of the two at that point. The table is our own because no bench harness prints
//! ratios.
//!
//! Time is measured without a counting allocator; the bench `allocations` counts allocations.

#![expect(clippy::disallowed_types, reason = "a bench reads the clock")]

mod cluster;
#[cfg(feature = "raft-rs")]
#[path = "cluster/raft_rs.rs"]
mod raft_rs;

use cluster::{Cluster, Server, commands, core::Core};
use comfy_table::{CellAlignment, Table, presets};
use std::time::{Duration, Instant};

const SIZES: [usize; 2] = [3, 5];
const BYTES: [usize; 3] = [16, 256, 4096];
const WINDOWS: [usize; 4] = [1, 16, 64, 256];

/// Commands per sample.
const COMMANDS: usize = 1_024;
const SAMPLES: usize = 80;

/// Bytes that are allocated and freed before the first sample, so that the allocator keeps them, as in a
/// server that has run for a while. Otherwise every sample would measure how fast the system hands out pages.
const WARM: usize = 24 << 20;

/// Takes a sample of one system. Arguments: servers, bytes per command, proposals in flight, number of the
/// sample.
type Sample = fn(&mut Best, usize, usize, usize, usize);

/// The best of several samples.
#[derive(Clone, Copy)]
struct Best {
    time: Duration,
    messages: usize,
}

impl Best {
    const NONE: Best = Best { time: Duration::MAX, messages: 0 };

    fn sample<S: Server>(&mut self, size: usize, bytes: usize, window: usize, number: usize) {
        // Memory layout changes the time by up to a fifth, and would be the same for all samples without this
        // shift.
        let _shift = std::hint::black_box(Vec::<u8>::with_capacity(16 + 80 * number));
        let mut cluster = Cluster::<S>::new(size);
        cluster.run(commands(COMMANDS / 8, bytes), window);
        let commands = commands(COMMANDS, bytes);
        let before = cluster.delivered;
        let start = Instant::now();
        cluster.run(commands, window);
        let time = start.elapsed();
        if time < self.time {
            *self = Best { time, messages: cluster.delivered - before };
        }
        cluster.settle();
        cluster.check();
    }

    fn proposals_per_second(&self) -> f64 {
        COMMANDS as f64 / self.time.as_secs_f64()
    }

    fn messages_per_second(&self) -> f64 {
        self.messages as f64 / self.time.as_secs_f64()
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
        header.extend([format!("{name}: thousand proposals/s"), "thousand messages/s".to_string()]);
    }
    header.push("ratio".to_string());
    table.set_header(header);
    let mut ratios = Vec::new();
    drop(std::hint::black_box(Vec::<u8>::with_capacity(WARM)));
    for (size, bytes, window) in points().filter(|point| is_selected(*point)) {
        let mut best = vec![Best::NONE; systems.len()];
        for number in 0..SAMPLES {
            for (best, (_, sample)) in best.iter_mut().zip(systems) {
                sample(best, size, bytes, window, number);
            }
        }
        let mut row = vec![size.to_string(), bytes.to_string(), window.to_string()];
        for best in &best {
            row.push(format!("{:.0}", best.proposals_per_second() / 1e3));
            row.push(format!("{:.0}", best.messages_per_second() / 1e3));
        }
        let other = best[1..]
            .iter()
            .map(Best::proposals_per_second)
            .fold(None, |faster: Option<f64>, rate| Some(faster.map_or(rate, |faster| faster.max(rate))));
        row.push(other.map_or(String::new(), |other| {
            ratios.push(best[0].proposals_per_second() / other);
            format!("{:.2}", best[0].proposals_per_second() / other)
        }));
        table.add_row(row);
    }
    table.column_iter_mut().for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    println!("{table}");
    if let Some(least) = ratios.iter().copied().reduce(f64::min) {
        println!("least ratio {least:.2}, over {} points", ratios.len());
    }
}

/// Whether the arguments select this point: `-- 3 16 1` is three servers, 16 bytes, one in flight; without
/// numbers, all.
fn is_selected((size, bytes, window): (usize, usize, usize)) -> bool {
    let numbers = std::env::args().skip(1).filter_map(|word| word.parse().ok());
    numbers.zip([size, bytes, window]).all(|(number, value): (usize, usize)| number == value)
}

fn points() -> impl Iterator<Item = (usize, usize, usize)> {
    SIZES.into_iter().flat_map(|size| {
        BYTES.into_iter().flat_map(move |bytes| WINDOWS.into_iter().map(move |window| (size, bytes, window)))
    })
}

//! Allocations and allocated bytes per proposal: exact, whatever the load of the machine.
//!
//! ```text
//! cargo bench -p raft-core --bench allocations --features raft-rs
//! ```
//!
//! Counts all servers together, from the first proposal until the last is applied, with the loop of `cluster`;
//! the commands exist before. Growing a log counts: so do the bytes of a buffer that moves to a larger one.
//! That commands are not copied per server is asserted in `tests/copies.rs`, with the same loop.

mod cluster;
#[cfg(feature = "raft-rs")]
#[path = "cluster/raft_rs.rs"]
mod raft_rs;

use cluster::{Cluster, Server, commands, core::Core};
use comfy_table::{CellAlignment, Table, presets};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SIZES: [usize; 2] = [3, 5];
const BYTES: [usize; 3] = [16, 256, 4096];
const WINDOWS: [usize; 4] = [1, 16, 64, 256];
const COMMANDS: usize = 8_192;

/// Measures one system. Arguments: servers, bytes per command, proposals in flight.
type Count = fn(usize, usize, usize) -> (f64, f64);

/// Allocations, and allocated bytes, per proposal.
fn count<S: Server>(size: usize, bytes: usize, window: usize) -> (f64, f64) {
    let mut cluster = Cluster::<S>::new(size);
    cluster.run(commands(COMMANDS / 8, bytes), window);
    let commands = commands(COMMANDS, bytes);
    let region = Region::new(COUNTED);
    cluster.run(commands, window);
    let change = region.change();
    cluster.settle();
    cluster.check();
    let moved = change.bytes_reallocated.max(0) as usize;
    let times = change.allocations + change.reallocations;
    (times as f64 / COMMANDS as f64, (change.bytes_allocated + moved) as f64 / COMMANDS as f64)
}

fn main() {
    let systems: &[(&str, Count)] = &[
        ("raft-core", count::<Core>),
        #[cfg(feature = "raft-rs")]
        ("raft-rs", count::<raft_rs::RaftRs<false>>),
        #[cfg(feature = "raft-rs")]
        ("raft-rs batching", count::<raft_rs::RaftRs<true>>),
    ];
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    let mut header = vec!["servers".to_string(), "bytes".to_string(), "in flight".to_string()];
    for (name, _) in systems {
        header.extend([format!("{name}: allocations/proposal"), "bytes/proposal".to_string()]);
    }
    table.set_header(header);
    for size in SIZES {
        for bytes in BYTES {
            for window in WINDOWS {
                let mut row = vec![size.to_string(), bytes.to_string(), window.to_string()];
                for (_, count) in systems {
                    let (times, amount) = count(size, bytes, window);
                    row.extend([format!("{times:.2}"), format!("{amount:.0}")]);
                }
                table.add_row(row);
            }
        }
    }
    table.column_iter_mut().for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    println!("{table}");
}

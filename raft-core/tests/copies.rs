//! Commands are never copied, however many servers there are: the bytes that a cluster allocates for a proposal do not
//! depend on the length of its command. Counted by the allocator, with the loop of the benches.

#[path = "../benches/cluster/mod.rs"]
mod cluster;

use cluster::{Cluster, commands, core::Core};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

/// Counts for the whole program, so this file has one test.
#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const COMMANDS: usize = 1_000;

/// How often a cluster of `size` servers allocates for a fixed number of commands of `bytes` bytes, and how much.
fn allocated(size: usize, bytes: usize, window: usize) -> (usize, usize) {
    let mut cluster = Cluster::<Core>::new(size);
    let commands = commands(COMMANDS, bytes);
    let region = Region::new(COUNTED);
    cluster.run(commands, window);
    cluster.settle();
    let change = region.change();
    cluster.check();
    (change.allocations, change.bytes_allocated)
}

#[test]
fn proposal_allocations_do_not_depend_on_command_size() {
    for size in [1, 3, 5, 7] {
        for window in [1, 16, 256] {
            let (short, long) = (allocated(size, 16, window), allocated(size, 8_192, window));
            assert_eq!(short, long, "{size} servers, {window} in flight: (times, bytes)");
        }
    }
    // The measurement would show a copy of the commands: it counts at least their bytes.
    let region = Region::new(COUNTED);
    let copies = commands(COMMANDS, 4_096).iter().map(|command| command.to_vec()).collect::<Vec<_>>();
    assert!(region.change().bytes_allocated >= 2 * COMMANDS * 4_096, "the allocator must count the copies");
    drop(copies);
}

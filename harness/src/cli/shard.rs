//! The part of a sweep that runs on this machine.

use super::{arguments, print_message, scheduler};
use crate::sweep::{Shard, WINDOW_SEEDS};
use std::ops::Range;

/// The default number of seeds.
pub(super) const DEFAULT_SEEDS: u64 = 2_000;

/// Seeds per machine if `--seeds` is not given.
const SEEDS_PER_SHARD: u64 = 1 << 40;

/// The part of this machine, and where it comes from.
#[derive(Clone, Copy)]
pub(super) struct Part {
    /// The part; `None`: this machine runs all seeds.
    pub(super) shard: Option<Shard>,
    /// Whether a job scheduler runs this process: it may run it again.
    pub(super) is_scheduled: bool,
}

/// The part of this machine: from `--shard`, or from the environment variables of a job scheduler.
pub(super) fn detect_part(arguments: &arguments::SweepArgs) -> Result<Part, String> {
    if arguments.shard.is_some() {
        return Ok(Part { shard: arguments.shard, is_scheduled: false });
    }
    let part = scheduler::part_of_scheduler()?;
    if let Some((shard, name)) = part {
        print_message(&format!("this is part {shard} by the variables of {name}"));
    }
    Ok(Part { shard: part.map(|(shard, _)| shard), is_scheduled: part.is_some() })
}

/// The seeds of all machines that the command line asks for.
pub(super) fn requested_seeds(
    arguments: &arguments::SweepArgs,
    shard: Option<Shard>,
) -> Result<Range<u64>, String> {
    let usual = || arguments.time_limit.is_none().then_some(0..DEFAULT_SEEDS);
    let seeds = arguments.seeds.clone().or_else(usual);
    match &arguments.window {
        Some(window) => window.at(seeds.unwrap_or(0..WINDOW_SEEDS)),
        None => all_seeds(seeds, shard),
    }
}

/// The seeds of all machines. Without `--seeds` each machine gets a fixed number.
fn all_seeds(seeds: Option<Range<u64>>, shard: Option<Shard>) -> Result<Range<u64>, String> {
    match (seeds, shard) {
        (Some(seeds), _) => Ok(seeds),
        (None, None) => Ok(0..u64::MAX),
        (None, Some(Shard { count, .. })) => {
            let end = count.checked_mul(SEEDS_PER_SHARD);
            end.map(|end| 0..end).ok_or_else(|| format!("there are too few seeds for {count} machines"))
        }
    }
}

/// The seeds of one machine.
pub(super) fn shard_seeds(seeds: &Range<u64>, shard: Option<Shard>) -> Result<Range<u64>, String> {
    let Some(shard) = shard else { return Ok(seeds.clone()) };
    match shard.seeds(seeds) {
        part if part.is_empty() => Err(format!("there are fewer seeds than the {} machines", shard.count)),
        part => Ok(part),
    }
}

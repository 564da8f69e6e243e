//! The part of a sweep that runs on this machine.

use super::arguments::{self, Shard};
use super::environment::env_var;
use super::print_message;
use crate::support::text::display_value;
use std::ops::Range;

/// Seeds per machine if `--seeds` is not given.
const SEEDS_PER_SHARD: u64 = 1 << 40;

/// The part of this machine: from `--shard`, or from the environment variables of a job scheduler.
pub(super) fn detect_shard(arguments: &arguments::SweepArgs) -> Result<Option<Shard>, String> {
    if arguments.shard.is_some() {
        return Ok(arguments.shard);
    }
    let number = |name: &str| -> Result<Option<u64>, String> {
        let Some(value) = env_var(name)? else { return Ok(None) };
        value.parse().map(Some).map_err(|_| {
            format!("{name} is `{}`: expected a whole number from 0 to {}", display_value(&value), u64::MAX)
        })
    };
    // Variable with the index, variables with the count, lowest index.
    let sources: [(&str, &[&str], u64); 3] = [
        ("SLURM_ARRAY_TASK_ID", &["SLURM_ARRAY_TASK_COUNT"], number("SLURM_ARRAY_TASK_MIN")?.unwrap_or(0)),
        ("JOB_COMPLETION_INDEX", &["JOB_COMPLETION_COUNT", "JOB_COMPLETIONS"], 0),
        ("CI_NODE_INDEX", &["CI_NODE_TOTAL"], 1),
    ];
    let mut uncounted = None;
    for (index_name, count_names, lowest) in sources {
        let Some(value) = number(index_name)? else { continue };
        let counts = count_names.iter().map(|name| Ok(number(name)?.map(|count| (*name, count))));
        let counts = counts.collect::<Result<Vec<_>, String>>()?;
        let Some((count_name, count)) = counts.into_iter().flatten().next() else {
            uncounted = uncounted.or(Some((index_name, value, count_names)));
            continue;
        };
        let index = value.checked_sub(lowest).filter(|index| *index < count).ok_or_else(|| {
            format!(
                "{index_name} is {value}, but must be one of the {count} numbers from {lowest} on \
                 ({count_name}); --shard I/N overrides both"
            )
        })?;
        print_message(&format!("{index_name} and {count_name}: this is part {} of {count}", index + 1));
        return Ok(Some(Shard { index, count }));
    }
    match uncounted {
        None => Ok(None),
        // Without the count every machine would run all seeds.
        Some((name, value, counts)) => Err(format!(
            "{name} is {value}, but the number of machines is not given: set {}, or use --shard I/N (1/1 if \
             there is one)",
            counts.join(" or ")
        )),
    }
}

/// The seeds of all machines. Without `--seeds` each machine gets a fixed number.
pub(super) fn all_seeds(seeds: Option<Range<u64>>, shard: Option<Shard>) -> Result<Range<u64>, String> {
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
    let Some(Shard { index, count }) = shard else { return Ok(seeds.clone()) };
    let length = u128::from(seeds.end - seeds.start);
    let place = |index: u64| seeds.start + (length * u128::from(index) / u128::from(count)) as u64;
    match place(index)..place(index + 1) {
        part if part.is_empty() => Err(format!("there are fewer seeds than the {count} machines")),
        part => Ok(part),
    }
}

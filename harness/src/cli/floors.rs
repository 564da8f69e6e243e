//! The command `floors`: measures how many seeds reach each milestone and exercise each line, for `floors.toml`.

use super::exit::{SUCCESS, VIOLATION};
use super::signals::{self, STOP_REQUESTED};
use super::{CommandResult, arguments, print, print_message};
use crate::report;
use crate::sweep::{self, FLOOR_SEEDS, Floors, Summary, SweepSettings};
use crate::systems::BUILT_IN;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

pub(super) fn floors(arguments: &arguments::FloorsArgs) -> CommandResult {
    signals::install_handlers("ending without floors; a second signal ends at once")?;
    let jobs = arguments.jobs.unwrap_or_else(|| thread::available_parallelism().unwrap_or(NonZeroUsize::MIN));
    let mut sweeps: Vec<Summary> = Vec::new();
    for number in 0..arguments.sweeps {
        let seeds = number * FLOOR_SEEDS..(number + 1) * FLOOR_SEEDS;
        let settings = SweepSettings {
            seeds: seeds.clone(),
            all_seeds: seeds.clone(),
            jobs,
            ..SweepSettings::default()
        };
        let run = |plan: &_, options: &_| BUILT_IN.run(plan, options);
        let summary = sweep::sweep(&settings, Arc::new(run), &STOP_REQUESTED, &mut |_| {});
        if signals::is_stop_requested() {
            return Ok(signals::exit_code_after(SUCCESS));
        }
        print_message(&format!("seeds {}..{}: {} passed", seeds.start, seeds.end, summary.passed));
        // A run that fails ends early, and its counts say little.
        if !summary.failures.is_empty() {
            print(&report::sweep_summary(&summary))?;
            return Ok(VIOLATION);
        }
        sweeps.push(summary);
    }
    let floors = Floors::measured(&sweeps, Floors::stored());
    print(&toml::to_string(&floors).map_err(|error| error.to_string())?)?;
    Ok(SUCCESS)
}

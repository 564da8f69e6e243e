//! The command `bench`.

use super::exit::SUCCESS;
use super::{CommandResult, arguments, print, print_json};
use crate::report;
use crate::systems::{SystemInfo, bench};

pub(super) fn bench(system: &SystemInfo, arguments: &arguments::BenchArgs) -> CommandResult {
    let results = bench::measure(system);
    match arguments.json {
        true => print_json(&results)?,
        false => print(&report::bench_table(&results))?,
    }
    Ok(SUCCESS)
}
